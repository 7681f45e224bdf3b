import { filterOf, type Term } from "./filter.ts";
import type { Noun } from "./types.ts";

/** The parameters of a list for these terms: jobs have parameters of their own instead of a filter. */
export function listQuery(noun: Noun, terms: Term[], sort: string | undefined): URLSearchParams {
  const query = new URLSearchParams();
  if (noun === "jobs") {
    for (const { field, values } of terms) query.set(field === "title" ? "text" : field, values.join("|").replace(/^\*|\*$/gu, ""));
    return query;
  }
  if (terms.length > 0) query.set("filter", filterOf(terms));
  if (sort !== undefined && sort !== "") query.set("sort", sort);
  return query;
}
