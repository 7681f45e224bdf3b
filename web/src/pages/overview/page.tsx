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

/** How everything is, at a glance: figures, then what needs somebody, then the picture. */
export function OverviewPage() {
  const { window, error } = useWindow("hosts", { sort: "name", limit: 1000 });
  const hosts = window?.rows;
  return (
    <>
      <PageHead title={overviewWords.title} />
      <PageSection isFilled>
        {error !== undefined && <ErrorBox refusal={error} />}
        <div className="hostler-overview">
          <Machines />
          <Tile title={overviewWords.hosts}>{hosts === undefined ? <Waiting /> : <Hosts hosts={hosts} />}</Tile>
          <JobsNow />
          <Tile title={overviewWords.attention} place="is-wide">{hosts === undefined ? <Waiting /> : <Attention hosts={hosts} />}</Tile>
          <Tile title={overviewWords.heat} place="is-two">{hosts === undefined ? <Waiting /> : <HeatMap hosts={hosts} />}</Tile>
          <Tile title={overviewWords.capacity}>{hosts === undefined ? <Waiting /> : <Capacity hosts={hosts} />}</Tile>
          <LatestJobs />
        </div>
      </PageSection>
    </>
  );
}

function Tile({ title, children, error, place = "" }: { title: string; children: ReactNode; error?: ReactNode; place?: string }) {
  return (
    <Card isCompact className={place}>
      <CardTitle component="h2">{title}</CardTitle>
      <CardBody>{error ?? children}</CardBody>
    </Card>
  );
}

function Figure({ count, children }: { count: number; children: ReactNode }) {
  return (
    <>
      <p className="hostler-figure">{count.toLocaleString()}</p>
      <ul className="hostler-counts">{children}</ul>
    </>
  );
}

function Machines() {
  const { window, error } = useWindow("vms", { sort: "name", limit: 0 });
  const counts = Object.entries(window?.counts ?? {}).filter(([, count]) => count > 0) as [VmStatus, number][];
  return (
    <Tile title={overviewWords.machines} error={error && <ErrorBox refusal={error} />}>
      {window === undefined && <Waiting />}
      {window?.total === 0 && <Link to="/machines/create">{overviewWords.noMachines}</Link>}
      {window !== undefined && window.total > 0 && (
        <Figure count={window.total}>
          {counts
            .sort(([, a], [, b]) => b - a)
            .map(([status, count]) => (
              <li key={status}>
                <Link to="/machines" search={{ filter: `status=${status}` }}>
                  <strong>{count.toLocaleString()}</strong> <VmStatusLabel status={status} />
                </Link>
              </li>
            ))}
        </Figure>
      )}
    </Tile>
  );
}

function Hosts({ hosts }: { hosts: HostView[] }) {
  if (hosts.length === 0) return <Link to="/administration" search={{ tab: "agents" }}>{overviewWords.noHosts}</Link>;
  const counts = new Map<HostStatus, number>();
  for (const host of hosts) counts.set(hostStatus(host), (counts.get(hostStatus(host)) ?? 0) + 1);
  return (
    <Figure count={hosts.length}>
      {[...counts].map(([status, count]) => (
        <li key={status}>
          <Link to="/hosts" search={{ filter: `status=${status}` }}>
            <strong>{count.toLocaleString()}</strong> <HostStatusLabel status={status} />
          </Link>
        </li>
      ))}
    </Figure>
  );
}

const active: JobState[] = ["running", "queued", "undoing"];

function JobsNow() {
  const { window, error } = useWindow("jobs", { limit: 0 });
  const counts = window?.counts ?? {};
  const now = active.filter((state) => (counts[state] ?? 0) > 0);
  return (
    <Tile title={overviewWords.jobs} error={error && <ErrorBox refusal={error} />}>
      {window === undefined ? (
        <Waiting />
      ) : (
        <Figure count={active.reduce((sum, state) => sum + (counts[state] ?? 0), 0)}>
          {now.map((state) => (
            <li key={state}>
              <Link to="/jobs" search={{ filter: `state=${state}` }}>
                <strong>{counts[state]?.toLocaleString()}</strong> <JobStateLabel state={state} />
              </Link>
            </li>
          ))}
          {now.length === 0 && <li className="hostler-hint">{overviewWords.noWork}</li>}
        </Figure>
      )}
    </Tile>
  );
}

function Capacity({ hosts }: { hosts: HostView[] }) {
  const sum = (of: (host: HostView) => number | undefined): number => hosts.reduce((total, host) => total + (of(host) ?? 0), 0);
  const memory = sum((host) => host.facts.memory_mib);
  const given = sum((host) => host.memory_given_mib);
  const disk = sum((host) => host.load?.disk_total_mib);
  const used = disk - sum((host) => host.load?.disk_free_mib);
  const cpus = sum((host) => host.facts.cpus);
  const busy = sum((host) => ((host.facts.cpus ?? 0) * (host.load?.cpu_percent ?? 0)) / 100);
  const share = (part: number, whole: number): number => (whole <= 0 ? 0 : Math.round((100 * part) / whole));
  return (
    <div className="hostler-fields">
      {cpus > 0 && <Progress size="sm" title={overviewWords.processors(busy.toFixed(busy < 10 ? 1 : 0), cpus.toLocaleString())} value={share(busy, cpus)} />}
      <Progress size="sm" title={overviewWords.memory(mebibytes(given), mebibytes(memory))} value={share(given, memory)} />
      {disk > 0 && <Progress size="sm" title={overviewWords.disk(mebibytes(used), mebibytes(disk))} value={share(used, disk)} />}
    </div>
  );
}

const LATEST = 8;
/** What people asked for: what refreshers find and who signs in is no news here. */
const asked = "kind!=refresher|create-token";

function LatestJobs() {
  const { window, error } = useWindow("jobs", { filter: asked, limit: LATEST });
  return (
    <Tile title={overviewWords.recent} place="is-wide" error={error && <ErrorBox refusal={error} />}>
      {window === undefined && <Waiting />}
      {window?.total === 0 && <p className="hostler-hint">{overviewWords.noJobs}</p>}
      <ul className="hostler-needs">
        {window?.rows.map((job) => (
          <li key={job.id}>
            <span className="hostler-need-thing">
              <Link to="/jobs/$job" params={{ job: String(job.id) }}>{titleOf(job)}</Link>
            </span>
            {typeof job.ended === "string" ? <JobStateLabel state={job.state} /> : <JobProgress job={job} />}
            <Time at={job.created} />
          </li>
        ))}
      </ul>
      <Link to="/jobs">{overviewWords.allJobs}</Link>
    </Tile>
  );
}
