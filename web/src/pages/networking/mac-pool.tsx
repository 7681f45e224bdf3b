import { Alert } from "@patternfly/react-core";
import { Link } from "@tanstack/react-router";
import { get } from "../../api/hooks.ts";
import { useLooking } from "../../api/looking.ts";
import { refusalOf } from "../../api/refusal.ts";
import type { Schemas } from "../../api/types.ts";
import { ErrorBox } from "../../parts/error-box.tsx";
import { Waiting } from "../../parts/live-table.tsx";
import { PlainTable } from "../../parts/plain-table.tsx";
import { networkWords } from "../../words/networking.ts";

const names = networkWords.macs;
export type MacPool = Schemas["MacPoolView"];

/** It changes with machines, and stands in no window. */
const AGAIN_MS = 10_000;
export const useMacPool = () => useLooking("/mac-pool", () => get<MacPool>("/mac-pool"), () => AGAIN_MS);

/** The addresses that adapters of machines are given: how many are left, and who has one together with others. */
export function MacPoolTab() {
  const { data, error } = useMacPool();
  if (data === undefined) return error === undefined ? <Waiting /> : <ErrorBox refusal={refusalOf(error)} />;
  const users = (data.conflicts ?? []).flatMap(({ mac, machines }) => machines.map((user) => ({ mac, ...user })));
  return (
    <div className="hostler-networks">
      {data.low && <Alert isInline variant="warning" component="h2" title={names.low(data.free)}>{names.extend}</Alert>}
      <section>
        <p>
          {names.range} <span className="hostler-value">{networkWords.range(data.first, data.last)}</span>
        </p>
        <p>{names.use(data.used, data.size, data.free)}</p>
        <p className="hostler-hint">
          {names.hint} <Link to="/administration" search={{ tab: "settings" }}>{names.settings}</Link>
        </p>
      </section>
      {data.conflicting === 0 ? (
        <p className="hostler-hint">{names.noConflicts}</p>
      ) : (
        <>
          <Alert isInline variant="warning" component="h2" title={names.conflicts(data.conflicting)}>{names.conflictBody}</Alert>
          <PlainTable<(typeof users)[number]>
            label={names.conflictTable}
            rows={users}
            keyOf={({ mac, vm }) => `${mac} ${vm}`}
            columns={[
              { title: networkWords.machineColumns.mac, cell: ({ mac }) => <span className="hostler-value">{mac}</span> },
              { title: networkWords.machineColumns.machine, cell: ({ vm, name }) => <Link to="/machines/$vm" params={{ vm }}>{name}</Link> },
              {
                title: networkWords.machineColumns.host,
                cell: ({ host, host_name: name }) => (typeof host === "string" ? <Link to="/hosts/$host" params={{ host }}>{name}</Link> : ""),
              },
            ]}
          />
        </>
      )}
    </div>
  );
}
