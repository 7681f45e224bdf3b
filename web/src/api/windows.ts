import { streamLost, streamOpen } from "./connection.ts";
import type { RefusalError } from "./refusal.ts";
import { signedOut } from "./session.ts";
import { follow } from "./sse.ts";
import type { Noun, Nouns } from "./types.ts";
import { after, type Window, type WindowEvent } from "./window.ts";

/** Which part of a list. */
export interface WindowQuery {
  filter?: string;
  sort?: string;
  offset?: number;
  limit?: number;
}

/** A window as it is known: not yet, as it stands, or refused. */
export interface Watched<T> {
  window?: Window<T>;
  error?: RefusalError;
}

/** A window that somebody looks at: one stream however many parts of the page show it. */
export interface Source<T> {
  now: () => Watched<T>;
  subscribe: (listener: () => void) => () => void;
}

/** Kept open a moment after nobody looks: going from a list to its page and back opens nothing anew. */
const LINGER_MS = 3_000;

export function windowPath(noun: Noun, query: WindowQuery): string {
  const text = new URLSearchParams();
  if (query.filter !== undefined && query.filter !== "") text.set("filter", query.filter);
  if (query.sort !== undefined && query.sort !== "") text.set("sort", query.sort);
  text.set("offset", String(query.offset ?? 0));
  text.set("limit", String(query.limit ?? 100));
  return `/api/v1/${noun}/window?${text.toString()}`;
}

function open<N extends Noun>(noun: N, query: WindowQuery, tell: (next: Watched<Nouns[N]>) => void): () => void {
  type Row = Nouns[N];
  const stream = Symbol(noun);
  let window: Window<Row> | undefined;
  const stop = follow(windowPath(noun, query), {
    onOpen: () => streamOpen(stream),
    onLost: () => streamLost(stream),
    onEvent: ({ event, data }) => {
      if (event !== "window" && event !== "change") return;
      window = after(window, JSON.parse(data) as WindowEvent<Row>, event === "window");
      tell({ window });
    },
    onRefused: (error) => {
      if (error.status === 401) signedOut();
      else tell(window === undefined ? { error } : { window, error });
    },
  });
  return () => {
    streamOpen(stream);
    stop();
  };
}

const sources = new Map<string, Source<unknown>>();

/** The one source of a window. */
export function sourceOf<N extends Noun>(noun: N, query: WindowQuery): Source<Nouns[N]> {
  const key = windowPath(noun, query);
  const known = sources.get(key);
  if (known !== undefined) return known as Source<Nouns[N]>;
  const listeners = new Set<() => void>();
  let state: Watched<Nouns[N]> = {};
  let close: (() => void) | undefined;
  let lingering: ReturnType<typeof setTimeout> | undefined;
  const source: Source<Nouns[N]> = {
    now: () => state,
    subscribe: (listener) => {
      listeners.add(listener);
      clearTimeout(lingering);
      sources.set(key, source);
      close ??= open(noun, query, (next) => {
        state = next;
        for (const each of listeners) each();
      });
      return () => {
        listeners.delete(listener);
        if (listeners.size > 0) return;
        lingering = setTimeout(() => {
          close?.();
          close = undefined;
          sources.delete(key);
        }, LINGER_MS);
      };
    },
  };
  sources.set(key, source);
  return source;
}

/** Closes everything that is open: whoever signs in next sees nothing of who was here before. */
export function forgetWindows(): void {
  sources.clear();
}
