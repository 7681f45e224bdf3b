import { Checkbox } from "@patternfly/react-core";
import { line } from "../actions/command.ts";
import type { HostView, Schemas } from "../api/types.ts";
import { mebibytes, mebibytesIn } from "../parts/quantities.ts";
import { hostWords } from "../words/hosts.ts";
import { machineWords } from "../words/machines.ts";
import { FormDialog } from "./dialog.tsx";
import { useEdit } from "./draft.ts";
import { LongTextField, TextField } from "./fields.tsx";
import { restsOn } from "./rests.ts";

const names = hostWords.edit;

/** A size that may be nothing. */
function sizeIn(text: string): number | undefined {
  return /^\s*0/u.test(text) && Number.parseFloat(text) === 0 ? 0 : mebibytesIn(text);
}

function fieldsOf({ spec }: HostView) {
  return {
    available: spec.available ?? true,
    cpu: String(spec.reserve?.cpu_percent ?? 0),
    memory: mebibytes(spec.reserve?.memory_mib ?? 0),
    disk: mebibytes(spec.reserve?.disk_mib ?? 0),
    notes: spec.notes ?? "",
  };
}

/** What is kept for the host itself, and whether it takes new machines. */
export function EditHostForm({ host, onClose }: { host: HostView; onClose: () => void }) {
  const edit = useEdit("edit-host", host, fieldsOf);
  const { available, cpu, memory, disk, notes } = edit.values;
  const percent = /^\d{1,3}$/u.test(cpu) && Number(cpu) <= 100 ? Number(cpu) : undefined;
  const memoryMib = sizeIn(memory);
  const diskMib = sizeIn(disk);
  const isWhole = percent !== undefined && memoryMib !== undefined && diskMib !== undefined;
  const isChanged = JSON.stringify(edit.values) !== JSON.stringify(fieldsOf(edit.base));
  const body: Schemas["HostSpec"] = { available, notes, reserve: { cpu_percent: percent ?? 0, memory_mib: memoryMib ?? 0, disk_mib: diskMib ?? 0 } };
  return (
    <FormDialog
      title={names.title(host.name)}
      submit={names.submit}
      ask={isWhole && isChanged ? { method: "PATCH", path: `/hosts/${host.id}`, body } : undefined}
      command={line("host edit", [host.name], {
        available: String(available),
        "reserve-cpu": percent,
        "reserve-memory": `${memoryMib ?? 0}MiB`,
        "reserve-disk": `${diskMib ?? 0}MiB`,
        notes,
        "if-match": edit.base.revision,
      })}
      draft={edit}
      rests={restsOn(edit, "hosts", "host", ({ spec }) => ({ spec }))}
      onClose={onClose}
    >
      <Checkbox id="available" label={names.available} isChecked={available} onChange={(_, next) => edit.set({ available: next })} />
      <TextField id="reserve-cpu" label={names.cpu} value={cpu} onChange={(next) => edit.set({ cpu: next })} error={percent === undefined ? names.percent : undefined} />
      <TextField id="reserve-memory" label={names.memory} value={memory} onChange={(next) => edit.set({ memory: next })} error={memoryMib === undefined ? machineWords.hardware.noSize : undefined} />
      <TextField id="reserve-disk" label={names.disk} value={disk} onChange={(next) => edit.set({ disk: next })} error={diskMib === undefined ? machineWords.hardware.noSize : undefined} />
      <LongTextField id="host-notes" label={names.notes} value={notes} onChange={(next) => edit.set({ notes: next })} />
    </FormDialog>
  );
}
