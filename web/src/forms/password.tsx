import { useState } from "react";
import type { Schemas } from "../api/types.ts";
import { words } from "../words/en.ts";
import { FormDialog } from "./dialog.tsx";
import { TextField } from "./fields.tsx";

/** One's own password. */
export function PasswordForm({ onClose }: { onClose: () => void }) {
  const [current, setCurrent] = useState("");
  const [next, setNext] = useState("");
  const [repeated, setRepeated] = useState("");
  const body: Schemas["ChangePassword"] = { current, new: next };
  const isWhole = current !== "" && next !== "" && next === repeated;
  return (
    <FormDialog
      title={words.account.changePassword}
      submit={words.account.changePassword}
      ask={isWhole ? { method: "PUT", path: "/me/password", body } : undefined}
      // Neither secret is ever shown: the command asks for them, and the call has them in its place.
      shown={{ method: "PUT", path: "/me/password", body: { current: "…", new: "…" } }}
      command="hostler user password"
      onClose={onClose}
    >
      <TextField id="current" type="password" label={words.account.current} value={current} onChange={setCurrent} isRequired autoComplete="current-password" />
      <TextField id="new" type="password" label={words.account.next} value={next} onChange={setNext} isRequired autoComplete="new-password" />
      <TextField
        id="repeated"
        type="password"
        label={words.account.repeat}
        value={repeated}
        onChange={setRepeated}
        isRequired
        autoComplete="new-password"
        error={repeated !== "" && repeated !== next ? words.account.differ : undefined}
      />
    </FormDialog>
  );
}
