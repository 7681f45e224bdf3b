import { filterOf } from "../../api/filter.ts";
import type { HostStatus, HostView } from "../../api/types.ts";

/** Of one kind of trouble so many are named one by one; more are one line with their number. */
export const FEW = 3;
/** From here on a disk wants somebody before machines on it are paused. */
const NEARLY_FULL = 90;
/** What a clock may be off, in milliseconds: certificates and logs can bear that. */
const CLOCK_MS = 1_000;
/** More names than that are no address any more. */
const MOST_NAMES = 60;

/** Why a host wants somebody, apart from its status. */
export type Trouble = "kvm" | "clock" | "disk";
export type HostTrouble = Extract<HostStatus, "not-responding" | "hypervisor-not-responding" | "declared-dead"> | Trouble;

/** The order in which they are told: what stops machines first. */
const order: HostTrouble[] = ["not-responding", "hypervisor-not-responding", "declared-dead", "disk", "kvm", "clock"];
export const down = order.slice(0, 3) as HostStatus[];

export const diskPercent = ({ load }: HostView): number | undefined => {
  const all = load?.disk_total_mib ?? 0;
  return all <= 0 || load?.disk_free_mib === undefined ? undefined : Math.floor((100 * (all - load.disk_free_mib)) / all);
};

/** What of a host wants somebody. Of a host that does not answer nothing else is known. */
export function troublesOf(host: HostView, status: HostStatus): HostTrouble[] {
  if (down.includes(status)) return [status as HostTrouble];
  const found: HostTrouble[] = [];
  if ((diskPercent(host) ?? 0) >= NEARLY_FULL) found.push("disk");
  if (host.facts.kvm?.is === "fails") found.push("kvm");
  if (Math.abs(host.clock_ahead_ms ?? 0) > CLOCK_MS) found.push("clock");
  return found;
}

export interface HostNeed {
  trouble: HostTrouble;
  hosts: HostView[];
  /** The filter of just these in the list of hosts, as far as an address can say it. */
  filter: string;
}

/** All that hosts need, each kind of trouble once with the hosts that have it; the gravest first. */
export function hostNeeds(hosts: readonly HostView[], statusOf: (host: HostView) => HostStatus): HostNeed[] {
  const found = new Map<HostTrouble, HostView[]>();
  for (const host of hosts) {
    for (const trouble of troublesOf(host, statusOf(host))) {
      const known = found.get(trouble);
      if (known === undefined) found.set(trouble, [host]);
      else known.push(host);
    }
  }
  return order.flatMap((trouble) => {
    const inIt = found.get(trouble);
    if (inIt === undefined) return [];
    const filter = down.includes(trouble as HostStatus) ? filterOf([{ field: "status", op: "=", values: [trouble] }]) : filterOf([{ field: "name", op: "=", values: inIt.slice(0, MOST_NAMES).map(({ name }) => name) }]);
    return [{ trouble, hosts: inIt, filter }];
  });
}

/** The statuses that have any, most first, of those that count. */
export function counted<S extends string>(counts: { [status: string]: number } | undefined, of: readonly S[]): [S, number][] {
  return of.flatMap((status): [S, number][] => ((counts?.[status] ?? 0) > 0 ? [[status, counts?.[status] ?? 0]] : [])).sort(([, a], [, b]) => b - a);
}

/** A day before now, to the hour: the same for as long as a page is usually looked at. */
export function dayBefore(now: Date): string {
  const hour = new Date(now.getTime() - 24 * 3_600_000);
  hour.setUTCMinutes(0, 0, 0);
  return hour.toISOString();
}
