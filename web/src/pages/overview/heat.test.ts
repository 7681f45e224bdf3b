import assert from "node:assert/strict";
import { test } from "node:test";
import type { HostView } from "../../api/types.ts";
import { inBands, lookOf, neighbour, percentOf, sectionsOf, sizeOf } from "./heat.ts";

const host = (name: string, group: string, more: object = {}): HostView => ({ id: name, name, host_group: group, memory_given_mib: 512, facts: { memory_mib: 2048 }, ...more }) as unknown as HostView;

test("a host is as warm as what the map is of, and what is not known is not cold", () => {
  const busy = host("a", "/All Hosts", { load: { cpu_percent: 40, disk_total_mib: 100, disk_free_mib: 25 } });
  assert.deepEqual([percentOf(busy, "processor"), percentOf(busy, "memory"), percentOf(busy, "disk")], [40, 25, 75]);
  const silent = host("b", "/All Hosts", { load: null, facts: {} });
  assert.deepEqual([percentOf(silent, "processor"), percentOf(silent, "memory"), percentOf(silent, "disk")], [undefined, undefined, undefined]);
  assert.equal(percentOf(host("c", "/All Hosts", { memory_given_mib: 9000 }), "memory"), 100);
});

test("hosts stand in their groups in the order of the tree, and by the numbers in their names", () => {
  const sections = sectionsOf([host("kvm-10", "/All Hosts/B"), host("kvm-9", "/All Hosts/B"), host("x", "/All Hosts"), host("y", "/All Hosts/B/C")]);
  assert.deepEqual(sections.map(({ group }) => group), ["/All Hosts", "/All Hosts/B", "/All Hosts/B/C"]);
  assert.deepEqual(sections[1]?.hosts.map(({ name }) => name), ["kvm-9", "kvm-10"]);
});

test("few hosts have their names in the map, many are squares, very many small ones", () => {
  assert.deepEqual([10, 41, 1000].map(sizeOf), ["tile", "square", "dot"]);
});

test("what is counted by load are the hosts whose load is known, each once", () => {
  assert.deepEqual(inBands([100, 80, 79.9, 50, 3, undefined]), [2, 2, 1]);
});

test("a host that takes no new machines looks otherwise than one in trouble", () => {
  assert.deepEqual([lookOf("responding"), lookOf("in-maintenance"), lookOf("not-available"), lookOf("not-responding"), lookOf("declared-dead")], ["well", "quiet", "quiet", "down", "down"]);
});

test("arrow keys go through the map as it looks: along a row, and to the nearest of the row above and below", () => {
  const map = [{ x: 0, y: 0 }, { x: 10, y: 0 }, { x: 20, y: 0 }, { x: 4, y: 10 }, { x: 14, y: 10 }];
  assert.equal(neighbour(map, 0, "ArrowRight"), 1);
  assert.equal(neighbour(map, 2, "ArrowDown"), 4);
  assert.equal(neighbour(map, 3, "ArrowUp"), 0);
  assert.equal(neighbour(map, 0, "ArrowUp"), 0);
  assert.equal(neighbour(map, 4, "ArrowRight"), 4);
  assert.equal(neighbour(map, 4, "Home"), 0);
  assert.equal(neighbour(map, 0, "End"), 4);
  assert.equal(neighbour(map, 0, "Enter"), undefined);
});
