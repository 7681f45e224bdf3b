import assert from "node:assert/strict";
import { test } from "node:test";
import { sought, treeOf, type Branch, type Leaf } from "./branches.ts";
import type { Health } from "./tree-health.ts";

const host = (name: string, group: string, health: Health = "well"): Leaf => ({ id: name, name, group, health, machines: 1, troubles: 0 });
const top = "/All Hosts";
const paths = [`${top}/B`, `${top}/A`, `${top}/A/Rack 1`, `${top}/A/Rack 1/Shelf`, `${top}/Empty`];
const leaves = [host("a1", `${top}/A/Rack 1`), host("a2", `${top}/A/Rack 1`, "down"), host("b1", `${top}/B`), host("lost", `${top}/Gone`), host("t1", top)];

/** A tree in one line: names, hosts in brackets. */
const drawn = ({ name, groups, hosts }: Branch): string => `${name}(${[...groups.map(drawn), ...hosts.map((one) => one.name)].join(" ")})`;

test("hosts stand in their groups, groups by name, and a host of a group that is not known at the top", () => {
  assert.equal(drawn(treeOf(top, paths, leaves)), "All Hosts(A(Rack 1(Shelf() a1 a2)) B(b1) Empty() lost t1)");
});

test("how a group is follows from all hosts below it, and an empty one is quiet", () => {
  const tree = treeOf(top, paths, leaves);
  assert.deepEqual([tree.health, tree.count], ["troubled", 5]);
  assert.deepEqual(tree.groups.map(({ name, health, count }) => [name, health, count]), [["A", "troubled", 2], ["B", "well", 1], ["Empty", "quiet", 0]]);
});

test("looked for, only groups with hosts of that name are left; what is too much is counted", () => {
  const tree = treeOf(top, paths, leaves);
  assert.equal(drawn(sought(tree, "A1", 10).tree), "All Hosts(A(Rack 1(a1)))");
  const few = sought(tree, "", 2);
  assert.equal(few.hidden, 3);
  assert.equal(drawn(few.tree), "All Hosts(A(Rack 1(Shelf())) B() Empty() lost t1)");
});
