import { get } from "../api/hooks.ts";
import type { Schemas } from "../api/types.ts";
import type { Edit, Versioned } from "./draft.ts";

/** What an edit rests on: the version of the thing that its form was filled from. */
export interface Rests {
  /** Where the thing is, below /api/v1. */
  path: string;
  /** Its key, `vm/01a1…`. */
  about: string;
  base: Versioned;
  /** What of the thing the form changes: another's change to anything else is no conflict. */
  partOf: (thing: unknown) => unknown;
  take: (present: Versioned) => void;
  keep: (present: Versioned) => void;
}

export function restsOn<V, T extends Versioned>(edit: Edit<V, T>, noun: string, kind: string, partOf: (thing: T) => unknown): Rests {
  return {
    path: `/${noun}/${edit.base.id}`,
    about: `${kind}/${edit.base.id}`,
    base: edit.base,
    partOf: (thing) => partOf(thing as T),
    take: (present) => edit.take(present as T),
    keep: (present) => edit.keep(present as T),
  };
}

/** The ETag of a version: the server's history, and the commit. */
export function etag(head: string, revision: number): string {
  return `"${head.replace(/-[^-]*$/u, "")}-${revision}"`;
}

let known: Promise<string> | undefined;

/** The head of the server's history, as it was said last; asked again where an answer did not fit it. */
export function readHead(isAgain = false): Promise<string> {
  if (known === undefined || isAgain) {
    known = get<Schemas["ServerView"]>("/server").then(({ head }) => head);
    known.catch(() => {
      known = undefined;
    });
  }
  return known;
}
