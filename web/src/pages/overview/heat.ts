import type { HostStatus, HostView } from "../../api/types.ts";

/** What the map's colour stands for. */
export const measures = ["processor", "memory", "disk"] as const;
export type Measure = (typeof measures)[number];

/** How much of it is used, in percent; undefined where it is not known. */
export function percentOf({ load, facts, memory_given_mib: given }: HostView, measure: Measure): number | undefined {
  const share = (part: number | undefined, whole: number | undefined): number | undefined => (part === undefined || whole === undefined || whole <= 0 ? undefined : Math.min(100, (100 * part) / whole));
  switch (measure) {
    case "processor":
      return load?.cpu_percent;
    case "memory":
      return share(given, facts.memory_mib);
    case "disk": {
      const all = load?.disk_total_mib;
      return all === undefined || load?.disk_free_mib === undefined ? undefined : share(all - load.disk_free_mib, all);
    }
  }
}

/** Squares are tiles with name and figure as long as there are few enough to be read. */
export type Size = "tile" | "square" | "dot";
export const sizeOf = (hosts: number): Size => (hosts <= 40 ? "tile" : hosts <= 300 ? "square" : "dot");

/** How busy hosts are, as a line says it for all: each bound with how many are at or over it, and under the next one. */
export const bands = [80, 50, 0] as const;

export interface Section {
  /** The path of the host group. */
  group: string;
  hosts: HostView[];
}

/** Hosts by the group that they are in, in the order of the tree; in a group the busiest first would jump: by name. */
export function sectionsOf(hosts: readonly HostView[]): Section[] {
  const found = new Map<string, HostView[]>();
  for (const host of hosts) {
    const known = found.get(host.host_group);
    if (known === undefined) found.set(host.host_group, [host]);
    else known.push(host);
  }
  const byName = (a: HostView, b: HostView): number => a.name.localeCompare(b.name, undefined, { numeric: true });
  return [...found]
    .map(([group, inIt]) => ({ group, hosts: inIt.sort(byName) }))
    .sort((a, b) => a.group.localeCompare(b.group, undefined, { numeric: true }));
}

/** How many are how busy, where that is known: one number for each of the bands. */
export function inBands(percents: readonly (number | undefined)[]): number[] {
  return bands.map((from, at) => percents.filter((percent) => percent !== undefined && percent >= from && percent < (bands[at - 1] ?? Infinity)).length);
}

/** How a host looks in the map, apart from its load. */
export type Look = "well" | "quiet" | "down";
export function lookOf(status: HostStatus): Look {
  if (status === "responding") return "well";
  return status === "not-available" || status === "in-maintenance" ? "quiet" : "down";
}

/** Where something stands on the screen. */
export interface Place {
  x: number;
  y: number;
}

/** Which one an arrow key leads to: the next in reading order, or the nearest in the row above or below. Undefined for other keys. */
export function neighbour(places: readonly Place[], from: number, key: string): number | undefined {
  const last = places.length - 1;
  const here = places[from];
  if (here === undefined) return undefined;
  switch (key) {
    case "ArrowRight":
      return Math.min(last, from + 1);
    case "ArrowLeft":
      return Math.max(0, from - 1);
    case "Home":
      return 0;
    case "End":
      return last;
    case "ArrowDown":
    case "ArrowUp": {
      const isDown = key === "ArrowDown";
      const beyond = places.filter(({ y }) => (isDown ? y > here.y : y < here.y));
      const row = isDown ? Math.min(...beyond.map(({ y }) => y)) : Math.max(...beyond.map(({ y }) => y));
      let best = from;
      let distance = Infinity;
      places.forEach(({ x, y }, at) => {
        if (y === row && Math.abs(x - here.x) < distance) [best, distance] = [at, Math.abs(x - here.x)];
      });
      return best;
    }
    default:
      return undefined;
  }
}
