import RFB from "@novnc/novnc";
import { useEffect, useImperativeHandle, useRef } from "react";
import { consoleWords } from "../../../words/console.ts";
import { chords, modifiers, pressesOf, shift } from "./keys.ts";
import { isWayOut, useLink, type ScreenProps } from "./screen-handle.ts";

/** A guest's keyboard holds sixteen bytes or so: typed faster, keys are lost. */
const KEY_PAUSE_MS = 12;
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** The screen of a machine, with its keyboard and mouse. */
export function Graphical(props: ScreenProps & { isScaled: boolean; onLeave: () => void; onPassword: () => void }) {
  const { name, isViewOnly, isScaled, onLeave, onPassword, ref } = props;
  const place = useRef<HTMLDivElement>(null);
  const screen = useRef<RFB>(null);
  const again = useLink("graphics", props, (stream) => {
    const target = place.current;
    if (target === null) return () => undefined;
    const rfb = new RFB(target, stream, { shared: true });
    rfb.viewOnly = isViewOnly;
    rfb.scaleViewport = isScaled;
    rfb.background = "#000";
    const canvas = target.querySelector("canvas");
    canvas?.setAttribute("role", "application");
    canvas?.setAttribute("aria-label", consoleWords.screen(name));
    if (canvas !== null) canvas.tabIndex = 0;
    rfb.addEventListener("connect", () => {
      if (!isViewOnly) rfb.focus({ preventScroll: true });
    });
    rfb.addEventListener("credentialsrequired", onPassword);
    let isOver = false;
    rfb.addEventListener("disconnect", () => (isOver = true));
    screen.current = rfb;
    return () => {
      if (!isOver) rfb.disconnect();
      if (screen.current === rfb) screen.current = null;
    };
  });
  useEffect(() => {
    if (screen.current !== null) screen.current.scaleViewport = isScaled;
  }, [isScaled]);
  useEffect(() => {
    const target = place.current;
    const onKey = (event: KeyboardEvent): void => {
      if (!isWayOut(event)) return;
      event.preventDefault();
      event.stopPropagation();
      for (const { keysym, code } of modifiers) screen.current?.sendKey(keysym, code, false);
      screen.current?.blur();
      onLeave();
    };
    target?.addEventListener("keydown", onKey, true);
    return () => target?.removeEventListener("keydown", onKey, true);
  }, [onLeave]);
  useImperativeHandle(ref, () => ({
    chords: chords.map((chord) => chord.name),
    press: (asked) => {
      const keys = chords.find((chord) => chord.name === asked)?.keys ?? [];
      for (const { keysym, code } of keys) screen.current?.sendKey(keysym, code, true);
      for (const { keysym, code } of [...keys].reverse()) screen.current?.sendKey(keysym, code, false);
    },
    type: async (text, told, stop) => {
      const { presses } = pressesOf(text);
      for (const [index, { keysym, code, isShifted }] of presses.entries()) {
        if (stop.aborted) return;
        if (isShifted) screen.current?.sendKey(shift.keysym, shift.code, true);
        screen.current?.sendKey(keysym, code);
        if (isShifted) screen.current?.sendKey(shift.keysym, shift.code, false);
        told(index + 1, presses.length);
        await pause(KEY_PAUSE_MS);
      }
    },
    picture: async () => {
      const rfb = screen.current;
      const blob = rfb === null ? null : await new Promise<Blob | null>((resolve) => rfb.toBlob(resolve, "image/png"));
      return blob === null ? undefined : { blob, extension: "png" };
    },
    focus: () => screen.current?.focus(),
    again,
  }), [again]);
  return <div ref={place} className="hostler-console-place" />;
}
