import type { HostGroupView } from "../../api/types.ts";

/** Rows of a table that is looked through at a glance. */
export const MOST_GROUPS = 10;

/** How deep below All Hosts, which is 0. */
export const depthOf = ({ path }: { path: string }): number => path.split("/").length - 2;

/** The groups that a glance shows: all where they are few, else only those as far down as all of a depth fit. */
export function groupsShown<G extends { path: string }>(groups: readonly G[], most = MOST_GROUPS): G[] {
  const deepest = Math.max(0, ...groups.map(depthOf));
  for (let depth = deepest; depth > 0; depth -= 1) {
    const fitting = groups.filter((group) => depthOf(group) <= depth);
    if (fitting.length <= most) return fitting;
  }
  return groups.slice(0, most);
}

export const share = (part: number, whole: number): number => (whole <= 0 ? 0 : Math.max(0, Math.min(100, (100 * part) / whole)));

/** Memory of a group's hosts: what machines have, and what of the rest is kept for the hosts, in percent. */
export function memoryOf({ total }: Pick<HostGroupView, "total">): { given: number; kept: number; isFull: boolean } {
  const given = share(total.memory_given_mib, total.memory_mib);
  const kept = share(total.memory_reserved_mib, total.memory_mib);
  return { given, kept, isFull: total.memory_mib > 0 && given + kept >= 100 };
}
