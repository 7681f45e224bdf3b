import { Button, PageSection, Title } from "@patternfly/react-core";
import { Link, useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { useMayChange } from "../../api/hooks.ts";
import { refusalOf } from "../../api/refusal.ts";
import { ErrorBox } from "../../parts/error-box.tsx";
import { CreateNetworkForm } from "../../forms/network.tsx";
import { Nothing, Waiting } from "../../parts/live-table.tsx";
import { PageHead } from "../../parts/page-head.tsx";
import { PlainTable } from "../../parts/plain-table.tsx";
import { UrlTabs } from "../../parts/url-tabs.tsx";
import { useView } from "../../parts/view.ts";
import { networkWords as names } from "../../words/networking.ts";
import { Columns } from "./columns.tsx";
import { KindText, NetworkLabel, useNetworks, type Network } from "./labels.tsx";
import { MacPoolTab } from "./mac-pool.tsx";
import { pictureOfAll } from "./picture.ts";

/** More hosts are nothing to look at; the list counts all. */
const MOST_HOSTS = 40;

/** The networks of the fleet: those of one name on several hosts are one. */
export function NetworkingPage() {
  const view = useView();
  const mayChange = useMayChange();
  const [isCreating, setCreating] = useState(false);
  return (
    <>
      <PageHead title={names.title} actions={mayChange && <Button onClick={() => setCreating(true)}>{names.create.button}</Button>} />
      <PageSection isFilled>
        <UrlTabs
          label={names.title}
          view={view}
          tabs={[
            { key: "networks", title: names.tabs.networks, body: () => <All /> },
            { key: "macs", title: names.tabs.macs, body: () => <MacPoolTab /> },
          ]}
        />
      </PageSection>
      {isCreating && <CreateNetworkForm onClose={() => setCreating(false)} />}
    </>
  );
}

function All() {
  const { data, error } = useNetworks<{ items: Network[] }>("/networks");
  if (data !== undefined) return <Networks networks={data.items} />;
  return error === undefined ? <Waiting /> : <ErrorBox refusal={refusalOf(error)} />;
}

function NetworkLink({ name }: { name: string }) {
  return <Link to="/networking/$network" params={{ network: name }}>{name}</Link>;
}

function Networks({ networks }: { networks: readonly Network[] }) {
  const navigate = useNavigate();
  if (networks.length === 0) {
    return (
      <Nothing title={names.empty} body={names.emptyBody}>
        <Button onClick={() => void navigate({ to: "/administration", search: { tab: "agents" } })}>{names.enrol}</Button>
      </Nothing>
    );
  }
  const picture = pictureOfAll(networks, MOST_HOSTS);
  return (
    <div className="hostler-networks">
      <PlainTable<Network>
        label={names.tabs.networks}
        rows={networks}
        keyOf={({ name }) => name}
        columns={[
          { title: names.columns.name, cell: ({ name }) => <NetworkLink name={name} /> },
          { title: names.columns.kind, cell: ({ kind }) => <KindText kind={kind} /> },
          { title: names.columns.vlan, cell: ({ vlan }) => vlan ?? "" },
          { title: names.columns.hosts, cell: ({ hosts }) => hosts.length.toLocaleString(), isNumber: true },
          { title: names.columns.machines, cell: ({ machines }) => machines.toLocaleString(), isNumber: true },
          { title: names.columns.state, cell: (network) => <NetworkLabel network={network} /> },
        ]}
      />
      <section>
        <Title headingLevel="h2" size="lg">{names.picture.of}</Title>
        <Columns
          label={names.picture.of}
          rows={picture.rows}
          columns={[
            { title: names.picture.networks, lines: picture.lines, spots: picture.networks.map(({ key, row, name }) => ({ key, row, body: <NetworkLink name={name} /> })) },
            {
              title: names.picture.hosts,
              spots: picture.hosts.map(({ key, row, name, answers }) => ({
                key,
                row,
                body: (
                  <>
                    <Link to="/hosts/$host" params={{ host: key }}>{name}</Link> {!answers && <span className="hostler-hint">{names.states.silent}</span>}
                  </>
                ),
              })),
            },
          ]}
        />
        {picture.hidden > 0 && <p className="hostler-hint">{names.picture.moreHosts(picture.hidden)}</p>}
      </section>
    </div>
  );
}
