import { Button, ToolbarItem } from "@patternfly/react-core";
import { useState } from "react";
import { line } from "../../actions/command.ts";
import { useWindow } from "../../api/hooks.ts";
import type { Schemas, TokenView, UserView } from "../../api/types.ts";
import { Confirm } from "../../forms/confirm.tsx";
import { FormDialog } from "../../forms/dialog.tsx";
import { useDraft } from "../../forms/draft.ts";
import { ChoiceField, TextField } from "../../forms/fields.tsx";
import { ShownOnce } from "../../forms/shown-once.tsx";
import { FilterBar } from "../../parts/filter-bar.tsx";
import { LiveTable, Nothing, type Column } from "../../parts/live-table.tsx";
import { Time } from "../../parts/time.tsx";
import { useView } from "../../parts/view.ts";
import { administrationWords } from "../../words/hosts.ts";

const names = administrationWords.tokens;

function columnsWith(users: UserView[]): Column<TokenView>[] {
  const userName = (token: TokenView): string => users.find((user) => user.id === token.user)?.name ?? token.user;
  const kind = (token: TokenView): string => (token.session === true ? names.session : names.token);
  return [
    { key: "name", title: names.columns.name, sort: "name", cell: (token) => token.name, text: (token) => token.name },
    { key: "user", title: names.columns.user, sort: "user", cell: userName, text: userName },
    { key: "kind", title: names.columns.kind, cell: kind, text: kind },
    { key: "created", title: names.columns.created, sort: "created", cell: (token) => <Time at={token.created} />, text: (token) => token.created },
    {
      key: "expires",
      title: names.columns.expires,
      sort: "expires",
      cell: (token) => (typeof token.expires === "string" ? <Time at={token.expires} /> : names.never),
      text: (token) => token.expires ?? "",
    },
  ];
}

export function Tokens() {
  const view = useView("name");
  const state = useWindow("tokens", view.query);
  const users = useWindow("users", { sort: "name", limit: 1000 }).window?.rows ?? [];
  const [isCreating, setCreating] = useState(false);
  const [revoked, setRevoked] = useState<TokenView | undefined>();
  const columns = columnsWith(users);
  const create = <Button onClick={() => setCreating(true)}>{names.create}</Button>;
  return (
    <>
      <FilterBar noun="tokens" view={view} columns={columns}>
        <ToolbarItem>{create}</ToolbarItem>
      </FilterBar>
      <LiveTable<TokenView>
        label={administrationWords.tabs.tokens}
        columns={columns}
        state={state}
        view={view}
        nameOf={(token) => token.name}
        actions={(token) => (
          <Button variant="link" isInline aria-label={`${names.revoke} ${token.name}`} onClick={() => setRevoked(token)}>
            {names.revoke}
          </Button>
        )}
        empty={
          <Nothing title={names.empty} body={names.emptyBody}>
            {create}
          </Nothing>
        }
      />
      {isCreating && <CreateToken onClose={() => setCreating(false)} />}
      {revoked !== undefined && (
        <Confirm
          risky={{
            title: `${names.revoke} ${revoked.name}`,
            submit: names.revoke,
            ask: { method: "DELETE", path: `/tokens/${revoked.id}` },
            command: line("token revoke", [revoked.id]),
            losses: names.losses,
          }}
          onClose={() => setRevoked(undefined)}
        />
      )}
    </>
  );
}

const DAY_MS = 86_400_000;
const spans = [30, 90, 365];

function CreateToken({ onClose }: { onClose: () => void }) {
  const draft = useDraft("create-token", { name: "", days: "90" });
  const { name, days } = draft.values;
  const [made, setMade] = useState<string | undefined>();
  // The time is taken once, so that the same form asks for the same thing.
  const [now] = useState(() => Date.now());
  if (made !== undefined) return <ShownOnce title={names.made} hint={names.madeHint} texts={[[names.token, made]]} onClose={onClose} />;
  const body: Schemas["NewToken"] = { name: name.trim(), ...(days === "" ? {} : { expires: new Date(now + Number(days) * DAY_MS).toISOString() }) };
  return (
    <FormDialog
      title={names.createTitle}
      submit={names.submit}
      ask={body.name === "" ? undefined : { method: "POST", path: "/tokens", body }}
      command={line("token create", [body.name], { expires: days === "" ? undefined : `${days}d` })}
      draft={draft}
      onClose={onClose}
      onAnswer={(answer) => setMade((answer as Schemas["TokenMade"]).token)}
    >
      <TextField id="token-name" label={names.name} value={name} onChange={(next) => draft.set({ name: next })} isRequired />
      <ChoiceField
        id="token-expires"
        label={names.expires}
        value={days}
        onChange={(next) => draft.set({ days: next })}
        choices={[...spans.map((span) => ({ value: String(span), title: names.days(span) })), { value: "", title: names.never }]}
      />
    </FormDialog>
  );
}
