import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useCallback, useMemo, useState, useSyncExternalStore } from "react";
import { RefusalError, refusalFrom, refusalOf, type Refusal } from "./refusal.ts";
import { signedIn, signedOut } from "./session.ts";
import { words } from "../words/en.ts";
import type { Noun, Nouns, Schemas } from "./types.ts";
import type { Window } from "./window.ts";
import { sourceOf, windowPath, type Watched, type WindowQuery } from "./windows.ts";

export interface WindowState<T> {
  /** The window; while another one is being read, the one before it. */
  window: Window<T> | undefined;
  /** What is shown belongs to the query before. */
  stale: boolean;
  error: Refusal | undefined;
}

const nothing = (): void => undefined;
const none = {};
const unwatched = (): Watched<never> => none;

/** A window on a list, live for as long as it is shown. */
export function useWindow<N extends Noun>(noun: N, query: WindowQuery | undefined): WindowState<Nouns[N]> {
  const key = query === undefined ? "" : windowPath(noun, query);
  // The key stands for the query: an equal query is the same source.
  // eslint-disable-next-line react-hooks/exhaustive-deps
  const source = useMemo(() => (query === undefined ? undefined : sourceOf(noun, query)), [key]);
  const subscribe = useCallback((listener: () => void) => source?.subscribe(listener) ?? nothing, [source]);
  const watched: Watched<Nouns[N]> = useSyncExternalStore(subscribe, source?.now ?? unwatched);
  const [kept, setKept] = useState<{ noun: Noun; window: Window<Nouns[N]> } | undefined>();
  if (watched.window !== undefined && kept?.window !== watched.window) setKept({ noun, window: watched.window });
  const before = kept?.noun === noun ? kept.window : undefined;
  return {
    window: watched.window ?? before,
    stale: watched.window === undefined && watched.error === undefined,
    error: watched.error?.refusal,
  };
}

/** Reads a path below /api/v1. */
export async function get<T>(path: string): Promise<T> {
  const response = await fetch(`/api/v1${path}`);
  const text = await response.text();
  if (response.status === 401) signedOut();
  if (!response.ok) {
    let body: unknown;
    try {
      body = JSON.parse(text);
    } catch {
      body = undefined;
    }
    throw new RefusalError(refusalFrom(body, response.status), response.status);
  }
  if (response.headers.get("content-type")?.includes("json") === true) return JSON.parse(text) as T;
  return text as T;
}

export interface Asked<T> {
  data: T | undefined;
  error: Refusal | undefined;
  again: () => void;
}

/** One answer, kept until it is said to be old: by another version of what it is about. */
export function useGet<T>(path: string, enabled = true, version = 0): Asked<T> {
  const { data, error, refetch } = useQuery({
    queryKey: ["get", path, version],
    queryFn: () => get<T>(path),
    enabled,
    placeholderData: keepPreviousData,
  });
  const again = useCallback(() => void refetch(), [refetch]);
  return { data: data ?? undefined, error: error === null ? undefined : refusalOf(error), again };
}

const isWhole = (noun: Noun, ref: string): boolean => (noun === "jobs" ? /^\d+$/u : /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/iu).test(ref);

/**
 * One thing, live for as long as it is shown: a window of one. A name or a short id is resolved first, by asking for
 * the thing itself; its refusal says that there is none, or that there are several.
 */
export function useObject<N extends Noun>(noun: N, ref: string | undefined): Asked<Nouns[N]> {
  const isId = ref !== undefined && isWhole(noun, ref);
  const resolved = useGet<Nouns[N]>(`/${noun}/${encodeURIComponent(ref ?? "")}`, ref !== undefined && !isId);
  const id = isId ? ref : resolved.data === undefined ? undefined : String(resolved.data.id);
  const { window, error, stale } = useWindow(noun, id === undefined ? undefined : { filter: `id=${id}`, limit: 1 });
  if (ref === undefined) return { data: undefined, error: undefined, again: resolved.again };
  if (id === undefined) return resolved;
  const isGone = window?.total === 0 && !stale;
  return {
    data: isGone ? undefined : window?.rows.find((row) => String(row.id) === id),
    error: isGone ? { code: "object.not.found", object: ref, cause: words.broken.gone } : error,
    again: resolved.again,
  };
}

/** Who is signed in. */
export function useMe(): Schemas["UserView"] | undefined {
  const { data } = useQuery({
    queryKey: ["me"],
    queryFn: async () => {
      const me = await get<Schemas["UserView"]>("/me");
      signedIn();
      return me;
    },
    retry: (count, thrown) => !(thrown instanceof RefusalError && thrown.status === 401) && count < 20,
  });
  return data;
}

/** Whether the one who is signed in may change things. */
export function useMayChange(): boolean {
  return useMe()?.role === "administrator";
}
