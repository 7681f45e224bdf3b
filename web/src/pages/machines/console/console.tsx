import { lazy, Suspense, useCallback, useEffect, useEffectEvent, useRef, useState } from "react";
import { useLostSince } from "../../../api/connection.ts";
import { useMe } from "../../../api/hooks.ts";
import type { Refusal } from "../../../api/refusal.ts";
import type { VmView } from "../../../api/types.ts";
import { Waiting } from "../../../parts/live-table.tsx";
import { useView } from "../../../parts/view.ts";
import { consoleWords } from "../../../words/console.ts";
import { hasScreenIn } from "../screen.tsx";
import { Bar } from "./bar.tsx";
import type { ConsoleKind, LinkState } from "./link.ts";
import { Overlay } from "./overlay.tsx";
import type { ConsoleHandle } from "./screen-handle.ts";

// Each is read when somebody opens it: neither belongs to the page of a machine.
const Graphical = lazy(async () => ({ default: (await import("./graphical.tsx")).Graphical }));
const Serial = lazy(async () => ({ default: (await import("./serial.tsx")).Serial }));

/** The console of a machine, in its page or in a window of its own. */
export function Console({ vm, isAlone = false }: { vm: VmView; isAlone?: boolean }) {
  const me = useMe();
  if (me === undefined) return <Waiting />;
  return <KnownConsole vm={vm} isAlone={isAlone} me={me.name} mayChange={me.role === "administrator"} />;
}

function useFullScreen(): [isFull: boolean, toggle: () => void] {
  const [isFull, setFull] = useState(false);
  useEffect(() => {
    const onChange = (): void => setFull(document.fullscreenElement !== null);
    document.addEventListener("fullscreenchange", onChange);
    return () => {
      document.removeEventListener("fullscreenchange", onChange);
      if (document.fullscreenElement !== null) void document.exitFullscreen();
    };
  }, []);
  const toggle = (): void => {
    if (document.fullscreenElement !== null) void document.exitFullscreen();
    // The whole page, so that menus and dialogues are inside of it; the console lies over the rest.
    else void document.documentElement.requestFullscreen().catch(() => undefined);
  };
  return [isFull, toggle];
}

function KnownConsole({ vm, isAlone, me, mayChange }: { vm: VmView; isAlone: boolean; me: string; mayChange: boolean }) {
  const view = useView();
  const kind: ConsoleKind = view.search.kind === "serial" ? "serial" : "graphics";
  const [state, setState] = useState<LinkState>({ is: "connecting" });
  const [wishesToWatch, setWatch] = useState(false);
  const isViewOnly = wishesToWatch || !mayChange;
  const [isScaled, setScaled] = useState(true);
  const [isForReader, setForReader] = useState(false);
  const [password, setPassword] = useState<Refusal | undefined>();
  const [isFull, toggleFull] = useFullScreen();
  const [handle, setHandle] = useState<ConsoleHandle | null>(null);
  const bar = useRef<HTMLDivElement>(null);
  const { again, isLost } = useBackWithTheServer(state, handle);
  const onLeave = useCallback(() => bar.current?.querySelector<HTMLElement>("button, a")?.focus(), []);
  const shown: LinkState = password === undefined ? state : { is: "ended", refusal: password };
  const common = { vm: vm.id, name: vm.spec.name, isViewOnly, onState: setState, onLeave, ref: setHandle };
  return (
    <section className={`hostler-console${isAlone ? " is-alone" : ""}${isFull ? " is-full" : ""}`} aria-label={consoleWords.title(vm.spec.name)}>
      <div ref={bar}>
        <Bar
          vm={vm}
          me={me}
          kind={kind}
          state={isLost ? { is: "lost", next: 0, refusal: undefined } : shown}
          handle={handle}
          hasActions={isAlone || isFull}
          isAlone={isAlone}
          onKind={(next) => view.set({ kind: next === "serial" ? "serial" : undefined })}
          watch={{ isOn: isViewOnly, reason: mayChange ? undefined : consoleWords.watchRight, set: setWatch }}
          fit={{ isOn: isScaled, set: setScaled }}
          reader={{ isOn: isForReader, set: setForReader }}
          full={{ isOn: isFull, toggle: toggleFull }}
        />
      </div>
      <div className={`hostler-console-body is-${kind}`}>
        <Suspense fallback={null}>
          {kind === "graphics" ? (
            <Graphical
              key={`${vm.id} ${isViewOnly}`}
              {...common}
              isScaled={isScaled}
              onPassword={() => setPassword({ code: "console.password", object: vm.spec.name, cause: consoleWords.password, remedy: consoleWords.passwordRemedy })}
            />
          ) : (
            <Serial key={vm.id} {...common} isForReader={isForReader} />
          )}
        </Suspense>
        <Overlay
          vm={vm}
          state={shown}
          isLost={isLost}
          mayChange={mayChange}
          again={() => {
            setPassword(undefined);
            again();
          }}
        />
      </div>
      {!isViewOnly && hasScreenIn(vm.status) && <p className="hostler-hint hostler-console-hint">{consoleWords.leave}</p>}
    </section>
  );
}

/** A stream that says nothing may be dead without a sign of it; the page's windows are heard every few seconds. */
function useBackWithTheServer(state: LinkState, handle: ConsoleHandle | null): { again: () => void; isLost: boolean } {
  const isLost = useLostSince() !== undefined;
  const wasLost = useRef(false);
  const again = (): void => handle?.again();
  const onBack = useEffectEvent(() => {
    if (state.is !== "ended") again();
  });
  useEffect(() => {
    if (wasLost.current && !isLost) onBack();
    wasLost.current = isLost;
  }, [isLost]);
  return { again, isLost };
}
