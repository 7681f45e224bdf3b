import { Alert, List, ListItem } from "@patternfly/react-core";
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { useGet, useWindow } from "../../api/hooks.ts";
import type { TemplateView, VmView } from "../../api/types.ts";
import { Facts } from "../../parts/facts.tsx";
import { JobProgress } from "../../parts/job-progress.tsx";
import { mebibytes } from "../../parts/quantities.ts";
import { VmStatusLabel } from "../../parts/status-label.tsx";
import { Time } from "../../parts/time.tsx";
import { machineWords } from "../../words/machines.ts";
import { jobKindWords } from "../../words/statuses.ts";
import { Tags } from "./columns.tsx";

const names = machineWords.facts;

/** What is known of a machine at a glance. */
export function MachineFacts({ vm, narrow = false }: { vm: VmView; narrow?: boolean }) {
  const seen = vm.observed?.seen;
  const facts: [string, ReactNode][] = [
    [names.status, <VmStatusLabel key="status" status={vm.status} />],
    [names.latest, <LatestJob key="job" vm={vm} />],
    [
      names.host,
      typeof vm.host === "string" ? <Link key="host" to="/hosts/$host" params={{ host: vm.host }}>{vm.host_name ?? vm.host}</Link> : undefined,
    ],
    [names.processors, vm.spec.hardware.cpus],
    [names.memory, mebibytes(vm.spec.hardware.memory_mib)],
    [names.firmware, (vm.spec.hardware.firmware ?? "bios").toUpperCase()],
    [names.template, typeof vm.spec.template === "string" ? <TemplateName key="template" id={vm.spec.template} /> : undefined],
    [names.agent, seen === undefined ? undefined : seen.guest_agent === true ? names.agentYes : names.agentNo],
    [names.autostart, seen?.autostart === true ? names.autostartYes : undefined],
    [names.snapshots, (seen?.snapshots ?? []).join(", ")],
    [names.addresses, (vm.spec.hardware.adapters ?? []).map((adapter) => `${adapter.mac} (${adapter.network}${typeof adapter.vlan === "number" ? `, VLAN ${adapter.vlan}` : ""})`).join(", ")],
    [machineWords.edit.stop, machineWords.edit.stops[vm.spec.stop_action ?? "save"]],
    [names.tags, (vm.spec.tags ?? []).length > 0 ? <Tags key="tags" tags={vm.spec.tags ?? []} /> : undefined],
    [names.notes, vm.spec.notes],
    [names.origin, machineWords.origins[vm.origin]],
    [names.created, <Time key="created" at={vm.created} />],
    [names.seen, vm.observed === undefined || vm.observed === null ? undefined : <Time key="seen" at={vm.observed.at} />],
    [names.id, <span key="id" className="hostler-value">{vm.id}</span>],
  ];
  return (
    <>
      <Differences vm={vm} />
      <Facts facts={facts} narrow={narrow} />
    </>
  );
}

function TemplateName({ id }: { id: string }) {
  const { data, error } = useGet<TemplateView>(`/templates/${id}`);
  const name = data?.spec.name ?? id;
  return error === undefined ? <Link to="/library" search={{ tab: "templates", show: id }}>{name}</Link> : <span className="hostler-value">{id}</span>;
}

function LatestJob({ vm }: { vm: VmView }) {
  const { window } = useWindow("jobs", { filter: `about=vm/${vm.id}`, limit: 1 });
  const job = window?.rows[0];
  if (job === undefined) return null;
  return (
    <>
      <Link to="/jobs/$job" params={{ job: String(job.id) }}>{jobKindWords[job.kind]}</Link> <JobProgress job={job} />
    </>
  );
}

/** Where what its host shows is not what was asked for. */
function Differences({ vm }: { vm: VmView }) {
  const differences = vm.differences ?? [];
  if (differences.length === 0) return null;
  return (
    <Alert isInline variant="warning" title={machineWords.differences}>
      <List>
        {differences.map((difference) => (
          <ListItem key={difference}>{difference}</ListItem>
        ))}
      </List>
    </Alert>
  );
}
