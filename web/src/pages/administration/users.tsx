import { Button, Checkbox, Label, ToolbarItem } from "@patternfly/react-core";
import { EllipsisVIcon } from "@patternfly/react-icons/dist/esm/icons/ellipsis-v-icon";
import { useState } from "react";
import { line } from "../../actions/command.ts";
import { useMayChange, useMe, useWindow } from "../../api/hooks.ts";
import type { Schemas, UserView } from "../../api/types.ts";
import { Confirm } from "../../forms/confirm.tsx";
import { FormDialog } from "../../forms/dialog.tsx";
import { useDraft, useEdit } from "../../forms/draft.ts";
import { ChoiceField, TextField } from "../../forms/fields.tsx";
import { restsOn } from "../../forms/rests.ts";
import { FilterBar } from "../../parts/filter-bar.tsx";
import { LiveTable, type Column } from "../../parts/live-table.tsx";
import { Menu } from "../../parts/menu.tsx";
import { Time } from "../../parts/time.tsx";
import { useView } from "../../parts/view.ts";
import { words } from "../../words/en.ts";
import { administrationWords } from "../../words/hosts.ts";

const names = administrationWords.users;
type Role = Schemas["Role"];

const columns: Column<UserView>[] = [
  { key: "name", title: names.columns.name, sort: "name", cell: (user) => user.name, text: (user) => user.name },
  { key: "role", title: names.columns.role, sort: "role", cell: (user) => names.roles[user.role], text: (user) => user.role },
  {
    key: "state",
    title: names.columns.state,
    cell: (user) => (user.disabled === true ? <Label isCompact variant="outline" status="warning">{names.disabled}</Label> : <Label isCompact variant="outline" status="success">{names.active}</Label>),
    text: (user) => (user.disabled === true ? names.disabled : names.active),
  },
  { key: "created", title: names.columns.created, cell: (user) => <Time at={user.created} />, text: (user) => user.created },
];

type Open = { form: "create" } | { form: "edit" | "remove"; user: UserView };

export function Users() {
  const view = useView("name");
  const state = useWindow("users", view.query);
  const me = useMe();
  const mayChange = useMayChange();
  const [open, setOpen] = useState<Open | undefined>();
  const close = (): void => setOpen(undefined);
  const menu = (user: UserView) => (
    <Menu
      label={words.table.actionsOf(user.name)}
      variant="plain"
      toggle={<EllipsisVIcon />}
      choices={[
        { key: "edit", label: names.edit, onChoose: () => setOpen({ form: "edit", user }) },
        { key: "remove", label: names.remove, isDanger: true, reason: user.id === me?.id ? names.self : undefined, onChoose: () => setOpen({ form: "remove", user }) },
      ]}
    />
  );
  return (
    <>
      <FilterBar noun="users" view={view} columns={columns}>
        <ToolbarItem>{mayChange && <Button onClick={() => setOpen({ form: "create" })}>{names.create}</Button>}</ToolbarItem>
      </FilterBar>
      <LiveTable<UserView> label={administrationWords.tabs.users} columns={columns} state={state} view={view} nameOf={(user) => user.name} {...(mayChange ? { actions: menu } : {})} empty={null} />
      {open?.form === "create" && <CreateUser onClose={close} />}
      {open?.form === "edit" && <EditUser user={open.user} onClose={close} />}
      {open?.form === "remove" && (
        <Confirm
          risky={{
            title: `${names.remove} ${open.user.name}`,
            submit: names.remove,
            ask: { method: "DELETE", path: `/users/${open.user.id}` },
            command: line("user delete", [open.user.name]),
            losses: names.losses,
          }}
          onClose={close}
        />
      )}
    </>
  );
}

const roles = (Object.keys(names.roles) as Role[]).map((value) => ({ value, title: names.roles[value] }));
const roleIn = (text: string): Role => (text === "administrator" ? "administrator" : "read-only");

function CreateUser({ onClose }: { onClose: () => void }) {
  const draft = useDraft<{ name: string; role: Role }>("create-user", { name: "", role: "read-only" });
  const { name, role } = draft.values;
  // A password is in no draft.
  const [password, setPassword] = useState("");
  const body: Schemas["NewUser"] = { name: name.trim(), role, password };
  const isWhole = body.name !== "" && password !== "";
  return (
    <FormDialog
      title={names.createTitle}
      submit={names.submit}
      ask={isWhole ? { method: "POST", path: "/users", body } : undefined}
      shown={{ method: "POST", path: "/users", body: { ...body, password: "…" } }}
      command={line("user create", [body.name], { role })}
      draft={draft}
      onClose={onClose}
    >
      <TextField id="user-name" label={names.columns.name} value={name} onChange={(next) => draft.set({ name: next })} isRequired />
      <ChoiceField id="user-role" label={names.columns.role} value={role} onChange={(next) => draft.set({ role: roleIn(next) })} choices={roles} help={names.roleHelp[role]} />
      <TextField id="user-password" type="password" label={names.password} value={password} onChange={setPassword} isRequired autoComplete="new-password" />
    </FormDialog>
  );
}

function EditUser({ user, onClose }: { user: UserView; onClose: () => void }) {
  const edit = useEdit("edit-user", user, (one) => ({ role: one.role, isDisabled: one.disabled ?? false }));
  const { role, isDisabled } = edit.values;
  const [password, setPassword] = useState("");
  const body: Schemas["ChangeUser"] = {
    ...(role !== edit.base.role ? { role } : {}),
    ...(isDisabled !== (edit.base.disabled ?? false) ? { disabled: isDisabled } : {}),
    ...(password !== "" ? { password } : {}),
  };
  const isChanged = Object.keys(body).length > 0;
  const ask = { method: "PATCH" as const, path: `/users/${user.id}`, body };
  return (
    <FormDialog
      title={names.editTitle(user.name)}
      submit={names.save}
      ask={isChanged ? ask : undefined}
      shown={{ ...ask, body: { ...body, ...(password !== "" ? { password: "…" } : {}) } }}
      command={line("user edit", [user.name], {
        role: body.role ?? undefined,
        disable: body.disabled === true,
        enable: body.disabled === false,
        password: password !== "",
        "if-match": edit.base.revision,
      })}
      draft={edit}
      rests={restsOn(edit, "users", "user", (one) => ({ role: one.role, disabled: one.disabled ?? false }))}
      onClose={onClose}
    >
      <ChoiceField id="user-role" label={names.columns.role} value={role} onChange={(next) => edit.set({ role: roleIn(next) })} choices={roles} help={names.roleHelp[role]} />
      <Checkbox id="user-disabled" label={names.disable} isChecked={isDisabled} onChange={(_, next) => edit.set({ isDisabled: next })} />
      <TextField id="user-password" type="password" label={names.newPassword} value={password} onChange={setPassword} help={names.newPasswordHelp} autoComplete="new-password" />
    </FormDialog>
  );
}
