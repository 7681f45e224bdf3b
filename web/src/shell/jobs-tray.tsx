import { Badge, Button, Popover } from "@patternfly/react-core";
import { InProgressIcon } from "@patternfly/react-icons/dist/esm/icons/in-progress-icon";
import { Link } from "@tanstack/react-router";
import { useWindow } from "../api/hooks.ts";
import type { JobView } from "../api/types.ts";
import { JobProgress } from "../parts/job-progress.tsx";
import { words } from "../words/en.ts";
import { jobKindWords } from "../words/statuses.ts";

export const runningJobs = "state=queued|running|undoing";

/** Running jobs with a live count, from everywhere. */
export function JobsTray() {
  const { window } = useWindow("jobs", { filter: runningJobs, limit: 20 });
  const total = window?.total ?? 0;
  const jobs = window?.rows ?? [];
  return (
    <Popover
      aria-label={words.tray.title}
      headerContent={words.tray.title}
      position="bottom-end"
      bodyContent={(hide) => (
        <>
          {jobs.length === 0 && <p>{words.tray.none}</p>}
          <ul className="hostler-tray">
            {jobs.map((job) => (
              <TrayJob key={job.id} job={job} onGo={hide} />
            ))}
          </ul>
          <Link to="/jobs" onClick={hide}>{words.tray.all}</Link>
        </>
      )}
    >
      <Button variant="plain" aria-label={words.tray.label(total)} icon={<InProgressIcon />}>
        {total > 0 && <Badge isRead={false}>{total}</Badge>}
      </Button>
    </Popover>
  );
}

function TrayJob({ job, onGo }: { job: JobView; onGo: () => void }) {
  return (
    <li>
      <Link to="/jobs/$job" params={{ job: String(job.id) }} onClick={onGo}>
        {jobKindWords[job.kind]} {job.title}
      </Link>
      <JobProgress job={job} />
    </li>
  );
}
