import assert from "node:assert/strict";
import { test } from "node:test";
import { ownReserve, ownTextsOf } from "./own-reserve.ts";

const nothing = ownTextsOf({});

test("only what was changed is sent, and what was emptied is given back to the group above", () => {
  const before = ownTextsOf({ cpu_percent: 10, memory_mib: 2_048 });
  assert.deepEqual(before, { cpu: "10", memory: "2 GiB", disk: "", operations: "", network: "" });
  const { reserve } = ownReserve({ ...before, memory: "", network: " 5 ", disk: "0" }, before);
  assert.deepEqual(reserve, { memory_mib: null, disk_mib: 0, network_percent: 5 });
  assert.deepEqual(ownReserve(before, before).reserve, {});
});

test("a text that is no value is marked, and nothing is sent", () => {
  for (const [key, written] of [["cpu", "101"], ["cpu", "-1"], ["memory", "much"], ["operations", "1.5"], ["network", "5 %"]] as const) {
    const { reserve, wrong } = ownReserve({ ...nothing, [key]: written }, nothing);
    assert.equal(reserve, undefined, written);
    assert.equal(wrong[key], true, written);
  }
});
