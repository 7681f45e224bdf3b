import { Button, PageSection } from "@patternfly/react-core";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { valuesOf, withTerm } from "../../api/filter.ts";
import { useMayChange, useWindow } from "../../api/hooks.ts";
import type { HostView } from "../../api/types.ts";
import { AddHostForm } from "../../forms/add-host.tsx";
import { FilterBar } from "../../parts/filter-bar.tsx";
import { TreeButton, WithTree, type Chosen } from "../../parts/host-tree.tsx";
import { LiveTable, Nothing } from "../../parts/live-table.tsx";
import { PageHead } from "../../parts/page-head.tsx";
import { Sparklines } from "../../parts/performance.tsx";
import { useShown } from "../../parts/shown.ts";
import { Split } from "../../parts/split.tsx";
import { UrlTabs } from "../../parts/url-tabs.tsx";
import { useView } from "../../parts/view.ts";
import { addHostWords } from "../../words/add-host.ts";
import { hostGroupWords } from "../../words/host-groups.ts";
import { hostWords } from "../../words/hosts.ts";
import { hostStatusWords } from "../../words/statuses.ts";
import { hostColumns, hostGroups } from "./columns.tsx";
import { HostFacts } from "./facts.tsx";
import { HostGroups } from "./groups.tsx";
import { HostMeters } from "./meters.tsx";

const groupFields = hostGroups.map(({ field }) => field);

const nameOf = (host: HostView): string => host.name;

export function HostsPage() {
  const view = useView();
  return (
    <>
      <PageHead title={hostWords.title} actions={<Enrol />}>
        {view.search.tab === undefined && <TreeButton view={view} />}
      </PageHead>
      <PageSection isFilled>
        <UrlTabs
          label={hostWords.title}
          view={view}
          tabs={[
            { key: "hosts", title: hostWords.tabs.hosts, body: () => <Hosts /> },
            { key: "groups", title: hostGroupWords.title, body: () => <HostGroups /> },
          ]}
        />
      </PageSection>
    </>
  );
}

function Enrol() {
  const navigate = useNavigate();
  const mayChange = useMayChange();
  const [isAdding, setAdding] = useState(false);
  return (
    <>
      {mayChange && <Button onClick={() => setAdding(true)}>{addHostWords.open}</Button>}{" "}
      <Button variant="secondary" onClick={() => void navigate({ to: "/administration", search: { tab: "agents" } })}>
        {hostWords.enrol}
      </Button>
      {isAdding && <AddHostForm onClose={() => setAdding(false)} />}
    </>
  );
}

function Hosts() {
  const view = useView("name", groupFields);
  const state = useWindow("hosts", view.query);
  const [group] = valuesOf(view.search.filter ?? "", "under_host_group");
  const choose = ({ host, group: path }: Chosen): void =>
    view.set(({ filter = "" }) =>
      host === undefined ? { show: undefined, page: undefined, filter: withTerm(filter, { field: "under_host_group", op: "=", values: path === undefined ? [] : [path] }) } : { show: host.id },
    );
  const shown = useShown("hosts", view, state.window?.rows ?? []);
  return (
    <WithTree view={view} isReady={state.window !== undefined} chosen={view.search.show ?? group} onChoose={choose}>
    <Split
      title={shown?.name}
      details={
        shown !== undefined ? (
          <>
            <HostMeters host={shown} />
            <Sparklines path={`/hosts/${shown.id}/performance`} memoryMib={shown.facts.memory_mib ?? 0} />
            <HostFacts host={shown} narrow />
          </>
        ) : undefined
      }
      onClose={() => view.set({ show: undefined })}
    >
      <FilterBar
        noun="hosts"
        view={view}
        columns={hostColumns}
        groups={hostGroups}
        facets={[{ field: "status", title: hostWords.columns.status, values: Object.entries(hostStatusWords).map(([value, title]) => ({ value, title })) }]}
      />
      <LiveTable<HostView>
        label={hostWords.title}
        columns={hostColumns}
        groups={hostGroups}
        state={state}
        view={view}
        nameOf={nameOf}
        hasDrawer
        empty={
          <Nothing title={hostWords.empty} body={hostWords.emptyBody}>
            <Enrol />
          </Nothing>
        }
      />
    </Split>
    </WithTree>
  );
}
