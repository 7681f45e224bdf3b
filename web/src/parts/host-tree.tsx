import { Badge, Button, Icon, SearchInput, TreeView, type TreeViewDataItem } from "@patternfly/react-core";
import { CheckCircleIcon } from "@patternfly/react-icons/dist/esm/icons/check-circle-icon";
import { ExclamationCircleIcon } from "@patternfly/react-icons/dist/esm/icons/exclamation-circle-icon";
import { ExclamationTriangleIcon } from "@patternfly/react-icons/dist/esm/icons/exclamation-triangle-icon";
import { MinusCircleIcon } from "@patternfly/react-icons/dist/esm/icons/minus-circle-icon";
import { TimesIcon } from "@patternfly/react-icons/dist/esm/icons/times-icon";
import { memo, useState, type ReactNode } from "react";
import { useWindow } from "../api/hooks.ts";
import type { HostView } from "../api/types.ts";
import { treeWords } from "../words/tree.ts";
import { useAfter } from "./after.ts";
import { sought, treeOf, type Branch, type Leaf } from "./branches.ts";
import { ErrorBox } from "./error-box.tsx";
import { Waiting } from "./live-table.tsx";
import { hostStatus, isWell, vmTroubles } from "./status-label.tsx";
import { healthOf, type Health } from "./tree-health.ts";
import type { View } from "./view.ts";
import { useIsWide } from "./wide.ts";

/** More in one tree is nothing to look through: the field above it finds. */
const SHOWN = 300;
/** From this width on there is room for a tree beside a list without anybody asking. */
const ROOM_PX = 1_400;

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

/** What was chosen: a host, a group of hosts, or neither, which is all of them. */
export interface Chosen {
  host?: HostView | undefined;
  group?: string | undefined;
}

/**
 * A list with the tree of hosts beside it, where there is room or somebody asked for it. The list comes first. `onChoose` may
 * be called when it is an old one: what it does follows from the address as it is then. `chosen` is a host, by id or name, or
 * the path of a group.
 */
export function WithTree({ view, isReady, chosen, onChoose, children }: { view: View; isReady: boolean; chosen: string | undefined; onChoose: (chosen: Chosen) => void; children: ReactNode }) {
  const isShown = useHasTree(view);
  const isAfter = useAfter(isReady);
  return (
    <div className={isShown ? "hostler-with-tree" : ""}>
      {isShown && <aside className="hostler-tree" aria-label={treeWords.title}>{isAfter ? <HostTree chosen={chosen} onChoose={onChoose} onClose={() => view.set({ tree: "off" })} /> : <Waiting />}</aside>}
      <div className="hostler-beside-tree">{children}</div>
    </div>
  );
}

export function TreeButton({ view }: { view: View }) {
  const isShown = useHasTree(view);
  return isShown ? null : <Button variant="link" isInline onClick={() => view.set({ tree: "on" })}>{treeWords.show}</Button>;
}

/** All hosts with their health in their groups, rolled up to the top, and how many machines of each are in trouble. */
function HostTree({ chosen, onChoose, onClose }: { chosen: string | undefined; onChoose: (chosen: Chosen) => void; onClose: () => void }) {
  const { window, error } = useWindow("hosts", { sort: "name", limit: 1000 });
  const groups = useWindow("host-groups", { sort: "path", limit: 1000 }).window?.rows ?? [];
  const troubled = useWindow("vms", { filter: `status=${vmTroubles.join("|")}`, limit: 1000 }).window?.rows ?? [];
  const [text, setText] = useState("");
  if (error !== undefined) return <ErrorBox refusal={error} />;
  const all = window?.rows ?? [];
  const troubles = new Map<string, number>();
  for (const vm of troubled) if (typeof vm.host === "string") troubles.set(vm.host, (troubles.get(vm.host) ?? 0) + 1);
  const leaves = all.map((host): Leaf => {
    const inTrouble = troubles.get(host.id) ?? 0;
    return { id: host.id, name: host.name, group: host.host_group, health: healthOf(hostStatus(host), isWell(host) ? inTrouble : 0), machines: host.machines, troubles: inTrouble };
  });
  const choose = (id: string | undefined): void => onChoose(id?.startsWith("/") === true ? { group: id === TOP ? undefined : id } : { host: all.find((host) => host.id === id) });
  return (
    <>
      <div className="hostler-tree-head">
        {all.length > 12 ? <SearchInput aria-label={treeWords.find} placeholder={treeWords.find} value={text} onChange={(_, next) => setText(next)} onClear={() => setText("")} /> : <strong>{treeWords.title}</strong>}
        <Button variant="plain" aria-label={treeWords.hide} icon={<TimesIcon />} onClick={onClose} />
      </div>
      {/* Loads change at every moment and are not in the tree: only what it shows draws it anew. */}
      {window === undefined ? <Waiting /> : <Leaves tree={JSON.stringify(treeOf(TOP, groups.map(({ path }) => path), leaves))} text={text} chosen={chosen} onChoose={choose} />}
    </>
  );
}

/** Where the group of all hosts stands. */
const TOP = "/All Hosts";

interface LeavesProps {
  /** As JSON: equal trees are equal texts. */
  tree: string;
  text: string;
  chosen: string | undefined;
  onChoose: (id: string | undefined) => void;
}

const Leaves = memo(
  function Leaves({ tree: written, text, chosen, onChoose }: LeavesProps) {
    const { tree, hidden } = sought(JSON.parse(written) as Branch, text, SHOWN);
    const nodes: TreeViewDataItem[] = [];
    const leaf = ({ id, name, health, machines, troubles }: Leaf): TreeViewDataItem => ({
      id,
      name: <Node health={health} title={name} note={machines.toLocaleString()} troubles={troubles} />,
      // Looked up below by what an address may say of it.
      title: name,
    });
    const branch = ({ path, name, groups, hosts, health, count }: Branch): TreeViewDataItem => {
      const children = [...groups.map(branch), ...hosts.map(leaf)];
      nodes.push(...children);
      return { id: path, name: <Node health={health} title={name} note={count.toLocaleString()} />, title: path, defaultExpanded: true, ...(children.length > 0 ? { children } : {}) };
    };
    const root = branch(tree);
    nodes.push(root);
    return (
      <>
        <TreeView
          aria-label={treeWords.title}
          data={[root]}
          hasSelectableNodes
          activeItems={nodes.filter(({ id, title }) => id === (chosen ?? TOP) || title === chosen)}
          onSelect={(_, { id }) => onChoose(id)}
        />
        {hidden > 0 && <p className="hostler-hint">{treeWords.more(hidden)}</p>}
      </>
    );
  },
  // What is chosen is looked up by its id: an older function finds the same.
  (before, now) => before.tree === now.tree && before.text === now.text && before.chosen === now.chosen,
);

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
