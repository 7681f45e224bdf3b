import { filterOf } from "../api/filter.ts";
import type { Noun, Nouns } from "../api/types.ts";
import { idOf } from "../api/window.ts";
import { readAll } from "./export.ts";
import type { View } from "./view.ts";

/** Which rows of a list are selected, on whatever page they are. */
export interface Selection {
  ids: readonly string[];
  /** Everything that the filter lets through, but for `ids`. */
  isAll: boolean;
}

export function selectionOf(picked: string | undefined): Selection {
  const words = (picked ?? "").split(",").filter((word) => word !== "");
  const isAll = words[0] === "*";
  return { isAll, ids: isAll ? words.slice(1).map((word) => word.replace(/^-/u, "")) : words };
}

export function pickedOf({ isAll, ids }: Selection): string | undefined {
  if (isAll) return ["*", ...ids.map((id) => `-${id}`)].join(",");
  return ids.length === 0 ? undefined : ids.join(",");
}

export const isPicked = ({ isAll, ids }: Selection, id: string): boolean => ids.includes(id) !== isAll;

/** The selection with these rows in it, or out of it. */
export function picking({ isAll, ids }: Selection, rows: readonly string[], isOn: boolean): Selection {
  const others = ids.filter((id) => !rows.includes(id));
  return { isAll, ids: isOn === isAll ? others : [...others, ...rows] };
}

export const countOf = ({ isAll, ids }: Selection, total: number): number => (isAll ? Math.max(0, total - ids.length) : ids.length);

/** How many ids fit into the address of one question. */
const IDS_AT_ONCE = 100;

/** The selected things: those on the page as they are shown, the others as they are read. */
export async function readSelected<N extends Noun>(noun: N, selection: Selection, view: View, known: Nouns[N][]): Promise<Nouns[N][]> {
  if (selection.isAll) return (await readAll(noun, view.query)).filter((one) => isPicked(selection, idOf(one)));
  const found = new Map(known.map((one) => [idOf(one), one]));
  const missing = selection.ids.filter((id) => !found.has(id));
  for (let from = 0; from < missing.length; from += IDS_AT_ONCE) {
    const values = missing.slice(from, from + IDS_AT_ONCE);
    for (const one of await readAll(noun, { filter: filterOf([{ field: "id", op: "=", values }]) })) found.set(idOf(one), one);
  }
  return selection.ids.flatMap((id) => found.get(id) ?? []);
}
