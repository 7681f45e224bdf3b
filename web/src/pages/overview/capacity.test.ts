import assert from "node:assert/strict";
import { test } from "node:test";
import type { HostGroupView } from "../../api/types.ts";
import { depthOf, groupsShown, memoryOf } from "./capacity.ts";

const paths = (...all: string[]): { path: string }[] => all.map((path) => ({ path }));

test("few groups are all shown, of many those high up in the tree", () => {
  const tree = paths("/All Hosts", "/All Hosts/A", "/All Hosts/A/1", "/All Hosts/A/2", "/All Hosts/B");
  assert.deepEqual(groupsShown(tree, 5), tree);
  assert.deepEqual(groupsShown(tree, 4), paths("/All Hosts", "/All Hosts/A", "/All Hosts/B"));
  assert.deepEqual(groupsShown(tree, 2), paths("/All Hosts", "/All Hosts/A"));
  assert.equal(depthOf({ path: "/All Hosts/A/1" }), 2);
});

test("a group is full when machines have all that is not kept for its hosts", () => {
  const group = (given: number, kept: number, all: number) => ({ total: { memory_given_mib: given, memory_reserved_mib: kept, memory_mib: all } }) as unknown as HostGroupView;
  assert.deepEqual(memoryOf(group(50, 20, 100)), { given: 50, kept: 20, isFull: false });
  assert.deepEqual(memoryOf(group(80, 20, 100)), { given: 80, kept: 20, isFull: true });
  assert.deepEqual(memoryOf(group(0, 0, 0)), { given: 0, kept: 0, isFull: false });
});
