import { Checkbox } from "@patternfly/react-core";
import { useState } from "react";
import { line } from "../actions/command.ts";
import { vmPath } from "../actions/vm.ts";
import { useWindow } from "../api/hooks.ts";
import type { Schemas, VmView } from "../api/types.ts";
import { mebibytes, mebibytesIn } from "../parts/quantities.ts";
import { machineWords } from "../words/machines.ts";
import { Confirm } from "./confirm.tsx";
import { FormDialog } from "./dialog.tsx";
import { ChoiceField, TextField } from "./fields.tsx";

const names = machineWords.hardware;

interface Props {
  vm: VmView;
  onClose: () => void;
}

export function countIn(text: string): number | undefined {
  return /^[1-9]\d{0,4}$/u.test(text.trim()) ? Number(text) : undefined;
}

/** Processors and memory. */
export function HardwareForm({ vm, onClose }: Props) {
  const now = vm.spec.hardware;
  const [cpus, setCpus] = useState(String(now.cpus));
  const [memory, setMemory] = useState(mebibytes(now.memory_mib));
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
      command={line("vm set-hardware", [vm.spec.name], { cpus: body.cpus ?? undefined, memory: typeof body.memory_mib === "number" ? `${body.memory_mib}MiB` : undefined })}
      onClose={onClose}
    >
      <TextField id="cpus" label={names.cpus} value={cpus} onChange={setCpus} isRequired error={count === undefined ? names.noNumber : undefined} />
      <TextField id="memory" label={names.memory} value={memory} onChange={setMemory} isRequired help={names.memoryHelp} error={mib === undefined ? names.noSize : undefined} />
    </FormDialog>
  );
}

/** A new empty disk. */
export function AttachDiskForm({ vm, onClose }: Props) {
  const [size, setSize] = useState("10 GiB");
  const mib = mebibytesIn(size);
  const body: Schemas["NewDisk"] | undefined = mib === undefined ? undefined : { size_bytes: mib * 1024 * 1024 };
  return (
    <FormDialog
      title={names.attachTitle(vm.spec.name)}
      submit={names.attach}
      ask={body === undefined ? undefined : { method: "POST", path: `${vmPath(vm)}/disks`, body }}
      command={line("vm attach-disk", [vm.spec.name], { size: `${mib ?? 0}MiB` })}
      onClose={onClose}
    >
      <TextField id="size" label={names.size} value={size} onChange={setSize} isRequired help={names.memoryHelp} error={mib === undefined ? names.noSize : undefined} />
    </FormDialog>
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
      <p className="hostler-value">{disk.file}</p>
    </FormDialog>
  );
}

/** Takes a disk away; its file only goes where that is asked for, by its name. */
export function DetachDiskForm({ vm, disk, onClose }: Props & { disk: Schemas["Disk"] }) {
  const [deletes, setDeletes] = useState(false);
  const [isSure, setSure] = useState(false);
  const title = names.detachTitle(disk.no, vm.spec.name);
  const ask = { method: "DELETE" as const, path: `${vmPath(vm)}/disks/${disk.no}`, ...(deletes ? { query: { delete: "true" } } : {}) };
  const command = line("vm detach-disk", [vm.spec.name, String(disk.no)], { delete: deletes });
  if (deletes && isSure) {
    return <Confirm risky={{ title, submit: names.detachDelete, ask, command, losses: [disk.file], typed: vm.spec.name }} onClose={onClose} />;
  }
  return (
    <FormDialog
      title={title}
      submit={names.detach}
      description={names.detachKeeps}
      ask={deletes ? undefined : ask}
      command={command}
      onClose={onClose}
    >
      <p className="hostler-value">{disk.file}</p>
      <Checkbox
        id="deletes"
        label={names.deletes}
        isChecked={deletes}
        onChange={(_, next) => {
          setDeletes(next);
          setSure(next);
        }}
      />
    </FormDialog>
  );
}

/** What lies in the DVD drive. */
export function DvdForm({ vm, onClose }: Props) {
  const now = vm.spec.hardware.dvd?.item ?? "";
  const [item, setItem] = useState(now);
  const { window } = useWindow("library-items", { filter: "kind=iso", limit: 1000 });
  const items = window?.rows ?? [];
  const chosen = items.find((one) => one.id === item);
  const body: Schemas["ChangeDvd"] = { item: item === "" ? null : item };
  return (
    <FormDialog
      title={names.dvdTitle(vm.spec.name)}
      submit={names.submit}
      ask={item === now ? undefined : { method: "PUT", path: `${vmPath(vm)}/dvd`, body }}
      command={line("vm set-dvd", [vm.spec.name, ...(chosen === undefined ? [] : [chosen.name])], { eject: chosen === undefined })}
      onClose={onClose}
    >
      <ChoiceField
        id="item"
        label={names.dvdItem}
        value={item}
        onChange={setItem}
        choices={[{ value: "", title: names.dvdEject }, ...items.map((one) => ({ value: one.id, title: one.name }))]}
      />
    </FormDialog>
  );
}
