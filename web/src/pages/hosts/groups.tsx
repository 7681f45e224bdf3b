import { EllipsisVIcon } from "@patternfly/react-icons/dist/esm/icons/ellipsis-v-icon";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { line } from "../../actions/command.ts";
import { withTerm } from "../../api/filter.ts";
import { useMayChange, useWindow } from "../../api/hooks.ts";
import type { HostGroupView } from "../../api/types.ts";
import { Confirm } from "../../forms/confirm.tsx";
import { EditHostGroupForm, NewHostGroupForm } from "../../forms/host-group.tsx";
import { MoveToGroupForm } from "../../forms/move-to-group.tsx";
import { FilterBar } from "../../parts/filter-bar.tsx";
import { LiveTable, Waiting, type Column } from "../../parts/live-table.tsx";
import { Menu } from "../../parts/menu.tsx";
import { mebibytes } from "../../parts/quantities.ts";
import { isWellStatus } from "../../parts/status-label.tsx";
import { Time } from "../../parts/time.tsx";
import { useView } from "../../parts/view.ts";
import { words } from "../../words/en.ts";
import { hostGroupWords as names } from "../../words/host-groups.ts";
import { reserveText } from "./facts.tsx";

const titles = names.columns;
const isTop = (group: HostGroupView): boolean => typeof group.parent !== "string";

/** How many hosts in and below a group are not well. */
function troubled({ total }: HostGroupView): number {
  return Object.entries(total.hosts_by_status).reduce((sum, [status, count]) => (isWellStatus(status) ? sum : sum + count), 0);
}

const percent = ({ total }: HostGroupView): string => (typeof total.cpu_percent === "number" ? `${total.cpu_percent} %` : "");
const disk = ({ total }: HostGroupView): string => (total.disk_total_mib === 0 ? "" : names.of(mebibytes(total.disk_used_mib), mebibytes(total.disk_total_mib)));
const unencrypted = (group: HostGroupView): string => (group.in_force.unencrypted_transfers ? names.yes : names.no);

const columns: Column<HostGroupView>[] = [
  {
    key: "path",
    title: titles.path,
    sort: "path",
    cell: (group) => (
      <Link to="/hosts" search={{ filter: withTerm("", { field: "under_host_group", op: "=", values: [group.path] }) }}>{group.path}</Link>
    ),
    text: (group) => group.path,
  },
  { key: "hosts", title: titles.hosts, isNumber: true, cell: ({ total }) => total.hosts, text: ({ total }) => String(total.hosts) },
  { key: "troubled", title: titles.troubled, isNumber: true, cell: (group) => (troubled(group) === 0 ? "" : troubled(group)), text: (group) => String(troubled(group)) },
  { key: "machines", title: titles.machines, isNumber: true, cell: ({ total }) => total.machines, text: ({ total }) => String(total.machines) },
  { key: "cpu", title: titles.cpu, isNumber: true, cell: percent, text: percent },
  { key: "given", title: titles.given, isNumber: true, cell: ({ total }) => names.of(mebibytes(total.memory_given_mib), mebibytes(total.memory_mib)), text: ({ total }) => String(total.memory_given_mib) },
  { key: "disk", title: titles.disk, isNumber: true, isExtra: true, cell: disk, text: ({ total }) => String(total.disk_used_mib) },
  { key: "kept", title: titles.kept, cell: (group) => reserveText(group.in_force), text: (group) => reserveText(group.in_force) },
  { key: "unencrypted", title: titles.unencrypted, isExtra: true, cell: unencrypted, text: unencrypted },
  { key: "notes", title: titles.notes, isExtra: true, sort: "notes", cell: (group) => group.notes ?? "", text: (group) => group.notes ?? "" },
  { key: "created", title: titles.created, isExtra: true, sort: "created", cell: (group) => <Time at={group.created} />, text: (group) => group.created },
];

type Doing = { what: "create" | "edit" | "move" | "remove"; group: HostGroupView };

/** Groups of hosts: what is in them, and what they set for all below. */
export function HostGroups() {
  const view = useView("path");
  const state = useWindow("host-groups", view.query);
  const mayChange = useMayChange();
  const [doing, setDoing] = useState<Doing | undefined>();
  const menu = (group: HostGroupView) => {
    const choice = (what: Doing["what"], label: string, reason?: string) => ({ key: what, label, reason, isDanger: what === "remove", onChoose: () => setDoing({ what, group }) });
    const fixed = isTop(group) ? names.isTop : undefined;
    const full = group.groups > 0 || group.own_hosts > 0 ? names.notEmpty : undefined;
    return (
      <Menu
        label={words.table.actionsOf(group.path)}
        variant="plain"
        toggle={<EllipsisVIcon />}
        choices={[choice("create", names.createIn), choice("edit", names.edit), choice("move", names.move, fixed), choice("remove", names.remove, fixed ?? full)]}
      />
    );
  };
  return (
    <>
      <FilterBar noun="host-groups" view={view} columns={columns} />
      <LiveTable<HostGroupView> label={names.title} columns={columns} state={state} view={view} nameOf={({ path }) => path} {...(mayChange ? { actions: menu } : {})} empty={<Waiting />} />
      {doing !== undefined && <Dialog doing={doing} all={state.window?.rows ?? []} onClose={() => setDoing(undefined)} />}
    </>
  );
}

function Dialog({ doing: { what, group }, all, onClose }: { doing: Doing; all: readonly HostGroupView[]; onClose: () => void }) {
  switch (what) {
    case "create":
      return <NewHostGroupForm parent={group} onClose={onClose} />;
    case "edit":
      return <EditHostGroupForm group={group} above={all.find(({ id }) => id === group.parent)?.in_force} onClose={onClose} />;
    case "move":
      return <MoveToGroupForm moved={{ noun: "host-groups", id: group.id, name: group.path, in: group.path.slice(0, group.path.lastIndexOf("/")) }} onClose={onClose} />;
    case "remove":
      return (
        <Confirm
          risky={{
            title: names.removeTitle(group.path),
            submit: names.remove,
            ask: { method: "DELETE", path: `/host-groups/${group.id}` },
            command: line("host-group delete", [group.path]),
            losses: names.losses,
          }}
          onClose={onClose}
        />
      );
  }
}
