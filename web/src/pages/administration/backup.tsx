import { Alert, Button, Card, CardBody, List, ListItem } from "@patternfly/react-core";
import { useState } from "react";
import { line } from "../../actions/command.ts";
import { useMayChange } from "../../api/hooks.ts";
import type { Schemas } from "../../api/types.ts";
import { FormDialog } from "../../forms/dialog.tsx";
import { useDraft } from "../../forms/draft.ts";
import { TextField } from "../../forms/fields.tsx";
import { CodeLine } from "../../parts/as-command.tsx";
import { administrationWords } from "../../words/hosts.ts";

const names = administrationWords.backup;

/** The server's own store: written into a file while it is in use, and put back while it is stopped. */
export function Backup() {
  const mayChange = useMayChange();
  const [isOpen, setOpen] = useState(false);
  const [made, setMade] = useState<string | undefined>();
  return (
    <Card isCompact className="hostler-narrow">
      <CardBody>
        <p>{names.what}</p>
        <List>
          {names.facts.map((fact) => (
            <ListItem key={fact}>{fact}</ListItem>
          ))}
        </List>
        {mayChange && (
          <div className="hostler-row">
            <Button onClick={() => setOpen(true)}>{names.open}</Button>
          </div>
        )}
        {made !== undefined && <Alert isInline isLiveRegion variant="success" title={names.made}><span className="hostler-value">{made}</span></Alert>}
        <h2>{names.restore}</h2>
        <p className="hostler-hint">{names.restoreHint}</p>
        <CodeLine text={line("server restore", [made ?? "/backups/hostler.db"])} label={names.restore} />
      </CardBody>
      {isOpen && (
        <BackupForm
          onClose={() => setOpen(false)}
          onMade={(file) => {
            setMade(file);
            setOpen(false);
          }}
        />
      )}
    </Card>
  );
}

function BackupForm({ onClose, onMade }: { onClose: () => void; onMade: (file: string) => void }) {
  const draft = useDraft("backup", { file: "" });
  const { file } = draft.values;
  const body: Schemas["NewBackup"] = { file };
  const isWrong = file !== "" && !file.startsWith("/");
  return (
    <FormDialog
      title={names.title}
      submit={names.open}
      ask={file.startsWith("/") ? { method: "POST", path: "/backup", body } : undefined}
      command={line("server backup", [file])}
      draft={draft}
      onClose={onClose}
      onAnswer={(answer) => onMade((answer as Schemas["BackupMade"]).file)}
    >
      <TextField id="backup-file" label={names.file} value={file} onChange={(next) => draft.set({ file: next })} isRequired help={names.fileHelp} error={isWrong ? names.notAbsolute : undefined} />
    </FormDialog>
  );
}
