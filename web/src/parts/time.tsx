import { useSyncExternalStore } from "react";
import { words } from "../words/en.ts";

const TICK_MS = 5_000;
let now = Date.now();
const listeners = new Set<() => void>();
let ticking: ReturnType<typeof setInterval> | undefined;

/** One clock for all times on the page. */
function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  ticking ??= setInterval(() => {
    now = Date.now();
    for (const each of listeners) each();
  }, TICK_MS);
  return () => {
    listeners.delete(listener);
    if (listeners.size > 0) return;
    clearInterval(ticking);
    ticking = undefined;
  };
}

export function useNow(): number {
  return useSyncExternalStore(subscribe, () => now);
}

function distance(ms: number): string {
  const seconds = Math.round(ms / 1_000);
  if (seconds < 10) return words.time.now;
  if (seconds < 60) return words.time.seconds(seconds);
  if (seconds < 3_600) return words.time.minutes(Math.floor(seconds / 60));
  if (seconds < 86_400) return words.time.hours(Math.floor(seconds / 3_600));
  return words.time.days(Math.floor(seconds / 86_400));
}

const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });

/** How long ago, in the viewer's words; the exact time in the viewer's zone on hover. */
export function Time({ at }: { at: string }) {
  const current = useNow();
  const moment = new Date(at);
  const ms = current - moment.getTime();
  const text = ms < -10_000 ? words.time.later(distance(-ms).replace(/ ago$/u, "")) : distance(Math.max(0, ms));
  return (
    <time dateTime={at} title={exact.format(moment)} className="hostler-time">
      {text}
    </time>
  );
}
