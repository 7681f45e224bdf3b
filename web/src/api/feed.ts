import { streamLost, streamOpen } from "./connection.ts";
import { signedOut } from "./session.ts";
import { follow } from "./sse.ts";
import type { FeedEvent } from "./types.ts";

/** Told each change, and nothing (undefined) where changes may have been missed. */
type Listener = (event: FeedEvent | undefined) => void;

const listeners = new Set<Listener>();
const stream = Symbol("feed");
let stop: (() => void) | undefined;

function start(): () => void {
  return follow("/api/v1/feed?kinds=vm,host,job,agent,library-share,library-item,template,user,token,enrolment", {
    onOpen: () => streamOpen(stream),
    onLost: () => streamLost(stream),
    onRefused: (error) => {
      if (error.status === 401) signedOut();
    },
    onEvent: ({ event, data }) => {
      const told = event === "change" ? (JSON.parse(data) as FeedEvent) : undefined;
      for (const listener of listeners) listener(told);
    },
  });
}

/** Listens to the live feed: one stream for the whole console, open while somebody listens. */
export function onChange(listener: Listener): () => void {
  listeners.add(listener);
  stop ??= start();
  return () => {
    listeners.delete(listener);
    if (listeners.size > 0) return;
    stop?.();
    stop = undefined;
    streamOpen(stream);
  };
}
