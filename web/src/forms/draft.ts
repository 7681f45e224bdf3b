import { useEffect, useState } from "react";

/** What a form holds until it is sent: it is still there after its page was left, and gone with the tab. */
export interface Draft<V> {
  values: V;
  set: (patch: Partial<V>) => void;
  /** Whether it goes on from what was filled in earlier. */
  isOld: boolean;
  /** Begins anew: what was filled in is forgotten. */
  begin: () => void;
  /** It was sent, or is not wanted any more. */
  drop: () => void;
}

interface Kept<V, T> {
  values: V;
  base: T;
}

const placeOf = (name: string): string => `hostler.draft.${name}`;

function read<V, T>(name: string): Kept<V, T> | undefined {
  try {
    const kept = sessionStorage.getItem(placeOf(name));
    return kept === null ? undefined : (JSON.parse(kept) as Kept<V, T>);
  } catch {
    return undefined;
  }
}

function write<V, T>(name: string, kept: Kept<V, T> | undefined): void {
  try {
    if (kept === undefined) sessionStorage.removeItem(placeOf(name));
    else sessionStorage.setItem(placeOf(name), JSON.stringify(kept));
  } catch {
    // A browser without room keeps no drafts; the form itself works.
  }
}

/** Whoever signs in next sees nothing of what another began. */
export function forgetDrafts(): void {
  for (const place of Object.keys(sessionStorage)) if (place.startsWith("hostler.draft.")) sessionStorage.removeItem(place);
}

const same = (one: unknown, other: unknown): boolean => JSON.stringify(one) === JSON.stringify(other);

interface State<V, T> extends Kept<V, T> {
  isOld: boolean;
  isDropped: boolean;
}

function useKept<V extends object, T>(name: string, thing: T, initialOf: (thing: T) => V): [State<V, T>, (change: (before: State<V, T>) => State<V, T>) => void] {
  const [state, setState] = useState<State<V, T>>(() => {
    const kept = read<V, T>(name);
    if (kept === undefined) return { values: initialOf(thing), base: thing, isOld: false, isDropped: false };
    return { base: kept.base, values: { ...initialOf(kept.base), ...kept.values }, isOld: true, isDropped: false };
  });
  const { values, base, isDropped } = state;
  const isBegun = !isDropped && !same(values, initialOf(base));
  useEffect(() => {
    write(name, isBegun ? { values, base } : undefined);
  }, [name, isBegun, values, base]);
  return [state, setState];
}

/** At once, and not when the page is drawn next: by then the form is gone. */
function drop<V, T>(name: string, setState: (change: (before: State<V, T>) => State<V, T>) => void): void {
  write(name, undefined);
  setState((before) => ({ ...before, isDropped: true }));
}

/** The fields of a form that makes something. */
export function useDraft<V extends object>(name: string, initial: V): Draft<V> {
  const [{ values, isOld }, setState] = useKept(name, undefined, () => initial);
  return {
    values,
    isOld,
    set: (patch) => setState((before) => ({ ...before, values: { ...before.values, ...patch } })),
    begin: () => setState((before) => ({ ...before, values: initial, isOld: false })),
    drop: () => drop(name, setState),
  };
}

/** A thing that can be edited: where it is, and which version of it this is. */
export interface Versioned {
  id: string;
  revision: number;
}

/** The fields of a form that changes something, and the version of it that they were filled from. */
export interface Edit<V, T extends Versioned> extends Draft<V> {
  /** The thing as it was when the form was opened, or its draft begun. */
  base: T;
  /** Somebody else's version instead of one's own fields. */
  take: (present: T) => void;
  /** One's own changes upon somebody else's version: fields that were not touched are as they are there. */
  keep: (present: T) => void;
}

/** One's own changes from `base` put upon `present`. */
export function rebased<V extends object>(values: V, base: V, present: V): V {
  const mine = Object.entries(values).filter(([name, value]) => !same(value, base[name as keyof V]));
  return { ...present, ...Object.fromEntries(mine) };
}

export function useEdit<V extends object, T extends Versioned>(name: string, thing: T, initialOf: (thing: T) => V): Edit<V, T> {
  const [{ values, base, isOld }, setState] = useKept(`${name}.${thing.id}`, thing, initialOf);
  const from = (present: T): void => setState(() => ({ base: present, values: initialOf(present), isOld: false, isDropped: false }));
  return {
    values,
    base,
    isOld,
    set: (patch) => setState((before) => ({ ...before, values: { ...before.values, ...patch } })),
    begin: () => from(thing),
    drop: () => drop(`${name}.${thing.id}`, setState),
    take: from,
    keep: (present) => setState((before) => ({ ...before, base: present, values: rebased(before.values, initialOf(before.base), initialOf(present)) })),
  };
}
