import type { Schemas } from "../../api/types.ts";

type Network = Schemas["NetworkView"];
type Detail = Schemas["NetworkDetail"];

/** A thing in a picture: in which row its middle is, counted from 0, and halves in between. */
export interface Spot {
  key: string;
  row: number;
}

/** A line from a thing of one column to one of the next, by their rows. */
export interface Line {
  key: string;
  from: number;
  to: number;
  /** It leads to something that is not as elsewhere, or does not answer. */
  isBad: boolean;
}

export interface HostSpot extends Spot {
  host: string;
  name: string;
  answers: boolean;
  /** Why it is not as elsewhere, in words. */
  mismatches: string[];
  machines: number;
}

export interface MachineSpot extends Spot {
  /** Its id; undefined for what stands for those that are not drawn. */
  vm: string | undefined;
  name: string;
  /** How many are not drawn. */
  more: number;
}

export interface OneNetwork {
  rows: number;
  /** The row of the network itself. */
  network: number;
  hosts: HostSpot[];
  machines: MachineSpot[];
  toHosts: Line[];
  toMachines: Line[];
  /** How many hosts are not drawn. */
  hidden: number;
}

const wordsOf = (network: Network, host: string): string[] => (network.mismatches ?? []).filter((one) => one.host === host).map(({ words }) => words);

/** In a long picture a network stands no lower, where it is seen at once. */
const NETWORK_ROW = 5;

/** A network with its hosts below each other, and beside each host its machines; at most so many of either. Hosts with machines or troubles come first. */
export function pictureOf(network: Detail, mostHosts: number, mostMachines: number): OneNetwork {
  const weight = (host: Network["hosts"][number]): number => (wordsOf(network, host.host).length > 0 || !host.answers ? 2 : host.machines > 0 ? 1 : 0);
  const sorted = [...network.hosts].sort((a, b) => weight(b) - weight(a));
  const picture: OneNetwork = { rows: 0, network: 0, hosts: [], machines: [], toHosts: [], toMachines: [], hidden: Math.max(0, sorted.length - mostHosts) };
  for (const on of sorted.slice(0, mostHosts)) {
    const connected = new Map(network.connected.filter(({ host }) => host === on.host).map((one) => [one.vm, one.name]));
    const shown = [...connected].slice(0, connected.size > mostMachines ? mostMachines - 1 : mostMachines);
    const first = picture.rows;
    for (const [vm, name] of shown) picture.machines.push({ key: `${on.host} ${vm}`, row: picture.rows++, vm, name, more: 0 });
    if (connected.size > shown.length) picture.machines.push({ key: `${on.host} more`, row: picture.rows++, vm: undefined, name: "", more: connected.size - shown.length });
    if (picture.rows === first) picture.rows += 1;
    const row = (first + picture.rows - 1) / 2;
    const mismatches = wordsOf(network, on.host);
    picture.hosts.push({ key: on.host, row, host: on.host, name: on.host_name, answers: on.answers, mismatches, machines: connected.size });
    for (const machine of picture.machines.filter(({ row: at }) => at >= first)) picture.toMachines.push({ key: machine.key, from: row, to: machine.row, isBad: !on.answers });
  }
  picture.network = Math.min(NETWORK_ROW, Math.max(0, picture.rows - 1) / 2);
  picture.toHosts = picture.hosts.map(({ key, row, answers, mismatches }) => ({ key, from: picture.network, to: row, isBad: !answers || mismatches.length > 0 }));
  return picture;
}

export interface AllNetworks {
  rows: number;
  networks: (Spot & { name: string; hosts: number })[];
  hosts: (Spot & { name: string; answers: boolean })[];
  lines: Line[];
  hidden: number;
}

/** All networks beside all hosts, at most so many of these. The shorter column stands in the middle of the longer one. */
export function pictureOfAll(networks: readonly Network[], mostHosts: number): AllNetworks {
  const all = new Map<string, { name: string; answers: boolean }>();
  for (const { hosts } of networks) for (const on of hosts) all.set(on.host, { name: on.host_name, answers: on.answers });
  const sorted = [...all].sort(([, a], [, b]) => a.name.localeCompare(b.name, undefined, { numeric: true }));
  const shown = sorted.slice(0, mostHosts);
  const rows = Math.max(networks.length, shown.length);
  const spread = (count: number, at: number): number => (count === 0 ? 0 : ((at + 0.5) * rows) / count - 0.5);
  const hosts = shown.map(([key, host], at) => ({ key, row: spread(shown.length, at), ...host }));
  const rowOf = new Map(hosts.map(({ key, row }) => [key, row]));
  const drawn = networks.map(({ name, hosts: on }, at) => ({ key: name, row: spread(networks.length, at), name, hosts: on.length }));
  const lines = networks.flatMap((network, at) =>
    network.hosts.flatMap((on): Line[] => {
      const to = rowOf.get(on.host);
      const from = drawn[at]?.row;
      return to === undefined || from === undefined ? [] : [{ key: `${network.name} ${on.host}`, from, to, isBad: !on.answers || wordsOf(network, on.host).length > 0 }];
    }),
  );
  return { rows, networks: drawn, hosts, lines, hidden: sorted.length - shown.length };
}
