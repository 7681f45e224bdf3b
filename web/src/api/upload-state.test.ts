import assert from "node:assert/strict";
import { test } from "node:test";
import { isSame, kept, together, type Upload, type UploadState } from "./upload-state.ts";

const upload = (state: UploadState, rest: Partial<Upload> = {}): Upload => ({
  key: "k",
  id: "u1",
  share: "s",
  shareName: "library",
  path: "iso/debian.iso",
  name: "debian.iso",
  size: 100,
  modified: 7,
  sent: 0,
  state,
  ...rest,
});

test("after a reload an upload goes on only with the same file", () => {
  const begun = upload({ is: "needs-file" });
  assert.ok(isSame(begun, { name: "debian.iso", size: 100, lastModified: 7 }));
  assert.ok(!isSame(begun, { name: "debian.iso", size: 101, lastModified: 7 }));
  assert.ok(!isSame(begun, { name: "debian.iso", size: 100, lastModified: 8 }));
  assert.ok(!isSame(begun, { name: "other.iso", size: 100, lastModified: 7 }));
});

test("what the server knows and has not ended is what is written down", () => {
  const refusal = { code: "c", object: "o", cause: "no" };
  const all = [
    upload({ is: "sending" }, { id: "sending" }),
    upload({ is: "waiting" }, { id: "" }),
    upload({ is: "lost", refusal }, { id: "lost" }),
    upload({ is: "paused" }, { id: "paused" }),
    upload({ is: "done", job: 1 }, { id: "done" }),
    upload({ is: "refused", refusal }, { id: "refused" }),
  ];
  assert.deepEqual(kept(all).map(({ id }) => id), ["sending", "lost", "paused"]);
  assert.ok(!("state" in kept(all)[0]!));
});

test("several are told as one, by their bytes", () => {
  assert.equal(together([upload({ is: "sending" }, { sent: 50 }), upload({ is: "waiting" }, { size: 300 }), upload({ is: "done", job: 1 }, { sent: 100 })]), 12);
  assert.equal(together([]), 0);
});
