import assert from "node:assert/strict";
import { test } from "node:test";
import type { VmView } from "../api/types.ts";
import { narrowed, placeOf, verbIn, type Found } from "./find.ts";

const vm = (name: string): VmView =>
  ({ id: `id-${name}`, spec: { name, tags: ["prod"], notes: "Sells tea.", hardware: { adapters: [{ mac: `52:54:00:00:00:0${name.slice(-1)}` }] } } }) as unknown as VmView;
const found: Found = { text: "we", vms: [vm("web-1"), vm("web-2")], hosts: [], templates: [], items: [] };

test("a verb does something to what is behind it", () => {
  assert.deepEqual(verbIn("Turn off web 1"), { action: "turn-off", rest: "web 1" });
  assert.deepEqual(verbIn("shut-down db"), { action: "shut-down", rest: "db" });
  assert.equal(verbIn("startling"), undefined);
});

test("until the next answer is there, nothing stands that does not fit what was typed", () => {
  assert.deepEqual(narrowed(found, "web-2")?.vms.map(({ spec }) => spec.name), ["web-2"]);
  assert.deepEqual(narrowed(found, "db")?.vms, []);
  assert.deepEqual(narrowed(found, "PROD")?.vms.length, 2);
  assert.deepEqual(narrowed(found, "tea")?.vms.length, 2);
  assert.deepEqual(narrowed(found, "00:02")?.vms.map(({ spec }) => spec.name), ["web-2"]);
});

test("the chosen one stays chosen when others come before it", () => {
  assert.equal(placeOf(["b", "a"], "a"), 1);
  assert.equal(placeOf(["b"], "a"), 0);
  assert.equal(placeOf([], undefined), 0);
});
