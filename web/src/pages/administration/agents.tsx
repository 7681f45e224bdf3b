import { Button, Checkbox, Label, Title, ToolbarItem } from "@patternfly/react-core";
import { EllipsisVIcon } from "@patternfly/react-icons";
import { useState } from "react";
import { line } from "../../actions/command.ts";
import { useMayChange, useWindow } from "../../api/hooks.ts";
import type { AgentView, EnrolmentView, Schemas } from "../../api/types.ts";
import { Confirm, type Risky } from "../../forms/confirm.tsx";
import { FormDialog } from "../../forms/dialog.tsx";
import { useDraft } from "../../forms/draft.ts";
import { ChoiceField, TextField } from "../../forms/fields.tsx";
import { ShownOnce } from "../../forms/shown-once.tsx";
import { FilterBar } from "../../parts/filter-bar.tsx";
import { LiveTable, Nothing, type Column } from "../../parts/live-table.tsx";
import { Menu } from "../../parts/menu.tsx";
import { Time } from "../../parts/time.tsx";
import { useView } from "../../parts/view.ts";
import { words } from "../../words/en.ts";
import { administrationWords } from "../../words/hosts.ts";

const names = administrationWords.agents;

const rolesOf = (roles: Schemas["Roles"]): string => [roles.host ? names.roleHost : "", roles.library ? names.roleLibrary : ""].filter((text) => text !== "").join(", ");

const isOld = (agent: AgentView): boolean => agent.up_to_date === false;
const newness = (agent: AgentView): string => (typeof agent.up_to_date !== "boolean" ? names.notKnown : agent.up_to_date ? names.upToDate : names.offered(agent.offered ?? ""));

/** Why an agent cannot be updated now. */
const notUpdatable = (agent: AgentView): string | undefined =>
  typeof agent.offered !== "string" ? names.noProgram : !agent.answers ? names.mustAnswer : isOld(agent) ? undefined : names.isUpToDate;

type Doing = { what: "update" | "remove"; agent: AgentView };

const columns: Column<AgentView>[] = [
  { key: "name", title: names.columns.name, sort: "name", cell: (agent) => agent.name, text: (agent) => agent.name },
  {
    key: "state",
    title: names.columns.state,
    sort: "answers",
    cell: (agent) => <Label isCompact variant="outline" status={agent.answers ? "success" : "danger"}>{agent.answers ? names.answers : names.silent}</Label>,
    text: (agent) => (agent.answers ? names.answers : names.silent),
  },
  { key: "roles", title: names.columns.roles, cell: (agent) => rolesOf(agent.roles), text: (agent) => rolesOf(agent.roles) },
  { key: "version", title: names.columns.version, sort: "version", cell: (agent) => agent.version, text: (agent) => agent.version },
  {
    key: "up-to-date",
    title: names.columns.upToDate,
    cell: (agent) => (isOld(agent) ? <Label isCompact variant="outline" status="warning">{newness(agent)}</Label> : newness(agent)),
    text: newness,
  },
  { key: "contact", title: names.columns.contact, cell: (agent) => (typeof agent.last_contact === "string" ? <Time at={agent.last_contact} /> : ""), text: (agent) => agent.last_contact ?? "" },
  { key: "address", title: names.columns.address, cell: (agent) => <span className="hostler-value">{agent.address ?? ""}</span>, text: (agent) => agent.address ?? "" },
  { key: "until", title: names.columns.until, cell: (agent) => <Time at={agent.certificate_until} />, text: (agent) => agent.certificate_until },
];

const enrolmentColumns: Column<EnrolmentView>[] = [
  { key: "id", title: names.enrolmentColumns.id, cell: (one) => <span className="hostler-value">{one.id.slice(-8)}</span>, text: (one) => one.id },
  { key: "roles", title: names.columns.roles, cell: (one) => rolesOf(one.roles), text: (one) => rolesOf(one.roles) },
  { key: "name", title: names.enrolmentColumns.hostName, cell: (one) => one.host_name ?? names.anyName, text: (one) => one.host_name ?? "" },
  {
    key: "state",
    title: names.enrolmentColumns.state,
    cell: (one) => (typeof one.used_by === "string" ? names.used : names.open),
    text: (one) => (typeof one.used_by === "string" ? names.used : names.open),
  },
  { key: "expires", title: names.enrolmentColumns.expires, cell: (one) => <Time at={one.expires} />, text: (one) => one.expires },
];

export function Agents() {
  const view = useView("name");
  const state = useWindow("agents", view.query);
  const enrolments = useWindow("enrolments", { limit: 100 });
  const mayChange = useMayChange();
  const [isEnrolling, setEnrolling] = useState(false);
  const [risky, setRisky] = useState<Risky | undefined>();
  const enrol = mayChange && <Button onClick={() => setEnrolling(true)}>{names.enrol}</Button>;
  const [doing, setDoing] = useState<Doing | undefined>();
  const revoke = (one: EnrolmentView): Risky => ({
    title: `${names.revoke} ${one.id.slice(-8)}`,
    submit: names.revoke,
    ask: { method: "DELETE", path: `/enrolments/${one.id}` },
    command: line("token revoke", [one.id]),
    losses: names.revokeLosses,
  });
  return (
    <>
      <FilterBar noun="agents" view={view} columns={columns}>
        <ToolbarItem>{enrol}</ToolbarItem>
      </FilterBar>
      <LiveTable<AgentView>
        label={administrationWords.tabs.agents}
        columns={columns}
        state={state}
        view={view}
        nameOf={(agent) => agent.name}
        {...(mayChange
          ? {
              actions: (agent) => (
                <Menu
                  label={words.table.actionsOf(agent.name)}
                  variant="plain"
                  toggle={<EllipsisVIcon />}
                  choices={[
                    { key: "update", label: names.update, reason: notUpdatable(agent), onChoose: () => setDoing({ what: "update", agent }) },
                    { key: "remove", label: names.remove, isDanger: true, onChoose: () => setDoing({ what: "remove", agent }) },
                  ]}
                />
              ),
            }
          : {})}
        empty={
          <Nothing title={names.empty} body={names.emptyBody}>
            {enrol}
          </Nothing>
        }
      />
      {(enrolments.window?.total ?? 0) > 0 && (
        <>
          <Title headingLevel="h2" size="lg">{names.enrolments}</Title>
          <LiveTable<EnrolmentView>
            label={names.enrolments}
            columns={enrolmentColumns}
            state={enrolments}
            view={{ ...view, page: 1, per: 100, search: {}, query: {} }}
            nameOf={(one) => one.id.slice(-8)}
            {...(mayChange
              ? {
                  actions: (one) => (
                    <Button variant="link" isInline aria-label={`${names.revoke} ${one.id.slice(-8)}`} onClick={() => setRisky(revoke(one))}>
                      {names.revoke}
                    </Button>
                  ),
                }
              : {})}
            empty={null}
          />
        </>
      )}
      {isEnrolling && <Enrol onClose={() => setEnrolling(false)} />}
      {doing?.what === "update" && <Update agent={doing.agent} onClose={() => setDoing(undefined)} />}
      {doing?.what === "remove" && <Remove agent={doing.agent} onClose={() => setDoing(undefined)} />}
      {risky !== undefined && <Confirm risky={risky} onClose={() => setRisky(undefined)} />}
    </>
  );
}

/** The program that belongs to the server takes the agent's place. */
function Update({ agent, onClose }: { agent: AgentView; onClose: () => void }) {
  return (
    <FormDialog
      title={names.updateTitle(agent.name)}
      description={names.updateWhat(agent.version, agent.offered ?? "")}
      submit={names.update}
      ask={{ method: "POST", path: `/agents/${agent.id}/upgrade` }}
      command={line("agent upgrade", [agent.name])}
      onClose={onClose}
    />
  );
}

/** A computer is managed no more: what is lost, and what stays on it. */
function Remove({ agent, onClose }: { agent: AgentView; onClose: () => void }) {
  const [keep, setKeep] = useState(false);
  const [force, setForce] = useState(false);
  const query = [keep ? "keep=true" : "", force ? "force=true" : ""].filter((part) => part !== "").join("&");
  return (
    <FormDialog
      title={`${names.remove} ${agent.name}`}
      description={agent.answers ? names.removeWhat : names.removeSilent}
      submit={names.remove}
      isDanger
      ask={{ method: "DELETE", path: `/agents/${agent.id}${query === "" ? "" : `?${query}`}` }}
      command={line("agent remove", [agent.name], { keep, force })}
      onClose={onClose}
    >
      <Checkbox id="keep" label={names.keep} isChecked={keep} onChange={(_, next) => setKeep(next)} />
      <Checkbox id="force" label={names.force} isChecked={force} onChange={(_, next) => setForce(next)} />
    </FormDialog>
  );
}

/** A token by which one computer joins. */
function Enrol({ onClose }: { onClose: () => void }) {
  const draft = useDraft("enrol", { host: true, library: false, hostName: "", group: "", valid: "3600" });
  const { host, library, hostName, group, valid } = draft.values;
  const groups = useWindow("host-groups", { sort: "path", limit: 1000 }).window?.rows ?? [];
  // Only what runs machines is in a group.
  const into = host ? groups.find(({ id }) => id === group) : undefined;
  const [made, setMade] = useState<string | undefined>();
  if (made !== undefined) return <ShownOnce title={names.made} hint={names.madeHint} texts={[[names.made, made]]} onClose={onClose} />;
  const body: Schemas["NewEnrolment"] = {
    roles: { host, library },
    valid_s: Number(valid),
    ...(hostName === "" ? {} : { host_name: hostName }),
    ...(into === undefined ? {} : { group: into.id }),
  };
  return (
    <FormDialog
      title={names.enrolTitle}
      submit={names.submit}
      ask={host || library ? { method: "POST", path: "/enrolments", body } : undefined}
      command={line("agent enrolment-token", [], { host, library, "host-name": hostName, group: into?.path, valid: `${valid}s` })}
      draft={draft}
      onClose={onClose}
      onAnswer={(answer) => setMade((answer as Schemas["TokenMade"]).token)}
    >
      <Checkbox id="role-host" label={names.host} isChecked={host} onChange={(_, next) => draft.set({ host: next })} />
      <Checkbox id="role-library" label={names.library} isChecked={library} onChange={(_, next) => draft.set({ library: next })} />
      <TextField id="host-name" label={names.hostName} value={hostName} onChange={(next) => draft.set({ hostName: next })} />
      {host && (
        <ChoiceField
          id="group"
          label={names.group}
          value={into?.id ?? groups[0]?.id ?? ""}
          onChange={(next) => draft.set({ group: next })}
          choices={groups.map(({ id, path }) => ({ value: id, title: path }))}
        />
      )}
      <ChoiceField id="valid" label={names.valid} value={valid} onChange={(next) => draft.set({ valid: next })} choices={Object.entries(names.spans).map(([value, title]) => ({ value, title }))} />
    </FormDialog>
  );
}
