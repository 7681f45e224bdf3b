import { Checkbox } from "@patternfly/react-core";
import { line } from "../actions/command.ts";
import type { HostView, Schemas } from "../api/types.ts";
import { mebibytes } from "../parts/quantities.ts";
import { hostWords } from "../words/hosts.ts";
import { machineWords } from "../words/machines.ts";
import { FormDialog } from "./dialog.tsx";
import { useEdit } from "./draft.ts";
import { LongTextField, TextField } from "./fields.tsx";
import { sizeIn, wholeIn } from "./own-reserve.ts";
import { restsOn } from "./rests.ts";

const names = hostWords.edit;

/** What is in force: of what the group above it sets, too. */
function fieldsOf({ spec, in_force: { reserve } }: HostView) {
  return {
    available: spec.available ?? true,
    cpu: String(reserve.cpu_percent ?? 0),
    memory: mebibytes(reserve.memory_mib ?? 0),
    disk: mebibytes(reserve.disk_mib ?? 0),
    notes: spec.notes ?? "",
  };
}

/** What is kept for the host itself, and whether it takes new machines. */
export function EditHostForm({ host, onClose }: { host: HostView; onClose: () => void }) {
  const edit = useEdit("edit-host", host, fieldsOf);
  const { available, cpu, memory, disk, notes } = edit.values;
  const percent = wholeIn(cpu, 100);
  const memoryMib = sizeIn(memory);
  const diskMib = sizeIn(disk);
  const isWhole = percent !== undefined && memoryMib !== undefined && diskMib !== undefined;
  const before = fieldsOf(edit.base);
  const isChanged = JSON.stringify(edit.values) !== JSON.stringify(before);
  // What is not changed here goes on being as in the group, where it is so.
  const set = { cpu: cpu !== before.cpu, memory: memory !== before.memory, disk: disk !== before.disk };
  const body: Schemas["EditHost"] = {
    available,
    notes,
    reserve: {
      ...(set.cpu && { cpu_percent: percent ?? 0 }),
      ...(set.memory && { memory_mib: memoryMib ?? 0 }),
      ...(set.disk && { disk_mib: diskMib ?? 0 }),
    },
  };
  return (
    <FormDialog
      title={names.title(host.name)}
      submit={names.submit}
      ask={isWhole && isChanged ? { method: "PATCH", path: `/hosts/${host.id}`, body } : undefined}
      command={line("host edit", [host.name], {
        available: String(available),
        "reserve-cpu": set.cpu ? percent : undefined,
        "reserve-memory": set.memory ? `${memoryMib ?? 0}MiB` : undefined,
        "reserve-disk": set.disk ? `${diskMib ?? 0}MiB` : undefined,
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
