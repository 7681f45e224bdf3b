import assert from "node:assert/strict";
import { test } from "node:test";
import { propertyName, propertyValue } from "./properties.ts";

test("a property is called as people call it", () => {
  assert.equal(propertyName("spec.hardware.memory_mib"), "Memory");
  assert.equal(propertyName("spec.hardware.disks.1.size_bytes"), "Disk 1, size");
  assert.equal(propertyName("observed.seen.disks.0.file"), "Seen: Disk 0, file");
  assert.equal(propertyName("something_new"), "Something new");
});

test("a value has the unit of its property", () => {
  assert.equal(propertyValue("spec.hardware.memory_mib", "2048"), "2 GiB");
  assert.equal(propertyValue("spec.hardware.disks.0.size_bytes", "1073741824"), "1 GiB");
  assert.equal(propertyValue("spec.notes", ""), "none");
  assert.equal(propertyValue("spec.available", "false"), "no");
});
