import assert from "node:assert/strict";
import { test } from "node:test";
import type { HostStatus, HostView } from "../../api/types.ts";
import { counted, dayBefore, hostNeeds, troublesOf } from "./needs.ts";

const host = (name: string, more: object = {}): HostView => ({ id: name, name, status: "responding", facts: {}, ...more }) as unknown as HostView;
const statusOf = (one: HostView): HostStatus => one.status;

test("a host wants somebody when its disk is nearly full, its clock is off or it emulates, and not before", () => {
  assert.deepEqual(troublesOf(host("a", { load: { disk_total_mib: 100, disk_free_mib: 11 }, clock_ahead_ms: 1_000, facts: { kvm: { is: "works" } } }), "responding"), []);
  const all = host("b", { load: { disk_total_mib: 100, disk_free_mib: 10 }, clock_ahead_ms: -1_001, facts: { kvm: { is: "fails", why: "no /dev/kvm" } } });
  assert.deepEqual(troublesOf(all, "in-maintenance"), ["disk", "kvm", "clock"]);
});

test("of a host that does not answer only that is told: what else was known of it is old", () => {
  assert.deepEqual(troublesOf(host("a", { load: { disk_total_mib: 100, disk_free_mib: 0 } }), "not-responding"), ["not-responding"]);
});

test("each kind of trouble is one need with its hosts, the gravest first, and an address that shows just these", () => {
  const hosts = [host("full", { load: { disk_total_mib: 100, disk_free_mib: 1 } }), host("late", { clock_ahead_ms: 60_000 }), host("gone", { status: "not-responding" }), host("late, too", { clock_ahead_ms: 60_000 }), host("well")];
  assert.deepEqual(
    hostNeeds(hosts, statusOf).map(({ trouble, hosts: inIt, filter }) => [trouble, inIt.map(({ name }) => name), filter]),
    [
      ["not-responding", ["gone"], "status=not-responding"],
      ["disk", ["full"], "name=full"],
      ["clock", ["late", "late, too"], 'name=late|"late, too"'],
    ],
  );
});

test("troubles are counted by what the list says of itself, most first, and what nobody has is left out", () => {
  assert.deepEqual(counted({ running: 900, crashed: 2, missing: 5, conflict: 0 }, ["conflict", "crashed", "missing"]), [["missing", 5], ["crashed", 2]]);
  assert.deepEqual(counted(undefined, ["conflict"]), []);
});

test("the last day begins at a full hour, so that a look a minute later asks for the same", () => {
  assert.equal(dayBefore(new Date("2026-03-01T10:59:00Z")), "2026-02-28T10:00:00.000Z");
});
