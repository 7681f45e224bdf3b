import { RefusalError, type Refusal } from "../api/refusal.ts";
import type { Noun } from "../api/types.ts";
import { searchOf } from "./view.ts";
import { stateOf, viewNamed } from "./view-state.ts";

// Views were kept in the browser before the server kept them. What somebody has there is handed to the server, each view
// once, and is then taken away here.

interface Named {
  name: string;
  state: string;
}

/** Where they are kept, and who takes them; others in tests. */
export interface Carrier {
  storage: Pick<Storage, "getItem" | "setItem" | "removeItem">;
  save: (view: Named) => Promise<unknown>;
}

export interface NotCarried {
  name: string;
  refusal: Refusal;
}

const place = (noun: Noun): string => `hostler.views.${noun}`;
const LONGEST_NAME = 100;

function readHere(text: string): Named[] {
  try {
    const kept = JSON.parse(text) as unknown;
    if (typeof kept !== "object" || kept === null || Array.isArray(kept)) return [];
    return Object.entries(kept as Record<string, Record<string, unknown> | null>).map(([name, raw]) => ({ name, state: stateOf(searchOf(raw ?? {})) }));
  } catch {
    return [];
  }
}

const cut = (text: string, most: number): string => Array.from(text).slice(0, most).join("");

/** A name that the server takes, as near as can be to one that a browser took. */
export function mended(name: string): string {
  const short = cut(name.replaceAll(/[\p{Cc}\p{Cf}/]/gu, "_").trim(), LONGEST_NAME).trim();
  return short === "" || short === "." || short === ".." ? "unnamed" : short;
}

/** The view under a name that is free or has the same view already; undefined where nothing is to be saved. */
export function asNew({ name, state }: Named, present: readonly Named[]): Named | undefined {
  for (let n = 1; ; n += 1) {
    const number = n === 1 ? "" : ` (${n})`;
    const free = `${cut(mended(name), LONGEST_NAME - number.length)}${number}`;
    const other = viewNamed(present, free);
    if (other === undefined) return { name: free, state };
    if (other.state === state) return undefined;
  }
}

/** Hands over what is kept here of a page. What the server refuses stays here, and is answered; what does not arrive stays for another time. */
export async function carryOver(noun: Noun, present: readonly Named[], { storage, save }: Carrier): Promise<NotCarried[]> {
  const text = storage.getItem(place(noun));
  if (text === null) return [];
  const here = readHere(text);
  const there = [...present];
  const refused: NotCarried[] = [];
  const left = new Map(here.map((view) => [view.name, view]));
  const keepLeft = (): void => {
    const kept = Object.fromEntries([...left.values()].map(({ name, state }) => [name, Object.fromEntries(new URLSearchParams(state))]));
    if (left.size === 0) storage.removeItem(place(noun));
    else storage.setItem(place(noun), JSON.stringify(kept));
  };
  keepLeft();
  for (const one of here) {
    const view = asNew(one, there);
    try {
      if (view !== undefined) {
        await save(view);
        there.push(view);
      }
      left.delete(one.name);
      keepLeft();
    } catch (thrown) {
      if (!(thrown instanceof RefusalError) || thrown.status < 400 || thrown.status >= 500 || thrown.status === 401 || thrown.status === 429) break;
      refused.push({ name: one.name, refusal: thrown.refusal });
    }
  }
  return refused;
}
