import assert from "node:assert/strict";
import { test } from "node:test";
import { helpOf } from "./settings-reference.ts";

test("a setting's unit is said beside its field, not in its help", () => {
  assert.deepEqual(helpOf({ description: "How long a step may take. In s.", minimum: 10, maximum: 600, default: 330 }), { help: "How long a step may take.", unit: "s", minimum: 10, maximum: 600, usual: 330 });
  assert.equal(helpOf({ description: "Plain." }).help, "Plain.");
});
