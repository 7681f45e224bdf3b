import { Button, ToolbarItem } from "@patternfly/react-core";
import { EllipsisVIcon } from "@patternfly/react-icons/dist/esm/icons/ellipsis-v-icon";
import { Link, useNavigate } from "@tanstack/react-router";
import { useState, type ReactNode } from "react";
import { line } from "../../actions/command.ts";
import { useGet, useMayChange, useWindow } from "../../api/hooks.ts";
import type { ItemView, TemplateView } from "../../api/types.ts";
import { Confirm } from "../../forms/confirm.tsx";
import { CreateTemplateForm, EditTemplateForm } from "../../forms/template.tsx";
import { Facts } from "../../parts/facts.tsx";
import { FilterBar } from "../../parts/filter-bar.tsx";
import { LiveTable, Nothing, type Column } from "../../parts/live-table.tsx";
import { Menu } from "../../parts/menu.tsx";
import { mebibytes } from "../../parts/quantities.ts";
import { Split } from "../../parts/split.tsx";
import { Time } from "../../parts/time.tsx";
import { useView } from "../../parts/view.ts";
import { words } from "../../words/en.ts";
import { libraryWords } from "../../words/hosts.ts";
import { machineWords } from "../../words/machines.ts";

const names = libraryWords.templates;

function DiskName({ id }: { id: string }) {
  const { data } = useGet<ItemView>(`/library-items/${id}`);
  return <Link to="/library" search={{ tab: "items", show: id }} onClick={(event) => event.stopPropagation()}>{data?.name ?? id}</Link>;
}

const columns: Column<TemplateView>[] = [
  { key: "name", title: names.columns.name, sort: "name", cell: ({ spec }) => spec.name, text: ({ spec }) => spec.name },
  { key: "disk", title: names.columns.disk, sort: "disk", cell: ({ spec }) => <DiskName id={spec.disk} />, text: ({ spec }) => spec.disk },
  { key: "cpus", title: names.columns.cpus, sort: "cpus", cell: ({ spec }) => spec.cpus ?? 1, text: ({ spec }) => String(spec.cpus ?? 1) },
  { key: "memory", title: names.columns.memory, sort: "memory_mib", cell: ({ spec }) => mebibytes(spec.memory_mib ?? 0), text: ({ spec }) => String(spec.memory_mib ?? "") },
  { key: "firmware", title: names.columns.firmware, isExtra: true, cell: ({ spec }) => names.firmware[spec.firmware ?? "bios"], text: ({ spec }) => spec.firmware ?? "bios" },
  { key: "deploy", title: names.columns.deploy, cell: ({ spec }) => names.deploy[spec.deploy ?? "overlay"], text: ({ spec }) => spec.deploy ?? "overlay" },
  { key: "created", title: names.columns.created, sort: "created", cell: (template) => <Time at={template.created} />, text: (template) => template.created },
  { key: "notes", title: names.columns.notes, isExtra: true, cell: ({ spec }) => spec.notes ?? "", text: ({ spec }) => spec.notes ?? "" },
];

type Open = { form: "create" } | { form: "edit" | "remove"; template: TemplateView };

export function Templates() {
  const view = useView("name");
  const state = useWindow("templates", view.query);
  const mayChange = useMayChange();
  const navigate = useNavigate();
  const [open, setOpen] = useState<Open | undefined>();
  const close = (): void => setOpen(undefined);
  const shown = state.window?.rows.find((template) => template.id === view.search.show);
  const create = mayChange && <Button onClick={() => setOpen({ form: "create" })}>{names.create}</Button>;
  const menu = (template: TemplateView) => (
    <Menu
      label={words.table.actionsOf(template.spec.name)}
      variant="plain"
      toggle={<EllipsisVIcon />}
      choices={[
        { key: "use", label: names.use, onChoose: () => void navigate({ to: "/machines/create", search: { from: template.id } }) },
        { key: "edit", label: names.edit, onChoose: () => setOpen({ form: "edit", template }) },
        { key: "remove", label: names.remove, isDanger: true, onChoose: () => setOpen({ form: "remove", template }) },
      ]}
    />
  );
  return (
    <Split
      title={shown?.spec.name}
      details={
        shown !== undefined ? (
          <Facts narrow facts={[...columns.map((column): [string, ReactNode] => [column.title, column.cell(shown)]), [machineWords.facts.id, shown.id]]} />
        ) : undefined
      }
      onClose={() => view.set({ show: undefined })}
    >
      <FilterBar noun="templates" view={view} columns={columns}>
        <ToolbarItem>{create}</ToolbarItem>
      </FilterBar>
      <LiveTable<TemplateView>
        label={libraryWords.tabs.templates}
        columns={columns}
        state={state}
        view={view}
        nameOf={({ spec }) => spec.name}
        hasDrawer
        {...(mayChange ? { actions: menu } : {})}
        empty={
          <Nothing title={names.empty} body={names.emptyBody}>
            {create}
          </Nothing>
        }
      />
      {open?.form === "create" && <CreateTemplateForm onClose={close} />}
      {open?.form === "edit" && <EditTemplateForm template={open.template} onClose={close} />}
      {open?.form === "remove" && (
        <Confirm
          risky={{
            title: `${names.remove} ${open.template.spec.name}`,
            submit: names.remove,
            ask: { method: "DELETE", path: `/templates/${open.template.id}` },
            command: line("template delete", [open.template.spec.name]),
            losses: names.losses,
          }}
          onClose={close}
        />
      )}
    </Split>
  );
}
