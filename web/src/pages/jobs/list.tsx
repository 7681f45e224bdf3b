import { PageSection } from "@patternfly/react-core";
import { Link } from "@tanstack/react-router";
import { isEnded, kindOf } from "../../actions/job.tsx";
import { useWindow } from "../../api/hooks.ts";
import type { JobView } from "../../api/types.ts";
import { FilterBar } from "../../parts/filter-bar.tsx";
import { JobProgress } from "../../parts/job-progress.tsx";
import { LiveTable, Nothing, type Column } from "../../parts/live-table.tsx";
import { PageHead } from "../../parts/page-head.tsx";
import { span } from "../../parts/quantities.ts";
import { JobStateLabel } from "../../parts/status-label.tsx";
import { Time } from "../../parts/time.tsx";
import { useView } from "../../parts/view.ts";
import { actorName } from "../../words/actors.ts";
import { words } from "../../words/en.ts";
import { jobKindWords, jobStateWords } from "../../words/statuses.ts";
import { About } from "./about.tsx";

const took = (job: JobView): string =>
  typeof job.ended === "string" ? span(Date.parse(job.ended) - Date.parse(job.started ?? job.created)) : "";

const columns: Column<JobView>[] = [
  { key: "id", title: words.job.kind, cell: (job) => <Link to="/jobs/$job" params={{ job: String(job.id) }}>{`${job.id} ${kindOf(job)}`}</Link>, text: (job) => `${job.id} ${job.kind}` },
  { key: "title", title: words.job.title, cell: (job) => (job.about[0] === undefined ? job.title : <About about={job.about[0]} title={job.title ?? job.about[0]} />), text: (job) => job.title ?? "" },
  {
    key: "state",
    title: words.job.state,
    cell: (job) => (
      <>
        <JobStateLabel state={job.state} /> {!isEnded(job) && <JobProgress job={job} />}
      </>
    ),
    text: (job) => job.state,
  },
  { key: "by", title: words.job.by, cell: (job) => actorName(job.actor), text: (job) => actorName(job.actor) },
  { key: "created", title: words.job.created, cell: (job) => <Time at={job.created} />, text: (job) => job.created },
  { key: "took", title: words.job.took, cell: took, text: took },
  { key: "error", title: words.error.code, isExtra: true, cell: (job) => job.error?.code ?? "", text: (job) => job.error?.code ?? "" },
];

const values = (all: Record<string, string>): { value: string; title: string }[] => Object.entries(all).map(([value, title]) => ({ value, title }));

export function JobsPage() {
  const view = useView();
  const state = useWindow("jobs", view.query);
  return (
    <>
      <PageHead title={words.job.list} />
      <PageSection isFilled>
        <FilterBar
          noun="jobs"
          view={view}
          columns={columns}
          textField="title"
          facets={[
            { field: "state", title: words.job.stateFilter, values: values(jobStateWords), ...(state.window === undefined ? {} : { counts: state.window.counts }) },
            { field: "kind", title: words.job.kindFilter, values: values(jobKindWords) },
          ]}
        />
        <LiveTable<JobView>
          label={words.job.list}
          columns={columns}
          state={state}
          view={view}
          nameOf={(job) => words.job.number(job.id)}
          empty={<Nothing title={words.job.empty} body={words.job.emptyBody} />}
        />
      </PageSection>
    </>
  );
}
