import { Alert, Button, ToolbarItem } from "@patternfly/react-core";
import { EllipsisVIcon } from "@patternfly/react-icons/dist/esm/icons/ellipsis-v-icon";
import { useState } from "react";
import { line } from "../../actions/command.ts";
import { useMayChange, useWindow } from "../../api/hooks.ts";
import type { AgentView, Schemas, ShareView } from "../../api/types.ts";
import { Confirm } from "../../forms/confirm.tsx";
import { FormDialog } from "../../forms/dialog.tsx";
import { useDraft } from "../../forms/draft.ts";
import { ChoiceField, TextField } from "../../forms/fields.tsx";
import { FilterBar } from "../../parts/filter-bar.tsx";
import { LiveTable, Nothing, type Column } from "../../parts/live-table.tsx";
import { Menu } from "../../parts/menu.tsx";
import { Time } from "../../parts/time.tsx";
import { useView } from "../../parts/view.ts";
import { useTeller } from "../../shell/toasts.tsx";
import { words } from "../../words/en.ts";
import { libraryWords } from "../../words/hosts.ts";

const names = libraryWords.shares;

function columnsWith(agents: AgentView[]): Column<ShareView>[] {
  const agentName = (share: ShareView): string => agents.find((agent) => agent.id === share.agent)?.name ?? share.agent;
  return [
    { key: "name", title: names.columns.name, sort: "name", cell: (share) => share.name, text: (share) => share.name },
    { key: "agent", title: names.columns.agent, sort: "agent", cell: agentName, text: agentName },
    { key: "folder", title: names.columns.folder, sort: "folder", cell: (share) => <span className="hostler-value">{share.folder}</span>, text: (share) => share.folder },
    { key: "created", title: names.columns.created, sort: "created", cell: (share) => <Time at={share.created} />, text: (share) => share.created },
  ];
}

export function Shares() {
  const view = useView("name");
  const state = useWindow("library-shares", view.query);
  const agents = useWindow("agents", { sort: "name", limit: 1000 }).window?.rows ?? [];
  const mayChange = useMayChange();
  const { run } = useTeller();
  const [isAdding, setAdding] = useState(false);
  const [removed, setRemoved] = useState<ShareView | undefined>();
  const columns = columnsWith(agents);
  const add = mayChange && <Button onClick={() => setAdding(true)}>{names.add}</Button>;
  const menu = (share: ShareView) => (
    <Menu
      label={words.table.actionsOf(share.name)}
      variant="plain"
      toggle={<EllipsisVIcon />}
      choices={[
        { key: "refresh", label: names.refresh, onChoose: () => void run({ method: "POST", path: `/library-shares/${share.id}/refresh` }, `${names.refresh} ${share.name}`) },
        { key: "remove", label: names.remove, isDanger: true, onChoose: () => setRemoved(share) },
      ]}
    />
  );
  return (
    <>
      <FilterBar noun="library-shares" view={view} columns={columns}>
        <ToolbarItem>{add}</ToolbarItem>
      </FilterBar>
      <LiveTable<ShareView>
        label={libraryWords.tabs.shares}
        columns={columns}
        state={state}
        view={view}
        nameOf={(share) => share.name}
        {...(mayChange ? { actions: menu } : {})}
        empty={
          <Nothing title={names.empty} body={names.emptyBody}>
            {add}
          </Nothing>
        }
      />
      {isAdding && <AddShare agents={agents.filter((agent) => agent.roles.library)} onClose={() => setAdding(false)} />}
      {removed !== undefined && (
        <Confirm
          risky={{
            title: `${names.remove} ${removed.name}`,
            submit: names.remove,
            ask: { method: "DELETE", path: `/library-shares/${removed.id}` },
            command: line("library-share remove", [removed.name]),
            losses: names.losses,
          }}
          onClose={() => setRemoved(undefined)}
        />
      )}
    </>
  );
}

function AddShare({ agents, onClose }: { agents: AgentView[]; onClose: () => void }) {
  const draft = useDraft("add-share", { name: "", agentId: "", folder: "" });
  const { name, agentId, folder } = draft.values;
  const agent = agents.find((one) => one.id === agentId) ?? agents[0];
  const isWhole = name.trim() !== "" && folder.startsWith("/") && agent !== undefined;
  const body: Schemas["NewShare"] | undefined = isWhole ? { name: name.trim(), agent: agent.id, folder } : undefined;
  return (
    <FormDialog
      title={names.addTitle}
      submit={names.submit}
      ask={body === undefined ? undefined : { method: "POST", path: "/library-shares", body }}
      command={line("library-share add", [name.trim()], { agent: agent?.name, folder })}
      draft={draft}
      onClose={onClose}
    >
      {agents.length === 0 && <Alert isInline variant="info" title={names.noAgents} />}
      <TextField id="share-name" label={names.columns.name} value={name} onChange={(next) => draft.set({ name: next })} isRequired />
      <ChoiceField id="share-agent" label={names.columns.agent} value={agent?.id ?? ""} onChange={(next) => draft.set({ agentId: next })} isRequired choices={agents.map((one) => ({ value: one.id, title: one.name }))} />
      <TextField id="share-folder" label={names.columns.folder} value={folder} onChange={(next) => draft.set({ folder: next })} isRequired help={names.folderHelp} />
    </FormDialog>
  );
}
