import { line } from "../actions/command.ts";
import { vmPath } from "../actions/vm.ts";
import type { Schemas, VmView } from "../api/types.ts";
import { machineWords } from "../words/machines.ts";
import { FormDialog } from "./dialog.tsx";
import { useEdit } from "./draft.ts";
import { ChoiceField, LongTextField, TextField } from "./fields.tsx";
import { restsOn } from "./rests.ts";

const names = machineWords.edit;
const stopActions: readonly Schemas["StopAction"][] = ["save", "shut-down", "turn-off"];

/** Tags as a person types them. */
export function tagsIn(text: string): string[] {
  return [...new Set(text.split(",").map((tag) => tag.trim()).filter((tag) => tag !== ""))].sort();
}

const partOf = ({ spec }: VmView): object => ({ spec: { name: spec.name, notes: spec.notes ?? "", tags: spec.tags ?? [], stop_action: spec.stop_action ?? "save" } });

/** Name, notes, tags and stop action. Only what differs is asked for. */
export function EditVmForm({ vm, onClose }: { vm: VmView; onClose: () => void }) {
  const edit = useEdit("edit-vm", vm, ({ spec }) => ({ name: spec.name, notes: spec.notes ?? "", tags: (spec.tags ?? []).join(", "), stop: spec.stop_action ?? "save" }));
  const { name, notes, tags, stop } = edit.values;
  const { spec } = edit.base;
  const wanted = tagsIn(tags);
  const hasTags = wanted.join() !== (spec.tags ?? []).join();
  const body: Schemas["EditVm"] = {
    ...(name !== spec.name ? { name } : {}),
    ...(notes !== (spec.notes ?? "") ? { notes } : {}),
    ...(hasTags ? { tags: wanted } : {}),
    ...(stop !== (spec.stop_action ?? "save") ? { stop_action: stop } : {}),
  };
  const isChanged = Object.keys(body).length > 0 && name.trim() !== "";
  const command = line("vm edit", [spec.name], {
    name: body.name ?? undefined,
    notes: body.notes ?? undefined,
    tag: hasTags ? wanted : undefined,
    "stop-action": body.stop_action ?? undefined,
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
      <ChoiceField id="vm-stop" label={names.stop} value={stop} onChange={(next) => edit.set({ stop: next as Schemas["StopAction"] })} choices={stopActions.map((action) => ({ value: action, title: names.stops[action] }))} help={names.stopHelp} />
      <LongTextField id="vm-notes" label={names.notes} value={notes} onChange={(next) => edit.set({ notes: next })} />
    </FormDialog>
  );
}
