import { Link } from "@tanstack/react-router";
import { useWindow } from "../../api/hooks.ts";
import type { HostView, VmStatus } from "../../api/types.ts";
import { hostStatus, HostStatusLabel, isWell, JobStateLabel, VmStatusLabel } from "../../parts/status-label.tsx";
import { overviewWords } from "../../words/hosts.ts";
import { jobKindWords } from "../../words/statuses.ts";

const SHOWN = 6;
/** Statuses that do not go by themselves. */
const troubles: VmStatus[] = ["paused-storage-full", "paused-storage-failing", "crashed", "creation-failed", "missing", "conflict", "host-not-responding", "hypervisor-not-responding"];

/** What needs somebody, each with what to do next. */
export function Attention({ hosts }: { hosts: HostView[] }) {
  const vms = useWindow("vms", { filter: `status=${troubles.join("|")}`, sort: "status", limit: SHOWN });
  const jobs = useWindow("jobs", { filter: "state=failed-cleanup-owed|failed-kept", limit: SHOWN });
  const ill = hosts.filter((host) => !isWell(host)).slice(0, SHOWN);
  const vmRows = vms.window?.rows ?? [];
  const jobRows = jobs.window?.rows.filter((job) => typeof job.abandoned !== "string") ?? [];
  if (ill.length + vmRows.length + jobRows.length === 0) return <p>{overviewWords.calm}</p>;
  return (
    <ul className="hostler-lines">
      {ill.map((host) => (
        <li key={host.id}>
          <Link to="/hosts/$host" params={{ host: host.id }}>{host.name}</Link>
          <HostStatusLabel status={hostStatus(host)} />
          <span>{overviewWords.next.host}</span>
        </li>
      ))}
      {vmRows.map((vm) => (
        <li key={vm.id}>
          <Link to="/machines/$vm" params={{ vm: vm.id }}>{vm.spec.name}</Link>
          <VmStatusLabel status={vm.status} />
          <span>{vm.status === "paused-storage-full" ? overviewWords.next.refresh : overviewWords.next.look}</span>
        </li>
      ))}
      {jobRows.map((job) => (
        <li key={job.id}>
          <Link to="/jobs/$job" params={{ job: String(job.id) }}>{`${jobKindWords[job.kind]} ${job.title ?? ""}`}</Link>
          <JobStateLabel state={job.state} />
          <span>{job.error?.remedy ?? overviewWords.next.look}</span>
        </li>
      ))}
      {(vms.window?.total ?? 0) > SHOWN && (
        <li>
          <Link to="/machines" search={{ filter: `status=${troubles.join("|")}` }}>{overviewWords.all(vms.window?.total ?? 0)}</Link>
        </li>
      )}
    </ul>
  );
}
