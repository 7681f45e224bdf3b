import { Alert } from "@patternfly/react-core";
import { useState } from "react";
import { line } from "../actions/command.ts";
import { useWindow } from "../api/hooks.ts";
import type { Schemas, TemplateView } from "../api/types.ts";
import { mebibytes, mebibytesIn } from "../parts/quantities.ts";
import { libraryWords } from "../words/hosts.ts";
import { createWords, machineWords } from "../words/machines.ts";
import { FormDialog } from "./dialog.tsx";
import { ChoiceField, LongTextField, TextField } from "./fields.tsx";
import { countIn } from "./vm-hardware.tsx";

const names = libraryWords.templates;
const USUAL_MEMORY_MIB = 512;

/** A new template, or another version of one. */
export function TemplateForm({ template, disk, onClose }: { template?: TemplateView; disk?: string; onClose: () => void }) {
  const spec = template?.spec;
  const { window } = useWindow("library-items", { filter: "kind=disk", sort: "name", limit: 1000 });
  const disks = window?.rows ?? [];
  const [name, setName] = useState(spec?.name ?? "");
  const [item, setItem] = useState(spec?.disk ?? disk ?? "");
  const [cpus, setCpus] = useState(String(spec?.cpus ?? 1));
  const [memory, setMemory] = useState(mebibytes(spec?.memory_mib ?? USUAL_MEMORY_MIB));
  const [firmware, setFirmware] = useState(spec?.firmware ?? "bios");
  const [deploy, setDeploy] = useState(spec?.deploy ?? "overlay");
  const [notes, setNotes] = useState(spec?.notes ?? "");
  const chosen = disks.find((one) => one.id === item) ?? (item === "" ? disks[0] : undefined);
  const count = countIn(cpus);
  const mib = mebibytesIn(memory);
  const isWhole = name.trim() !== "" && chosen !== undefined && count !== undefined && mib !== undefined;
  const body: Schemas["TemplateSpec"] | undefined = isWhole
    ? { name: name.trim(), disk: chosen.id, cpus: count, memory_mib: mib, firmware, deploy, notes }
    : undefined;
  const options = { disk: chosen?.name, cpus: count, memory: `${mib ?? 0}MiB`, firmware, deploy, notes };
  return (
    <FormDialog
      title={spec === undefined ? names.createTitle : names.editTitle(spec.name)}
      submit={spec === undefined ? names.submit : names.save}
      ask={body === undefined ? undefined : template === undefined ? { method: "POST", path: "/templates", body } : { method: "PUT", path: `/templates/${template.id}`, body }}
      command={spec === undefined ? line("template create", [name.trim()], options) : line("template edit", [spec.name], { name: name.trim(), ...options })}
      onClose={onClose}
    >
      {window?.rows.length === 0 && <Alert isInline variant="info" title={names.noDisks} />}
      <TextField id="template-name" label={names.columns.name} value={name} onChange={setName} isRequired />
      <ChoiceField id="template-disk" label={names.columns.disk} value={chosen?.id ?? ""} onChange={setItem} isRequired choices={disks.map((one) => ({ value: one.id, title: one.name }))} />
      <TextField id="template-cpus" label={names.columns.cpus} value={cpus} onChange={setCpus} error={count === undefined ? machineWords.hardware.noNumber : undefined} />
      <TextField id="template-memory" label={names.columns.memory} value={memory} onChange={setMemory} error={mib === undefined ? machineWords.hardware.noSize : undefined} />
      <ChoiceField
        id="template-firmware"
        label={names.columns.firmware}
        value={firmware}
        onChange={(next) => setFirmware(next === "uefi" ? "uefi" : "bios")}
        choices={Object.entries(names.firmware).map(([value, title]) => ({ value, title }))}
      />
      <ChoiceField
        id="template-deploy"
        label={names.columns.deploy}
        value={deploy}
        onChange={(next) => setDeploy(next === "copy" ? "copy" : "overlay")}
        choices={Object.entries(names.deploy).map(([value, title]) => ({ value, title }))}
        help={createWords.transfers[deploy]}
      />
      <LongTextField id="template-notes" label={names.columns.notes} value={notes} onChange={setNotes} />
    </FormDialog>
  );
}
