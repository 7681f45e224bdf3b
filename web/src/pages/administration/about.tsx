import { Button } from "@patternfly/react-core";
import { useState } from "react";
import { line } from "../../actions/command.ts";
import { useGet, useMayChange } from "../../api/hooks.ts";
import type { Schemas } from "../../api/types.ts";
import { FormDialog } from "../../forms/dialog.tsx";
import { TextField } from "../../forms/fields.tsx";
import { ErrorBox } from "../../parts/error-box.tsx";
import { Facts } from "../../parts/facts.tsx";
import { Waiting } from "../../parts/live-table.tsx";
import { mebibytes } from "../../parts/quantities.ts";
import { Time } from "../../parts/time.tsx";
import { administrationWords } from "../../words/hosts.ts";

const names = administrationWords.about;

/** The server itself. */
export function About() {
  const { data, error, again } = useGet<Schemas["ServerView"]>("/server");
  const mayChange = useMayChange();
  const [isBackingUp, setBackingUp] = useState(false);
  if (error !== undefined) return <ErrorBox refusal={error} retry={again} />;
  if (data === undefined) return <Waiting />;
  return (
    <>
      <Facts
        facts={[
          [names.version, data.version],
          [names.installation, <span key="installation" className="hostler-value">{data.installation}</span>],
          [names.epoch, data.epoch],
          [names.head, <span key="head" className="hostler-value">{data.head}</span>],
          [names.started, <Time key="started" at={data.started} />],
          [names.memory, mebibytes(data.memory_mib)],
          [names.api, <a key="api" href="/api/v1/openapi.json">/api/v1/openapi.json</a>],
        ]}
      />
      {mayChange && <Button variant="secondary" onClick={() => setBackingUp(true)}>{names.backup}</Button>}
      {isBackingUp && <Backup onClose={() => setBackingUp(false)} />}
    </>
  );
}

function Backup({ onClose }: { onClose: () => void }) {
  const [file, setFile] = useState("");
  const body: Schemas["NewBackup"] = { file };
  return (
    <FormDialog
      title={names.backupTitle}
      submit={names.backupSubmit}
      ask={file.startsWith("/") ? { method: "POST", path: "/backup", body } : undefined}
      command={line("server backup", [file])}
      onClose={onClose}
    >
      <TextField id="backup-file" label={names.backupFile} value={file} onChange={setFile} isRequired />
    </FormDialog>
  );
}
