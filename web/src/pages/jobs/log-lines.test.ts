import assert from "node:assert/strict";
import { test } from "node:test";
import type { JobView } from "../../api/types.ts";
import { logOf } from "./log-lines.ts";

test("a job's log is in the order of time, and says why a step failed", () => {
  const job = {
    created: "2026-11-21T10:00:00Z",
    ended: "2026-11-21T10:00:05Z",
    state: "failed-undone",
    actor: { is: "user", id: "u", name: "alice" },
    error: { code: "disk.full", object: "vm web", cause: "no space" },
    steps: [
      { key: "make-disk", act: { act: "agent" }, is: { is: "failed", refusal: { cause: "no space" } }, tries: 2, sent: "2026-11-21T10:00:01Z", answered: "2026-11-21T10:00:04Z" },
      { key: "record", act: { act: "record" }, is: { is: "done" }, sent: "2026-11-21T10:00:00Z" },
    ],
  } as unknown as JobView;
  assert.deepEqual(logOf(job).map(({ text }) => text), [
    "alice asked for it",
    "record: written into the record",
    "make disk: sent, try 2",
    "make disk: failed: no space",
    "Failed, undone. vm web: no space (disk.full)",
  ]);
  assert.equal(logOf(job).filter(({ isBad }) => isBad).length, 2);
});
