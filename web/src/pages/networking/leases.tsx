import { Alert, Button } from "@patternfly/react-core";
import { Link } from "@tanstack/react-router";
import { useGet } from "../../api/hooks.ts";
import type { Schemas } from "../../api/types.ts";
import { ErrorBox } from "../../parts/error-box.tsx";
import { Waiting } from "../../parts/live-table.tsx";
import { PlainTable } from "../../parts/plain-table.tsx";
import { Time } from "../../parts/time.tsx";
import { networkWords } from "../../words/networking.ts";

type Leases = Schemas["LeasesView"];
type Lease = Schemas["LeaseView"];

const names = networkWords.leases;

/** Who has which address, as the hosts that gave them say. They are asked once, and again when somebody asks. */
export function Leases({ network }: { network: string }) {
  const { data, error, again } = useGet<Leases>(`/networks/${encodeURIComponent(network)}/leases`);
  if (error !== undefined) return <ErrorBox refusal={error} retry={again} />;
  if (data === undefined) return <Waiting />;
  const { columns } = names;
  return (
    <div className="hostler-networks">
      <p className="hostler-hint">
        {names.hint} <Button variant="link" isInline onClick={again}>{names.again}</Button>
      </p>
      {(data.silent ?? []).map(({ host, host_name: name, why }) => (
        <Alert key={host} isInline isPlain variant="warning" component="h2" title={names.silent(name, why.cause)} />
      ))}
      {data.leases.length === 0 && <p>{names.none}</p>}
      <PlainTable<Lease>
        label={networkWords.tabs.leases}
        rows={data.leases}
        keyOf={({ host, mac, address }) => `${host} ${mac} ${address}`}
        columns={[
          { title: columns.address, cell: ({ address }) => <span className="hostler-value">{address}</span> },
          { title: columns.machine, cell: ({ vm, vm_name: name }) => (typeof vm === "string" ? <Link to="/machines/$vm" params={{ vm }}>{name ?? vm}</Link> : "") },
          { title: columns.name, cell: ({ calls_itself: name }) => name ?? "" },
          { title: columns.mac, cell: ({ mac }) => <span className="hostler-value">{mac}</span> },
          { title: columns.host, cell: ({ host, host_name: name }) => <Link to="/hosts/$host" params={{ host }}>{name}</Link> },
          { title: columns.until, cell: ({ until }) => (typeof until === "string" ? <Time at={until} /> : names.never) },
        ]}
      />
    </div>
  );
}
