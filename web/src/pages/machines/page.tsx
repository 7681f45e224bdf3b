import { PageSection } from "@patternfly/react-core";
import { Link, useParams } from "@tanstack/react-router";
import { useState } from "react";
import { useReasons } from "../../actions/vm.ts";
import { UsualVmAction, VmMenu } from "../../actions/vm-menu.tsx";
import { useMayChange, useObject } from "../../api/hooks.ts";
import type { VmView } from "../../api/types.ts";
import { EditVmForm } from "../../forms/edit-vm.tsx";
import { ErrorBox } from "../../parts/error-box.tsx";
import { Nothing, Waiting } from "../../parts/live-table.tsx";
import { PageHead } from "../../parts/page-head.tsx";
import { PerformanceTab, Sparklines } from "../../parts/performance.tsx";
import { PossibleButton } from "../../parts/possible-button.tsx";
import { VmStatusLabel } from "../../parts/status-label.tsx";
import { UrlTabs } from "../../parts/url-tabs.tsx";
import { useView } from "../../parts/view.ts";
import { words } from "../../words/en.ts";
import { machineWords } from "../../words/machines.ts";
import { Console } from "./console/console.tsx";
import { Definition } from "./definition.tsx";
import { MachineFacts } from "./facts.tsx";
import { HardwareTab } from "./hardware.tsx";
import { History } from "../../parts/history.tsx";
import { Screen } from "./screen.tsx";

const parent = { title: machineWords.title, to: "/machines" as const };

export function MachinePage() {
  const { vm: ref } = useParams({ from: "/shell/machines/$vm" });
  const { data: vm, error, again } = useObject("vms", ref);
  if (error?.code === "object.not.found") return <Gone />;
  if (vm === undefined) {
    return (
      <>
        <PageHead title={machineWords.title} />
        <PageSection>{error === undefined ? <Waiting /> : <ErrorBox refusal={error} retry={again} />}</PageSection>
      </>
    );
  }
  return <Machine vm={vm} />;
}

function Gone() {
  return (
    <>
      <PageHead title={machineWords.gone} parent={parent} />
      <Nothing title={machineWords.gone} body={machineWords.goneBody}>
        <Link to="/jobs">{words.nav.jobs}</Link>
      </Nothing>
    </>
  );
}

function Machine({ vm }: { vm: VmView }) {
  const view = useView();
  const mayChange = useMayChange();
  const reasons = useReasons();
  const [isEditing, setEditing] = useState(false);
  const actions = (
    <>
      <UsualVmAction vm={vm} />
      {mayChange && <PossibleButton label={words.edit} reason={reasons(vm.status, "edit")} onClick={() => setEditing(true)} />}
      <VmMenu vm={vm} />
    </>
  );
  return (
    <>
      <PageHead title={vm.spec.name} parent={parent} status={<VmStatusLabel status={vm.status} />} actions={actions} />
      <PageSection isFilled>
        <UrlTabs
          label={vm.spec.name}
          view={view}
          tabs={[
            {
              key: "summary",
              title: machineWords.tabs.summary,
              body: () => (
                <div className="hostler-two">
                  <MachineFacts vm={vm} />
                  <div>
                    <Screen key={vm.id} vm={vm} />
                    <Sparklines path={`/vms/${vm.id}/performance`} memoryMib={vm.spec.hardware.memory_mib} />
                  </div>
                </div>
              ),
            },
            { key: "hardware", title: machineWords.tabs.hardware, body: () => <HardwareTab vm={vm} /> },
            { key: "console", title: machineWords.tabs.console, body: () => <Console vm={vm} /> },
            {
              key: "performance",
              title: machineWords.tabs.performance,
              body: () => <PerformanceTab path={`/vms/${vm.id}/performance`} view={view} memoryMib={vm.spec.hardware.memory_mib} />,
            },
            { key: "history", title: machineWords.tabs.history, body: () => <History path={`/vms/${vm.id}/history`} revision={vm.revision} /> },
            { key: "definition", title: machineWords.tabs.definition, body: () => <Definition vm={vm} /> },
          ]}
        />
      </PageSection>
      {isEditing && <EditVmForm vm={vm} onClose={() => setEditing(false)} />}
    </>
  );
}

