import { useState } from "react";
import { line, quoted } from "../actions/command.ts";
import { saveView } from "../api/my-views.ts";
import type { SavedViewView } from "../api/types.ts";
import { viewNamed } from "../parts/view-state.ts";
import { words } from "../words/en.ts";
import { FormDialog } from "./dialog.tsx";
import { TextField } from "./fields.tsx";

/** What a list shows, under a name; in the place of the view that has this name. */
export function SaveViewForm({ page, state, views, onClose }: { page: string; state: string; views: readonly SavedViewView[]; onClose: () => void }) {
  const [typed, setTyped] = useState("");
  const name = typed.trim();
  // They would be folders of the address, which a browser takes away before it asks.
  const isFolder = name === "." || name === "..";
  const replaced = viewNamed(views, name);
  return (
    <FormDialog
      title={words.table.save}
      description={words.table.savedMine}
      submit={words.table.save}
      ask={name === "" || isFolder ? undefined : saveView(page, name, state)}
      command={`${line("view save", [`${page}/${name}`])} --state ${quoted(state)}`}
      onClose={onClose}
    >
      <TextField
        id="view-name"
        label={words.table.saveName}
        value={typed}
        onChange={setTyped}
        isRequired
        error={isFolder ? words.table.viewDots : undefined}
        {...(replaced === undefined ? {} : { help: words.table.viewReplaced(replaced.name) })}
      />
    </FormDialog>
  );
}
