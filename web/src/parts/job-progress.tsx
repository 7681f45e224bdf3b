import { Progress } from "@patternfly/react-core";
import type { JobView } from "../api/types.ts";
import { words } from "../words/en.ts";
import { jobStateWords } from "../words/statuses.ts";
import { bytes } from "./quantities.ts";

/** Whether what a step tells counts bytes; of the others only the share means something. */
const isInBytes = (step: { act: unknown } | undefined): boolean => (step?.act as { command?: { do?: string } } | undefined)?.command?.do === "migrate";

/** How far a job is: what its step tells, what it waits for, or just that it runs. */
export function JobProgress({ job }: { job: JobView }) {
  const [told] = job.progress ?? [];
  if (typeof job.waiting === "string") return <small>{`${words.job.waits} ${job.waiting}`}</small>;
  if (told !== undefined && told.of > 0) {
    const step = (job.steps ?? []).find(({ key }) => key === told.key);
    const title = isInBytes(step) ? `${told.key}: ${words.job.partOf(bytes(Math.min(told.done, told.of)), bytes(told.of))}` : told.key;
    return <Progress size="sm" aria-label={told.key} title={title} value={Math.round((100 * told.done) / told.of)} />;
  }
  const out = (job.steps ?? []).find((step) => (step.is as { is?: string }).is === "out");
  const state = job.cancelling === true ? words.job.cancelling : jobStateWords[job.state];
  return <small>{out === undefined ? state : `${state}: ${out.key}`}</small>;
}
