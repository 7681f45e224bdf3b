import type { ReactNode } from "react";
import type { HostView, Schemas } from "../../api/types.ts";
import { Facts } from "../../parts/facts.tsx";
import { mebibytes, span } from "../../parts/quantities.ts";
import { HostStatusLabel, hostStatus } from "../../parts/status-label.tsx";
import { Time } from "../../parts/time.tsx";
import { hostWords } from "../../words/hosts.ts";

const names = hostWords.facts;

function kvmText(host: HostView): string {
  const { kvm } = host.facts;
  if (kvm === undefined || kvm.is === "untried") return hostWords.kvm.untried;
  return kvm.is === "works" ? hostWords.kvm.works : hostWords.kvm.fails(kvm.why);
}

/** Whether a host can do something; nothing where its agent does not say. */
function abilityText(ability: Schemas["Ability"] | undefined): string | undefined {
  if (ability === undefined || ability.is === "unknown") return undefined;
  return ability.is === "has" ? names.yes : names.cannot(ability.why);
}

/** What is kept for a host itself, in words. */
export function reserveText({ reserve }: Schemas["InForceView"]): string {
  return hostWords.reserve(reserve.cpu_percent ?? 0, mebibytes(reserve.memory_mib ?? 0), mebibytes(reserve.disk_mib ?? 0));
}

/** How far its clock is off, where that matters: a second is what certificates and logs can bear. */
function clockText(aheadMs: number | null | undefined): string | undefined {
  if (typeof aheadMs !== "number") return undefined;
  if (Math.abs(aheadMs) <= 1_000) return names.clockRight;
  return aheadMs > 0 ? names.clockAhead(span(aheadMs)) : names.clockBehind(span(-aheadMs));
}

/** What is known of a host. */
export function HostFacts({ host, narrow = false }: { host: HostView; narrow?: boolean }) {
  const { facts, load, spec } = host;
  const listed: [string, ReactNode][] = [
    [hostWords.columns.status, <HostStatusLabel key="status" status={hostStatus(host)} />],
    [hostWords.columns.machines, host.machines],
    [names.group, host.host_group],
    [names.available, spec.available === false ? names.no : names.yes],
    [names.maintenance, spec.maintenance === true ? names.yes : undefined],
    [names.kvm, kvmText(host)],
    [names.hostName, facts.host_name],
    [names.os, facts.os],
    [names.kernel, facts.kernel],
    [names.cpu, [facts.cpus === undefined ? "" : `${facts.cpus} ×`, facts.cpu_model ?? ""].join(" ").trim()],
    [names.libvirt, facts.libvirt],
    [names.qemu, facts.qemu],
    [names.adapterVlans, abilityText(facts.adapter_vlans)],
    [names.spoofingFilter, abilityText(facts.spoofing_filter)],
    [names.networks, (facts.networks ?? []).join(", ")],
    [names.folder, spec.vm_path ?? facts.vm_folder],
    [names.reserve, reserveText(host.in_force)],
    [names.uptime, load?.uptime_s === undefined ? undefined : span(load.uptime_s * 1_000)],
    [names.clock, clockText(host.clock_ahead_ms)],
    [names.dead, typeof host.dead_since === "string" ? <Time key="dead" at={host.dead_since} /> : undefined],
    [names.notes, spec.notes],
    [names.id, <span key="id" className="hostler-value">{host.id}</span>],
  ];
  return <Facts facts={listed} narrow={narrow} />;
}
