import assert from "node:assert/strict";
import { test } from "node:test";
import { othersOf } from "./others.ts";

const since = "2026-11-21T10:00:00Z";

test("who else watches is everybody but this one look, each named once", () => {
  const viewers = [
    { user: "eva", kind: "graphics", view_only: true, since },
    { user: "otto", kind: "serial", view_only: false, since },
    { user: "eva", kind: "serial", view_only: true, since },
    { user: "otto", kind: "graphics", view_only: true, since },
  ];
  assert.deepEqual(othersOf(viewers, "otto", true), ["eva (2 times), view only", "otto, view only"]);
  assert.deepEqual(othersOf(viewers.slice(1, 2), "otto", true), []);
  assert.deepEqual(othersOf(viewers.slice(1, 2), "otto", false), ["otto"]);
});
