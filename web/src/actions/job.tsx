import { useState } from "react";
import { useMayChange } from "../api/hooks.ts";
import type { JobView } from "../api/types.ts";
import { Confirm, type Risky } from "../forms/confirm.tsx";
import { PossibleButton } from "../parts/possible-button.tsx";
import { useTeller } from "../shell/toasts.tsx";
import { words } from "../words/en.ts";
import { jobKindWords } from "../words/statuses.ts";
import { line } from "./command.ts";

export const isEnded = (job: JobView): boolean => typeof job.ended === "string";
export const isFailed = (job: JobView): boolean => job.state.startsWith("failed");
/** What a job does, in words; somebody who signs in makes a token, and means something else. */
export function kindOf(job: JobView): string {
  return job.kind === "create-token" && (job.request as { session?: boolean }).session === true ? words.job.signIn : jobKindWords[job.kind];
}
export const titleOf = (job: JobView): string => [kindOf(job), job.title ?? ""].join(" ").trim();

/** Why a job cannot be cancelled, run again or abandoned; undefined where it can. */
export function jobReasons(job: JobView): { cancel: string | undefined; again: string | undefined; abandon: string | undefined } {
  const owes = job.state === "failed-cleanup-owed" && typeof job.abandoned !== "string";
  return {
    cancel: isEnded(job) ? words.job.finished : job.cancelling === true ? words.job.cancelling : undefined,
    again: isFailed(job) || job.state === "cancelled" ? undefined : words.job.canOnlyAgain,
    abandon: owes ? undefined : words.job.nothingOwed,
  };
}

export function JobActions({ job }: { job: JobView }) {
  const mayChange = useMayChange();
  const { run } = useTeller();
  const [risky, setRisky] = useState<Risky | undefined>();
  if (!mayChange) return null;
  const reasons = jobReasons(job);
  const path = `/jobs/${job.id}`;
  const abandon: Risky = {
    title: `${words.job.abandon} ${words.job.number(job.id)}`,
    submit: words.job.abandon,
    ask: { method: "POST", path: `${path}/abandon` },
    command: line("job abandon", [String(job.id)]),
    losses: [words.job.abandonBody, ...words.job.abandonLost],
  };
  return (
    <>
      <PossibleButton label={words.job.cancel} reason={reasons.cancel} onClick={() => void run({ method: "POST", path: `${path}/cancel` }, `${words.job.cancel} ${titleOf(job)}`)} />
      <PossibleButton label={words.job.again} reason={reasons.again} variant="primary" onClick={() => void run({ method: "POST", path: `${path}/again` }, titleOf(job))} />
      <PossibleButton label={words.job.abandon} reason={reasons.abandon} onClick={() => setRisky(abandon)} />
      {risky !== undefined && <Confirm risky={risky} onClose={() => setRisky(undefined)} />}
    </>
  );
}
