import { useSyncExternalStore } from "react";

/**
 * Whether somebody is signed in, as far as answers have told. The cookie itself is not readable by script, and should
 * not be.
 */
type Session = "unknown" | "in" | "out";

let session: Session = "unknown";
const listeners = new Set<() => void>();

function become(next: Session): void {
  if (session === next) return;
  session = next;
  for (const listener of listeners) listener();
}

/** An answer said that nobody is signed in. */
export const signedOut = (): void => become("out");
/** An answer said that somebody is. */
export const signedIn = (): void => become("in");

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function useSession(): Session {
  return useSyncExternalStore(subscribe, () => session);
}
