import assert from "node:assert/strict";
import { test } from "node:test";
import { csv } from "./export.ts";

test("commas, quotes and lines stay in their cell", () => {
  assert.equal(csv(["name", "notes"], [["web-1", 'a, "b"\nc']]), 'name,notes\r\nweb-1,"a, ""b""\nc"\r\n');
});

test("a name that begins like a formula is not run by a spreadsheet", () => {
  assert.equal(csv(["name"], [["=HYPERLINK(1)"]]), "name\r\n'=HYPERLINK(1)\r\n");
});
