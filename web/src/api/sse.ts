import { refusalFrom, RefusalError } from "./refusal.ts";

/** One server-sent event. */
export interface ServerEvent {
  event: string;
  data: string;
  id?: string;
}

/** Reads events out of text that comes in pieces of any size. */
export function eventReader(take: (event: ServerEvent) => void): (piece: string) => void {
  let rest = "";
  let event = "";
  let data: string[] = [];
  let id: string | undefined;
  const line = (text: string): void => {
    if (text === "") {
      if (data.length > 0) take({ event: event === "" ? "message" : event, data: data.join("\n"), ...(id === undefined ? {} : { id }) });
      event = "";
      data = [];
      return;
    }
    const colon = text.indexOf(":");
    if (colon === 0) return;
    const field = colon < 0 ? text : text.slice(0, colon);
    const value = colon < 0 ? "" : text.slice(colon + 1).replace(/^ /, "");
    if (field === "event") event = value;
    else if (field === "data") data.push(value);
    else if (field === "id") id = value;
  };
  return (piece) => {
    rest += piece;
    const lines = rest.split(/\r?\n/);
    rest = lines.pop() ?? "";
    lines.forEach(line);
  };
}

/** The server says something at least every 10 s: after this much silence the connection is dead, whatever TCP says. */
const SILENCE_MS = 25_000;
const FIRST_RETRY_MS = 300;
/** More makes a person wait after the server is back; less is a storm when a thousand consoles come back together. */
const LAST_RETRY_MS = 4_000;

export interface Follower {
  onEvent: (event: ServerEvent) => void;
  /** The stream is open (again). */
  onOpen: () => void;
  /** The stream broke, and is being tried again. */
  onLost: () => void;
  /** The server does not give this stream: it is not tried again. */
  onRefused: (refusal: RefusalError) => void;
}

/** Follows a stream of events, again and again from where it broke off, until the answered function is called. */
export function follow(address: string, follower: Follower): () => void {
  const stop = new AbortController();
  let last: string | undefined;
  let wake: () => void = () => undefined;
  const again = (): void => wake();
  window.addEventListener("online", again);

  const once = async (): Promise<void> => {
    const silence = new AbortController();
    let timer = setTimeout(() => silence.abort(), SILENCE_MS);
    try {
      const response = await fetch(address, {
        headers: { accept: "text/event-stream", ...(last === undefined ? {} : { "Last-Event-ID": last }) },
        signal: AbortSignal.any([stop.signal, silence.signal]),
        cache: "no-store",
      });
      if (!response.ok || response.body === null) {
        throw new RefusalError(refusalFrom(await response.json().catch(() => undefined), response.status), response.status);
      }
      follower.onOpen();
      const take = eventReader((event) => {
        if (event.id !== undefined) last = event.id;
        follower.onEvent(event);
      });
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        clearTimeout(timer);
        timer = setTimeout(() => silence.abort(), SILENCE_MS);
        take(value);
      }
    } finally {
      clearTimeout(timer);
    }
  };

  const isStopped = (): boolean => stop.signal.aborted;
  const forEver = async (): Promise<void> => {
    let wait = FIRST_RETRY_MS;
    for (;;) {
      const began = Date.now();
      try {
        await once();
      } catch (thrown) {
        if (isStopped()) return;
        if (thrown instanceof RefusalError && thrown.status >= 400 && thrown.status < 500 && thrown.status !== 429) {
          follower.onRefused(thrown);
          return;
        }
      }
      if (isStopped()) return;
      follower.onLost();
      if (Date.now() - began > SILENCE_MS) wait = FIRST_RETRY_MS;
      const delay = wait * (0.5 + Math.random());
      await new Promise<void>((resolve) => {
        wake = resolve;
        setTimeout(resolve, delay);
      });
      if (isStopped()) return;
      wait = Math.min(wait * 2, LAST_RETRY_MS);
    }
  };
  void forEver();
  return () => {
    window.removeEventListener("online", again);
    stop.abort();
    wake();
  };
}
