import { Checkbox } from "@patternfly/react-core";
import { useState } from "react";
import { line } from "../actions/command.ts";
import { vmPath } from "../actions/vm.ts";
import { useWindow } from "../api/hooks.ts";
import type { Schemas, VmView } from "../api/types.ts";
import { Facts } from "../parts/facts.tsx";
import { bytes, mebibytes, mebibytesIn } from "../parts/quantities.ts";
import { machineWords } from "../words/machines.ts";
import { FormDialog } from "./dialog.tsx";
import { useDraft, useEdit, type Edit } from "./draft.ts";
import { ChoiceField, TextField } from "./fields.tsx";
import { restsOn, type Rests } from "./rests.ts";

const names = machineWords.hardware;

interface Props {
  vm: VmView;
  onClose: () => void;
}

export function countIn(text: string): number | undefined {
  return /^[1-9]\d{0,4}$/u.test(text.trim()) ? Number(text) : undefined;
}

/** An edit of the hardware rests on the hardware: what happens to notes or power meanwhile is no conflict. */
function restsOnHardware<V>(edit: Edit<V, VmView>): Rests {
  return restsOn(edit, "vms", "vm", ({ spec }) => ({ spec: { hardware: spec.hardware, detached: spec.detached ?? [] } }));
}

/** Processors and memory. */
export function HardwareForm({ vm, onClose }: Props) {
  const edit = useEdit("vm-hardware", vm, ({ spec }) => ({ cpus: String(spec.hardware.cpus), memory: mebibytes(spec.hardware.memory_mib) }));
  const { cpus, memory } = edit.values;
  const now = edit.base.spec.hardware;
  const count = countIn(cpus);
  const mib = mebibytesIn(memory);
  const body: Schemas["ChangeHardware"] = {
    ...(count !== undefined && count !== now.cpus ? { cpus: count } : {}),
    ...(mib !== undefined && mib !== now.memory_mib ? { memory_mib: mib } : {}),
  };
  const isWhole = count !== undefined && mib !== undefined && Object.keys(body).length > 0;
  return (
    <FormDialog
      title={names.title(vm.spec.name)}
      submit={names.submit}
      ask={isWhole ? { method: "PATCH", path: `${vmPath(vm)}/hardware`, body } : undefined}
      command={line("vm set-hardware", [vm.spec.name], {
        cpus: body.cpus ?? undefined,
        memory: typeof body.memory_mib === "number" ? `${body.memory_mib}MiB` : undefined,
        "if-match": edit.base.revision,
      })}
      draft={edit}
      rests={restsOnHardware(edit)}
      onClose={onClose}
    >
      <TextField id="cpus" label={names.cpus} value={cpus} onChange={(next) => edit.set({ cpus: next })} isRequired error={count === undefined ? names.noNumber : undefined} />
      <TextField id="memory" label={names.memory} value={memory} onChange={(next) => edit.set({ memory: next })} isRequired help={names.memoryHelp} error={mib === undefined ? names.noSize : undefined} />
    </FormDialog>
  );
}

/** A new empty disk. */
export function AttachDiskForm({ vm, onClose }: Props) {
  const draft = useDraft(`attach-disk.${vm.id}`, { size: "10 GiB" });
  const { size } = draft.values;
  const mib = mebibytesIn(size);
  const body: Schemas["NewDisk"] | undefined = mib === undefined ? undefined : { size_bytes: mib * 1024 * 1024 };
  return (
    <FormDialog
      title={names.attachTitle(vm.spec.name)}
      submit={names.attach}
      ask={body === undefined ? undefined : { method: "POST", path: `${vmPath(vm)}/disks`, body }}
      command={line("vm attach-disk", [vm.spec.name], { size: `${mib ?? 0}MiB` })}
      draft={draft}
      onClose={onClose}
    >
      <TextField id="size" label={names.size} value={size} onChange={(next) => draft.set({ size: next })} isRequired help={names.memoryHelp} error={mib === undefined ? names.noSize : undefined} />
    </FormDialog>
  );
}

function DiskFacts({ disk }: { disk: Schemas["Disk"] }) {
  return (
    <Facts
      facts={[
        [names.size, bytes(disk.size_bytes)],
        [names.format, disk.format],
        [names.file, <span key="file" className="hostler-value">{disk.file}</span>],
      ]}
    />
  );
}

/** A disk that was detached before, with what is on it. */
export function ReattachDiskForm({ vm, disk, onClose }: Props & { disk: Schemas["Disk"] }) {
  const body: Schemas["NewDisk"] = { detached: disk.no };
  return (
    <FormDialog
      title={names.attachAgainTitle(disk.no, vm.spec.name)}
      submit={names.attachAgain}
      ask={{ method: "POST", path: `${vmPath(vm)}/disks`, body }}
      command={line("vm attach-disk", [vm.spec.name], { detached: disk.no })}
      onClose={onClose}
    >
      <DiskFacts disk={disk} />
    </FormDialog>
  );
}

/** Takes a disk away; its file only goes where that is asked for, and the machine's name typed. */
export function DetachDiskForm({ vm, disk, onClose }: Props & { disk: Schemas["Disk"] }) {
  const edit = useEdit(`detach-disk-${disk.no}`, vm, () => ({ deletes: false }));
  const { deletes } = edit.values;
  const [typed, setTyped] = useState("");
  const { name } = vm.spec;
  const ask = { method: "DELETE" as const, path: `${vmPath(vm)}/disks/${disk.no}`, ...(deletes ? { query: { delete: "true" } } : {}) };
  return (
    <FormDialog
      title={names.detachTitle(disk.no, name)}
      submit={deletes ? names.detachDelete : names.detach}
      isDanger={deletes}
      ask={deletes && typed !== name ? undefined : ask}
      shown={ask}
      command={line("vm detach-disk", [name, String(disk.no)], { delete: deletes, "if-match": edit.base.revision })}
      draft={edit}
      rests={restsOnHardware(edit)}
      onClose={onClose}
    >
      <DiskFacts disk={disk} />
      <Checkbox
        id="deletes"
        label={names.deletes}
        description={deletes ? names.deletesLoses : names.detachKeeps}
        isChecked={deletes}
        onChange={(_, next) => edit.set({ deletes: next })}
      />
      {deletes && <TextField id="confirm-name" label={names.typeName(name)} value={typed} onChange={setTyped} isRequired />}
    </FormDialog>
  );
}

/** What lies in the DVD drive. */
export function DvdForm({ vm, onClose }: Props) {
  const edit = useEdit("vm-dvd", vm, ({ spec }) => ({ item: spec.hardware.dvd?.item ?? "" }));
  const { item } = edit.values;
  const { window } = useWindow("library-items", { filter: "kind=iso", limit: 1000 });
  const items = window?.rows ?? [];
  const chosen = items.find((one) => one.id === item);
  const body: Schemas["ChangeDvd"] = { item: item === "" ? null : item };
  return (
    <FormDialog
      title={names.dvdTitle(vm.spec.name)}
      submit={names.submit}
      ask={item === (edit.base.spec.hardware.dvd?.item ?? "") ? undefined : { method: "PUT", path: `${vmPath(vm)}/dvd`, body }}
      command={line("vm set-dvd", [vm.spec.name, ...(chosen === undefined ? [] : [chosen.name])], { eject: chosen === undefined, "if-match": edit.base.revision })}
      draft={edit}
      rests={restsOnHardware(edit)}
      onClose={onClose}
    >
      <ChoiceField
        id="item"
        label={names.dvdItem}
        value={item}
        onChange={(next) => edit.set({ item: next })}
        choices={[{ value: "", title: names.dvdEject }, ...items.map((one) => ({ value: one.id, title: one.name }))]}
      />
    </FormDialog>
  );
}
