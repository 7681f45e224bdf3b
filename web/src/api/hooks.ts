import { keepPreviousData, useQuery, useQueryClient } from "@tanstack/react-query";
import { useCallback, useEffect, useMemo, useState, useSyncExternalStore } from "react";
import { onChange } from "./feed.ts";
import { RefusalError, refusalFrom, refusalOf, type Refusal } from "./refusal.ts";
import { signedIn, signedOut } from "./session.ts";
import type { FeedEvent, Noun, Nouns, Schemas } from "./types.ts";
import type { Window } from "./window.ts";
import { sourceOf, windowPath, type Watched, type WindowQuery } from "./windows.ts";

export interface WindowState<T> {
  /** The window; while another one is being read, the one before it. */
  window: Window<T> | undefined;
  /** What is shown belongs to the query before. */
  stale: boolean;
  error: Refusal | undefined;
}

/** A window on a list, live for as long as it is shown. */
export function useWindow<N extends Noun>(noun: N, query: WindowQuery): WindowState<Nouns[N]> {
  const key = windowPath(noun, query);
  // The key stands for the query: an equal query is the same source.
  // eslint-disable-next-line react-hooks/exhaustive-deps
  const source = useMemo(() => sourceOf(noun, query), [key]);
  const subscribe = useCallback((listener: () => void) => source.subscribe(listener), [source]);
  const watched: Watched<Nouns[N]> = useSyncExternalStore(subscribe, source.now);
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

const kinds: Partial<Record<Noun, FeedEvent["kind"]>> = { vms: "vm", hosts: "host", jobs: "job", templates: "template" };

/** Whether a change in the feed is to be seen on the page of a thing. */
function concerns(event: FeedEvent, kind: FeedEvent["kind"] | undefined, id: string): boolean {
  if (event.kind === kind && event.id === id) return true;
  if (event.kind !== "job" || kind === "job") return false;
  const about = (event.body as { about?: string[] } | null | undefined)?.about ?? [];
  return about.includes(`${kind ?? ""}/${id}`);
}

/** One thing, live for as long as it is shown: only it is read again, and only when it changed. */
export function useObject<N extends Noun>(noun: N, ref: string): Asked<Nouns[N]> {
  const path = `/${noun}/${encodeURIComponent(ref)}`;
  const asked = useGet<Nouns[N]>(path);
  const client = useQueryClient();
  const id = asked.data === undefined ? ref : String(asked.data.id);
  useEffect(() => {
    let gathering: ReturnType<typeof setTimeout> | undefined;
    const stop = onChange((event) => {
      if (event !== undefined && !concerns(event, kinds[noun], id)) return;
      gathering ??= setTimeout(() => {
        gathering = undefined;
        void client.invalidateQueries({ queryKey: ["get", path] });
      }, 100);
    });
    return () => {
      stop();
      clearTimeout(gathering);
    };
  }, [client, id, noun, path]);
  return asked;
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
