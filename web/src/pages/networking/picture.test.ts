import assert from "node:assert/strict";
import { test } from "node:test";
import type { Schemas } from "../../api/types.ts";
import { pictureOf, pictureOfAll } from "./picture.ts";

const on = (host: string, machines = 0, answers = true) => ({ host, host_name: host, answers, network: {}, machines });
const vm = (name: string, host: string) => ({ vm: name, name, host, host_name: host, mac: "52:54:00:00:00:01" });
const network = (name: string, hosts: object[], connected: object[] = [], mismatches: object[] = []): Schemas["NetworkDetail"] =>
  ({ name, kind: "nat", hosts, machines: connected.length, mismatches, connected }) as unknown as Schemas["NetworkDetail"];

test("a host stands beside the middle of its machines, and the network beside the middle of all, or where it is seen at once", () => {
  const picture = pictureOf(network("lab", [on("a", 3), on("b")], [vm("x", "a"), vm("y", "a"), vm("z", "a")]), 10, 10);
  assert.deepEqual(picture.hosts.map(({ name, row }) => [name, row]), [["a", 1], ["b", 3]]);
  assert.deepEqual(picture.machines.map(({ name, row }) => [name, row]), [["x", 0], ["y", 1], ["z", 2]]);
  assert.deepEqual([picture.rows, picture.network, picture.toHosts.length, picture.toMachines.length], [4, 1.5, 2, 3]);
  const long = Array.from({ length: 30 }, (_, at) => on(`host ${at}`));
  assert.equal(pictureOf(network("lab", long), 40, 10).network, 5);
});

test("a machine with two adapters on a network is drawn once", () => {
  const picture = pictureOf(network("lab", [on("a", 1)], [vm("x", "a"), vm("x", "a")]), 10, 10);
  assert.deepEqual([picture.machines.length, picture.hosts[0]?.machines], [1, 1]);
});

test("of many machines some are drawn and the rest is counted, of many hosts those with troubles and machines", () => {
  const many = ["a", "b", "c", "d", "e", "f"].map((name) => vm(name, "full"));
  const mismatch = { host: "odd", host_name: "odd", what: "inactive", words: "not active" };
  const picture = pictureOf(network("lab", [on("idle"), on("full", 6), on("odd")], many, [mismatch]), 2, 4);
  assert.deepEqual(picture.hosts.map(({ name }) => name), ["odd", "full"]);
  assert.deepEqual(picture.machines.map(({ name, more }) => (more > 0 ? more : name)), ["a", "b", "c", 3]);
  assert.deepEqual([picture.hidden, picture.toHosts.map(({ isBad }) => isBad)], [1, [true, false]]);
});

test("all networks are drawn beside all hosts, each host once, and a line to one that is silent is marked", () => {
  const picture = pictureOfAll([network("default", [on("b"), on("a", 0, false)]), network("lab", [on("b")])], 10);
  assert.deepEqual(picture.hosts.map(({ name }) => name), ["a", "b"]);
  assert.deepEqual(picture.lines.map(({ key, isBad }) => [key, isBad]), [["default b", false], ["default a", true], ["lab b", false]]);
  assert.deepEqual(pictureOfAll([network("lab", [on("a"), on("b"), on("c")])], 2).hidden, 1);
  assert.equal(pictureOfAll([network("lab", [on("a"), on("b"), on("c")])], 3).networks[0]?.row, 1);
});
