import { line } from "../actions/command.ts";
import type { HostView, Schemas } from "../api/types.ts";
import { folderWords } from "../words/folders.ts";
import { FormDialog } from "./dialog.tsx";
import { useDraft } from "./draft.ts";
import { TextField } from "./fields.tsx";

const names = folderWords.importing;

/** Defines a machine that lies on a host's storage. */
export function ImportVmForm({ host, found, onClose }: { host: HostView; found: Schemas["Importable"]; onClose: () => void }) {
  const draft = useDraft(`import.${host.id}.${found.file}`, { name: "" });
  const name = draft.values.name.trim();
  return (
    <FormDialog
      title={names.formTitle(found.seen.name)}
      submit={names.submit}
      ask={{ method: "POST", path: `/hosts/${host.id}/import`, body: { file: found.file, ...(name === "" ? {} : { name }) } }}
      command={line("vm import", [host.name, found.file], { name })}
      draft={draft}
      onClose={onClose}
    >
      <p>{names.what(found.file)}</p>
      <TextField id="import-name" label={names.name} value={draft.values.name} onChange={(next) => draft.set({ name: next })} help={names.nameHelp} />
    </FormDialog>
  );
}
