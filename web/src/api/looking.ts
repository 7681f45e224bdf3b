import { useEffect, useEffectEvent, useState, useSyncExternalStore } from "react";

// Pictures and curves come from a host and pass no store, so no window tells of them: they are asked for while somebody
// looks, and only then. A page that is not seen asks nothing.

function subscribe(listener: () => void): () => void {
  document.addEventListener("visibilitychange", listener);
  return () => document.removeEventListener("visibilitychange", listener);
}

/** Whether the page is seen: not in another tab, not behind a locked screen. */
export function useIsSeen(): boolean {
  return useSyncExternalStore(subscribe, () => document.visibilityState === "visible");
}

/**
 * Does something again and again while somebody looks: the next time a pause after the last one has ended, as long as
 * it says. A pause of 0 ends it until `key` is another one.
 */
export function useWhileSeen(key: string, look: (signal: AbortSignal) => Promise<number>): void {
  const isSeen = useIsSeen();
  const now = useEffectEvent(look);
  useEffect(() => {
    if (!isSeen) return undefined;
    const stop = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const again = async (): Promise<void> => {
      const pause = await now(stop.signal);
      if (!stop.signal.aborted && pause > 0) timer = setTimeout(() => void again(), pause);
    };
    void again();
    return () => {
      stop.abort();
      clearTimeout(timer);
    };
  }, [isSeen, key]);
}

export interface Looked<T> {
  data: T | undefined;
  error: unknown;
}

/** The newest answer, asked for again after a pause while somebody looks; of another key nothing is kept. */
export function useLooking<T>(key: string, ask: (signal: AbortSignal) => Promise<T>, pause: (answer: T | undefined) => number): Looked<T> {
  const [looked, setLooked] = useState<Looked<T> & { key: string }>({ key, data: undefined, error: undefined });
  useWhileSeen(key, async (signal) => {
    try {
      const data = await ask(signal);
      if (!signal.aborted) setLooked({ key, data, error: undefined });
      return pause(data);
    } catch (error) {
      if (!signal.aborted) setLooked((before) => ({ key, data: before.key === key ? before.data : undefined, error }));
      return pause(undefined);
    }
  });
  return looked.key === key ? looked : { data: undefined, error: undefined };
}
