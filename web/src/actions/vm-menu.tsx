import { Button } from "@patternfly/react-core";
import { EllipsisVIcon } from "@patternfly/react-icons/dist/esm/icons/ellipsis-v-icon";
import { useState } from "react";
import { useMayChange } from "../api/hooks.ts";
import type { VmView } from "../api/types.ts";
import { Confirm, type Risky } from "../forms/confirm.tsx";
import { MigrateVmForm } from "../forms/migrate-vm.tsx";
import { Choices, Menu, type Choice } from "../parts/menu.tsx";
import { useTeller } from "../shell/toasts.tsx";
import { words } from "../words/en.ts";
import { migrateWords, vmActionWords } from "../words/machines.ts";
import { askFor, plainActions, riskOf, useReasons, type PlainAction } from "./vm.ts";

/** Does an action, or asks first where something would be lost. */
function useAct(vm: VmView): { act: (action: PlainAction) => void; risky: Risky | undefined; close: () => void } {
  const { run } = useTeller();
  const [risky, setRisky] = useState<Risky | undefined>();
  const act = (action: PlainAction): void => {
    const risk = riskOf(vm, action);
    if (risk !== undefined) setRisky(risk);
    else void run(askFor(vm, action), `${vmActionWords.labels[action]} ${vm.spec.name}`);
  };
  return { act, risky, close: () => setRisky(undefined) };
}

/** What is usually wanted in a status. */
function usualAction(vm: VmView): PlainAction {
  if (vm.status === "running") return "shut-down";
  return vm.status === "paused" ? "resume" : "start";
}

/** Everything that can be done to a machine. What is not possible now says why; nothing is hidden. */
export function VmMenu({ vm, small = false }: { vm: VmView; small?: boolean }) {
  const mayChange = useMayChange();
  const { act, risky, close } = useAct(vm);
  const [isMigrating, setMigrating] = useState(false);
  if (!mayChange) return null;
  return (
    <>
      <Menu
        label={small ? words.table.actionsOf(vm.spec.name) : vmActionWords.menu}
        variant={small ? "plain" : "default"}
        toggle={small ? <EllipsisVIcon /> : vmActionWords.menu}
        choices={<VmChoices vm={vm} act={act} migrate={() => setMigrating(true)} />}
      />
      {isMigrating && <MigrateVmForm vm={vm} onClose={() => setMigrating(false)} />}
      {risky !== undefined && <Confirm risky={risky} onClose={close} />}
    </>
  );
}

function VmChoices({ vm, act, migrate }: { vm: VmView; act: (action: PlainAction) => void; migrate: () => void }) {
  const reasons = useReasons();
  const isFound = vm.origin === "found" || vm.presence.is === "elsewhere";
  const choices: Choice[] = plainActions
    .filter((action) => (action !== "adopt" || isFound) && (action !== "settle" || vm.status === "conflict"))
    .map((action) => ({
      key: action,
      label: vmActionWords.labels[action],
      reason: reasons(vm.status, action),
      isDanger: action === "delete",
      onChoose: () => act(action),
    }));
  const moving: Choice = { key: "migrate", label: migrateWords.action, reason: reasons(vm.status, "migrate"), onChoose: migrate };
  const at = choices.findIndex(({ key }) => key === "refresh");
  return <Choices choices={choices.toSpliced(at, 0, moving)} />;
}

/** The action that is usually wanted, one press away. */
export function UsualVmAction({ vm }: { vm: VmView }) {
  const mayChange = useMayChange();
  const reasons = useReasons();
  const { act, risky, close } = useAct(vm);
  const action = usualAction(vm);
  if (!mayChange || reasons(vm.status, action) !== undefined) return null;
  return (
    <>
      <Button onClick={() => act(action)}>{vmActionWords.labels[action]}</Button>
      {risky !== undefined && <Confirm risky={risky} onClose={close} />}
    </>
  );
}
