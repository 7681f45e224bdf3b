import { Button, PageSection } from "@patternfly/react-core";
import { useNavigate } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { BulkMenu } from "../../actions/vm-bulk.tsx";
import { VmMenu } from "../../actions/vm-menu.tsx";
import { useReasons } from "../../actions/vm.ts";
import { valuesOf, withTerm, without } from "../../api/filter.ts";
import { useMayChange, useWindow } from "../../api/hooks.ts";
import type { VmView } from "../../api/types.ts";
import { FilterBar, type Facet } from "../../parts/filter-bar.tsx";
import { TreeButton, WithTree } from "../../parts/host-tree.tsx";
import { LiveTable, Nothing } from "../../parts/live-table.tsx";
import { PageHead } from "../../parts/page-head.tsx";
import { Split } from "../../parts/split.tsx";
import { useShown } from "../../parts/shown.ts";
import { useView } from "../../parts/view.ts";
import { machineWords } from "../../words/machines.ts";
import { vmStatusWords } from "../../words/statuses.ts";
import { machineColumns, machineGroups } from "./columns.tsx";
import { MachineDetails } from "./drawer.tsx";

const statuses = Object.entries(vmStatusWords).map(([value, title]) => ({ value, title }));
const groupFields = machineGroups.map(({ field }) => field);

/** What to choose from: statuses that occur, tags of the machines on this page, origins. */
function facetsFor(rows: VmView[], filter: string, counts: Record<string, number>): Facet[] {
  const tags = [...new Set([...rows.flatMap((vm) => vm.spec.tags ?? []), ...valuesOf(filter, "tags")])].sort();
  const chosen = valuesOf(filter, "status");
  return [
    { field: "status", title: machineWords.columns.status, values: statuses.filter(({ value }) => (counts[value] ?? 0) > 0 || chosen.includes(value)), counts },
    ...(tags.length > 0 ? [{ field: "tags", title: machineWords.columns.tags, values: tags.map((value) => ({ value, title: value })) }] : []),
    { field: "origin", title: machineWords.columns.origin, values: Object.entries(machineWords.origins).map(([value, title]) => ({ value, title })) },
  ];
}

const nameOf = (vm: VmView): string => vm.spec.name;
const menuOf = (vm: VmView): ReactNode => <VmMenu vm={vm} small />;

export function MachinesPage() {
  const view = useView("name", groupFields);
  const state = useWindow("vms", view.query);
  const navigate = useNavigate();
  const mayChange = useMayChange();
  // Read before the first menu is opened.
  useReasons();
  const filter = view.search.filter ?? "";
  const rows = state.window?.rows ?? [];
  const shown = useShown("vms", view, rows);
  const create = mayChange && <Button onClick={() => void navigate({ to: "/machines/create" })}>{machineWords.create}</Button>;
  const [host] = valuesOf(filter, "host");
  const [group] = valuesOf(filter, "under_host_group");
  return (
    <>
      <PageHead title={machineWords.title} actions={create}>
        <TreeButton view={view} />
      </PageHead>
      <PageSection isFilled>
        <WithTree
          view={view}
          isReady={state.window !== undefined}
          chosen={host ?? group}
          onChoose={(one) =>
            view.set(({ filter: before = "" }) => {
              const others = without(without(before, "host"), "under_host_group");
              const field = one.host === undefined ? "under_host_group" : "host";
              return { filter: withTerm(others, { field, op: "=", values: [one.host?.name ?? one.group ?? ""].filter((value) => value !== "") }), page: undefined, picked: undefined };
            })
          }
        >
          <Split title={shown?.spec.name} details={shown !== undefined ? <MachineDetails vm={shown} /> : undefined} onClose={() => view.set({ show: undefined })}>
            <FilterBar noun="vms" view={view} columns={machineColumns} groups={machineGroups} facets={facetsFor(rows, filter, state.window?.counts ?? {})} />
            <LiveTable<VmView>
              label={machineWords.title}
              columns={machineColumns}
              groups={machineGroups}
              state={state}
              view={view}
              nameOf={nameOf}
              hasDrawer
              {...(mayChange
                ? {
                    actions: menuOf,
                    bulk: (selection, total) => <BulkMenu selection={selection} view={view} known={rows} total={total} onDone={() => view.set({ picked: undefined })} />,
                  }
                : {})}
              empty={
                <Nothing title={machineWords.empty} body={machineWords.emptyBody}>
                  {create}
                </Nothing>
              }
            />
          </Split>
        </WithTree>
      </PageSection>
    </>
  );
}
