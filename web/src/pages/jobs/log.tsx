import { Button } from "@patternfly/react-core";
import type { JobView } from "../../api/types.ts";
import { download } from "../../parts/export.ts";
import { words } from "../../words/en.ts";
import { logOf } from "./log-lines.ts";

const clock = new Intl.DateTimeFormat(undefined, { dateStyle: "short", timeStyle: "medium" });

/** What happened in a job, line by line, to read and to take along. */
export function JobLog({ job }: { job: JobView }) {
  const lines = logOf(job);
  const text = lines.map((line) => `${line.at}  ${line.text}\n`).join("");
  return (
    <>
      <ol className="hostler-log" tabIndex={0} aria-label={words.job.log.title}>
        {lines.map((line, index) => (
          // Two lines can say the same at the same moment: the place is what tells them apart.
          <li key={`${line.at} ${index}`} className={line.isBad ? "is-bad" : ""}>
            <time dateTime={line.at} title={line.at}>{clock.format(new Date(line.at))}</time>
            <span>{line.text}</span>
          </li>
        ))}
      </ol>
      <Button variant="secondary" onClick={() => download(`job-${job.id}.log`, "text/plain", text)}>{words.job.log.save}</Button>
    </>
  );
}
