import type { JobView, Schemas } from "../../api/types.ts";
import { actorName } from "../../words/actors.ts";
import { words } from "../../words/en.ts";
import { jobStateWords } from "../../words/statuses.ts";
import { stepStateWords } from "../../words/steps.ts";

/** One thing that happened in a job. */
export interface LogLine {
  at: string;
  text: string;
  isBad: boolean;
}

const names = words.job.log;
const bad = new Set(["failed", "in-doubt", "kept"]);

/** Why a step failed, where its record says so. */
function causeOf(step: Schemas["Step"]): string {
  const { refusal, cause } = step.is as { refusal?: Partial<Schemas["Refusal"]>; cause?: string };
  return refusal?.cause ?? cause ?? "";
}

function stepLines(step: Schemas["Step"]): LogLine[] {
  const { is = "unknown" } = step.is as { is?: string };
  const key = step.key.replaceAll("-", " ");
  const tries = step.tries ?? 0;
  const isSent = (step.act as { act?: string }).act === "agent";
  const sent = { at: step.sent, text: isSent ? names.sent(key, tries) : names.recorded(key), isBad: false };
  if (typeof step.answered !== "string") return [sent];
  const answered = [names.answered(key, (stepStateWords[is] ?? is).toLowerCase()), causeOf(step)].filter((text) => text !== "").join(": ");
  return [sent, { at: step.answered, text: answered, isBad: bad.has(is) }];
}

/** What happened in a job, in the order of time: from its record, which keeps each moment. */
export function logOf(job: JobView): LogLine[] {
  const { ended, error } = job;
  const lines: LogLine[] = [
    { at: job.created, text: names.asked(actorName(job.actor)), isBad: false },
    ...(job.steps ?? []).flatMap(stepLines),
    ...(job.cancelled_by === undefined || job.cancelled_by === null || typeof ended !== "string" ? [] : [{ at: ended, text: names.cancelled(actorName(job.cancelled_by)), isBad: false }]),
    ...(typeof ended === "string" ? (job.warnings ?? []).map((warning) => ({ at: ended, text: names.warning(`${warning.object}: ${warning.cause}`), isBad: true })) : []),
    ...(typeof ended === "string"
      ? [
          {
            at: ended,
            text: [jobStateWords[job.state], error === undefined || error === null ? "" : `${error.object}: ${error.cause} (${error.code})`].filter((text) => text !== "").join(". "),
            isBad: job.state.startsWith("failed"),
          },
        ]
      : []),
  ];
  // Sorting keeps what happened at one moment in the order of the record.
  return lines.sort((one, other) => Date.parse(one.at) - Date.parse(other.at));
}
