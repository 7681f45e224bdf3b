import { useCallback, useEffect, useEffectEvent, useRef, type Ref } from "react";
import { send } from "../../../api/client.ts";
import { consoleWords } from "../../../words/console.ts";
import { link, type ConsoleKind, type Link, type LinkState, type Ticket } from "./link.ts";

/** What the bar above a console asks of it, whichever of the two it is. */
export interface ConsoleHandle {
  /** Names of the combinations that it can send. */
  chords: readonly string[];
  press: (chord: string) => void;
  /** Types a text, and tells how far it is; ends early when it is told to. */
  type: (text: string, told: (sent: number, all: number) => void, stop: AbortSignal) => Promise<void>;
  /** What it shows, as a file; undefined while it shows nothing. */
  picture: () => Promise<{ blob: Blob; extension: string } | undefined>;
  focus: () => void;
  /** Connects anew, now. */
  again: () => void;
}

export interface ScreenProps {
  vm: string;
  name: string;
  isViewOnly: boolean;
  onState: (state: LinkState) => void;
  ref: Ref<ConsoleHandle>;
}

/** The address of a ticket's stream. */
function streamOf(ticket: Ticket): WebSocket {
  const address = new URL(ticket.url, window.location.href);
  address.protocol = address.protocol.replace("http", "ws");
  const socket = new WebSocket(address, ["binary"]);
  socket.binaryType = "arraybuffer";
  return socket;
}

/**
 * The console's connection for as long as it is shown. `take` gets each new stream before its first byte and answers
 * how to let go of it.
 */
export function useLink(kind: ConsoleKind, { vm, isViewOnly, onState }: ScreenProps, take: (stream: WebSocket) => () => void): () => void {
  const current = useRef<Link>(null);
  const onTake = useEffectEvent(take);
  const onNext = useEffectEvent(onState);
  useEffect(() => {
    let leave = (): void => undefined;
    const connection = link({
      ask: () => send<Ticket>({ method: "POST", path: `/vms/${vm}/console-tickets`, body: { kind, view_only: isViewOnly } }),
      open: (ticket) => {
        leave();
        const stream = streamOf(ticket);
        leave = onTake(stream);
        return stream;
      },
      onState: (state) => onNext(state),
      words: { revoked: consoleWords.revoked, gone: consoleWords.gone, refused: consoleWords.refused, object: consoleWords.toolbar },
    });
    current.current = connection;
    return () => {
      connection.stop();
      leave();
      current.current = null;
    };
  }, [kind, vm, isViewOnly]);
  return useCallback(() => current.current?.again(), []);
}

/** Ctrl, Alt and Shift together: the way out of a screen that takes every key, Tab too. */
export const isWayOut = (event: KeyboardEvent): boolean => event.type === "keydown" && event.ctrlKey && event.altKey && event.shiftKey;
