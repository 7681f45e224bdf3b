import { Alert, Button, List, ListItem, Modal, ModalBody, ModalFooter, ModalHeader } from "@patternfly/react-core";
import { useState } from "react";
import { send } from "../api/client.ts";
import { refusalOf, type Refusal } from "../api/refusal.ts";
import type { VmView } from "../api/types.ts";
import { CodeLine } from "../parts/as-command.tsx";
import { ErrorBox } from "../parts/error-box.tsx";
import { Menu } from "../parts/menu.tsx";
import { words } from "../words/en.ts";
import { vmActionWords } from "../words/machines.ts";
import { askFor, commandFor, lossesOf, useReasons, type PlainAction } from "./vm.ts";

/** What can be done to many at once. Deleting disks is not among it: each asks for its name. */
const bulkActions: PlainAction[] = ["start", "shut-down", "turn-off", "pause", "resume", "reset", "save", "refresh"];

/** Actions on the selected machines. Each machine gets its own job, or its own refusal. */
export function BulkMenu({ vms, onDone }: { vms: VmView[]; onDone: () => void }) {
  const reasons = useReasons();
  const [chosen, setChosen] = useState<PlainAction | undefined>();
  return (
    <>
      <Menu
        label={`${words.table.selected(vms.length)}: ${vmActionWords.bulk}`}
        variant="primary"
        toggle={words.table.selected(vms.length)}
        isDisabled={vms.length === 0}
        choices={bulkActions.map((action) => ({
          key: action,
          label: vmActionWords.labels[action],
          reason: vms.some((vm) => reasons(vm.status, action) === undefined) ? undefined : vmActionWords.notPossibleForAny,
          onChoose: () => setChosen(action),
        }))}
      />
      {chosen !== undefined && <BulkDialog action={chosen} vms={vms} onClose={() => setChosen(undefined)} onDone={onDone} />}
    </>
  );
}

function BulkDialog({ action, vms, onClose, onDone }: { action: PlainAction; vms: VmView[]; onClose: () => void; onDone: () => void }) {
  const reasons = useReasons();
  const possible = vms.filter((vm) => reasons(vm.status, action) === undefined);
  const [refusals, setRefusals] = useState<Refusal[] | undefined>();
  const [isBusy, setBusy] = useState(false);
  const label = vmActionWords.labels[action];
  const title = vmActionWords.bulkTitle(label, possible.length);
  const losses = [...new Set(possible.flatMap((vm) => lossesOf(vm, action) ?? []))];
  const run = async (): Promise<void> => {
    setBusy(true);
    const refused: Refusal[] = [];
    for (const vm of possible) {
      try {
        await send(askFor(vm, action), crypto.randomUUID());
      } catch (thrown) {
        refused.push(refusalOf(thrown));
      }
    }
    setBusy(false);
    setRefusals(refused);
    if (refused.length === 0) {
      onClose();
      onDone();
    }
  };
  return (
    <Modal isOpen variant="medium" onClose={onClose} aria-labelledby="bulk-title">
      <ModalHeader title={title} labelId="bulk-title" />
      <ModalBody>
        {possible.length < vms.length && <Alert isInline variant="info" title={vmActionWords.notPossibleFor(vms.length - possible.length)} />}
        {losses.length > 0 && (
          <>
            <strong>{words.confirm.lost}</strong>
            <List>{losses.map((loss) => <ListItem key={loss}>{loss}</ListItem>)}</List>
          </>
        )}
        <List isPlain>{possible.map((vm) => <ListItem key={vm.id}>{vm.spec.name}</ListItem>)}</List>
        {possible[0] !== undefined && <CodeLine text={possible.map((vm) => commandFor(vm, action)).join("; ")} label={words.command.line} />}
        {refusals?.map((refusal) => <ErrorBox key={refusal.object} refusal={refusal} />)}
      </ModalBody>
      <ModalFooter>
        {refusals === undefined && (
          <Button variant={losses.length > 0 ? "danger" : "primary"} isLoading={isBusy} isDisabled={isBusy || possible.length === 0} onClick={run}>
            {label}
          </Button>
        )}
        <Button variant="link" onClick={onClose}>{refusals === undefined ? words.form.cancel : words.form.close}</Button>
      </ModalFooter>
    </Modal>
  );
}
