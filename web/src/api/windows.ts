import { streamLost, streamOpen } from "./connection.ts";
import type { RefusalError } from "./refusal.ts";
import { signedOut } from "./session.ts";
import { sourceNamed, type Source } from "./sources.ts";
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
      window = after(window, JSON.parse(data) as WindowEvent<Row>);
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

/** The one source of a window. */
export function sourceOf<N extends Noun>(noun: N, query: WindowQuery): Source<Watched<Nouns[N]>> {
  return sourceNamed(windowPath(noun, query), {}, (tell) => open(noun, query, tell));
}
