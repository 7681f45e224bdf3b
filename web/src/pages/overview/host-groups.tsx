import { Label } from "@patternfly/react-core";
import { Link } from "@tanstack/react-router";
import { filterOf } from "../../api/filter.ts";
import type { HostGroupView } from "../../api/types.ts";
import { PlainTable } from "../../parts/plain-table.tsx";
import { mebibytes } from "../../parts/quantities.ts";
import { StackBar, type Part } from "../../parts/stack-bar.tsx";
import { isWellStatus } from "../../parts/status-label.tsx";
import { overviewWords } from "../../words/overview.ts";
import { depthOf, groupsShown, memoryOf, share } from "./capacity.ts";

const names = overviewWords.groups;

/** From here on a bar warns. */
const FULL = 90;

const hostsIn = ({ path }: HostGroupView): string => filterOf([{ field: "under_host_group", op: "=", values: [path] }]);

/** Host groups by health and capacity: what machines have, what is kept for the hosts, what is free. */
export function HostGroupsTile({ groups, total }: { groups: readonly HostGroupView[]; total: number }) {
  const shown = groupsShown(groups);
  return (
    <>
      <PlainTable<HostGroupView>
        label={names.title}
        rows={shown}
        keyOf={({ id }) => id}
        columns={[
          { title: names.columns.group, cell: (group) => <Name group={group} /> },
          { title: names.columns.hosts, cell: (group) => <Health group={group} /> },
          {
            title: names.columns.machines,
            isNumber: true,
            cell: (group) => <Link to="/machines" search={{ filter: hostsIn(group) }}>{group.total.machines.toLocaleString()}</Link>,
          },
          { title: names.columns.processor, cell: (group) => <Processor group={group} /> },
          { title: names.columns.memory, cell: (group) => <Memory group={group} /> },
          { title: names.columns.disk, cell: (group) => <Disk group={group} /> },
        ]}
      />
      <div className="hostler-legend">
        <span><i className="hostler-stack-used" />{names.legend.used}</span>
        <span><i className="hostler-stack-kept" />{names.legend.kept}</span>
        <span><i />{names.legend.free}</span>
        {total > shown.length && <Link to="/hosts" search={{ tab: "groups" }}>{names.all(total)}</Link>}
      </div>
    </>
  );
}

function Name({ group }: { group: HostGroupView }) {
  return (
    <span style={{ paddingInlineStart: `${depthOf(group) * 1.25}rem` }}>
      <Link to="/hosts" search={{ filter: hostsIn(group) }} title={group.path}>{group.name}</Link>
    </span>
  );
}

function Health({ group: { path, total } }: { group: HostGroupView }) {
  const ill = Object.entries(total.hosts_by_status).filter(([status]) => !isWellStatus(status));
  const count = ill.reduce((sum, [, each]) => sum + each, 0);
  const filter = filterOf([{ field: "under_host_group", op: "=", values: [path] }, { field: "status", op: "=", values: ill.map(([status]) => status) }]);
  return (
    <span className="hostler-need-thing">
      {total.hosts.toLocaleString()}{" "}
      {count > 0 ? (
        <Link to="/hosts" search={{ filter }}><Label isCompact variant="outline" status="danger">{names.troubled(count)}</Label></Link>
      ) : (
        total.hosts > 0 && <Label isCompact variant="outline" status="success">{names.well}</Label>
      )}
    </span>
  );
}

function Processor({ group: { total, in_force: inForce } }: { group: HostGroupView }) {
  const busy = total.cpu_percent;
  if (typeof busy !== "number") return null;
  const kept = inForce.reserve.cpu_percent ?? 0;
  return <Bar parts={[{ percent: busy, is: "used" }, { percent: kept, is: "kept" }]} label={names.processor(busy, kept)} isFull={busy + kept >= 100} text={`${busy} %`} />;
}

function Memory({ group }: { group: HostGroupView }) {
  const { total } = group;
  if (total.memory_mib === 0) return null;
  const { given, kept, isFull } = memoryOf(group);
  return <Bar parts={[{ percent: given, is: "used" }, { percent: kept, is: "kept" }]} label={names.memory(mebibytes(total.memory_given_mib), mebibytes(total.memory_reserved_mib), mebibytes(total.memory_mib))} isFull={isFull} text={`${Math.round(given)} %`} />;
}

function Disk({ group: { total } }: { group: HostGroupView }) {
  if (total.disk_total_mib === 0) return null;
  const used = share(total.disk_used_mib, total.disk_total_mib);
  return <Bar parts={[{ percent: used, is: "used" }]} label={names.disk(mebibytes(total.disk_used_mib), mebibytes(total.disk_total_mib))} isFull={used >= FULL} text={`${Math.round(used)} %`} />;
}

function Bar({ parts, label, isFull, text }: { parts: readonly Part[]; label: string; isFull: boolean; text: string }) {
  return (
    <span className="hostler-stack-row">
      <StackBar parts={parts} label={label} isFull={isFull} />
      <span className="hostler-hint" aria-hidden="true">{text}</span>
    </span>
  );
}
