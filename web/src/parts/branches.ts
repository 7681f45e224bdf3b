import { rolledUp, type Health } from "./tree-health.ts";

/** What of a host the tree shows. */
export interface Leaf {
  id: string;
  name: string;
  /** The path of the group that it is in. */
  group: string;
  health: Health;
  machines: number;
  troubles: number;
}

/** A group of hosts with what is in it. */
export interface Branch {
  path: string;
  name: string;
  groups: Branch[];
  hosts: Leaf[];
  /** Of all hosts in it and below. */
  health: Health;
  /** How many hosts are in it and below. */
  count: number;
}

const nameOf = (path: string): string => path.slice(path.lastIndexOf("/") + 1);

/** The tree of these groups, by path, with these hosts in it: All Hosts. A host whose group is not known is at the top. */
export function treeOf(top: string, paths: readonly string[], leaves: readonly Leaf[]): Branch {
  const known = new Set([top, ...paths]);
  const below = (path: string): Branch => {
    const groups = [...known].filter((other) => other !== path && other.slice(0, other.lastIndexOf("/")) === path).sort((a, b) => a.localeCompare(b)).map(below);
    const hosts = leaves.filter(({ group }) => group === path || (path === top && !known.has(group)));
    return {
      path,
      name: nameOf(path),
      groups,
      hosts,
      health: rolledUp([...hosts.map(({ health }) => health), ...groups.filter(({ count }) => count > 0).map(({ health }) => health)]),
      count: hosts.length + groups.reduce((sum, { count }) => sum + count, 0),
    };
  };
  return below(top);
}

/** The tree with only the hosts whose name has this in it, at most so many; groups that have none then are left out. */
export function sought(tree: Branch, text: string, most: number): { tree: Branch; hidden: number } {
  const part = text.trim().toLowerCase();
  let left = most;
  let hidden = 0;
  const within = (branch: Branch): Branch => {
    const found = branch.hosts.filter(({ name }) => name.toLowerCase().includes(part));
    const hosts = found.slice(0, left);
    left -= hosts.length;
    hidden += found.length - hosts.length;
    const groups = branch.groups.map(within).filter(({ groups: inner, hosts: here }) => part === "" || inner.length > 0 || here.length > 0);
    return { ...branch, hosts, groups };
  };
  return { tree: within(tree), hidden };
}
