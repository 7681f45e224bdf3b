import "@xterm/xterm/css/xterm.css";
import { FitAddon } from "@xterm/addon-fit";
import { Terminal } from "@xterm/xterm";
import { useCallback, useEffect, useEffectEvent, useImperativeHandle, useRef } from "react";
import { consoleWords } from "../../../words/console.ts";
import { serialChords } from "./keys.ts";
import { isWayOut, useLink, type ScreenProps } from "./screen-handle.ts";
import { documentWithoutInlineStyles } from "./styles-by-script.ts";

const SCROLLBACK_LINES = 5_000;
/** Small enough that a guest which reads a key at a time is not overrun, and that stopping stops soon. */
const PIECE = 256;
const PIECE_PAUSE_MS = 20;
const encoder = new TextEncoder();
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** The serial line of a machine: what it wrote since it was turned on, and a keyboard. */
export function Serial(props: ScreenProps & { isForReader: boolean; onLeave: () => void }) {
  const { name, isViewOnly, isForReader, onLeave, ref } = props;
  const place = useRef<HTMLDivElement>(null);
  const terminal = useRef<Terminal>(null);
  const stream = useRef<WebSocket>(null);
  const write = useCallback((text: string): void => {
    if (stream.current?.readyState === WebSocket.OPEN) stream.current.send(encoder.encode(text));
  }, []);
  const onData = useEffectEvent(write);
  const onWayOut = useEffectEvent(onLeave);

  // Before the stream, whose first bytes it takes.
  useEffect(() => {
    const target = place.current;
    if (target === null) return undefined;
    const own = documentWithoutInlineStyles();
    const made = new Terminal({
      documentOverride: own.document,
      scrollback: SCROLLBACK_LINES,
      fontSize: 14,
      fontFamily: "'Red Hat Mono', 'DejaVu Sans Mono', 'Liberation Mono', Menlo, Consolas, monospace",
      theme: { background: "#000000", foreground: "#e0e0e0" },
      minimumContrastRatio: 4.5,
    });
    const fit = new FitAddon();
    made.loadAddon(fit);
    made.open(target);
    made.onData((text) => onData(text));
    made.attachCustomKeyEventHandler((event) => {
      if (!isWayOut(event)) return true;
      made.blur();
      onWayOut();
      return false;
    });
    const sizes = new ResizeObserver(() => fit.fit());
    sizes.observe(target);
    terminal.current = made;
    return () => {
      sizes.disconnect();
      made.dispose();
      own.release();
      terminal.current = null;
    };
  }, []);

  useEffect(() => {
    if (terminal.current === null) return;
    terminal.current.textarea?.setAttribute("aria-label", consoleWords.terminal(name));
    terminal.current.options.disableStdin = isViewOnly;
    terminal.current.options.screenReaderMode = isForReader;
  }, [name, isViewOnly, isForReader]);

  const again = useLink("serial", props, (next) => {
    stream.current = next;
    let isFirst = true;
    next.addEventListener("message", ({ data }: MessageEvent<ArrayBuffer>) => {
      // Each stream begins with everything since power on.
      if (isFirst) terminal.current?.reset();
      isFirst = false;
      terminal.current?.write(new Uint8Array(data));
    });
    next.addEventListener("open", () => {
      if (!isViewOnly) terminal.current?.focus();
    });
    return () => {
      if (stream.current === next) stream.current = null;
      next.close();
    };
  });

  useImperativeHandle(ref, () => ({
    chords: serialChords.map((chord) => chord.name),
    press: (asked) => {
      write(serialChords.find((chord) => chord.name === asked)?.text ?? "");
      terminal.current?.focus();
    },
    type: async (text, told, stop) => {
      const keys = text.replaceAll("\r\n", "\r").replaceAll("\n", "\r");
      for (let sent = 0; sent < keys.length && !stop.aborted; sent += PIECE) {
        write(keys.slice(sent, sent + PIECE));
        told(Math.min(keys.length, sent + PIECE), keys.length);
        await pause(PIECE_PAUSE_MS);
      }
    },
    picture: () => {
      const text = terminal.current === null ? "" : textOf(terminal.current);
      return Promise.resolve(text === "" ? undefined : { blob: new Blob([text], { type: "text/plain" }), extension: "txt" });
    },
    focus: () => terminal.current?.focus(),
    again,
  }), [again, write]);
  return <div ref={place} className="hostler-console-place" role="group" aria-label={consoleWords.terminal(name)} />;
}

/** Everything that is in a terminal, as far back as it goes. */
function textOf(terminal: Terminal): string {
  const { active } = terminal.buffer;
  const lines = Array.from({ length: active.length }, (_, index) => active.getLine(index)?.translateToString(true) ?? "");
  return lines.join("\n").trimEnd();
}
