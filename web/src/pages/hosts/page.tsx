import { PageSection } from "@patternfly/react-core";
import { useParams } from "@tanstack/react-router";
import { useState } from "react";
import { line } from "../../actions/command.ts";
import { useMayChange, useObject, useWindow } from "../../api/hooks.ts";
import type { HostView, VmView } from "../../api/types.ts";
import { Confirm, type Risky } from "../../forms/confirm.tsx";
import { EditHostForm } from "../../forms/edit-host.tsx";
import { MoveToGroupForm } from "../../forms/move-to-group.tsx";
import { Code } from "../../parts/as-command.tsx";
import { ErrorBox } from "../../parts/error-box.tsx";
import { History } from "../../parts/history.tsx";
import { LiveTable, Nothing, Waiting } from "../../parts/live-table.tsx";
import { PageHead } from "../../parts/page-head.tsx";
import { PerformanceTab, Sparklines } from "../../parts/performance.tsx";
import { PossibleButton } from "../../parts/possible-button.tsx";
import { HostStatusLabel, hostStatus } from "../../parts/status-label.tsx";
import { UrlTabs } from "../../parts/url-tabs.tsx";
import { useView } from "../../parts/view.ts";
import { useTeller } from "../../shell/toasts.tsx";
import { folderWords } from "../../words/folders.ts";
import { hostHardwareWords } from "../../words/host-hardware.ts";
import { hostWords } from "../../words/hosts.ts";
import { machineWords } from "../../words/machines.ts";
import { refresherWords } from "../../words/refreshers.ts";
import { machineColumns } from "../machines/columns.tsx";
import { HostFacts } from "./facts.tsx";
import { HostFolders } from "./folders.tsx";
import { HostHardwareTab } from "./hardware.tsx";
import { HostLooks } from "./looks.tsx";
import { HostMeters } from "./meters.tsx";

const parent = { title: hostWords.title, to: "/hosts" as const };

export function HostPage() {
  const { host: ref } = useParams({ from: "/shell/hosts/$host" });
  const { data: host, error, again } = useObject("hosts", ref);
  if (host === undefined) {
    return (
      <>
        <PageHead title={error?.code === "object.not.found" ? hostWords.gone : hostWords.title} parent={parent} />
        <PageSection>{error === undefined ? <Waiting /> : <ErrorBox refusal={error} retry={again} />}</PageSection>
      </>
    );
  }
  return <Host host={host} />;
}

function Host({ host }: { host: HostView }) {
  const view = useView();
  return (
    <>
      <PageHead title={host.name} parent={parent} status={<HostStatusLabel status={hostStatus(host)} />} actions={<HostActions host={host} />} />
      <PageSection isFilled>
        <UrlTabs
          label={host.name}
          view={view}
          tabs={[
            {
              key: "summary",
              title: hostWords.tabs.summary,
              body: () => (
                <div className="hostler-two">
                  <HostFacts host={host} />
                  <div>
                    <HostMeters host={host} />
                    <Sparklines path={`/hosts/${host.id}/performance`} memoryMib={host.facts.memory_mib ?? 0} />
                  </div>
                </div>
              ),
            },
            { key: "hardware", title: hostHardwareWords.tab, body: () => <HostHardwareTab host={host} /> },
            { key: "machines", title: `${hostWords.tabs.machines} (${host.machines})`, body: () => <HostMachines host={host} /> },
            { key: "folders", title: folderWords.tab, body: () => <HostFolders host={host} /> },
            {
              key: "performance",
              title: hostWords.tabs.performance,
              body: () => <PerformanceTab path={`/hosts/${host.id}/performance`} view={view} memoryMib={host.facts.memory_mib ?? 0} />,
            },
            { key: "looks", title: refresherWords.tab, body: () => <HostLooks host={host} /> },
            { key: "history", title: hostWords.tabs.history, body: () => <History path={`/hosts/${host.id}/history`} revision={host.revision} /> },
            { key: "definition", title: hostWords.tabs.definition, body: () => <Code text={JSON.stringify(host, null, 2)} label={hostWords.tabs.definition} /> },
          ]}
        />
      </PageSection>
    </>
  );
}

function HostMachines({ host }: { host: HostView }) {
  const view = useView("name");
  const state = useWindow("vms", { ...view.query, filter: `host=${host.name}` });
  return (
    <LiveTable<VmView>
      label={machineWords.title}
      columns={machineColumns.filter((column) => column.key !== "host")}
      state={state}
      view={view}
      nameOf={(vm) => vm.spec.name}
      empty={<Nothing title={machineWords.empty} body={machineWords.emptyBody} />}
    />
  );
}

function HostActions({ host }: { host: HostView }) {
  const mayChange = useMayChange();
  const { run } = useTeller();
  const [isEditing, setEditing] = useState(false);
  const [isMoving, setMoving] = useState(false);
  const [risky, setRisky] = useState<Risky | undefined>();
  if (!mayChange) return null;
  const inMaintenance = host.spec.maintenance === true;
  const dead: Risky = {
    title: `${hostWords.dead}: ${host.name}`,
    submit: hostWords.dead,
    ask: { method: "POST", path: `/hosts/${host.id}/declare-dead`, body: { confirm: host.name } },
    command: line("host declare-dead", [host.name], { confirm: host.name }),
    losses: hostWords.deadLosses,
    typed: host.name,
  };
  const goes = (word: "restart" | "shut-down", label: string, losses: readonly string[]): Risky => ({
    title: `${label} ${host.name}`,
    submit: label,
    ask: { method: "POST", path: `/hosts/${host.id}/${word}` },
    command: line(`host ${word}`, [host.name], { yes: true }),
    losses,
  });
  const silent = host.answers ? undefined : hostWords.silent;
  return (
    <>
      <PossibleButton label={hostWords.edit.open} reason={undefined} onClick={() => setEditing(true)} />
      <PossibleButton label={hostWords.move} reason={undefined} onClick={() => setMoving(true)} />
      <PossibleButton label={hostWords.refresh} reason={undefined} onClick={() => void run({ method: "POST", path: `/hosts/${host.id}/refresh` }, `${hostWords.refresh} ${host.name}`)} />
      <PossibleButton
        label={inMaintenance ? refresherWords.maintenance.off : refresherWords.maintenance.on}
        reason={undefined}
        onClick={() => void run({ method: "PATCH", path: `/hosts/${host.id}`, body: { maintenance: !inMaintenance } }, `${inMaintenance ? refresherWords.maintenance.off : refresherWords.maintenance.on}: ${host.name}`)}
      />
      <PossibleButton label={hostWords.restart} reason={silent} onClick={() => setRisky(goes("restart", hostWords.restart, hostWords.restartLosses))} />
      <PossibleButton label={hostWords.shutDown} reason={silent} onClick={() => setRisky(goes("shut-down", hostWords.shutDown, hostWords.shutDownLosses))} />
      <PossibleButton label={hostWords.dead} reason={host.answers ? hostWords.deadAnswers : undefined} variant="danger" onClick={() => setRisky(dead)} />
      {isMoving && <MoveToGroupForm moved={{ noun: "hosts", id: host.id, name: host.name, in: host.host_group }} onClose={() => setMoving(false)} />}
      {isEditing && <EditHostForm host={host} onClose={() => setEditing(false)} />}
      {risky !== undefined && <Confirm risky={risky} onClose={() => setRisky(undefined)} />}
    </>
  );
}
