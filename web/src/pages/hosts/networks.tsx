import { Label } from "@patternfly/react-core";
import { Link } from "@tanstack/react-router";
import type { HostView, Schemas } from "../../api/types.ts";
import { PlainTable } from "../../parts/plain-table.tsx";
import { networkWords as names } from "../../words/networking.ts";

type HostNetwork = Schemas["HostNetwork"];

function State({ network }: { network: HostNetwork }) {
  if (network.active !== true) return <Label isCompact variant="outline" status="warning">{names.states.inactive}</Label>;
  if (network.persistent === false) return <Label isCompact variant="outline" status="warning">{names.states.transient}</Label>;
  if (network.autostart === false) return <Label isCompact variant="outline" status="warning">{names.states.noAutostart}</Label>;
  return <Label isCompact variant="outline" status="success">{names.states.active}</Label>;
}

/** The networks that a host has; each leads to what it is in the whole fleet. */
export function HostNetworks({ host }: { host: HostView }) {
  const columns = names.hostColumns;
  return (
    <PlainTable<HostNetwork>
      title={names.tabs.networks}
      rows={host.facts.host_networks ?? []}
      keyOf={({ name = "" }) => name}
      columns={[
        { title: names.columns.name, cell: ({ name = "" }) => <Link to="/networking/$network" params={{ network: name }}>{name}</Link> },
        { title: columns.kind, cell: ({ kind = "other" }) => names.kinds[kind] },
        { title: columns.bridge, cell: ({ bridge }) => bridge ?? "" },
        { title: columns.adapter, cell: ({ adapter }) => adapter ?? "" },
        { title: columns.vlan, cell: ({ vlan }) => vlan ?? "" },
        { title: columns.addresses, cell: ({ addresses }) => (addresses ?? []).join(", ") },
        { title: columns.state, cell: (network) => <State network={network} /> },
      ]}
    />
  );
}
