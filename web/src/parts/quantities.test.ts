import assert from "node:assert/strict";
import { test } from "node:test";
import { bytes, mebibytes, mebibytesIn, interval, span } from "./quantities.ts";

test("sizes are said in the unit that people would use", () => {
  assert.equal(mebibytes(128), "128 MiB");
  assert.equal(mebibytes(1536), "1.5 GiB");
  assert.equal(bytes(64 * 1024 * 1024), "64 MiB");
  assert.equal(bytes(900), "900 B");
});

test("a size that is typed is understood with and without its unit", () => {
  assert.equal(mebibytesIn("512"), 512);
  assert.equal(mebibytesIn("2G"), 2048);
  assert.equal(mebibytesIn(" 1.5 gib "), 1536);
});

test("what is no size, or no whole number of MiB, is not taken for one", () => {
  for (const text of ["", "two", "0", "-1", "1.3 MiB", "2 parsecs"]) assert.equal(mebibytesIn(text), undefined, text);
});

test("spans are said with the precision that matters", () => {
  assert.equal(span(17), "17 ms");
  assert.equal(span(1_500), "1.5 s");
  assert.equal(span(61_000), "1 min 1 s");
});

test("how often something is done says no more than it has to", () => {
  assert.deepEqual([120, 1_800, 3_600, 5_400, 45, 1_209_600].map((seconds) => interval(seconds).replaceAll("\u00a0", " ")), ["2 min", "30 min", "1 h", "1 h 30 min", "45 s", "336 h"]);
});
