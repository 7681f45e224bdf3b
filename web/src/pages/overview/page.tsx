import { Card, CardBody, CardTitle, PageSection, Progress } from "@patternfly/react-core";
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { titleOf } from "../../actions/job.tsx";
import { useWindow } from "../../api/hooks.ts";
import type { HostStatus, HostView, JobState, VmStatus } from "../../api/types.ts";
import { ErrorBox } from "../../parts/error-box.tsx";
import { JobProgress } from "../../parts/job-progress.tsx";
import { Waiting } from "../../parts/live-table.tsx";
import { PageHead } from "../../parts/page-head.tsx";
import { mebibytes } from "../../parts/quantities.ts";
import { hostStatus, HostStatusLabel, JobStateLabel, VmStatusLabel } from "../../parts/status-label.tsx";
import { Time } from "../../parts/time.tsx";
import { overviewWords } from "../../words/hosts.ts";
import { Attention } from "./attention.tsx";
import { HeatMap } from "./heat-map.tsx";

/** How everything is, at a glance. */
export function OverviewPage() {
  const hosts = useWindow("hosts", { sort: "name", limit: 1000 });
  const rows = hosts.window?.rows;
  return (
    <>
      <PageHead title={overviewWords.title} />
      <PageSection isFilled>
        <div className="hostler-tiles">
          <Machines />
          <Tile title={overviewWords.hosts} error={hosts.error && <ErrorBox refusal={hosts.error} />}>
            {rows === undefined ? <Waiting /> : <Hosts hosts={rows} />}
          </Tile>
          <Tile title={overviewWords.capacity}>{rows === undefined ? <Waiting /> : <Capacity hosts={rows} />}</Tile>
          <Tile title={overviewWords.attention}>
            <Attention hosts={rows ?? []} />
          </Tile>
          <Tile title={overviewWords.heat}>{rows === undefined ? <Waiting /> : <HeatMap hosts={rows} />}</Tile>
          <Jobs />
        </div>
      </PageSection>
    </>
  );
}

function Tile({ title, children, error }: { title: string; children: ReactNode; error?: ReactNode }) {
  return (
    <Card isCompact>
      <CardTitle component="h2">{title}</CardTitle>
      <CardBody>{error ?? children}</CardBody>
    </Card>
  );
}

function Machines() {
  const { window, error } = useWindow("vms", { sort: "name", limit: 1 });
  const counts = Object.entries(window?.counts ?? {}).filter(([, count]) => count > 0) as [VmStatus, number][];
  return (
    <Tile title={overviewWords.machines} error={error && <ErrorBox refusal={error} />}>
      {window === undefined && <Waiting />}
      {window?.total === 0 && <Link to="/machines/create">{overviewWords.noMachines}</Link>}
      <ul className="hostler-counts">
        {counts
          .sort(([, a], [, b]) => b - a)
          .map(([status, count]) => (
            <li key={status}>
              <Link to="/machines" search={{ filter: `status=${status}` }}>
                <strong>{count.toLocaleString()}</strong> <VmStatusLabel status={status} />
              </Link>
            </li>
          ))}
      </ul>
    </Tile>
  );
}

function Hosts({ hosts }: { hosts: HostView[] }) {
  if (hosts.length === 0) return <Link to="/administration" search={{ tab: "agents" }}>{overviewWords.noHosts}</Link>;
  const counts = new Map<HostStatus, number>();
  for (const host of hosts) counts.set(hostStatus(host), (counts.get(hostStatus(host)) ?? 0) + 1);
  return (
    <ul className="hostler-counts">
      {[...counts].map(([status, count]) => (
        <li key={status}>
          <Link to="/hosts" search={{ filter: `status=${status}` }}>
            <strong>{count.toLocaleString()}</strong>{" "}
            <HostStatusLabel status={status} />
          </Link>
        </li>
      ))}
    </ul>
  );
}

function Capacity({ hosts }: { hosts: HostView[] }) {
  const sum = (of: (host: HostView) => number | undefined): number => hosts.reduce((total, host) => total + (of(host) ?? 0), 0);
  const memory = sum((host) => host.facts.memory_mib);
  const given = sum((host) => host.memory_given_mib);
  const disk = sum((host) => host.load?.disk_total_mib);
  const used = disk - sum((host) => host.load?.disk_free_mib);
  const share = (part: number, whole: number): number => (whole <= 0 ? 0 : Math.round((100 * part) / whole));
  return (
    <>
      <Progress size="sm" title={overviewWords.memory(mebibytes(given), mebibytes(memory))} value={share(given, memory)} />
      {disk > 0 && <Progress size="sm" title={overviewWords.disk(mebibytes(used), mebibytes(disk))} value={share(used, disk)} />}
    </>
  );
}

const LATEST = 8;

function Jobs() {
  const { window, error } = useWindow("jobs", { limit: LATEST });
  const counts = Object.entries(window?.counts ?? {}) as [JobState, number][];
  const active = counts.filter(([state, count]) => count > 0 && (state === "running" || state === "queued" || state === "undoing"));
  return (
    <Tile title={overviewWords.recent} error={error && <ErrorBox refusal={error} />}>
      {window === undefined && <Waiting />}
      <ul className="hostler-counts">
        {active.map(([state, count]) => (
          <li key={state}>
            <Link to="/jobs" search={{ filter: `state=${state}` }}>
              <strong>{count}</strong> <JobStateLabel state={state} />
            </Link>
          </li>
        ))}
      </ul>
      <ul className="hostler-lines">
        {window?.rows.map((job) => (
          <li key={job.id}>
            <Link to="/jobs/$job" params={{ job: String(job.id) }}>{titleOf(job)}</Link>
            {typeof job.ended === "string" ? <JobStateLabel state={job.state} /> : <JobProgress job={job} />}
            <Time at={job.created} />
          </li>
        ))}
      </ul>
      <Link to="/jobs">{overviewWords.all(window?.total ?? 0)}</Link>
    </Tile>
  );
}
