import { Button } from "@patternfly/react-core";
import { Link, useNavigate } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { askFor, useReasons, type PlainAction } from "../../actions/vm.ts";
import { titleOf } from "../../actions/job.tsx";
import { useMayChange, useWindow } from "../../api/hooks.ts";
import type { HostView, JobView, VmStatus, VmView } from "../../api/types.ts";
import { ErrorBox } from "../../parts/error-box.tsx";
import { Waiting } from "../../parts/live-table.tsx";
import { hostStatus, HostStatusLabel, isWell, JobStateLabel, vmTroubles, VmStatusLabel } from "../../parts/status-label.tsx";
import { useTeller } from "../../shell/toasts.tsx";
import { overviewWords } from "../../words/hosts.ts";
import { vmActionWords } from "../../words/machines.ts";

const SHOWN = 6;
const { next } = overviewWords;

/** What usually helps at once, where something does. */
const helps: Partial<Record<VmStatus, PlainAction>> = { "paused-storage-full": "resume", "paused-storage-failing": "resume", crashed: "start", missing: "refresh", conflict: "refresh" };

function hostNext(host: HostView): string {
  const status = hostStatus(host);
  if (status === "hypervisor-not-responding") return next.hypervisor;
  return status === "declared-dead" ? next.dead : next.host;
}

/** What needs somebody, each with what to do next, and where one press does it, with that. */
export function Attention({ hosts }: { hosts: HostView[] }) {
  const vms = useWindow("vms", { filter: `status=${vmTroubles.join("|")}`, sort: "status,name", limit: SHOWN });
  const jobs = useWindow("jobs", { filter: "state=failed-cleanup-owed|failed-kept", limit: SHOWN });
  const ill = hosts.filter((host) => !isWell(host));
  const owed = jobs.window?.rows.filter((job) => typeof job.abandoned !== "string") ?? [];
  const error = vms.error ?? jobs.error;
  if (error !== undefined) return <ErrorBox refusal={error} />;
  if (vms.window === undefined || jobs.window === undefined) return <Waiting />;
  const { rows, total } = vms.window;
  if (ill.length + total + owed.length === 0) return <p className="hostler-hint">{overviewWords.calm}</p>;
  return (
    <ul className="hostler-needs">
      {ill.slice(0, SHOWN).map((host) => (
        <Need
          key={host.id}
          thing={<Link to="/hosts/$host" params={{ host: host.id }}>{host.name}</Link>}
          status={<HostStatusLabel status={hostStatus(host)} />}
          advice={hostNext(host)}
          action={<Go to={`/hosts/${host.id}`} />}
        />
      ))}
      {rows.map((vm) => (
        <VmNeed key={vm.id} vm={vm} />
      ))}
      {owed.map((job: JobView) => (
        <Need
          key={job.id}
          thing={<Link to="/jobs/$job" params={{ job: String(job.id) }}>{titleOf(job)}</Link>}
          status={<JobStateLabel state={job.state} />}
          advice={job.error?.remedy ?? next.job}
          action={<Go to={`/jobs/${job.id}`} />}
        />
      ))}
      {total > SHOWN && (
        <li>
          <Link to="/machines" search={{ filter: `status=${vmTroubles.join("|")}` }}>{overviewWords.all(total)}</Link>
        </li>
      )}
    </ul>
  );
}

function VmNeed({ vm }: { vm: VmView }) {
  const mayChange = useMayChange();
  const reasons = useReasons();
  const { run } = useTeller();
  const help = helps[vm.status];
  const canHelp = help !== undefined && mayChange && reasons(vm.status, help) === undefined;
  return (
    <Need
      thing={<Link to="/machines/$vm" params={{ vm: vm.id }}>{vm.spec.name}</Link>}
      status={<VmStatusLabel status={vm.status} />}
      advice={(next as Partial<Record<VmStatus, string>>)[vm.status] ?? next.difference}
      action={
        canHelp ? (
          <Button variant="secondary" size="sm" aria-label={`${vmActionWords.labels[help]} ${vm.spec.name}`} onClick={() => void run(askFor(vm, help), `${vmActionWords.labels[help]} ${vm.spec.name}`)}>
            {vmActionWords.labels[help]}
          </Button>
        ) : (
          <Go to={`/machines/${vm.id}`} />
        )
      }
    />
  );
}

function Need({ thing, status, advice, action }: { thing: ReactNode; status: ReactNode; advice: string; action: ReactNode }) {
  return (
    <li>
      <span className="hostler-need-thing">{thing} {status}</span>
      <span className="hostler-hint">{advice}</span>
      {action}
    </li>
  );
}

function Go({ to }: { to: string }) {
  const navigate = useNavigate();
  return <Button variant="secondary" size="sm" aria-label={`${overviewWords.act.look}: ${to}`} onClick={() => void navigate({ href: to })}>{overviewWords.act.look}</Button>;
}
