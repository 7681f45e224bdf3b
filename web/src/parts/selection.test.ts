import assert from "node:assert/strict";
import { test } from "node:test";
import { countOf, isPicked, pickedOf, picking, selectionOf } from "./selection.ts";

test("a selection stands in the address, and comes back from it", () => {
  for (const picked of ["a,b", "*", "*,-a"]) assert.equal(pickedOf(selectionOf(picked)), picked);
  assert.equal(pickedOf(selectionOf(undefined)), undefined);
});

test("all but one: leaving a row out of everything, and taking it in again", () => {
  const all = selectionOf("*");
  const but = picking(all, ["a"], false);
  assert.equal(pickedOf(but), "*,-a");
  assert.equal(isPicked(but, "a"), false);
  assert.equal(isPicked(but, "b"), true);
  assert.equal(countOf(but, 10), 9);
  assert.equal(pickedOf(picking(but, ["a"], true)), "*");
});

test("rows are picked once, however often", () => {
  assert.equal(pickedOf(picking(selectionOf("a"), ["a", "b"], true)), "a,b");
  assert.equal(pickedOf(picking(selectionOf("a,b"), ["a"], false)), "b");
});
