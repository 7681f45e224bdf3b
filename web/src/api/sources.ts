/** Something live that somebody looks at: one stream however many parts of the page show it. */
export interface Source<S> {
  now: () => S;
  subscribe: (listener: () => void) => () => void;
}

/** Kept open a moment after nobody looks: going from a list to its page and back opens nothing anew. */
const LINGER_MS = 3_000;

const sources = new Map<string, Source<unknown>>();

/** The one source of this name; `open` begins to listen, and answers how that ends. */
export function sourceNamed<S>(name: string, first: S, open: (tell: (next: S) => void) => () => void): Source<S> {
  const known = sources.get(name);
  if (known !== undefined) return known as Source<S>;
  const listeners = new Set<() => void>();
  let state = first;
  let close: (() => void) | undefined;
  let lingering: ReturnType<typeof setTimeout> | undefined;
  const source: Source<S> = {
    now: () => state,
    subscribe: (listener) => {
      listeners.add(listener);
      clearTimeout(lingering);
      sources.set(name, source);
      close ??= open((next) => {
        state = next;
        for (const each of listeners) each();
      });
      return () => {
        listeners.delete(listener);
        if (listeners.size > 0) return;
        lingering = setTimeout(() => {
          close?.();
          close = undefined;
          // Forgotten meanwhile, another may have its name.
          if (sources.get(name) === source) sources.delete(name);
        }, LINGER_MS);
      };
    },
  };
  sources.set(name, source);
  return source;
}

/** Closes everything that is open: whoever signs in next sees nothing of who was here before. */
export function forgetSources(): void {
  sources.clear();
}
