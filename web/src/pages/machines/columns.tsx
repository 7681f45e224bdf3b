import { Label } from "@patternfly/react-core";
import { Link } from "@tanstack/react-router";
import { useGet } from "../../api/hooks.ts";
import type { TemplateView, VmView } from "../../api/types.ts";
import type { Grouping } from "../../parts/grouping.ts";
import type { Column } from "../../parts/live-table.tsx";
import { bytes, mebibytes } from "../../parts/quantities.ts";
import { VmStatusLabel } from "../../parts/status-label.tsx";
import { Time } from "../../parts/time.tsx";
import { words } from "../../words/en.ts";
import { machineWords } from "../../words/machines.ts";
import { vmStatusWords } from "../../words/statuses.ts";

const titles = machineWords.columns;

export function MachineLink({ vm }: { vm: VmView }) {
  return (
    <Link to="/machines/$vm" params={{ vm: vm.id }} onClick={(event) => event.stopPropagation()}>
      {vm.spec.name}
    </Link>
  );
}

/** The status, and the job at work on it. */
function StatusAndJob({ vm }: { vm: VmView }) {
  return (
    <>
      <VmStatusLabel status={vm.status} />
      {typeof vm.job === "number" && (
        <small>
          {" "}
          <Link to="/jobs/$job" params={{ job: String(vm.job) }} onClick={(event) => event.stopPropagation()}>{words.job.number(vm.job)}</Link>
        </small>
      )}
    </>
  );
}

/** Words to find machines by: all, or the first few and how many more there are. */
export function Tags({ tags, most = tags.length }: { tags: readonly string[]; most?: number }) {
  if (tags.length === 0) return null;
  const rest = tags.slice(most);
  return (
    <span className="hostler-tags">
      {tags.slice(0, most).map((tag) => (
        <Label key={tag} isCompact color="teal">{tag}</Label>
      ))}
      {rest.length > 0 && <small title={rest.join(", ")}>{machineWords.moreTags(rest.length)}</small>}
    </span>
  );
}

const diskBytes = (vm: VmView): number => (vm.spec.hardware.disks ?? []).reduce((sum, disk) => sum + disk.size_bytes, 0);

export const machineColumns: Column<VmView>[] = [
  { key: "name", title: titles.name, sort: "name", cell: (vm) => <MachineLink vm={vm} />, text: (vm) => vm.spec.name },
  { key: "status", title: titles.status, sort: "status", cell: (vm) => <StatusAndJob vm={vm} />, text: (vm) => vmStatusWords[vm.status] },
  {
    key: "host",
    title: titles.host,
    sort: "host",
    cell: (vm) =>
      typeof vm.host === "string" ? (
        <Link to="/hosts/$host" params={{ host: vm.host }} onClick={(event) => event.stopPropagation()}>{vm.host_name ?? vm.host}</Link>
      ) : null,
    text: (vm) => vm.host_name ?? "",
  },
  { key: "cpus", title: titles.cpus, sort: "cpus", isNumber: true, cell: (vm) => vm.spec.hardware.cpus, text: (vm) => String(vm.spec.hardware.cpus) },
  { key: "memory", title: titles.memory, sort: "memory_mib", isNumber: true, cell: (vm) => mebibytes(vm.spec.hardware.memory_mib), text: (vm) => String(vm.spec.hardware.memory_mib) },
  { key: "disk", title: titles.disk, isExtra: true, isNumber: true, cell: (vm) => bytes(diskBytes(vm)), text: (vm) => String(diskBytes(vm)) },
  { key: "tags", title: titles.tags, sort: "tags", cell: (vm) => <Tags tags={vm.spec.tags ?? []} most={2} />, text: (vm) => (vm.spec.tags ?? []).join(" ") },
  {
    key: "job",
    title: titles.job,
    isExtra: true,
    cell: (vm) =>
      typeof vm.job === "number" ? (
        <Link to="/jobs/$job" params={{ job: String(vm.job) }} onClick={(event) => event.stopPropagation()}>{words.job.number(vm.job)}</Link>
      ) : null,
    text: (vm) => (typeof vm.job === "number" ? String(vm.job) : ""),
  },
  { key: "created", title: titles.created, sort: "created", isExtra: true, cell: (vm) => <Time at={vm.created} />, text: (vm) => vm.created },
  { key: "origin", title: titles.origin, sort: "origin", isExtra: true, cell: (vm) => machineWords.origins[vm.origin], text: (vm) => vm.origin },
  { key: "notes", title: titles.notes, sort: "notes", isExtra: true, cell: (vm) => vm.spec.notes ?? "", text: (vm) => vm.spec.notes ?? "" },
  { key: "id", title: titles.id, isExtra: true, cell: (vm) => <span className="hostler-value">{vm.id}</span>, text: (vm) => vm.id },
];

export const machineGroups: Grouping<VmView>[] = [
  { field: "host", label: titles.host, keyOf: (vm) => vm.host_name ?? "", title: (vm) => vm.host_name ?? vm.host, none: machineWords.noHost },
  { field: "status", label: titles.status, keyOf: (vm) => vm.status, title: (vm) => <VmStatusLabel status={vm.status} />, none: "", isCounted: true },
  { field: "tags", label: titles.tags, keyOf: (vm) => (vm.spec.tags ?? []).join(", "), title: (vm) => <Tags tags={vm.spec.tags ?? []} />, none: machineWords.noTags },
  { field: "template", label: machineWords.facts.template, keyOf: (vm) => vm.spec.template ?? "", title: (vm) => <TemplateName id={vm.spec.template ?? ""} />, none: machineWords.noTemplate },
  { field: "origin", label: titles.origin, keyOf: (vm) => vm.origin, title: (vm) => machineWords.origins[vm.origin], none: "" },
];

function TemplateName({ id }: { id: string }) {
  const { data } = useGet<TemplateView>(`/templates/${id}`);
  return data?.spec.name ?? id;
}
