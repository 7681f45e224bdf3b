/** A property that is not as it was. */
export interface Difference {
  property: string;
  before: string;
  after: string;
}

/** What says where a fact comes from, and nothing of the thing itself. */
const bookkeeping = /^observed\.(order|at)/u;

/** Where two versions of a thing differ, property by property. */
export function differences(before: unknown, after: unknown, path = ""): Difference[] {
  if (isTree(before) && isTree(after)) {
    const keys = new Set([...Object.keys(before), ...Object.keys(after)]);
    return [...keys].flatMap((key) => differences(before[key], after[key], path === "" ? key : `${path}.${key}`));
  }
  if (bookkeeping.test(path) || written(before) === written(after)) return [];
  return [{ property: path, before: written(before), after: written(after) }];
}

/** A list of words is one value: who adds a tag does not change the tags behind it. */
const isWords = (value: unknown): value is (string | number)[] => Array.isArray(value) && value.every((one) => typeof one === "string" || typeof one === "number");

function isTree(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !isWords(value);
}

export function written(value: unknown): string {
  if (value === undefined || value === null) return "";
  if (isWords(value)) return value.join(", ");
  return typeof value === "string" ? value : JSON.stringify(value);
}
