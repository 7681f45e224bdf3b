import { Link } from "@tanstack/react-router";
import type { HostView } from "../../api/types.ts";
import type { Grouping } from "../../parts/grouping.ts";
import type { Column } from "../../parts/live-table.tsx";
import { mebibytes } from "../../parts/quantities.ts";
import { HostStatusLabel, hostStatus } from "../../parts/status-label.tsx";
import { Time } from "../../parts/time.tsx";
import { hostWords } from "../../words/hosts.ts";
import { hostStatusWords } from "../../words/statuses.ts";

const titles = hostWords.columns;
const percent = (host: HostView): string => (host.load?.cpu_percent === undefined ? "" : `${Math.round(host.load.cpu_percent)} %`);
const free = (host: HostView): string => (host.load?.disk_free_mib === undefined || (host.load.disk_total_mib ?? 0) === 0 ? "" : mebibytes(host.load.disk_free_mib));

export const hostColumns: Column<HostView>[] = [
  {
    key: "name",
    title: titles.name,
    sort: "name",
    cell: (host) => <Link to="/hosts/$host" params={{ host: host.id }} onClick={(event) => event.stopPropagation()}>{host.name}</Link>,
    text: (host) => host.name,
  },
  { key: "status", title: titles.status, sort: "status", cell: (host) => <HostStatusLabel status={hostStatus(host)} />, text: (host) => hostStatusWords[hostStatus(host)] },
  { key: "group", title: titles.group, sort: "host_group", cell: (host) => host.host_group, text: (host) => host.host_group },
  { key: "machines", title: titles.machines, isNumber: true, sort: "machines", cell: (host) => host.machines, text: (host) => String(host.machines) },
  { key: "cpu", title: titles.cpu, isNumber: true, cell: percent, text: percent },
  { key: "memory", title: titles.memory, isNumber: true, sort: "memory_mib", cell: (host) => mebibytes(host.facts.memory_mib ?? 0), text: (host) => String(host.facts.memory_mib ?? "") },
  { key: "given", title: titles.given, isNumber: true, cell: (host) => mebibytes(host.memory_given_mib), text: (host) => String(host.memory_given_mib) },
  { key: "free", title: titles.free, isNumber: true, cell: free, text: (host) => String(host.load?.disk_free_mib ?? "") },
  { key: "cpus", title: titles.cpus, isNumber: true, sort: "cpus", isExtra: true, cell: (host) => host.facts.cpus, text: (host) => String(host.facts.cpus ?? "") },
  { key: "os", title: titles.os, isExtra: true, cell: (host) => host.facts.os, text: (host) => host.facts.os ?? "" },
  { key: "created", title: titles.created, sort: "created", isExtra: true, cell: (host) => <Time at={host.created} />, text: (host) => host.created },
];

export const hostGroups: Grouping<HostView>[] = [
  { field: "status", label: titles.status, keyOf: hostStatus, title: (host) => <HostStatusLabel status={hostStatus(host)} />, none: "" },
  { field: "host_group", label: titles.group, keyOf: (host) => host.host_group, title: (host) => host.host_group, none: "" },
  {
    field: "available",
    label: hostWords.facts.available,
    keyOf: (host) => (host.spec.available === false ? "no" : "yes"),
    title: (host) => `${hostWords.facts.available}: ${host.spec.available === false ? hostWords.facts.no : hostWords.facts.yes}`,
    none: "",
  },
];
