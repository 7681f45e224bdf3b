import assert from "node:assert/strict";
import { test } from "node:test";
import { differences } from "./differences.ts";

test("each property that changed is named by its path, with what it was and is", () => {
  const before = { spec: { name: "a", hardware: { cpus: 1, disks: [{ no: 0 }] } } };
  const after = { spec: { name: "b", hardware: { cpus: 2, disks: [{ no: 0 }] } } };
  assert.deepEqual(differences(before, after), [
    { property: "spec.name", before: "a", after: "b" },
    { property: "spec.hardware.cpus", before: "1", after: "2" },
  ]);
});

test("what came and what went stands with an empty side", () => {
  assert.deepEqual(differences({ a: "x" }, { b: { c: 1 } }), [
    { property: "a", before: "x", after: "" },
    { property: "b", before: "", after: '{"c":1}' },
  ]);
});

test("where a fact comes from is no change of the thing", () => {
  assert.deepEqual(differences({ observed: { order: { seq: 1 }, at: "t1", seen: { power: "off" } } }, { observed: { order: { seq: 2 }, at: "t2", seen: { power: "running" } } }), [
    { property: "observed.seen.power", before: "off", after: "running" },
  ]);
});

test("a tag that was added is a change of the tags, and not of every tag behind it", () => {
  assert.deepEqual(differences({ tags: ["b", "c"] }, { tags: ["a", "b", "c"] }), [{ property: "tags", before: "b, c", after: "a, b, c" }]);
  assert.deepEqual(differences({ tags: [] }, { tags: ["a"] }), [{ property: "tags", before: "", after: "a" }]);
});
