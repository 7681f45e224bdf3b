import { Alert, Button, Label, List, ListItem, Modal, ModalBody, ModalFooter, ModalHeader } from "@patternfly/react-core";
import { Table, Tbody, Td, Th, Thead, Tr } from "@patternfly/react-table";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState, type ReactNode } from "react";
import { send, type Ask } from "../api/client.ts";
import { filterOf } from "../api/filter.ts";
import { useWindow } from "../api/hooks.ts";
import { refusalOf, type Refusal } from "../api/refusal.ts";
import type { JobView, Schemas, VmView } from "../api/types.ts";
import { AsCommand } from "../parts/as-command.tsx";
import { ErrorBox } from "../parts/error-box.tsx";
import { JobProgress } from "../parts/job-progress.tsx";
import { Waiting } from "../parts/live-table.tsx";
import { Menu } from "../parts/menu.tsx";
import { countOf, isPicked, pickedOf, readSelected, type Selection } from "../parts/selection.ts";
import { JobStateLabel, VmStatusLabel } from "../parts/status-label.tsx";
import type { View } from "../parts/view.ts";
import { words } from "../words/en.ts";
import { vmActionWords } from "../words/machines.ts";
import { commandFor, lossesOf, useReasons, type PlainAction } from "./vm.ts";

/** What can be done to many at once. Deleting disks is not among it: each asks for its name. */
const bulkActions: PlainAction[] = ["start", "shut-down", "turn-off", "pause", "resume", "reset", "save", "discard-saved", "refresh"];
/** How many machines the server takes in one request. */
export const MOST_AT_ONCE = 1_000;
/** How many jobs a list of results follows as they go on. */
const FOLLOWED = 100;

type Answer = Schemas["BulkAnswer"];

interface Chosen {
  selection: Selection;
  view: View;
  /** The machines of this page. */
  known: VmView[];
  total: number;
  onDone: () => void;
}

/** Actions on the selected machines, also those on other pages. Each machine gets its own job, or its own refusal. */
export function BulkMenu(props: Chosen) {
  const { selection, known, total } = props;
  const reasons = useReasons();
  const [chosen, setChosen] = useState<PlainAction | undefined>();
  const count = countOf(selection, total);
  const here = known.filter((vm) => isPicked(selection, vm.id));
  const isPossible = (action: PlainAction): boolean => here.length < count || here.some((vm) => reasons(vm.status, action) === undefined);
  return (
    <>
      <Menu
        label={`${words.table.selected(count)}: ${vmActionWords.bulk}`}
        variant="primary"
        toggle={vmActionWords.menu}
        isDisabled={count === 0}
        choices={bulkActions.map((action) => ({
          key: action,
          label: vmActionWords.labels[action],
          reason: count > MOST_AT_ONCE ? vmActionWords.most(MOST_AT_ONCE) : isPossible(action) ? undefined : vmActionWords.notPossibleForAny,
          onChoose: () => setChosen(action),
        }))}
      />
      {chosen !== undefined && <BulkDialog {...props} action={chosen} onClose={() => setChosen(undefined)} />}
    </>
  );
}

function BulkDialog({ action, selection, view, known, onClose, onDone }: Chosen & { action: PlainAction; onClose: () => void }) {
  // As they were when it was asked: what is confirmed does not change below one's hand.
  const { data: vms, error } = useQuery({
    queryKey: ["selected", pickedOf(selection), view.search.filter],
    queryFn: () => readSelected("vms", selection, view, known),
    gcTime: 0,
  });
  const reasons = useReasons();
  const [answers, setAnswers] = useState<Answer[] | undefined>();
  const [refusal, setRefusal] = useState<Refusal | undefined>();
  const [isBusy, setBusy] = useState(false);
  const [key] = useState(() => crypto.randomUUID());
  const label = vmActionWords.labels[action];
  const possible = (vms ?? []).filter((vm) => reasons(vm.status, action) === undefined);
  const losses = [...new Set(possible.flatMap((vm) => lossesOf(vm, action) ?? []))];
  const ask: Ask = { method: "POST", path: "/vms/bulk", body: { action, vms: possible.map((vm) => vm.id) } satisfies Schemas["BulkAction"] };
  const run = async (): Promise<void> => {
    setBusy(true);
    setRefusal(undefined);
    try {
      setAnswers(await send<Answer[]>(ask, key));
    } catch (thrown) {
      setRefusal(refusalOf(thrown));
    }
    setBusy(false);
  };
  const close = (): void => {
    onClose();
    if (answers !== undefined) onDone();
  };
  const title = answers === undefined ? vmActionWords.bulkTitle(label, possible.length) : vmActionWords.bulkResults(label);
  return (
    <Modal isOpen variant="medium" onClose={close} aria-labelledby="bulk-title">
      <ModalHeader title={title} labelId="bulk-title" {...(losses.length > 0 && answers === undefined ? { titleIconVariant: "warning" as const } : {})} />
      <ModalBody tabIndex={0} aria-label={title}>
        {error !== null && <ErrorBox refusal={refusalOf(error)} />}
        {vms === undefined && error === null && <Waiting />}
        {vms !== undefined && answers === undefined && (
          <>
            {losses.length > 0 && (
              <Alert isInline variant="warning" title={words.confirm.lost}>
                <List>{losses.map((loss) => <ListItem key={loss}>{loss}</ListItem>)}</List>
              </Alert>
            )}
            <Wanted vms={vms} reasonOf={(vm) => reasons(vm.status, action)} />
            {possible.length > 0 && <AsCommand ask={ask} command={possible.map((vm) => commandFor(vm, action)).join("; ")} />}
          </>
        )}
        {refusal !== undefined && <ErrorBox refusal={refusal} />}
        {vms !== undefined && answers !== undefined && <Results vms={vms} answers={answers} />}
      </ModalBody>
      <ModalFooter>
        {answers === undefined && (
          <Button variant={losses.length > 0 ? "danger" : "primary"} isLoading={isBusy} isDisabled={isBusy || possible.length === 0} onClick={run}>
            {vmActionWords.bulkTitle(label, possible.length)}
          </Button>
        )}
        <Button variant={answers === undefined ? "link" : "primary"} onClick={close}>{answers === undefined ? words.form.cancel : words.form.close}</Button>
      </ModalFooter>
    </Modal>
  );
}

function Lines({ heads, children }: { heads: [string, string]; children: ReactNode }) {
  return (
    <Table aria-label={heads[0]} variant="compact" borders={false}>
      <Thead>
        <Tr>{heads.map((head) => <Th key={head}>{head}</Th>)}</Tr>
      </Thead>
      <Tbody>{children}</Tbody>
    </Table>
  );
}

function Wanted({ vms, reasonOf }: { vms: VmView[]; reasonOf: (vm: VmView) => string | undefined }) {
  return (
    <Lines heads={[vmActionWords.machine, words.job.state]}>
      {vms.map((vm) => (
        <Tr key={vm.id}>
          <Td dataLabel={vmActionWords.machine} className="hostler-name">{vm.spec.name}</Td>
          <Td dataLabel={words.job.state}>
            <VmStatusLabel status={vm.status} />
            {reasonOf(vm) !== undefined && <small className="hostler-hint">{` ${vmActionWords.leftAsIs}: ${reasonOf(vm) ?? ""}`}</small>}
          </Td>
        </Tr>
      ))}
    </Lines>
  );
}

/** A line for each machine: its job as it goes on, or why it has none. */
function Results({ vms, answers }: { vms: VmView[]; answers: Answer[] }) {
  const numbers = answers.flatMap(({ job }) => (typeof job === "number" ? [String(job)] : [])).slice(0, FOLLOWED);
  const { window } = useWindow("jobs", numbers.length === 0 ? undefined : { filter: filterOf([{ field: "id", op: "=", values: numbers }]), limit: FOLLOWED });
  const jobs = new Map((window?.rows ?? []).map((job) => [job.id, job]));
  const refused = answers.filter(({ refusal }) => refusal !== undefined && refusal !== null).length;
  return (
    <>
      <div className="hostler-row" role="status">
        <Label color="blue">{vmActionWords.bulkAsked(answers.length - refused)}</Label>
        {refused > 0 && <Label status="danger">{vmActionWords.bulkRefused(refused)}</Label>}
      </div>
      <Lines heads={[vmActionWords.machine, vmActionWords.result]}>
        {answers.map((answer) => (
          <Tr key={answer.vm}>
            <Td dataLabel={vmActionWords.machine} className="hostler-name">{vms.find((vm) => vm.id === answer.vm)?.spec.name ?? answer.vm}</Td>
            <Td dataLabel={vmActionWords.result}>
              <Result answer={answer} job={jobs.get(answer.job ?? -1)} />
            </Td>
          </Tr>
        ))}
      </Lines>
    </>
  );
}

function Result({ answer: { job: number, refusal }, job }: { answer: Answer; job: JobView | undefined }) {
  if (refusal !== undefined && refusal !== null) {
    return (
      <>
        {refusal.cause}
        {(refusal.remedy ?? "") !== "" && `. ${refusal.remedy ?? ""}`} <code className="hostler-hint">{refusal.code}</code>
      </>
    );
  }
  if (typeof number !== "number") return null;
  return (
    <>
      <Link to="/jobs/$job" params={{ job: String(number) }}>{words.job.number(number)}</Link>{" "}
      {job !== undefined && (typeof job.ended === "string" ? <JobStateLabel state={job.state} /> : <JobProgress job={job} />)}
      {job?.error !== undefined && job.error !== null && ` ${job.error.cause}`}
    </>
  );
}
