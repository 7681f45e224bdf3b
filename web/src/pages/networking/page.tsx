import { Alert, Button, Label, PageSection } from "@patternfly/react-core";
import { Link, useParams } from "@tanstack/react-router";
import { useState } from "react";
import { useMayChange } from "../../api/hooks.ts";
import { RefusalError, refusalOf } from "../../api/refusal.ts";
import { ErrorBox } from "../../parts/error-box.tsx";
import { RemoveNetworkForm } from "../../forms/network.tsx";
import { Waiting } from "../../parts/live-table.tsx";
import { PageHead } from "../../parts/page-head.tsx";
import { PlainTable } from "../../parts/plain-table.tsx";
import { UrlTabs } from "../../parts/url-tabs.tsx";
import { useView } from "../../parts/view.ts";
import { networkWords as names } from "../../words/networking.ts";
import { Columns } from "./columns.tsx";
import { KindText, NetworkLabel, useNetworks, type NetworkDetail } from "./labels.tsx";
import { Leases } from "./leases.tsx";
import { pictureOf } from "./picture.ts";

const parent = { title: names.title, to: "/networking" as const };
const MOST_HOSTS = 30;
const MOST_MACHINES = 8;

/** A network: what it is on each host, who is connected to it, and which addresses were given on it. */
export function NetworkPage() {
  const { network: name } = useParams({ from: "/shell/networking/$network" });
  const { data, error } = useNetworks<NetworkDetail>(`/networks/${encodeURIComponent(name)}`);
  const isGone = error instanceof RefusalError && error.status === 404;
  // What was shown last is kept while nothing can be asked; of what is gone it is no picture any more.
  if (data !== undefined && !isGone) return <Network network={data} />;
  return (
    <>
      <PageHead title={isGone ? names.gone : name} parent={parent} />
      <PageSection>{error === undefined ? <Waiting /> : <ErrorBox refusal={refusalOf(error)} />}</PageSection>
    </>
  );
}

function Network({ network }: { network: NetworkDetail }) {
  const view = useView();
  const { mismatches = [] } = network;
  const mayChange = useMayChange();
  const [isRemoving, setRemoving] = useState(false);
  const remove = mayChange && <Button variant="secondary" isDanger onClick={() => setRemoving(true)}>{names.remove.button}</Button>;
  return (
    <>
      <PageHead title={network.name} parent={parent} status={<NetworkLabel network={network} />} actions={remove}>
        <p className="hostler-hint">{names.kinds[network.kind]}: {names.kindHints[network.kind]}</p>
        {mismatches.length > 0 && (
          <Alert isInline variant="warning" component="h2" title={names.mismatches}>
            <p>{names.mismatchBody}</p>
            <ul className="hostler-plain">
              {mismatches.map(({ host, what, words }) => (
                <li key={`${host} ${what}`}>{words}</li>
              ))}
            </ul>
          </Alert>
        )}
      </PageHead>
      <PageSection isFilled>
        <UrlTabs
          label={network.name}
          view={view}
          tabs={[
            { key: "picture", title: names.tabs.picture, body: () => <Picture network={network} /> },
            { key: "hosts", title: `${names.tabs.hosts} (${network.hosts.length.toLocaleString()})`, body: () => <Hosts network={network} /> },
            { key: "machines", title: `${names.tabs.machines} (${network.machines.toLocaleString()})`, body: () => <Machines network={network} /> },
            { key: "leases", title: names.tabs.leases, body: () => <Leases network={network.name} /> },
          ]}
        />
      </PageSection>
      {isRemoving && <RemoveNetworkForm network={network} onClose={() => setRemoving(false)} />}
    </>
  );
}

function Picture({ network }: { network: NetworkDetail }) {
  const picture = pictureOf(network, MOST_HOSTS, MOST_MACHINES);
  return (
    <>
      <Columns
        label={names.picture.ofOne(network.name)}
        rows={picture.rows}
        columns={[
          { title: names.picture.network, lines: picture.toHosts, spots: [{ key: network.name, row: picture.network, body: <strong>{network.name}</strong> }] },
          {
            title: names.picture.hosts,
            lines: picture.toMachines,
            spots: picture.hosts.map(({ key, row, host, name, answers, mismatches, machines }) => ({
              key,
              row,
              body: (
                <span title={mismatches.join("; ")}>
                  <Link to="/hosts/$host" params={{ host }}>{name}</Link>{" "}
                  {mismatches.length > 0 ? (
                    <Label isCompact variant="outline" status="warning">{names.differsHere}</Label>
                  ) : (
                    <span className="hostler-hint">{answers ? names.picture.count(machines) : names.states.silent}</span>
                  )}
                </span>
              ),
            })),
          },
          {
            title: names.picture.machines,
            spots: picture.machines.map(({ key, row, vm, name, more }) => ({
              key,
              row,
              body: vm === undefined ? <span className="hostler-hint">{names.picture.more(more)}</span> : <Link to="/machines/$vm" params={{ vm }}>{name}</Link>,
            })),
          },
        ]}
      />
      {picture.hidden > 0 && <p className="hostler-hint">{names.picture.moreHosts(picture.hidden)}</p>}
    </>
  );
}

type OnHost = NetworkDetail["hosts"][number];

function StateOn({ on, words }: { on: OnHost; words: string[] }) {
  if (!on.answers) return <Label isCompact variant="outline" status="danger">{names.states.silent}</Label>;
  if (words.length > 0) return <Label isCompact variant="outline" status="warning">{words.join("; ")}</Label>;
  if (on.network.active !== true) return <Label isCompact variant="outline" status="warning">{names.states.inactive}</Label>;
  return <Label isCompact variant="outline" status="success">{names.states.active}</Label>;
}

function Hosts({ network: { hosts, mismatches = [] } }: { network: NetworkDetail }) {
  const columns = names.hostColumns;
  return (
    <PlainTable<OnHost>
      label={names.tabs.hosts}
      rows={hosts}
      keyOf={({ host }) => host}
      columns={[
        { title: columns.host, cell: ({ host, host_name: name }) => <Link to="/hosts/$host" params={{ host }}>{name}</Link> },
        { title: columns.kind, cell: ({ network }) => <KindText kind={network.kind ?? "other"} /> },
        { title: columns.bridge, cell: ({ network }) => network.bridge ?? "" },
        { title: columns.adapter, cell: ({ network }) => network.adapter ?? "" },
        { title: columns.vlan, cell: ({ network }) => network.vlan ?? "" },
        { title: columns.addresses, cell: ({ network }) => (network.addresses ?? []).join(", ") },
        { title: columns.dhcp, cell: ({ network }) => (network.dhcp ?? []).map(({ first, last }) => names.range(first, last)).join(", ") },
        { title: columns.machines, cell: ({ machines }) => machines.toLocaleString(), isNumber: true },
        { title: columns.state, cell: (on) => <StateOn on={on} words={mismatches.filter(({ host }) => host === on.host).map(({ words }) => words)} /> },
      ]}
    />
  );
}

function Machines({ network: { connected } }: { network: NetworkDetail }) {
  const columns = names.machineColumns;
  if (connected.length === 0) return <p className="hostler-hint">{names.picture.none}</p>;
  return (
    <PlainTable<NetworkDetail["connected"][number]>
      label={names.tabs.machines}
      rows={connected}
      keyOf={({ vm, mac }) => `${vm} ${mac}`}
      columns={[
        { title: columns.machine, cell: ({ vm, name }) => <Link to="/machines/$vm" params={{ vm }}>{name}</Link> },
        { title: columns.host, cell: ({ host, host_name: name }) => <Link to="/hosts/$host" params={{ host }}>{name}</Link> },
        { title: columns.mac, cell: ({ mac }) => <span className="hostler-value">{mac}</span> },
      ]}
    />
  );
}
