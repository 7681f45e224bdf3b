import { Button, Spinner } from "@patternfly/react-core";
import { useEffect, useState, type ReactNode } from "react";
import { askFor, useReasons } from "../../../actions/vm.ts";
import type { VmView } from "../../../api/types.ts";
import { ErrorBox } from "../../../parts/error-box.tsx";
import { PossibleButton } from "../../../parts/possible-button.tsx";
import { useTeller } from "../../../shell/toasts.tsx";
import { consoleWords } from "../../../words/console.ts";
import { vmActionWords } from "../../../words/machines.ts";
import { vmStatusWords } from "../../../words/statuses.ts";
import { hasScreenIn } from "../screen.tsx";
import type { LinkState } from "./link.ts";

/** What stands before the console while it shows nothing of now: why, and what to do about it. */
export function Overlay({ vm, state, isLost, mayChange, again }: { vm: VmView; state: LinkState; isLost: boolean; mayChange: boolean; again: () => void }) {
  if (state.is === "ended") {
    return (
      <Notice>
        <ErrorBox refusal={state.refusal} retry={again} />
      </Notice>
    );
  }
  if (state.is === "lost" || isLost) {
    return (
      <Notice>
        <strong role="status">{consoleWords.lost}</strong>
        {state.is === "lost" && state.refusal !== undefined && <p>{`${state.refusal.cause}${state.refusal.remedy === undefined ? "" : `. ${state.refusal.remedy}`}`}</p>}
        {state.is === "lost" && <Countdown to={state.next} />}
        <Button variant="secondary" onClick={again}>{consoleWords.now}</Button>
      </Notice>
    );
  }
  if (!hasScreenIn(vm.status)) return <Stopped vm={vm} mayChange={mayChange} />;
  if (state.is === "connecting") {
    return (
      <Notice>
        <Spinner size="lg" aria-label={consoleWords.connecting} />
        <span role="status">{consoleWords.connecting}</span>
      </Notice>
    );
  }
  return null;
}

function Notice({ children }: { children: ReactNode }) {
  return <div className="hostler-console-notice">{children}</div>;
}

function Stopped({ vm, mayChange }: { vm: VmView; mayChange: boolean }) {
  const reasons = useReasons();
  const { run } = useTeller();
  const isOnTheWay = vm.status === "starting" || vm.status === "restoring" || vm.status === "creating";
  return (
    <Notice>
      <strong role="status">{consoleWords.off(vm.spec.name, vmStatusWords[vm.status])}</strong>
      <p>{isOnTheWay ? consoleWords.starting : consoleWords.offBody}</p>
      {mayChange && !isOnTheWay && (
        <PossibleButton
          label={vmActionWords.labels.start}
          variant="primary"
          reason={reasons(vm.status, "start")}
          onClick={() => void run(askFor(vm, "start"), `${vmActionWords.labels.start} ${vm.spec.name}`)}
        />
      )}
    </Notice>
  );
}

function Countdown({ to }: { to: number }) {
  const left = (): number => Math.ceil((to - Date.now()) / 1_000);
  const [seconds, setSeconds] = useState(left);
  useEffect(() => {
    const timer = setInterval(() => setSeconds(Math.ceil((to - Date.now()) / 1_000)), 250);
    return () => clearInterval(timer);
  }, [to]);
  return <p>{consoleWords.next(seconds)}</p>;
}
