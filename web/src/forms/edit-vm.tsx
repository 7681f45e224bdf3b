import { line } from "../actions/command.ts";
import { vmPath } from "../actions/vm.ts";
import type { Schemas, VmView } from "../api/types.ts";
import { machineWords } from "../words/machines.ts";
import { FormDialog } from "./dialog.tsx";
import { useEdit } from "./draft.ts";
import { LongTextField, TextField } from "./fields.tsx";
import { restsOn } from "./rests.ts";

const names = machineWords.edit;

/** Tags as a person types them. */
export function tagsIn(text: string): string[] {
  return [...new Set(text.split(",").map((tag) => tag.trim()).filter((tag) => tag !== ""))].sort();
}

const partOf = ({ spec }: VmView): object => ({ spec: { name: spec.name, notes: spec.notes ?? "", tags: spec.tags ?? [] } });

/** Name, notes and tags. Only what differs is asked for. */
export function EditVmForm({ vm, onClose }: { vm: VmView; onClose: () => void }) {
  const edit = useEdit("edit-vm", vm, ({ spec }) => ({ name: spec.name, notes: spec.notes ?? "", tags: (spec.tags ?? []).join(", ") }));
  const { name, notes, tags } = edit.values;
  const { spec } = edit.base;
  const wanted = tagsIn(tags);
  const hasTags = wanted.join() !== (spec.tags ?? []).join();
  const body: Schemas["EditVm"] = {
    ...(name !== spec.name ? { name } : {}),
    ...(notes !== (spec.notes ?? "") ? { notes } : {}),
    ...(hasTags ? { tags: wanted } : {}),
  };
  const isChanged = Object.keys(body).length > 0 && name.trim() !== "";
  const command = line("vm edit", [spec.name], {
    name: body.name ?? undefined,
    notes: body.notes ?? undefined,
    tag: hasTags ? wanted : undefined,
    "no-tags": hasTags && wanted.length === 0,
    "if-match": edit.base.revision,
  });
  return (
    <FormDialog
      title={names.title(spec.name)}
      submit={names.submit}
      ask={isChanged ? { method: "PATCH", path: vmPath(vm), body } : undefined}
      command={command}
      draft={edit}
      rests={restsOn(edit, "vms", "vm", partOf)}
      onClose={onClose}
    >
      <TextField id="vm-name" label={names.name} value={name} onChange={(next) => edit.set({ name: next })} isRequired />
      <TextField id="vm-tags" label={names.tags} value={tags} onChange={(next) => edit.set({ tags: next })} help={names.tagsHelp} />
      <LongTextField id="vm-notes" label={names.notes} value={notes} onChange={(next) => edit.set({ notes: next })} />
    </FormDialog>
  );
}
