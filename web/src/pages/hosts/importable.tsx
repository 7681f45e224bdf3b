import { Button, Title } from "@patternfly/react-core";
import { useState } from "react";
import { useGet, useMayChange } from "../../api/hooks.ts";
import type { HostView, Schemas } from "../../api/types.ts";
import { ImportVmForm } from "../../forms/import-vm.tsx";
import { ErrorBox } from "../../parts/error-box.tsx";
import { Waiting } from "../../parts/live-table.tsx";
import { PlainTable } from "../../parts/plain-table.tsx";
import { PossibleButton } from "../../parts/possible-button.tsx";
import { mebibytes } from "../../parts/quantities.ts";
import { folderWords } from "../../words/folders.ts";

type Found = Schemas["Importable"];

const names = folderWords.importing;

const stateOf = (found: Found): string => ((found.refused ?? []).length === 0 ? names.good : (found.refused ?? []).join("; "));

/** Machines on a host's storage that its hypervisor does not know: they are looked for when somebody asks. */
export function HostImportable({ host }: { host: HostView }) {
  const mayChange = useMayChange();
  const [isAsked, setAsked] = useState(false);
  const [chosen, setChosen] = useState<Found | undefined>();
  const { data, error, again } = useGet<Schemas["ImportablesView"]>(`/hosts/${host.id}/importable`, isAsked && host.answers);
  const machines = data?.machines ?? [];
  return (
    <>
      <Title headingLevel="h2" size="lg">{names.title}</Title>
      <p className="hostler-hint">{names.hint}</p>
      {!isAsked && <PossibleButton label={names.look} reason={host.answers ? undefined : folderWords.silent} onClick={() => setAsked(true)} />}
      {error !== undefined && <ErrorBox refusal={error} retry={again} />}
      {isAsked && error === undefined && data === undefined && <Waiting />}
      {data !== undefined && machines.length === 0 && <p>{names.none}</p>}
      <PlainTable<Found>
        label={names.title}
        rows={machines}
        keyOf={(found) => found.file}
        columns={[
          { title: names.columns.name, cell: (found) => found.seen.name },
          { title: names.columns.uuid, cell: (found) => <span className="hostler-value">{found.seen.domain}</span> },
          { title: names.columns.cpus, cell: (found) => found.seen.cpus, isNumber: true },
          { title: names.columns.memory, cell: (found) => mebibytes(found.seen.memory_mib), isNumber: true },
          { title: names.columns.disks, cell: (found) => (found.seen.disks ?? []).map((disk) => disk.file ?? "").filter((file) => file !== "").join(", ") },
          { title: names.columns.missing, cell: (found) => (found.missing ?? []).join(", ") },
          { title: names.columns.state, cell: stateOf },
          {
            title: names.columns.action,
            cell: (found) =>
              mayChange && <PossibleButton label={names.open} reason={(found.refused ?? []).length === 0 ? undefined : stateOf(found)} onClick={() => setChosen(found)} />,
          },
        ]}
      />
      {data?.more === true && <p className="hostler-hint">{names.more}</p>}
      {data !== undefined && <Button variant="link" isInline onClick={again}>{folderWords.again}</Button>}
      {chosen !== undefined && (
        <ImportVmForm
          host={host}
          found={chosen}
          onClose={() => {
            setChosen(undefined);
            again();
          }}
        />
      )}
    </>
  );
}
