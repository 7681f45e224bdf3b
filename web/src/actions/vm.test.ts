import assert from "node:assert/strict";
import { test } from "node:test";
import type { VmView } from "../api/types.ts";
import { askFor, commandFor, lossesOf, plainActions, reasonsIn, riskOf } from "./vm.ts";

const vm = {
  id: "01a1",
  status: "off",
  spec: { name: "web 1", hardware: { cpus: 1, memory_mib: 128, disks: [{ no: 0, file: "/vms/disk-0.qcow2", format: "qcow2", size_bytes: 1 }] } },
} as unknown as VmView;

test("an action that a status forbids is explained by cause and remedy", () => {
  const reasons = reasonsIn([
    { status: "running", actions: [{ action: "start", refusal: { code: "vm.state.forbids", object: "vm", cause: "it runs", remedy: "Shut it down" } }, { action: "pause", refusal: null }] },
  ]);
  assert.equal(reasons("running", "start"), "it runs. Shut it down");
  assert.equal(reasons("running", "pause"), undefined);
  assert.equal(reasons("off", "start"), undefined);
});

test("only deleting disks asks for the name to be typed, and names each disk that goes", () => {
  for (const action of plainActions) assert.equal(riskOf(vm, action)?.typed, action === "delete" ? "web 1" : undefined, action);
  assert.ok(riskOf(vm, "delete")?.losses.some((loss) => loss.includes("/vms/disk-0.qcow2")));
});

test("what loses nothing is not asked about", () => {
  for (const action of ["start", "shut-down", "pause", "resume", "save", "refresh", "adopt"] as const) {
    assert.equal(lossesOf(vm, action), undefined, action);
  }
});

test("forgetting keeps the disks, by REST as by command", () => {
  assert.deepEqual(askFor(vm, "forget"), { method: "DELETE", path: "/vms/01a1", query: { disks: "false" } });
  assert.equal(commandFor(vm, "forget"), "hostler vm forget 'web 1'");
  assert.equal(commandFor(vm, "delete"), "hostler vm delete 'web 1' --yes");
});
