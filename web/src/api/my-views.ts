import { useMemo, useSyncExternalStore } from "react";
import type { Ask } from "./client.ts";
import { streamLost, streamOpen } from "./connection.ts";
import { get } from "./hooks.ts";
import { refusalOf, type Refusal } from "./refusal.ts";
import { signedOut } from "./session.ts";
import { sourceNamed } from "./sources.ts";
import { follow, type Follower } from "./sse.ts";
import type { FeedEvent, SavedViewView, Schemas } from "./types.ts";

// Views have no window: the feed says that one of one's own became another, and then they are read again. There are at
// most 50 of a page.

/** What one saved of a page, as it is known: not yet, as it stands, or refused. */
export interface MyViews {
  views: readonly SavedViewView[] | undefined;
  error: Refusal | undefined;
  /** Reads again: for who was told that it could not be read. */
  again: () => void;
}

/** Where views are read from; another one in tests. */
export interface ViewServer {
  read: (page: string) => Promise<readonly SavedViewView[]>;
  follow: (path: string, follower: Follower) => () => void;
}

const server: ViewServer = {
  read: async (page) => (await get<Schemas["Page_SavedViewView"]>(`/me/views?filter=page=${page}&limit=1000`)).items,
  follow,
};

/** Follows one's own views of a page until the answered function is called. */
export function watchViews(page: string, tell: (next: MyViews) => void, { read, follow: begin }: ViewServer = server): () => void {
  const stream = Symbol("views");
  let views: readonly SavedViewView[] | undefined;
  let isReading = false;
  let isOld = false;
  let isStopped = false;
  const isEnded = (): boolean => isStopped;
  const wasChanged = (): boolean => isOld;
  const say = (error?: Refusal): void => tell({ views, error, again });
  const readNow = async (): Promise<void> => {
    isReading = true;
    do {
      isOld = false;
      try {
        views = await read(page);
        if (!isEnded()) say();
      } catch (thrown) {
        if (!isEnded()) say(refusalOf(thrown));
      }
    } while (wasChanged() && !isEnded());
    isReading = false;
  };
  // What changes while it is being read may be in that answer or not: it is read once more.
  const again = (): void => {
    isOld = true;
    if (!isReading) void readNow();
  };
  const stop = begin("/api/v1/feed?kinds=view", {
    onOpen: () => {
      streamOpen(stream);
      again();
    },
    onLost: () => streamLost(stream),
    onEvent: ({ event, data }) => {
      if (event === "resync") again();
      if (event !== "change") return;
      const { op, id } = JSON.parse(data) as FeedEvent;
      // Of a view that is gone everybody hears, whosever it was.
      if (op !== "gone" || isReading || views?.some((view) => view.id === id) === true) again();
    },
    onRefused: (error) => {
      if (error.status === 401) signedOut();
      else say(error.refusal);
    },
  });
  return () => {
    isStopped = true;
    streamOpen(stream);
    stop();
  };
}

const unknown: MyViews = { views: undefined, error: undefined, again: () => undefined };

/** One's own views of a page, live for as long as it is shown. */
export function useMyViews(page: string): MyViews {
  const source = useMemo(() => sourceNamed<MyViews>(`views of ${page}`, unknown, (tell) => watchViews(page, tell)), [page]);
  return useSyncExternalStore(source.subscribe, source.now);
}

const pathOf = (page: string, name: string): string => `/me/views/${page}/${encodeURIComponent(name)}`;

export const saveView = (page: string, name: string, state: string): Ask => ({ method: "PUT", path: pathOf(page, name), body: { state } satisfies Schemas["SaveView"] });
export const deleteView = (page: string, name: string): Ask => ({ method: "DELETE", path: pathOf(page, name) });
