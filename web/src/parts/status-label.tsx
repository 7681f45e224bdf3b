import { Label } from "@patternfly/react-core";
import type { ComponentProps } from "react";
import type { HostStatus, HostView, JobState, VmStatus } from "../api/types.ts";
import { hostStatusWords, jobStateWords, vmStatusWords } from "../words/statuses.ts";

type Tone = Pick<ComponentProps<typeof Label>, "status" | "color">;

const good: Tone = { status: "success" };
const quiet: Tone = { color: "grey" };
const busy: Tone = { color: "blue" };
const warning: Tone = { status: "warning" };
const bad: Tone = { status: "danger" };

/** Statuses of machines that do not go by themselves: somebody has to do something. */
export const vmTroubles: VmStatus[] = ["paused-storage-full", "paused-storage-failing", "crashed", "creation-failed", "missing", "conflict", "host-not-responding", "hypervisor-not-responding"];

const vmTones: Partial<Record<VmStatus, Tone>> = {
  running: good,
  off: quiet,
  saved: quiet,
  unknown: quiet,
  "managed-elsewhere": quiet,
  paused: warning,
  "paused-busy": warning,
  suspended: warning,
  "paused-storage-full": bad,
  "paused-storage-failing": bad,
  crashed: bad,
  "creation-failed": bad,
  missing: bad,
  conflict: bad,
  "host-not-responding": bad,
  "hypervisor-not-responding": bad,
};

const jobTones: Partial<Record<JobState, Tone>> = {
  queued: quiet,
  completed: good,
  "completed-with-warnings": warning,
  cancelled: quiet,
  "failed-undone": bad,
  "failed-kept": bad,
  "failed-cleanup-owed": bad,
};

const hostTones: Record<HostStatus, Tone> = {
  responding: good,
  "not-available": quiet,
  "in-maintenance": warning,
  "not-responding": bad,
  "hypervisor-not-responding": bad,
  "declared-dead": bad,
};

export function VmStatusLabel({ status }: { status: VmStatus }) {
  return <Label isCompact variant="outline" {...(vmTones[status] ?? busy)}>{vmStatusWords[status]}</Label>;
}

export function JobStateLabel({ state }: { state: JobState }) {
  return <Label isCompact variant="outline" {...(jobTones[state] ?? busy)}>{jobStateWords[state]}</Label>;
}

/** How a host is. A server of an earlier version does not say it in one word. */
export function hostStatus(host: HostView): HostStatus {
  const { status } = host as { status?: HostStatus };
  return status ?? (host.answers ? "responding" : "not-responding");
}

/** Whether nothing is wrong with a host of this status. */
export const isWellStatus = (status: string): boolean => ["responding", "not-available", "in-maintenance"].includes(status);

/** Whether nothing is wrong with a host. */
export const isWell = (host: HostView): boolean => isWellStatus(hostStatus(host));

export function HostStatusLabel({ status }: { status: HostStatus }) {
  return <Label isCompact variant="outline" {...hostTones[status]}>{hostStatusWords[status]}</Label>;
}
