import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { RefusalError } from "../../../api/refusal.ts";
import { closed, link, type LinkState, type Ticket } from "./link.ts";

/** A stream that does what the test says. */
class Stream extends EventTarget {
  isClosed = false;
  close(): void {
    this.isClosed = true;
  }
  says(): void {
    this.dispatchEvent(new Event("message"));
  }
  opens(): void {
    this.dispatchEvent(new Event("open"));
  }
  closes(code: number, reason = ""): void {
    this.dispatchEvent(Object.assign(new Event("close"), { code, reason }));
  }
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function world(ask: () => Promise<Ticket> = () => Promise.resolve({ ticket: "t", url: "/t" })) {
  mock.timers.enable({ apis: ["setTimeout", "Date"] });
  const states: LinkState[] = [];
  const streams: Stream[] = [];
  const connection = link({
    ask,
    open: () => {
      const stream = new Stream();
      streams.push(stream);
      return stream as unknown as WebSocket;
    },
    onState: (state) => states.push(state),
    words: { revoked: "your right was taken back", gone: "it is gone", refused: "the host refuses", object: "web" },
  });
  return {
    connection,
    streams,
    states,
    last: () => states.at(-1),
    passes: async (ms: number) => {
      mock.timers.tick(ms);
      await settled();
    },
    end: () => {
      connection.stop();
      mock.timers.reset();
    },
  };
}

test("a console that breaks off asks a new ticket, later each time, until something is heard again", async () => {
  let asked = 0;
  const { streams, last, passes, end } = world(() => {
    asked += 1;
    return Promise.resolve({ ticket: String(asked), url: "/" });
  });
  await settled();
  streams[0]?.opens();
  assert.deepEqual(last(), { is: "open" });
  const pauses: number[] = [];
  for (let turn = 0; turn < 7; turn += 1) {
    streams.at(-1)?.closes(1006);
    const state = last();
    assert.ok(state?.is === "lost");
    pauses.push(state.next - Date.now());
    await passes(8_000);
  }
  assert.equal(asked, 8);
  assert.ok(pauses[0]! <= 300 && pauses[6]! >= 4_000 && pauses[6]! <= 8_000, String(pauses));
  streams.at(-1)?.opens();
  streams.at(-1)?.says();
  streams.at(-1)?.closes(1006);
  const state = last();
  assert.ok(state?.is === "lost" && state.next - Date.now() <= 300);
  end();
});

test("a machine that is turned off is waited for, and nothing is called lost", async () => {
  const { streams, last, passes, end } = world();
  await settled();
  streams[0]?.opens();
  streams[0]?.closes(closed.turnedOff, "the machine was turned off");
  assert.deepEqual(last(), { is: "connecting" });
  await passes(300);
  streams[1]?.opens();
  assert.deepEqual(last(), { is: "open" });
  end();
});

test("a right that was taken back and a machine that is gone are said, and not tried again", async () => {
  for (const [code, word] of [[closed.revoked, "console.revoked"], [closed.gone, "console.gone"]] as const) {
    const { streams, last, passes, end } = world();
    await settled();
    streams[0]?.closes(code);
    const state = last();
    assert.ok(state?.is === "ended" && state.refusal.code === word);
    await passes(60_000);
    assert.equal(streams.length, 1);
    end();
  }
});

test("a host that refuses while a machine is being turned off is asked again, one that goes on refusing is not", async () => {
  const { streams, last, passes, end } = world();
  await settled();
  streams[0]?.closes(closed.turnedOff);
  await passes(300);
  for (let turn = 1; turn <= 3; turn += 1) {
    streams[turn]?.closes(closed.refused, "domain is not running");
    assert.equal(last()?.is, "lost");
    await passes(8_000);
  }
  streams[4]?.closes(closed.refused, "there is no such console");
  const state = last();
  assert.ok(state?.is === "ended" && state.refusal.cause === "there is no such console");
  await passes(60_000);
  assert.equal(streams.length, 5);
  end();
});

test("a ticket that is refused for good ends it, one that is refused for now does not", async () => {
  const refused = (status: number) => () => Promise.reject(new RefusalError({ code: "some.code", object: "web", cause: "no" }, status));
  const forGood = world(refused(403));
  await settled();
  assert.ok(forGood.last()?.is === "ended");
  forGood.end();
  const forNow = world(refused(503));
  await settled();
  const state = forNow.last();
  assert.ok(state?.is === "lost" && state.refusal?.code === "some.code");
  forNow.end();
});

test("who asks again is heard at once, and the stream before says nothing any more", async () => {
  const { connection, streams, last, states, end } = world();
  await settled();
  streams[0]?.opens();
  connection.again();
  await settled();
  assert.equal(streams[0]!.isClosed, true);
  streams[1]?.opens();
  const before = states.length;
  streams[0]?.closes(1006);
  assert.equal(states.length, before);
  assert.deepEqual(last(), { is: "open" });
  end();
});
