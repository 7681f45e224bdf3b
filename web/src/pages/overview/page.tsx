import { Card, CardBody, CardTitle, PageSection, Progress } from "@patternfly/react-core";
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { titleOf } from "../../actions/job.tsx";
import { useWindow } from "../../api/hooks.ts";
import type { HostStatus, JobState, Schemas, VmStatus } from "../../api/types.ts";
import { ErrorBox } from "../../parts/error-box.tsx";
import { JobProgress } from "../../parts/job-progress.tsx";
import { Waiting } from "../../parts/live-table.tsx";
import { PageHead } from "../../parts/page-head.tsx";
import { mebibytes } from "../../parts/quantities.ts";
import { HostStatusLabel, JobStateLabel, VmStatusLabel } from "../../parts/status-label.tsx";
import { Time } from "../../parts/time.tsx";
import { overviewWords } from "../../words/overview.ts";
import { Attention } from "./attention.tsx";
import { share } from "./capacity.ts";
import { HeatMap } from "./heat-map.tsx";
import { HostGroupsTile } from "./host-groups.tsx";
import { Library } from "./library.tsx";
import { down } from "./needs.ts";

type RollUp = Schemas["RollUp"];

/** More are not drawn one by one; what is counted counts all. */
const MOST_HOSTS = 1_000;
const MOST_GROUPS_READ = 300;

/** How everything is, at a glance: figures, then what needs somebody, then the picture. */
export function OverviewPage() {
  const { window, error } = useWindow("hosts", { sort: "name", limit: MOST_HOSTS });
  const groups = useWindow("host-groups", { sort: "path", limit: MOST_GROUPS_READ }).window;
  const hosts = window?.rows;
  const top = groups?.rows.find(({ parent }) => typeof parent !== "string");
  return (
    <>
      <PageHead title={overviewWords.title} />
      <PageSection isFilled>
        {error !== undefined && <ErrorBox refusal={error} />}
        <div className="hostler-overview">
          <Machines />
          <Tile title={overviewWords.hosts}>{top === undefined ? <Waiting /> : <Hosts total={top.total} />}</Tile>
          <JobsNow />
          <Tile title={overviewWords.attention} place="is-wide">{hosts === undefined ? <Waiting /> : <Attention hosts={hosts} silent={silentOf(top?.total)} />}</Tile>
          {window !== undefined && window.total > 0 && (
            <Tile title={overviewWords.heat.title} place="is-wide"><HeatMap hosts={window.rows} more={window.total - window.rows.length} /></Tile>
          )}
          <Tile title={overviewWords.groups.title} place="is-two">{groups === undefined ? <Waiting /> : <HostGroupsTile groups={groups.rows} total={groups.total} />}</Tile>
          <div className="hostler-tile-column">
            <Tile title={overviewWords.capacity}>{top === undefined ? <Waiting /> : <Capacity total={top.total} />}</Tile>
            <Tile title={overviewWords.library.title}><Library /></Tile>
          </div>
          <LatestJobs />
        </div>
      </PageSection>
    </>
  );
}

/** How many hosts, or their hypervisors, do not answer: whatever looks at them fails. */
const silentOf = (total: RollUp | undefined): number => down.reduce((sum, status) => sum + (total?.hosts_by_status[status] ?? 0), 0);

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

function Hosts({ total }: { total: RollUp }) {
  if (total.hosts === 0) return <Link to="/administration" search={{ tab: "agents" }}>{overviewWords.noHosts}</Link>;
  const counts = Object.entries(total.hosts_by_status) as [HostStatus, number][];
  return (
    <Figure count={total.hosts}>
      {counts
        .sort(([, one], [, other]) => other - one)
        .map(([status, count]) => (
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

/** All hosts together. */
function Capacity({ total }: { total: RollUp }) {
  const busy = (total.cpus * (total.cpu_percent ?? 0)) / 100;
  const rounded = (part: number, whole: number): number => Math.round(share(part, whole));
  return (
    <div className="hostler-fields">
      {typeof total.cpu_percent === "number" && <Progress size="sm" title={overviewWords.processors(busy.toFixed(busy < 10 ? 1 : 0), total.cpus.toLocaleString())} value={total.cpu_percent} />}
      <Progress
        size="sm"
        title={overviewWords.memory(mebibytes(total.memory_given_mib), mebibytes(total.memory_mib))}
        value={rounded(total.memory_given_mib, total.memory_mib)}
        {...(total.memory_reserved_mib > 0 ? { helperText: overviewWords.kept(mebibytes(total.memory_reserved_mib)) } : {})}
      />
      {total.disk_total_mib > 0 && <Progress size="sm" title={overviewWords.disk(mebibytes(total.disk_used_mib), mebibytes(total.disk_total_mib))} value={rounded(total.disk_used_mib, total.disk_total_mib)} />}
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
