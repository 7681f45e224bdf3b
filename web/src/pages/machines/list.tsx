import { Button, PageSection, ToolbarItem } from "@patternfly/react-core";
import { useNavigate } from "@tanstack/react-router";
import { BulkMenu } from "../../actions/vm-bulk.tsx";
import { VmMenu } from "../../actions/vm-menu.tsx";
import { useMayChange, useWindow } from "../../api/hooks.ts";
import type { VmView } from "../../api/types.ts";
import { FilterBar } from "../../parts/filter-bar.tsx";
import { LiveTable, Nothing } from "../../parts/live-table.tsx";
import { PageHead } from "../../parts/page-head.tsx";
import { Split } from "../../parts/split.tsx";
import { useView } from "../../parts/view.ts";
import { machineWords } from "../../words/machines.ts";
import { vmStatusWords } from "../../words/statuses.ts";
import { machineColumns } from "./columns.tsx";
import { MachineDetails } from "./drawer.tsx";

const statuses = Object.entries(vmStatusWords).map(([value, title]) => ({ value, title }));

export function MachinesPage() {
  const view = useView("name");
  const state = useWindow("vms", view.query);
  const navigate = useNavigate();
  const mayChange = useMayChange();
  const rows = state.window?.rows ?? [];
  const shown = rows.find((vm) => vm.id === view.search.show);
  const counts = state.window?.counts ?? {};
  const create = mayChange && <Button onClick={() => void navigate({ to: "/machines/create" })}>{machineWords.create}</Button>;
  return (
    <>
      <PageHead title={machineWords.title} actions={create} />
      <PageSection isFilled>
        <Split title={shown?.spec.name} details={shown !== undefined ? <MachineDetails vm={shown} /> : undefined} onClose={() => view.set({ show: undefined })}>
          <FilterBar
            noun="vms"
            view={view}
            columns={machineColumns}
            facets={[{ field: "status", title: machineWords.columns.status, values: statuses.filter(({ value }) => (counts[value] ?? 0) > 0), counts }]}
          >
            {view.picked.length > 0 && mayChange && (
              <ToolbarItem>
                <BulkMenu vms={rows.filter((vm) => view.picked.includes(vm.id))} onDone={() => view.set({ picked: undefined })} />
              </ToolbarItem>
            )}
          </FilterBar>
          <LiveTable<VmView>
            label={machineWords.title}
            columns={machineColumns}
            state={state}
            view={view}
            nameOf={(vm) => vm.spec.name}
            isSelectable={mayChange}
            hasDrawer
            {...(mayChange ? { actions: (vm) => <VmMenu vm={vm} small /> } : {})}
            empty={
              <Nothing title={machineWords.empty} body={machineWords.emptyBody}>
                {create}
              </Nothing>
            }
          />
        </Split>
      </PageSection>
    </>
  );
}
