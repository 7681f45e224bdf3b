import { Button, Label } from "@patternfly/react-core";
import { Link, useNavigate } from "@tanstack/react-router";
import { useMemo, type ReactNode } from "react";
import { askFor, useReasons, type PlainAction } from "../../actions/vm.ts";
import { titleOf } from "../../actions/job.tsx";
import { filterOf } from "../../api/filter.ts";
import { get, useMayChange, useWindow } from "../../api/hooks.ts";
import { useLooking } from "../../api/looking.ts";
import type { HostStatus, HostView, JobView, Schemas, VmStatus, VmView } from "../../api/types.ts";
import { ErrorBox } from "../../parts/error-box.tsx";
import { Waiting } from "../../parts/live-table.tsx";
import { span } from "../../parts/quantities.ts";
import { hostStatus, HostStatusLabel, JobStateLabel, vmTroubles, VmStatusLabel } from "../../parts/status-label.tsx";
import { useTeller } from "../../shell/toasts.tsx";
import { overviewWords } from "../../words/overview.ts";
import { vmActionWords } from "../../words/machines.ts";
import { refresherWords } from "../../words/refreshers.ts";
import { useMacPool } from "../networking/mac-pool.tsx";
import { counted, dayBefore, diskPercent, down, FEW, hostNeeds, type HostNeed, type HostTrouble } from "./needs.ts";

/** Machines and jobs in trouble are named one by one up to here. */
const SHOWN = 6;
/** What refreshers met is in no window. */
const REFRESHERS_MS = 30_000;
const { next, states, things } = overviewWords;

/** What usually helps at once, where something does. */
const helps: Partial<Record<VmStatus, PlainAction>> = { "paused-storage-full": "resume", "paused-storage-failing": "resume", crashed: "start", missing: "refresh", conflict: "refresh" };

/** What needs somebody, each with what to do next, and where one press does it, with that. */
export function Attention({ hosts, silent }: { hosts: readonly HostView[]; silent: number }) {
  const all = useWindow("vms", { sort: "name", limit: 0 });
  const vms = useWindow("vms", { filter: `status=${vmTroubles.join("|")}`, sort: "status,name", limit: SHOWN });
  const jobs = useWindow("jobs", { filter: "state=failed-cleanup-owed|failed-kept", limit: SHOWN });
  const others = useOthers(silent);
  const error = vms.error ?? jobs.error;
  if (error !== undefined) return <ErrorBox refusal={error} />;
  if (vms.window === undefined || jobs.window === undefined) return <Waiting />;
  const ofHosts = hostNeeds(hosts, hostStatus).flatMap((need) => hostRows(need));
  const ofVms = vms.window.total <= SHOWN ? vms.window.rows.map((vm) => <VmNeed key={vm.id} vm={vm} />) : counted(all.window?.counts, vmTroubles).map(([status, count]) => <VmsNeed key={status} status={status} count={count} />);
  const ofJobs = jobs.window.rows.filter((job) => typeof job.abandoned !== "string").map((job) => <JobNeed key={job.id} job={job} />);
  const rows = [...ofHosts, ...ofVms, ...ofJobs, ...others];
  return rows.length === 0 ? <p className="hostler-hint">{overviewWords.calm}</p> : <ul className="hostler-needs">{rows}</ul>;
}

function hostStatusOf(trouble: HostTrouble): HostStatus | undefined {
  return down.find((status) => status === trouble);
}

const adviceFor = (trouble: HostTrouble): string => (trouble === "hypervisor-not-responding" ? next.hypervisor : trouble === "kvm" ? next.kvms : next[trouble]);

function hostRows({ trouble, hosts, filter }: HostNeed): ReactNode[] {
  const status = hostStatusOf(trouble);
  if (hosts.length > FEW) {
    const few = { kvm: states.kvm, clock: states.clocks, disk: states.fullDisks } as Record<HostTrouble, string>;
    return [
      <Need
        key={trouble}
        thing={<Link to="/hosts" search={{ filter }}>{things.hosts(hosts.length)}</Link>}
        name={things.hosts(hosts.length)}
        status={status === undefined ? <Label isCompact variant="outline" status="warning">{few[trouble]}</Label> : <HostStatusLabel status={status} />}
        advice={adviceFor(trouble)}
        to="/hosts"
        filter={filter}
      />,
    ];
  }
  return hosts.map((host) => {
    const { kvm } = host.facts;
    const one = { kvm: states.kvm, clock: states.clock(span(Math.abs(host.clock_ahead_ms ?? 0))), disk: states.disk(diskPercent(host) ?? 0) } as Record<HostTrouble, string>;
    return (
      <Need
        key={`${trouble} ${host.id}`}
        thing={<Link to="/hosts/$host" params={{ host: host.id }}>{host.name}</Link>}
        name={host.name}
        status={status === undefined ? <Label isCompact variant="outline" status="warning">{one[trouble]}</Label> : <HostStatusLabel status={status} />}
        advice={trouble === "kvm" && kvm?.is === "fails" ? next.kvm(kvm.why) : adviceFor(trouble)}
        to={`/hosts/${host.id}`}
      />
    );
  });
}

/** What is found by counting alone: agents, items, failed jobs, refreshers. */
function useOthers(silent: number): ReactNode[] {
  const since = useMemo(() => dayBefore(new Date()), []);
  const failed = `state=failed-undone,created>=${since}`;
  const failedJobs = useWindow("jobs", { filter: failed, limit: 0 }).window?.total ?? 0;
  const noHosts = "answers=false,host=false";
  const libraries = useWindow("agents", { filter: noHosts, limit: FEW }).window;
  // Each says which version the server has for it; all say the same.
  const offered = useWindow("agents", { limit: 1 }).window?.rows[0]?.offered;
  const versions = useWindow("agents", typeof offered === "string" ? { filter: filterOf([{ field: "version", op: "!=", values: [offered] }]), limit: 0 } : undefined).window?.total ?? 0;
  const unusable = useWindow("library-items", { filter: "usable=false", limit: 0 }).window?.total ?? 0;
  const refreshers = useLooking("/refreshers", () => get<Schemas["RefresherView"][]>("/refreshers"), () => REFRESHERS_MS).data ?? [];
  // A look at a host that does not answer fails, and that is told of the host already.
  const failing = refreshers.filter((one) => one.failing > silent);
  const macs = useMacPool().data;
  const rows: ReactNode[] = [];
  const add = (key: string, thing: string, state: string, advice: string, to: string, filter?: string, tab?: string): void => {
    const search = { ...(tab === undefined ? {} : { tab }), ...(filter === undefined ? {} : { filter }) };
    rows.push(<Need key={key} thing={<Link to={to} search={search}>{thing}</Link>} name={thing} status={<Label isCompact variant="outline" status="warning">{state}</Label>} advice={advice} to={to} filter={filter} tab={tab} />);
  };
  if (failedJobs > 0) add("failed", things.jobs(failedJobs), states.failed, next.failed, "/jobs", failed);
  for (const agent of libraries?.rows ?? []) add(agent.id, agent.name, overviewWords.states.silent, next.agent, "/administration", undefined, "agents");
  if (versions > 0) add("versions", things.agents(versions), states.version, next.version, "/administration", undefined, "agents");
  if (unusable > 0) add("unusable", things.items(unusable), states.missing, next.items, "/library", "usable=false", "items");
  for (const one of failing) add(one.refresher, refresherWords.names[one.refresher], states.refresher(one.failing), next.refresher, "/administration", undefined, "refreshers");
  if (macs?.low === true) add("macs-low", things.macPool, states.macsLow(macs.free), next.macsLow, "/networking", undefined, "macs");
  if (macs !== undefined && macs.conflicting > 0) add("mac-conflicts", things.macPool, states.macConflicts(macs.conflicting), next.macConflicts, "/networking", undefined, "macs");
  return rows;
}

function JobNeed({ job }: { job: JobView }) {
  return (
    <Need
      thing={<Link to="/jobs/$job" params={{ job: String(job.id) }}>{titleOf(job)}</Link>}
      name={titleOf(job)}
      status={<JobStateLabel state={job.state} />}
      advice={job.error?.remedy ?? next.job}
      to={`/jobs/${job.id}`}
    />
  );
}

const vmAdvice = (status: VmStatus): string => (next as Partial<Record<VmStatus, string>>)[status] ?? next.difference;

/** All machines of one trouble, where they are many. */
function VmsNeed({ status, count }: { status: VmStatus; count: number }) {
  const filter = `status=${status}`;
  const name = count === 1 ? overviewWords.things.machine : things.machines(count);
  return <Need thing={<Link to="/machines" search={{ filter }}>{name}</Link>} name={name} status={<VmStatusLabel status={status} />} advice={vmAdvice(status)} to="/machines" filter={filter} />;
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
      name={vm.spec.name}
      status={<VmStatusLabel status={vm.status} />}
      advice={vmAdvice(vm.status)}
      to={`/machines/${vm.id}`}
      action={
        canHelp ? (
          <Button variant="secondary" size="sm" aria-label={`${vmActionWords.labels[help]} ${vm.spec.name}`} onClick={() => void run(askFor(vm, help), `${vmActionWords.labels[help]} ${vm.spec.name}`)}>
            {vmActionWords.labels[help]}
          </Button>
        ) : undefined
      }
    />
  );
}

interface NeedProps {
  thing: ReactNode;
  /** What it is called, for the button's own name. */
  name: string;
  status: ReactNode;
  advice: string;
  to: string;
  filter?: string | undefined;
  tab?: string | undefined;
  /** What one press does at once; else the button leads there. */
  action?: ReactNode;
}

function Need({ thing, name, status, advice, to, filter, tab, action }: NeedProps) {
  const navigate = useNavigate();
  const search = { ...(tab === undefined ? {} : { tab }), ...(filter === undefined ? {} : { filter }) };
  return (
    <li>
      <span className="hostler-need-thing">{thing} {status}</span>
      <span className="hostler-hint">{advice}</span>
      {action ?? <Button variant="secondary" size="sm" aria-label={overviewWords.lookAt(name)} onClick={() => void navigate({ to, search })}>{overviewWords.look}</Button>}
    </li>
  );
}
