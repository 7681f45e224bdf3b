/** One term of a filter, as the server and the command line read it: `status=running|paused`. */
export interface Term {
  field: string;
  op: "=" | "!=" | "~" | "!~" | "<" | "<=" | ">" | ">=";
  values: string[];
}

/** The terms of a filter; text that is no term is left out. */
export function termsOf(filter: string): Term[] {
  return split(filter, ",").flatMap((text) => {
    const found = /^\s*([a-z_]+)\s*(!=|!~|<=|>=|=|~|<|>)(.*)$/su.exec(text);
    if (found === null) return [];
    const [, field = "", op = "=", values = ""] = found;
    return [{ field, op: op as Term["op"], values: split(values, "|").map(unquoted) }];
  });
}

/** The filter of these terms; those without a value are left out. */
export function filterOf(terms: Term[]): string {
  return terms
    .filter((term) => term.values.length > 0)
    .map((term) => `${term.field}${term.op}${term.values.map(quoted).join("|")}`)
    .join(",");
}

/** The filter with the term of this field and sign replaced; no values take it out. */
export function withTerm(filter: string, term: Term): string {
  const others = termsOf(filter).filter((other) => other.field !== term.field || other.op !== term.op);
  return filterOf([...others, term]);
}

/** The values of a field that is asked for by `=` (or another sign). */
export function valuesOf(filter: string, field: string, op: Term["op"] = "="): string[] {
  return termsOf(filter).find((term) => term.field === field && term.op === op)?.values ?? [];
}

/** The filter without what it says of a field. */
export function without(filter: string, field: string): string {
  return filterOf(termsOf(filter).filter((term) => term.field !== field));
}

/** The pattern for "has this text in it". Stars and question marks that a person types stay what they mean. */
export const containing = (text: string): string => `*${text}*`;

/** What a person typed, from the pattern. */
export const contained = (pattern: string): string => pattern.replace(/^\*(.*)\*$/su, "$1");

function quoted(value: string): string {
  return /[,|"]/u.test(value) ? `"${value.replaceAll('"', "")}"` : value;
}

function unquoted(value: string): string {
  return value.replace(/^"(.*)"$/su, "$1");
}

/** Split where the sign is outside of quotes. */
function split(text: string, sign: string): string[] {
  const parts: string[] = [];
  let part = "";
  let inside = false;
  for (const letter of text) {
    if (letter === '"') inside = !inside;
    if (letter === sign && !inside) {
      parts.push(part);
      part = "";
    } else {
      part += letter;
    }
  }
  parts.push(part);
  return parts.filter((one) => one !== "");
}
