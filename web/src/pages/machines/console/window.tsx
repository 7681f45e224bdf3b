import { Title } from "@patternfly/react-core";
import { Link, useParams } from "@tanstack/react-router";
import { useEffect } from "react";
import { useMe, useObject } from "../../../api/hooks.ts";
import { ErrorBox } from "../../../parts/error-box.tsx";
import { Waiting } from "../../../parts/live-table.tsx";
import { VmStatusLabel } from "../../../parts/status-label.tsx";
import { useSignInWhenOut } from "../../../shell/shell.tsx";
import { Toasts } from "../../../shell/toasts.tsx";
import { consoleWords } from "../../../words/console.ts";
import { words } from "../../../words/en.ts";
import { Console } from "./console.tsx";

/** A window with nothing but the console of one machine. */
export function ConsoleWindow() {
  const me = useMe();
  const isIn = useSignInWhenOut();
  if (!isIn) return null;
  if (me === undefined) return <Waiting />;
  return (
    <Toasts>
      <Machine />
    </Toasts>
  );
}

function Machine() {
  const { vm: ref } = useParams({ from: "/machines/$vm/console" });
  const { data: vm, error, again } = useObject("vms", ref);
  const title = consoleWords.title(vm?.spec.name ?? ref);
  useEffect(() => {
    document.title = `${title} · ${words.product}`;
  }, [title]);
  return (
    <main className="hostler-console-window">
      <div className="hostler-title">
        <Title headingLevel="h1" size="lg">{title}</Title>
        {vm !== undefined && (
          <>
            <VmStatusLabel status={vm.status} />
            <Link to="/machines/$vm" params={{ vm: vm.id }} className="hostler-console-back">{consoleWords.toMachine}</Link>
          </>
        )}
      </div>
      {vm !== undefined ? <Console vm={vm} isAlone /> : error !== undefined ? <ErrorBox refusal={error} retry={again} /> : <Waiting />}
    </main>
  );
}
