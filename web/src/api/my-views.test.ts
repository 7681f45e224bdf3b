import assert from "node:assert/strict";
import { test } from "node:test";
import { deleteView, saveView, watchViews, type MyViews } from "./my-views.ts";
import { RefusalError } from "./refusal.ts";
import type { Follower } from "./sse.ts";
import type { SavedViewView } from "./types.ts";

const view = (id: string, name: string): SavedViewView => ({ id, name, page: "vms", state: "sort=name", user: "me", created: "2026-01-01T00:00:00Z", revision: 1 });
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A server whose answers are given by hand, and what was told of it. */
function watched() {
  const readings: { answer: (views: SavedViewView[]) => void; refuse: (thrown: unknown) => void }[] = [];
  const told: MyViews[] = [];
  let path = "";
  let feed: Follower | undefined;
  const stop = watchViews("vms", (next) => told.push(next), {
    read: (page) => {
      assert.equal(page, "vms");
      return new Promise((answer, refuse) => readings.push({ answer, refuse }));
    },
    follow: (address, follower) => {
      path = address;
      feed = follower;
      return () => undefined;
    },
  });
  const change = (op: string, id: string): void => feed?.onEvent({ event: "change", data: JSON.stringify({ kind: "view", op, id }) });
  return { readings, told, stop, change, path, feed: feed! };
}

test("views are read when the feed is open, and again when it tells of one", async () => {
  const { readings, told, change, path, feed } = watched();
  assert.equal(path, "/api/v1/feed?kinds=view");
  assert.equal(readings.length, 0);
  feed.onOpen();
  readings[0]!.answer([view("a", "Shop")]);
  await settled();
  assert.deepEqual(told.at(-1)?.views?.map(({ name }) => name), ["Shop"]);
  change("put", "b");
  readings[1]!.answer([view("b", "Big"), view("a", "Shop")]);
  await settled();
  assert.deepEqual(told.at(-1)?.views?.map(({ name }) => name), ["Big", "Shop"]);
  change("gone", "a");
  readings[2]!.answer([view("b", "Big")]);
  await settled();
  assert.deepEqual(told.at(-1)?.views?.map(({ name }) => name), ["Big"]);
});

test("what changes while they are read is read once more, however much of it there is", async () => {
  const { readings, told, change, feed } = watched();
  feed.onOpen();
  change("put", "a");
  change("put", "b");
  change("gone", "b");
  assert.equal(readings.length, 1);
  readings[0]!.answer([]);
  await settled();
  assert.equal(readings.length, 2);
  readings[1]!.answer([view("a", "Shop")]);
  await settled();
  assert.equal(readings.length, 2);
  assert.deepEqual(told.at(-1)?.views?.map(({ id }) => id), ["a"]);
});

test("that somebody else's view is gone reads nothing", async () => {
  const { readings, change, feed } = watched();
  feed.onOpen();
  readings[0]!.answer([view("a", "Shop")]);
  await settled();
  change("gone", "another");
  assert.equal(readings.length, 1);
});

test("after a cut, and where the feed lost its place, they are read again", async () => {
  const { readings, feed } = watched();
  feed.onOpen();
  readings[0]!.answer([]);
  await settled();
  feed.onLost();
  feed.onOpen();
  assert.equal(readings.length, 2);
  readings[1]!.answer([]);
  await settled();
  feed.onEvent({ event: "resync", data: "{}" });
  assert.equal(readings.length, 3);
});

test("a refusal is told beside what is known, until they were read again", async () => {
  const { readings, told, feed } = watched();
  feed.onOpen();
  readings[0]!.answer([view("a", "Shop")]);
  await settled();
  feed.onOpen();
  readings[1]!.refuse(new RefusalError({ code: "too.many.requests", object: "user", cause: "too many" }, 429));
  await settled();
  assert.equal(told.at(-1)?.error?.code, "too.many.requests");
  assert.equal(told.at(-1)?.views?.length, 1);
  told.at(-1)?.again();
  readings[2]!.answer([]);
  await settled();
  assert.equal(told.at(-1)?.error, undefined);
  assert.deepEqual(told.at(-1)?.views, []);
});

test("nothing is told after the end", async () => {
  const { readings, told, stop, feed } = watched();
  feed.onOpen();
  stop();
  readings[0]!.answer([view("a", "Shop")]);
  await settled();
  assert.equal(told.length, 0);
});

test("a name goes into the address as one part of it", () => {
  assert.deepEqual(saveView("vms", "50 % / ä?", "sort=name"), { method: "PUT", path: "/me/views/vms/50%20%25%20%2F%20%C3%A4%3F", body: { state: "sort=name" } });
  assert.deepEqual(deleteView("jobs", "mine"), { method: "DELETE", path: "/me/views/jobs/mine" });
});
