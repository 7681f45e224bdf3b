import assert from "node:assert/strict";
import { test } from "node:test";
import { grouped } from "./grouping.ts";

test("rows with the same stand together, in the order in which they come", () => {
  const rows = [{ host: "a", n: 1 }, { host: "a", n: 2 }, { host: "b", n: 3 }];
  assert.deepEqual(grouped(rows, { keyOf: ({ host }) => host }).map(({ key, rows: inside }) => [key, inside.map(({ n }) => n)]), [["a", [1, 2]], ["b", [3]]]);
});
