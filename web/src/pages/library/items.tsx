import { Label } from "@patternfly/react-core";
import { EllipsisVIcon } from "@patternfly/react-icons/dist/esm/icons/ellipsis-v-icon";
import { useState } from "react";
import { useGet, useMayChange, useWindow } from "../../api/hooks.ts";
import type { ItemView, ShareView } from "../../api/types.ts";
import { CreateTemplateForm } from "../../forms/template.tsx";
import { Facts } from "../../parts/facts.tsx";
import { FilterBar } from "../../parts/filter-bar.tsx";
import { LiveTable, Nothing, type Column } from "../../parts/live-table.tsx";
import { Menu } from "../../parts/menu.tsx";
import { bytes } from "../../parts/quantities.ts";
import { Split } from "../../parts/split.tsx";
import { Time } from "../../parts/time.tsx";
import { useView } from "../../parts/view.ts";
import { words } from "../../words/en.ts";
import { libraryWords } from "../../words/hosts.ts";

const names = libraryWords.items;

function ShareName({ id }: { id: string }) {
  const { data } = useGet<ShareView>(`/library-shares/${id}`);
  return data?.name ?? id;
}

function ItemState({ item }: { item: ItemView }) {
  if (typeof item.missing_since === "string") return <Label isCompact variant="outline" status="danger">{names.missing}</Label>;
  const { problem } = item.seen;
  if (problem !== undefined && problem !== null) return <Label isCompact variant="outline" status="danger">{problem.cause}</Label>;
  return <Label isCompact variant="outline" status="success">{names.usable}</Label>;
}

const isUsable = (item: ItemView): boolean => typeof item.missing_since !== "string" && (item.seen.problem ?? null) === null;

const columns: Column<ItemView>[] = [
  { key: "name", title: names.columns.name, sort: "name", cell: (item) => item.name, text: (item) => item.name },
  { key: "kind", title: names.columns.kind, sort: "kind", cell: (item) => names.kinds[item.seen.kind], text: (item) => item.seen.kind },
  { key: "size", title: names.columns.size, cell: (item) => bytes(item.seen.size_bytes), text: (item) => String(item.seen.size_bytes) },
  {
    key: "guest",
    title: names.columns.guest,
    cell: (item) => (item.seen.image === undefined || item.seen.image === null ? "" : bytes(item.seen.image.virtual_size_bytes)),
    text: (item) => String(item.seen.image?.virtual_size_bytes ?? ""),
  },
  { key: "state", title: names.columns.state, cell: (item) => <ItemState item={item} />, text: (item) => (isUsable(item) ? names.usable : names.missing) },
  { key: "share", title: names.columns.share, cell: (item) => <ShareName id={item.share} />, text: (item) => item.share },
  { key: "path", title: names.columns.path, cell: (item) => <span className="hostler-value">{item.seen.path}</span>, text: (item) => item.seen.path },
  { key: "modified", title: names.columns.modified, isExtra: true, cell: (item) => <Time at={item.seen.modified} />, text: (item) => item.seen.modified },
];

export function Items() {
  const view = useView("name");
  const state = useWindow("library-items", view.query);
  const mayChange = useMayChange();
  const [template, setTemplate] = useState<ItemView | undefined>();
  const shown = state.window?.rows.find((item) => item.id === view.search.show);
  const menu = (item: ItemView) => (
    <Menu
      label={words.table.actionsOf(item.name)}
      variant="plain"
      toggle={<EllipsisVIcon />}
      choices={[
        {
          key: "template",
          label: names.template,
          reason: item.seen.kind === "disk" && isUsable(item) ? undefined : names.notDisk,
          onChoose: () => setTemplate(item),
        },
      ]}
    />
  );
  return (
    <Split
      title={shown?.name}
      details={shown !== undefined ? <Facts narrow facts={columns.map((column) => [column.title, column.cell(shown)])} /> : undefined}
      onClose={() => view.set({ show: undefined })}
    >
      <FilterBar noun="library-items" view={view} columns={columns} facets={[{ field: "kind", title: names.columns.kind, values: Object.entries(names.kinds).map(([value, title]) => ({ value, title })) }]} />
      <LiveTable<ItemView>
        label={libraryWords.tabs.items}
        columns={columns}
        state={state}
        view={view}
        nameOf={(item) => item.name}
        hasDrawer
        {...(mayChange ? { actions: menu } : {})}
        empty={<Nothing title={names.empty} body={names.emptyBody} />}
      />
      {template !== undefined && <CreateTemplateForm disk={template.id} onClose={() => setTemplate(undefined)} />}
    </Split>
  );
}
