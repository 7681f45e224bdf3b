import { Alert, List, ListItem, PageSection } from "@patternfly/react-core";
import { Link, useParams } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { JobActions, titleOf } from "../../actions/job.tsx";
import { useObject } from "../../api/hooks.ts";
import type { JobView } from "../../api/types.ts";
import { Code, CodeLine } from "../../parts/as-command.tsx";
import { ErrorBox } from "../../parts/error-box.tsx";
import { Facts } from "../../parts/facts.tsx";
import { JobProgress } from "../../parts/job-progress.tsx";
import { Waiting } from "../../parts/live-table.tsx";
import { PageHead } from "../../parts/page-head.tsx";
import { span } from "../../parts/quantities.ts";
import { JobStateLabel } from "../../parts/status-label.tsx";
import { Time } from "../../parts/time.tsx";
import { UrlTabs } from "../../parts/url-tabs.tsx";
import { useView } from "../../parts/view.ts";
import { actorName } from "../../words/actors.ts";
import { words } from "../../words/en.ts";
import { About } from "./about.tsx";
import { JobChanges } from "./changes.tsx";
import { JobLog } from "./log.tsx";
import { Timeline } from "./timeline.tsx";

const names = words.job;
const parent = { title: names.list, to: "/jobs" as const };

export function JobPage() {
  const { job: ref } = useParams({ from: "/shell/jobs/$job" });
  const { data: job, error, again } = useObject("jobs", ref);
  if (job === undefined) {
    return (
      <>
        <PageHead title={`${names.kind} ${ref}`} parent={parent} />
        <PageSection>{error === undefined ? <Waiting /> : <ErrorBox refusal={error} retry={again} />}</PageSection>
      </>
    );
  }
  return <Job job={job} />;
}

function Job({ job }: { job: JobView }) {
  const view = useView();
  const warnings = job.warnings ?? [];
  const notes = job.notes ?? [];
  const since = job.started ?? job.created;
  const facts: [string, ReactNode][] = [
    [names.about, job.about.map((about, index) => <div key={about}>{index === 0 && (job.title ?? "") !== "" ? <About about={about} title={job.title ?? about} /> : <About about={about} />}</div>)],
    [names.by, actorName(job.actor)],
    [names.created, <Time key="created" at={job.created} />],
    [names.ended, typeof job.ended === "string" ? <Time key="ended" at={job.ended} /> : <JobProgress key="progress" job={job} />],
    [names.took, typeof job.ended === "string" ? span(Date.parse(job.ended) - Date.parse(since)) : undefined],
    [names.againOf, typeof job.again_of === "number" ? <Link key="again" to="/jobs/$job" params={{ job: String(job.again_of) }}>{names.number(job.again_of)}</Link> : undefined],
    [names.cancelledBy, job.cancelled_by === undefined || job.cancelled_by === null ? undefined : actorName(job.cancelled_by)],
  ];
  return (
    <>
      <PageHead title={`${job.id} · ${titleOf(job)}`} parent={parent} status={<JobStateLabel state={job.state} />} actions={<JobActions job={job} />}>
        {job.error !== undefined && job.error !== null && <ErrorBox refusal={job.error} />}
        {warnings.length > 0 && (
          <Alert isInline variant="warning" title={names.warnings}>
            <List>
              {warnings.map((warning) => (
                <ListItem key={`${warning.object} ${warning.cause}`}>{`${warning.object}: ${warning.cause}`}</ListItem>
              ))}
            </List>
          </Alert>
        )}
        {notes.length > 0 && (
          <Alert isInline variant="info" title={names.notes}>
            <List>
              {notes.map((note) => (
                <ListItem key={note}>{note}</ListItem>
              ))}
            </List>
          </Alert>
        )}
      </PageHead>
      <PageSection isFilled>
        <UrlTabs
          label={names.number(job.id)}
          view={view}
          tabs={[
            {
              key: "steps",
              title: names.steps,
              body: () => (
                <>
                  <Facts facts={facts} />
                  <Timeline job={job} />
                </>
              ),
            },
            { key: "log", title: names.log.tab, body: () => <JobLog job={job} /> },
            { key: "changes", title: names.changes, body: () => <JobChanges job={job} /> },
            {
              key: "command",
              title: names.command,
              body: () => ((job.command ?? "") === "" ? <p>{names.noCommand}</p> : <CodeLine text={job.command ?? ""} label={words.command.line} />),
            },
            { key: "record", title: names.record, body: () => <Code text={JSON.stringify(job, null, 2)} label={names.record} /> },
          ]}
        />
      </PageSection>
    </>
  );
}
