import { useNavigate, useSearch } from "@tanstack/react-router";
import { useCallback, useMemo } from "react";
import type { WindowQuery } from "../api/windows.ts";

/** What the address holds besides the path: a link is a view. */
export interface Search {
  filter?: string;
  sort?: string;
  page?: string;
  per?: string;
  columns?: string;
  /** The row whose details are open. */
  show?: string;
  /** Rows that are selected: ids, or `*` for all that the filter lets through, then `-id` for those left out. */
  picked?: string;
  /** The field that rows are grouped by, and the groups that are folded. */
  group?: string;
  folded?: string;
  /** Whether the tree of hosts stands beside the list: `on` or `off`. */
  tree?: string;
  tab?: string;
  /** How far back curves go. */
  range?: string;
  /** What the map of hosts is of. */
  by?: string;
  /** Which console of a machine. */
  kind?: string;
  /** Where to go after signing in. */
  to?: string;
  from?: string;
}

/** Every key: the compiler misses the one that was forgotten here. */
const known: Record<keyof Search, true> = {
  filter: true,
  sort: true,
  page: true,
  per: true,
  columns: true,
  show: true,
  picked: true,
  group: true,
  folded: true,
  tree: true,
  tab: true,
  range: true,
  by: true,
  kind: true,
  to: true,
  from: true,
};
const keys = Object.keys(known) as (keyof Search)[];

/** Only what is known, and only texts: whatever somebody puts into an address. */
export function searchOf(raw: Record<string, unknown>): Search {
  const search: Search = {};
  for (const key of keys) {
    const value = raw[key];
    if (typeof value === "string" && value !== "") search[key] = value;
  }
  return search;
}

/** What changes in an address; an undefined value takes a key out. */
export type Patch = { [Key in keyof Search]?: Search[Key] | undefined };

export interface View {
  search: Search;
  /** Changes the address: by a patch, or by one that follows from how it is then. Always the same function. */
  set: (patch: Patch | ((before: Search) => Patch)) => void;
  query: WindowQuery;
  /** What the rows are sorted by; within a group, where there are groups. */
  sort: string;
  page: number;
  per: number;
}

const USUAL_ROWS = 50;
const noGroups: readonly string[] = [];

/** The view that the address asks for. It is grouped only by a field that the list can be grouped by. */
export function useView(usualSort = "", groups: readonly string[] = noGroups): View {
  const search = useSearch({ from: "__root__" });
  const navigate = useNavigate();
  const set = useCallback<View["set"]>(
    (patch) => {
      const search = (before: Search): Search => searchOf({ ...before, ...(typeof patch === "function" ? patch(before) : patch) });
      void navigate({ to: ".", search, replace: true });
    },
    [navigate],
  );
  const page = Math.max(1, Math.floor(Number(search.page ?? 1)) || 1);
  const per = Math.min(500, Math.max(10, Math.floor(Number(search.per ?? USUAL_ROWS)) || USUAL_ROWS));
  const { filter } = search;
  const sort = search.sort ?? usualSort;
  const group = search.group !== undefined && groups.includes(search.group) ? search.group : undefined;
  const query = useMemo<WindowQuery>(() => {
    // Whoever sorts by the group itself says in which order the groups come.
    const isByGroup = sort === group || sort === `-${group ?? ""}`;
    const both = group === undefined || isByGroup ? [sort, ...(isByGroup && usualSort !== group ? [usualSort] : [])] : [group, sort];
    return { filter: filter ?? "", sort: both.filter((one) => one !== "").join(","), offset: (page - 1) * per, limit: per };
  }, [filter, sort, usualSort, group, page, per]);
  return { search, set, query, sort, page, per };
}
