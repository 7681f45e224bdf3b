import { Alert } from "@patternfly/react-core";
import { line } from "../actions/command.ts";
import { useWindow } from "../api/hooks.ts";
import type { ItemView, Schemas, TemplateView } from "../api/types.ts";
import { mebibytes, mebibytesIn } from "../parts/quantities.ts";
import { libraryWords } from "../words/hosts.ts";
import { createWords, machineWords } from "../words/machines.ts";
import { FormDialog } from "./dialog.tsx";
import { useDraft, useEdit } from "./draft.ts";
import { ChoiceField, LongTextField, TextField } from "./fields.tsx";
import { restsOn } from "./rests.ts";
import { countIn } from "./vm-hardware.tsx";

const names = libraryWords.templates;
const USUAL_MEMORY_MIB = 512;

interface Fields {
  name: string;
  item: string;
  cpus: string;
  memory: string;
  firmware: Schemas["Firmware"];
  deploy: Schemas["Deploy"];
  notes: string;
}

function fieldsOf(spec: Schemas["TemplateSpec"] | undefined, disk: string): Fields {
  return {
    name: spec?.name ?? "",
    item: spec?.disk ?? disk,
    cpus: String(spec?.cpus ?? 1),
    memory: mebibytes(spec?.memory_mib ?? USUAL_MEMORY_MIB),
    firmware: spec?.firmware ?? "bios",
    deploy: spec?.deploy ?? "overlay",
    notes: spec?.notes ?? "",
  };
}

/** What the fields ask for; undefined while one of them is no value. */
function bodyOf({ name, cpus, memory, firmware, deploy, notes }: Fields, disk: string | undefined): Schemas["TemplateSpec"] | undefined {
  const count = countIn(cpus);
  const mib = mebibytesIn(memory);
  if (name.trim() === "" || disk === undefined || count === undefined || mib === undefined) return undefined;
  return { name: name.trim(), disk, cpus: count, memory_mib: mib, firmware, deploy, notes };
}

function useDisks(item: string): { disks: ItemView[]; chosen: ItemView | undefined; isNone: boolean } {
  const { window } = useWindow("library-items", { filter: "kind=disk", sort: "name", limit: 1000 });
  const disks = window?.rows ?? [];
  return { disks, chosen: disks.find((one) => one.id === item) ?? (item === "" ? disks[0] : undefined), isNone: window?.rows.length === 0 };
}

const optionsOf = (body: Schemas["TemplateSpec"] | undefined, disk: ItemView | undefined) => ({
  disk: disk?.name,
  cpus: body?.cpus,
  memory: `${body?.memory_mib ?? 0}MiB`,
  firmware: body?.firmware,
  deploy: body?.deploy,
  notes: body?.notes,
});

/** A template of a disk in the library. */
export function CreateTemplateForm({ disk = "", onClose }: { disk?: string; onClose: () => void }) {
  const draft = useDraft(`create-template.${disk}`, fieldsOf(undefined, disk));
  const { disks, chosen, isNone } = useDisks(draft.values.item);
  const body = bodyOf(draft.values, chosen?.id);
  return (
    <FormDialog
      title={names.createTitle}
      submit={names.submit}
      ask={body === undefined ? undefined : { method: "POST", path: "/templates", body }}
      command={line("template create", [draft.values.name.trim()], optionsOf(body, chosen))}
      draft={draft}
      onClose={onClose}
    >
      {isNone && <Alert isInline variant="info" title={names.noDisks} />}
      <TemplateFields values={draft.values} set={draft.set} disks={disks} chosen={chosen} />
    </FormDialog>
  );
}

/** Another version of a template. Machines that were made of it stay as they are. */
export function EditTemplateForm({ template, onClose }: { template: TemplateView; onClose: () => void }) {
  const edit = useEdit("edit-template", template, ({ spec }) => fieldsOf(spec, ""));
  const { disks, chosen } = useDisks(edit.values.item);
  const body = bodyOf(edit.values, chosen?.id);
  const { name } = edit.base.spec;
  const isChanged = JSON.stringify(edit.values) !== JSON.stringify(fieldsOf(edit.base.spec, ""));
  return (
    <FormDialog
      title={names.editTitle(name)}
      submit={names.save}
      ask={body === undefined || !isChanged ? undefined : { method: "PUT", path: `/templates/${template.id}`, body }}
      command={line("template edit", [name], { name: edit.values.name.trim(), ...optionsOf(body, chosen) })}
      draft={edit}
      rests={restsOn(edit, "templates", "template", ({ spec }) => ({ spec }))}
      onClose={onClose}
    >
      <TemplateFields values={edit.values} set={edit.set} disks={disks} chosen={chosen} />
    </FormDialog>
  );
}

function TemplateFields({ values, set, disks, chosen }: { values: Fields; set: (patch: Partial<Fields>) => void; disks: ItemView[]; chosen: ItemView | undefined }) {
  const { name, cpus, memory, firmware, deploy, notes } = values;
  return (
    <>
      <TextField id="template-name" label={names.columns.name} value={name} onChange={(next) => set({ name: next })} isRequired />
      <ChoiceField id="template-disk" label={names.columns.disk} value={chosen?.id ?? ""} onChange={(item) => set({ item })} isRequired choices={disks.map((one) => ({ value: one.id, title: one.name }))} />
      <TextField id="template-cpus" label={names.columns.cpus} value={cpus} onChange={(next) => set({ cpus: next })} error={countIn(cpus) === undefined ? machineWords.hardware.noNumber : undefined} />
      <TextField id="template-memory" label={names.columns.memory} value={memory} onChange={(next) => set({ memory: next })} error={mebibytesIn(memory) === undefined ? machineWords.hardware.noSize : undefined} />
      <ChoiceField
        id="template-firmware"
        label={names.columns.firmware}
        value={firmware}
        onChange={(next) => set({ firmware: next === "uefi" ? "uefi" : "bios" })}
        choices={Object.entries(names.firmware).map(([value, title]) => ({ value, title }))}
      />
      <ChoiceField
        id="template-deploy"
        label={names.columns.deploy}
        value={deploy}
        onChange={(next) => set({ deploy: next === "copy" ? "copy" : "overlay" })}
        choices={Object.entries(names.deploy).map(([value, title]) => ({ value, title }))}
        help={createWords.transfers[deploy]}
      />
      <LongTextField id="template-notes" label={names.columns.notes} value={notes} onChange={(next) => set({ notes: next })} />
    </>
  );
}
