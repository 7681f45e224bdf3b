import assert from "node:assert/strict";
import { test } from "node:test";
import { after } from "./window.ts";

const a = { id: "a", status: "off" };
const b = { id: "b", status: "off" };
const first = after(undefined, { rev: 1, total: 2, counts: { off: 2 }, order: ["a", "b"], put: [a, b] });

test("the first picture of a window marks nothing as changed", () => {
  assert.deepEqual(first.rows, [a, b]);
  assert.equal(first.changes.size, 0);
});

test("a change replaces its row, keeps the others and their order, and is marked", () => {
  const next = after(first, { rev: 2, total: 2, put: [{ id: "b", status: "running" }] });
  assert.deepEqual(next.rows, [a, { id: "b", status: "running" }]);
  assert.equal(next.rows[0], a);
  assert.deepEqual([...next.changes], [["b", 1]]);
  assert.deepEqual(next.counts, { off: 2 });
});

test("what is no longer in the order has left the window", () => {
  const next = after(first, { rev: 2, total: 1, counts: { off: 1 }, order: ["b"], put: [] });
  assert.deepEqual(next.rows, [b]);
  assert.equal(next.total, 1);
});

test("what enters is marked, and stands where the order says", () => {
  const next = after(first, { rev: 2, total: 3, order: ["c", "a", "b"], put: [{ id: "c", status: "off" }] });
  assert.deepEqual(next.rows.map((row) => row.id), ["c", "a", "b"]);
  assert.equal(next.changes.get("c"), 1);
});

test("after a cut the whole window comes again, and only what differs is marked", () => {
  const next = after(first, { rev: 9, total: 2, counts: {}, order: ["a", "b"], put: [{ ...a }, { id: "b", status: "running" }] });
  assert.deepEqual([...next.changes.keys()], ["b"]);
});

test("ids that are numbers are found as well", () => {
  const job = { id: 7, status: "running" };
  const next = after(undefined, { rev: 1, total: 1, order: ["7"], put: [job] });
  assert.deepEqual(next.rows, [job]);
});

test("figures that are others at every look are shown and not marked", () => {
  const host = { id: "h", status: "responding", load: { cpu_percent: 3 }, last_contact: "now" };
  const before = after(undefined, { rev: 1, total: 1, order: ["h"], put: [host] });
  const busier = after(before, { rev: 2, total: 1, put: [{ ...host, load: { cpu_percent: 90 }, last_contact: "later" }] });
  assert.deepEqual([busier.changes.size, (busier.rows[0] as typeof host).load.cpu_percent], [0, 90]);
  assert.equal(after(busier, { rev: 3, total: 1, put: [{ ...host, status: "not-responding" }] }).changes.size, 1);
});
