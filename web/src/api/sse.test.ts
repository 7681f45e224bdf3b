import assert from "node:assert/strict";
import { test } from "node:test";
import { eventReader, type ServerEvent } from "./sse.ts";

function readAll(pieces: string[]): ServerEvent[] {
  const events: ServerEvent[] = [];
  const take = eventReader((event) => events.push(event));
  pieces.forEach(take);
  return events;
}

const stream = "id: a-1\n: here\n\nevent: change\ndata: {\"rev\":1}\nid: a-2\n\nevent: change\ndata: one\ndata: two\n\n";

test("events are read whole, with their names, data and place", () => {
  assert.deepEqual(readAll([stream]), [
    { event: "change", data: '{"rev":1}', id: "a-2" },
    { event: "change", data: "one\ntwo", id: "a-2" },
  ]);
});

test("it does not matter in which pieces a stream arrives", () => {
  for (let at = 1; at < stream.length; at += 1) {
    assert.deepEqual(readAll([stream.slice(0, at), stream.slice(at)]), readAll([stream]), `cut at ${at}`);
  }
  assert.deepEqual(readAll(Array.from(stream)), readAll([stream]));
});

test("an event that has not ended yet is not told", () => {
  assert.deepEqual(readAll(["data: half\n"]), []);
});
