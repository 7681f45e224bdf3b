import assert from "node:assert/strict";
import { test } from "node:test";
import { extremes, inUnit, momentOf, pathOf, thinned, topOf } from "./series.ts";

test("where nothing is known there is no line, and a value that stands alone is a dot", () => {
  assert.equal(pathOf([0, 50, null, 100, 100], 40, 10, 100), "M0 10L10 5M30 0L40 0");
  assert.equal(pathOf([null, 50, null], 20, 10, 100), "M10 5L10 5");
  assert.equal(pathOf([], 20, 10, 100), "");
});

test("a value over the axis stays inside of the picture", () => {
  assert.equal(pathOf([200], 20, 10, 100), "M0 0L0 0");
});

test("an axis ends at a round number at or over the largest value", () => {
  assert.equal(topOf([[3, 40]], "percent"), 100);
  assert.equal(topOf([[130, null]], "percent"), 200);
  assert.equal(topOf([[5_000], [70_000]], "rate"), 131_072);
  assert.equal(topOf([[]], "rate"), 1024);
  assert.equal(topOf([[90]], "mebibytes", 128), 128);
});

test("values are said with their units", () => {
  assert.equal(inUnit(3.14, "percent"), "3.1 %");
  assert.equal(inUnit(1536, "mebibytes"), "1.5 GiB");
  assert.equal(inUnit(2048, "rate"), "2 KiB/s");
});

test("what is unknown counts for nothing: neither as the newest value nor in a mean", () => {
  assert.deepEqual(extremes([1, 9, 4, null]), { last: 4, most: 9 });
  assert.deepEqual(extremes([1, 9, null, null, null]), { last: undefined, most: 9 }, "a machine that is off has no load now");
  assert.deepEqual(extremes([null]), { last: undefined, most: undefined });
  assert.deepEqual(thinned([1, 3, null, null, 5], 2), [2, null, 5]);
});

test("each value has its moment", () => {
  const performance = { from: "2026-11-21T10:00:00Z", to: "2026-11-21T11:00:00Z", step_ms: 10_000, series: {} };
  assert.equal(momentOf(performance, 6).toISOString(), "2026-11-21T10:01:00.000Z");
});
