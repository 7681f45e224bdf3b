import type { SavedViewView } from "../api/types.ts";
import type { Search, View } from "./view.ts";

// What a saved view says of a list: how it is filtered, sorted, laid out. The rest of an address (which row is open, what
// is selected) is of one moment.

const said = ["filter", "sort", "columns", "per", "group"] as const;

type Patch = Parameters<View["set"]>[0];

/** What the list shows as the server keeps it: the part of an address behind the question mark. */
export function stateOf(search: Search): string {
  const text = new URLSearchParams();
  for (const key of said) if (search[key] !== undefined) text.set(key, search[key]);
  return text.toString();
}

/** What to change of an address so that it shows a view. A view says something of all it may speak of, also where it is silent. */
export function patchOf(state: string): Patch {
  const text = new URLSearchParams(state);
  const patch: Patch = { folded: undefined, page: undefined, picked: undefined };
  for (const key of said) {
    const value = text.get(key);
    patch[key] = value === null || value === "" ? undefined : value;
  }
  return patch;
}

const folded = (name: string): string => name.normalize("NFKC").toLowerCase();

/** The view that has this name, as far as a browser can tell: the server compares names more exactly. */
export function viewNamed<V extends Pick<SavedViewView, "name">>(views: readonly V[], name: string): V | undefined {
  return views.find((view) => folded(view.name) === folded(name));
}
