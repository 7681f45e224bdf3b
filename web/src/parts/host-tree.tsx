import { Badge, Button, Icon, SearchInput, TreeView, type TreeViewDataItem } from "@patternfly/react-core";
import { CheckCircleIcon } from "@patternfly/react-icons/dist/esm/icons/check-circle-icon";
import { ExclamationCircleIcon } from "@patternfly/react-icons/dist/esm/icons/exclamation-circle-icon";
import { ExclamationTriangleIcon } from "@patternfly/react-icons/dist/esm/icons/exclamation-triangle-icon";
import { MinusCircleIcon } from "@patternfly/react-icons/dist/esm/icons/minus-circle-icon";
import { TimesIcon } from "@patternfly/react-icons/dist/esm/icons/times-icon";
import { useState, type ReactNode } from "react";
import { useWindow } from "../api/hooks.ts";
import type { HostView } from "../api/types.ts";
import { treeWords } from "../words/tree.ts";
import { ErrorBox } from "./error-box.tsx";
import { Waiting } from "./live-table.tsx";
import { hostStatus, isWell, vmTroubles } from "./status-label.tsx";
import { healthOf, rolledUp, type Health } from "./tree-health.ts";
import type { View } from "./view.ts";
import { useIsWide } from "./wide.ts";

/** More in one tree is nothing to look through: the field above it finds. */
const SHOWN = 300;
/** From this width on there is room for a tree beside a list without anybody asking. */
const ROOM_PX = 1_100;

const icons: Record<Health, ReactNode> = {
  well: <Icon status="success"><CheckCircleIcon /></Icon>,
  quiet: <Icon><MinusCircleIcon /></Icon>,
  troubled: <Icon status="warning"><ExclamationTriangleIcon /></Icon>,
  down: <Icon status="danger"><ExclamationCircleIcon /></Icon>,
};

/** Whether the tree is shown: as the address says, else where there is room. */
export function useHasTree(view: View): boolean {
  const isWide = useIsWide(ROOM_PX);
  return view.search.tree === undefined ? isWide : view.search.tree === "on";
}

/** A list with the tree of hosts beside it, where there is room or somebody asked for it. */
export function WithTree({ view, chosen, onChoose, children }: { view: View; chosen: string | undefined; onChoose: (host: HostView | undefined) => void; children: ReactNode }) {
  const isShown = useHasTree(view);
  return (
    <div className={isShown ? "hostler-with-tree" : ""}>
      {isShown && <HostTree chosen={chosen} onChoose={onChoose} onClose={() => view.set({ tree: "off" })} />}
      <div className="hostler-beside-tree">{children}</div>
    </div>
  );
}

export function TreeButton({ view }: { view: View }) {
  const isShown = useHasTree(view);
  return isShown ? null : <Button variant="link" isInline onClick={() => view.set({ tree: "on" })}>{treeWords.show}</Button>;
}

/** All hosts with their health, rolled up to the top, and how many machines of each are in trouble. */
function HostTree({ chosen, onChoose, onClose }: { chosen: string | undefined; onChoose: (host: HostView | undefined) => void; onClose: () => void }) {
  const { window, error } = useWindow("hosts", { sort: "name", limit: 1000 });
  const troubled = useWindow("vms", { filter: `status=${vmTroubles.join("|")}`, limit: 1000 }).window?.rows ?? [];
  const [text, setText] = useState("");
  if (error !== undefined) return <ErrorBox refusal={error} />;
  const all = window?.rows ?? [];
  const hosts = all.filter(({ name }) => name.toLowerCase().includes(text.trim().toLowerCase()));
  const troubles = new Map<string, number>();
  for (const vm of troubled) if (typeof vm.host === "string") troubles.set(vm.host, (troubles.get(vm.host) ?? 0) + 1);
  const healths = all.map((host) => healthOf(hostStatus(host), isWell(host) ? (troubles.get(host.id) ?? 0) : 0));
  const root: TreeViewDataItem = {
    id: "all-hosts",
    name: <Node health={rolledUp(healths)} title={treeWords.all} note={all.length.toLocaleString()} />,
    defaultExpanded: true,
    children: hosts.slice(0, SHOWN).map((host) => ({
      id: host.id,
      name: <Node health={healthOf(hostStatus(host), troubles.get(host.id) ?? 0)} title={host.name} note={host.machines.toLocaleString()} troubles={troubles.get(host.id) ?? 0} />,
    })),
  };
  const active = chosen === undefined ? root : root.children?.find(({ id }) => id === chosen || hosts.find((host) => host.id === id)?.name === chosen);
  return (
    <aside className="hostler-tree" aria-label={treeWords.title}>
      <div className="hostler-tree-head">
        {all.length > 12 ? <SearchInput aria-label={treeWords.find} placeholder={treeWords.find} value={text} onChange={(_, next) => setText(next)} onClear={() => setText("")} /> : <strong>{treeWords.title}</strong>}
        <Button variant="plain" aria-label={treeWords.hide} icon={<TimesIcon />} onClick={onClose} />
      </div>
      {window === undefined ? (
        <Waiting />
      ) : (
        <TreeView
          aria-label={treeWords.title}
          data={[root]}
          activeItems={active === undefined ? [] : [active]}
          onSelect={(_, { id }) => onChoose(all.find((host) => host.id === id))}
        />
      )}
      {hosts.length > SHOWN && <p className="hostler-hint">{treeWords.more(hosts.length - SHOWN)}</p>}
    </aside>
  );
}

function Node({ health, title, note, troubles = 0 }: { health: Health; title: string; note: string; troubles?: number }) {
  return (
    <span className="hostler-node">
      {icons[health]}
      <span className="pf-v6-screen-reader">{treeWords.health[health]}</span>
      <span className="hostler-node-name">{title}</span>
      {troubles > 0 && <Badge screenReaderText={treeWords.troubles}>{troubles}</Badge>}
      <span className="hostler-hint">{note}</span>
    </span>
  );
}
