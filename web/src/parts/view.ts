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
  /** Rows that are selected. */
  picked?: string;
  tab?: string;
  /** How far back curves go. */
  range?: string;
  /** Which console of a machine. */
  kind?: string;
  /** Where to go after signing in. */
  to?: string;
  from?: string;
}

const keys = ["filter", "sort", "page", "per", "columns", "show", "picked", "tab", "range", "kind", "to", "from"] as const;

/** Only what is known, and only texts: whatever somebody puts into an address. */
export function searchOf(raw: Record<string, unknown>): Search {
  const search: Search = {};
  for (const key of keys) {
    const value = raw[key];
    if (typeof value === "string" && value !== "") search[key] = value;
  }
  return search;
}

export interface View {
  search: Search;
  /** Changes the address; an undefined value takes a key out. */
  set: (patch: { [Key in keyof Search]?: Search[Key] | undefined }) => void;
  query: WindowQuery;
  page: number;
  per: number;
  picked: string[];
}

const USUAL_ROWS = 50;

/** The view that the address asks for. */
export function useView(usualSort = ""): View {
  const search = useSearch({ from: "__root__" });
  const navigate = useNavigate();
  const set = useCallback<View["set"]>(
    (patch) => void navigate({ to: ".", search: (before: Search) => searchOf({ ...before, ...patch }), replace: true }),
    [navigate],
  );
  const page = Math.max(1, Math.floor(Number(search.page ?? 1)) || 1);
  const per = Math.min(500, Math.max(10, Math.floor(Number(search.per ?? USUAL_ROWS)) || USUAL_ROWS));
  const { filter, sort } = search;
  const query = useMemo<WindowQuery>(
    () => ({ filter: filter ?? "", sort: sort ?? usualSort, offset: (page - 1) * per, limit: per }),
    [filter, sort, usualSort, page, per],
  );
  return { search, set, query, page, per, picked: search.picked?.split(",") ?? [] };
}
