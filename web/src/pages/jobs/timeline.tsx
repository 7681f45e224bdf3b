import { Label, Title } from "@patternfly/react-core";
import type { JobView, Schemas } from "../../api/types.ts";
import { span } from "../../parts/quantities.ts";
import { useNow } from "../../parts/time.tsx";
import { words } from "../../words/en.ts";
import { stepStateWords } from "../../words/steps.ts";

type Step = Schemas["Step"];

const stateOf = (step: Step): string => (step.is as { is?: string }).is ?? "unknown";
const bad = new Set(["failed", "in-doubt", "kept"]);
const ended = new Set(["done", "failed", "revoked", "undone", "kept"]);

/** When a step began and ended: one that is still out has not ended yet. */
function spanOf(step: Step, now: number): [number, number] {
  const from = Date.parse(step.sent);
  const to = typeof step.answered === "string" ? Date.parse(step.answered) : ended.has(stateOf(step)) ? from : Math.max(now, from);
  return [from, to];
}

/** The steps of a job as bars in time: what came after what, what ran beside what, and what took long. */
export function Timeline({ job }: { job: JobView }) {
  const now = useNow();
  const steps = job.steps ?? [];
  if (steps.length === 0) return <p>{words.job.noSteps}</p>;
  const spans = steps.map((step) => spanOf(step, now));
  const first = Math.min(...spans.map(([from]) => from));
  const whole = Math.max(1, ...spans.map(([, to]) => to - first));
  return (
    <>
      <Title headingLevel="h2" size="lg">{words.job.timeline}</Title>
      <ol className="hostler-timeline">
        {steps.map((step, index) => {
          const [from, to] = spans[index] ?? [first, first];
          const state = stateOf(step);
          return (
            <li key={`${step.no} ${step.key} ${index}`}>
              <span>{step.key.replaceAll("-", " ")}</span>
              <span className="hostler-bar" aria-hidden="true">
                <span
                  className={bad.has(state) ? "is-bad" : ""}
                  style={{ insetInlineStart: `${Math.min(99, ((from - first) / whole) * 100)}%`, width: `${((to - from) / whole) * 100}%` }}
                />
              </span>
              <span>{span(to - from)}</span>
              <span>
                <Label isCompact variant="outline" {...(bad.has(state) ? { status: "danger" as const } : state === "done" ? { status: "success" as const } : {})}>
                  {stepStateWords[state] ?? state}
                </Label>
                {(step.tries ?? 0) > 1 && ` ${words.job.tries(step.tries ?? 0)}`}
              </span>
            </li>
          );
        })}
      </ol>
    </>
  );
}
