import assert from "node:assert/strict";
import { test } from "node:test";
import { healthOf, rolledUp } from "./tree-health.ts";

test("a host that answers is in trouble when one of its machines is", () => {
  assert.equal(healthOf("responding", 0), "well");
  assert.equal(healthOf("responding", 2), "troubled");
  assert.equal(healthOf("not-available", 0), "quiet");
  assert.equal(healthOf("in-maintenance", 0), "quiet");
  assert.equal(healthOf("not-responding", 0), "down");
});

test("the top of the tree shows that something below it is wrong", () => {
  assert.equal(rolledUp(["well", "quiet"]), "well");
  assert.equal(rolledUp(["well", "down"]), "troubled");
  assert.equal(rolledUp(["down", "down"]), "down");
  assert.equal(rolledUp([]), "quiet");
});
