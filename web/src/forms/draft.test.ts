import assert from "node:assert/strict";
import { test } from "node:test";
import { rebased } from "./draft.ts";

test("mine upon theirs: what I changed is mine, what I did not touch is theirs", () => {
  const base = { name: "web", notes: "old", tags: "a" };
  assert.deepEqual(rebased({ ...base, name: "web-1" }, base, { name: "web-x", notes: "new", tags: "a" }), { name: "web-1", notes: "new", tags: "a" });
});
