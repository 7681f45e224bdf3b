import { FormGroup, List, ListItem, TextInput } from "@patternfly/react-core";
import { useState } from "react";
import type { Ask } from "../api/client.ts";
import { words } from "../words/en.ts";
import { FormDialog } from "./dialog.tsx";

/** Something that cannot be undone. */
export interface Risky {
  title: string;
  submit: string;
  ask: Ask;
  command: string;
  /** What will be lost, each in a sentence. */
  losses: readonly string[];
  /** The name that has to be typed: for disks alone. */
  typed?: string;
}

/** Asks before something is lost, and names it. */
export function Confirm({ risky, onClose }: { risky: Risky; onClose: () => void }) {
  const [typed, setTyped] = useState("");
  const isConfirmed = risky.typed === undefined || typed === risky.typed;
  return (
    <FormDialog
      title={words.confirm.title(risky.title)}
      submit={risky.submit}
      isDanger
      ask={isConfirmed ? risky.ask : undefined}
      shown={risky.ask}
      command={risky.command}
      onClose={onClose}
    >
      <div>
        <strong>{words.confirm.lost}</strong>
        <List>
          {risky.losses.map((loss) => (
            <ListItem key={loss}>{loss}</ListItem>
          ))}
        </List>
      </div>
      {risky.typed !== undefined && (
        <FormGroup label={words.confirm.type(risky.typed)} fieldId="confirm-name" isRequired>
          <TextInput id="confirm-name" isRequired autoComplete="off" value={typed} onChange={(_, next) => setTyped(next)} />
        </FormGroup>
      )}
    </FormDialog>
  );
}
