import { useSyncExternalStore } from "react";

/** Streams that are broken just now. While there is one, what is shown may be old. */
const broken = new Set<symbol>();
const listeners = new Set<() => void>();
let since: number | undefined;

function tell(): void {
  const next = broken.size > 0 ? (since ?? Date.now()) : undefined;
  if (next === since) return;
  since = next;
  for (const listener of listeners) listener();
}

export function streamLost(stream: symbol): void {
  broken.add(stream);
  tell();
}

export function streamOpen(stream: symbol): void {
  broken.delete(stream);
  tell();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Since when the connection is lost; undefined while it is there. */
export function useLostSince(): number | undefined {
  return useSyncExternalStore(subscribe, () => since);
}
