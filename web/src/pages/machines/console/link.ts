import { refusalOf, RefusalError, type Refusal } from "../../../api/refusal.ts";

// One console's connection, again and again: a ticket (good once, for seconds), then the stream it is for. Nothing of
// React and nothing of what the bytes mean.

export type ConsoleKind = "graphics" | "serial";

export interface Ticket {
  ticket: string;
  url: string;
}

export type LinkState =
  | { is: "connecting" }
  | { is: "open" }
  /** It broke off and is tried again at `next`; why, where that is known. */
  | { is: "lost"; next: number; refusal: Refusal | undefined }
  /** It is not tried again by itself. */
  | { is: "ended"; refusal: Refusal };

export interface LinkOptions {
  ask: () => Promise<Ticket>;
  /** Opens the stream and takes its bytes from the first one on. */
  open: (ticket: Ticket) => WebSocket;
  onState: (state: LinkState) => void;
  /** What the closing codes mean, in words. */
  words: { revoked: string; gone: string; refused: string; object: string };
}

export interface Link {
  /** Tries at once, also where it had ended. */
  again: () => void;
  stop: () => void;
}

const FIRST_RETRY_MS = 300;
/** More keeps a person waiting after the host is back; less is a storm when many consoles come back together. */
const LAST_RETRY_MS = 8_000;

/** A host that is asked while a machine is just being turned off refuses, and a moment later does not. */
const REFUSALS = 3;

/** Why the server closes a console. */
export const closed = { revoked: 4001, gone: 4002, silent: 4003, badTicket: 4004, slow: 4005, turnedOff: 4006, refused: 4007 } as const;

/** Refusals that time does not heal: somebody has to do something first. */
const isFinal = (status: number): boolean => status === 400 || status === 401 || status === 403 || status === 404 || status === 422;

/** Keeps a console connected until it is stopped. */
export function link(options: LinkOptions): Link {
  let wait = FIRST_RETRY_MS;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let socket: WebSocket | undefined;
  let isStopped = false;
  let turn = 0;
  let refusals = 0;

  const end = (refusal: Refusal): void => options.onState({ is: "ended", refusal });
  const later = (refusal: Refusal | undefined): void => {
    const pause = wait * (0.5 + Math.random() / 2);
    wait = Math.min(wait * 2, LAST_RETRY_MS);
    options.onState({ is: "lost", next: Date.now() + pause, refusal });
    timer = setTimeout(() => void once(), pause);
  };

  const onClose = ({ code, reason }: CloseEvent): void => {
    const said = (code_: string): Refusal | undefined => (reason === "" ? undefined : { code: code_, object: options.words.object, cause: reason });
    if (code === closed.revoked) end(said("console.revoked") ?? { code: "console.revoked", object: options.words.object, cause: options.words.revoked });
    else if (code === closed.gone) end(said("console.gone") ?? { code: "console.gone", object: options.words.object, cause: options.words.gone });
    else if (code === closed.refused && refusals < REFUSALS) {
      refusals += 1;
      later(said("console.refused"));
    } else if (code === closed.refused) end(said("console.refused") ?? { code: "console.refused", object: options.words.object, cause: options.words.refused });
    else if (code === closed.turnedOff) {
      // Nothing is wrong: the next one waits for the next start.
      wait = FIRST_RETRY_MS;
      options.onState({ is: "connecting" });
      timer = setTimeout(() => void once(), wait);
    } else later(said(`console.closed.${code}`));
  };

  const once = async (): Promise<void> => {
    turn += 1;
    const mine = turn;
    const isOld = (): boolean => isStopped || mine !== turn;
    options.onState({ is: "connecting" });
    let opened: WebSocket;
    try {
      const ticket = await options.ask();
      if (isOld()) return;
      opened = options.open(ticket);
    } catch (thrown) {
      if (isOld()) return;
      if (thrown instanceof RefusalError && isFinal(thrown.status)) end(thrown.refusal);
      else later(refusalOf(thrown));
      return;
    }
    socket = opened;
    opened.addEventListener("open", () => {
      if (isOld()) return;
      options.onState({ is: "open" });
    });
    // What says something is there: only then the next break is a first one again.
    opened.addEventListener(
      "message",
      () => {
        wait = FIRST_RETRY_MS;
        refusals = 0;
      },
      { once: true },
    );
    opened.addEventListener("close", (event) => {
      if (!isOld()) onClose(event);
    });
  };

  const again = (): void => {
    clearTimeout(timer);
    wait = FIRST_RETRY_MS;
    refusals = 0;
    turn += 1;
    socket?.close();
    if (!isStopped) void once();
  };
  void once();
  return {
    again,
    stop: () => {
      isStopped = true;
      clearTimeout(timer);
      socket?.close();
    },
  };
}
