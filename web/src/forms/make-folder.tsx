import { line } from "../actions/command.ts";
import type { HostView } from "../api/types.ts";
import { folderWords as names } from "../words/folders.ts";
import { FormDialog } from "./dialog.tsx";
import { useDraft } from "./draft.ts";
import { TextField } from "./fields.tsx";

/** Makes a folder in one in which a host may keep machines. */
export function MakeFolderForm({ host, parent, onClose }: { host: HostView; parent: string; onClose: () => void }) {
  const draft = useDraft(`make-folder.${host.id}`, { name: "" });
  const { name } = draft.values;
  const isName = name !== "" && !name.includes("/") && !name.startsWith(".");
  const path = `${parent}/${name}`;
  return (
    <FormDialog
      title={names.makeTitle(parent)}
      submit={names.submit}
      ask={isName ? { method: "POST", path: `/hosts/${host.id}/folders`, body: { path } } : undefined}
      command={line("host make-folder", [host.name, path])}
      draft={draft}
      onClose={onClose}
    >
      <TextField id="folder-name" label={names.makeName} value={name} onChange={(next) => draft.set({ name: next })} help={names.makeHelp} error={name === "" || isName ? undefined : names.makeHelp} isRequired />
    </FormDialog>
  );
}
