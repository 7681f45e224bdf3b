import { useObject } from "../api/hooks.ts";
import type { Noun, Nouns } from "../api/types.ts";
import { idOf } from "../api/window.ts";
import type { View } from "./view.ts";

/** The thing whose details are open: of this page, or, where a link names another, as it is read by itself. */
export function useShown<N extends Noun>(noun: N, view: View, rows: Nouns[N][]): Nouns[N] | undefined {
  const id = view.search.show;
  const here = rows.find((row) => idOf(row) === id);
  const { data } = useObject(noun, id === undefined || here !== undefined ? undefined : id);
  return here ?? data;
}
