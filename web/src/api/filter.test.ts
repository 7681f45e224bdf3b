import assert from "node:assert/strict";
import { test } from "node:test";
import { filterOf, termsOf, valuesOf, withTerm, without } from "./filter.ts";

test("a filter is read into its terms and written back as it was", () => {
  const filter = 'status=running|paused,name~*web*,memory_mib>=512,tags!="a,b"';
  assert.equal(filterOf(termsOf(filter)), filter);
  assert.deepEqual(termsOf(filter)[3], { field: "tags", op: "!=", values: ["a,b"] });
});

test("a term is replaced, and the others stay", () => {
  assert.equal(withTerm("status=off,name~*a*", { field: "status", op: "=", values: ["running"] }), "name~*a*,status=running");
});

test("a term without values is taken out", () => {
  assert.equal(withTerm("status=off,name~*a*", { field: "status", op: "=", values: [] }), "name~*a*");
  assert.equal(without("status=off,status!=saved", "status"), "");
});

test("a comma or a bar in a value is quoted, so that it stays in its value", () => {
  const filter = withTerm("", { field: "name", op: "~", values: ["*a,b|c*"] });
  assert.equal(filter, 'name~"*a,b|c*"');
  assert.deepEqual(valuesOf(filter, "name", "~"), ["*a,b|c*"]);
});
