import { Alert, Button, Form, SearchInput, TextInput, Toolbar, ToolbarContent, ToolbarGroup, ToolbarItem, Tooltip } from "@patternfly/react-core";
import { BookmarkIcon } from "@patternfly/react-icons/dist/esm/icons/bookmark-icon";
import { CodeIcon } from "@patternfly/react-icons/dist/esm/icons/code-icon";
import { ColumnsIcon } from "@patternfly/react-icons/dist/esm/icons/columns-icon";
import { DownloadIcon } from "@patternfly/react-icons/dist/esm/icons/download-icon";
import { ObjectGroupIcon } from "@patternfly/react-icons/dist/esm/icons/object-group-icon";
import { useEffect, useState, type ReactNode } from "react";
import { contained, containing, valuesOf, withTerm, type Term } from "../api/filter.ts";
import { refusalOf, type Refusal } from "../api/refusal.ts";
import type { Noun, Nouns } from "../api/types.ts";
import { words } from "../words/en.ts";
import { ErrorBox } from "./error-box.tsx";
import { csv, download, readAll } from "./export.ts";
import { FilterChips } from "./filter-chips.tsx";
import type { Grouping } from "./grouping.ts";
import { shownColumns, type Column } from "./live-table.tsx";
import { Menu } from "./menu.tsx";
import { SavedViews } from "./saved-views.tsx";
import type { View } from "./view.ts";

/** A field whose values are chosen from a list, each with how many there are. */
export interface Facet {
  field: string;
  title: string;
  values: { value: string; title: string }[];
  counts?: Record<string, number>;
  /** Another sign than "is": then one value is chosen, and not several. */
  op?: Exclude<Term["op"], "=">;
}

interface Props<N extends Noun> {
  noun: N;
  view: View;
  columns: Column<Nouns[N]>[];
  facets?: Facet[];
  groups?: Grouping<Nouns[N]>[];
  /** The field that the search box looks in. */
  textField?: string;
  /** Buttons of this list, at the end. */
  children?: ReactNode;
}

/** Filter, groups, columns, saved views, export and the list's own buttons. All of it is in the address. */
export function FilterBar<N extends Noun>({ noun, view, columns, facets = [], groups = [], textField = "name", children }: Props<N>) {
  const [isExpert, setExpert] = useState(false);
  const [refusal, setRefusal] = useState<Refusal | undefined>();
  const filter = view.search.filter ?? "";
  const setFilter = (next: string): void => view.set({ filter: next, page: undefined, picked: undefined });
  const text = contained(valuesOf(filter, textField, "~")[0] ?? "");
  const exported = async (as: "csv" | "json"): Promise<void> => {
    setRefusal(undefined);
    try {
      const rows = await readAll(noun, view.query);
      const shown = shownColumns(columns, view.search.columns);
      if (as === "json") download(`${noun}.json`, "application/json", JSON.stringify(rows, null, 2));
      else download(`${noun}.csv`, "text/csv", csv(shown.map((column) => column.title), rows.map((row) => shown.map((column) => column.text(row)))));
    } catch (thrown) {
      setRefusal(refusalOf(thrown));
    }
  };
  return (
    <>
      <Toolbar inset={{ default: "insetNone" }} className="hostler-toolbar">
        <ToolbarContent>
          <ToolbarGroup variant="filter-group">
            <ToolbarItem>
              <TextFilter label={textField === "name" ? words.table.search : words.table.searchTitle} text={text} onChange={(next) => setFilter(withTerm(filter, { field: textField, op: "~", values: next === "" ? [] : [containing(next)] }))} />
            </ToolbarItem>
            {facets.map((facet) => (
              <ToolbarItem key={facet.field}>
                <FacetMenu facet={facet} filter={filter} onChange={setFilter} />
              </ToolbarItem>
            ))}
          </ToolbarGroup>
          <ToolbarGroup align={{ default: "alignStart", lg: "alignEnd" }} gap={{ default: "gapXs" }}>
            <ToolbarItem>
              <Tooltip content={words.table.expert}>
                <Button variant="plain" aria-label={words.table.expert} aria-expanded={isExpert} icon={<CodeIcon />} onClick={() => setExpert(!isExpert)} />
              </Tooltip>
            </ToolbarItem>
            {groups.length > 0 && (
              <ToolbarItem>
                <GroupMenu groups={groups} view={view} />
              </ToolbarItem>
            )}
            <ToolbarItem>
              <ColumnMenu columns={columns} view={view} />
            </ToolbarItem>
            <ToolbarItem>
              <SavedViews noun={noun} view={view} icon={<BookmarkIcon />} />
            </ToolbarItem>
            <ToolbarItem>
              <Menu
                label={words.table.exportMenu}
                variant="plain"
                toggle={<DownloadIcon />}
                choices={[
                  { key: "csv", label: words.table.csv, onChoose: () => void exported("csv") },
                  { key: "json", label: words.table.json, onChoose: () => void exported("json") },
                ]}
              />
            </ToolbarItem>
            {children}
          </ToolbarGroup>
        </ToolbarContent>
      </Toolbar>
      {isExpert && <ExpertFilter key={filter} filter={filter} onApply={setFilter} />}
      <FilterChips filter={filter} facets={facets} textField={textField} onChange={setFilter} />
      {refusal !== undefined && <ErrorBox refusal={refusal} />}
    </>
  );
}

/** Shorter asks the server at each key, longer makes people wait for what they typed. */
const TYPING_MS = 150;

/** What is typed is there at once, and becomes the filter when it has stood still for a moment. */
function TextFilter({ label, text, onChange }: { label: string; text: string; onChange: (text: string) => void }) {
  const [typed, setTyped] = useState(text);
  const [known, setKnown] = useState(text);
  const [sent, setSent] = useState(text);
  // Changed from elsewhere (a saved view, the way back): that is shown. Our own coming back must not undo later keys.
  if (text !== known) {
    setKnown(text);
    if (text !== sent) {
      setTyped(text);
      setSent(text);
    }
  }
  useEffect(() => {
    if (typed === text) return undefined;
    const timer = setTimeout(() => {
      setSent(typed);
      onChange(typed);
    }, TYPING_MS);
    return () => clearTimeout(timer);
  }, [typed, text, onChange]);
  return (
    <SearchInput aria-label={label} placeholder={label} value={typed} onChange={(_, next) => setTyped(next)} onClear={() => setTyped("")} />
  );
}

function FacetMenu({ facet, filter, onChange }: { facet: Facet; filter: string; onChange: (filter: string) => void }) {
  const { field, title, op = "=" } = facet;
  const chosen = valuesOf(filter, field, op);
  const choose = (values: string[]): void => onChange(withTerm(filter, { field, op, values }));
  const isOne = op !== "=";
  return (
    <Menu
      label={title}
      toggle={title}
      stays={!isOne}
      choices={facet.values.map(({ value, title: name }) => ({
        key: value,
        label: facet.counts === undefined ? name : `${name} (${(facet.counts[value] ?? 0).toLocaleString()})`,
        isSelected: chosen.includes(value),
        onChoose: () => choose(chosen.includes(value) ? chosen.filter((one) => one !== value) : isOne ? [value] : [...chosen, value]),
      }))}
    />
  );
}

function GroupMenu<T>({ groups, view }: { groups: Grouping<T>[]; view: View }) {
  const chosen = groups.find(({ field }) => field === view.search.group);
  return (
    <Menu
      label={chosen === undefined ? words.table.groupBy : words.table.groupedBy(chosen.label)}
      variant="plain"
      toggle={<ObjectGroupIcon />}
      choices={[
        { key: "none", label: words.table.noGroups, isSelected: chosen === undefined, onChoose: () => view.set({ group: undefined, folded: undefined, page: undefined }) },
        ...groups.map(({ field, label }) => ({
          key: field,
          label,
          isSelected: chosen?.field === field,
          onChoose: () => view.set({ group: field, folded: undefined, page: undefined }),
        })),
      ]}
    />
  );
}

function ColumnMenu<T>({ columns, view }: { columns: Column<T>[]; view: View }) {
  const usual = columns.filter((column) => column.isExtra !== true).map((column) => column.key);
  const shown = view.search.columns?.split(",") ?? usual;
  return (
    <Menu
      label={words.table.columns}
      variant="plain"
      toggle={<ColumnsIcon />}
      stays
      choices={columns.map((column) => ({
        key: column.key,
        label: column.title,
        isSelected: shown.includes(column.key),
        onChoose: () => {
          const next = columns.map(({ key }) => key).filter((key) => (key === column.key ? !shown.includes(key) : shown.includes(key)));
          if (next.length > 0) view.set({ columns: next.join(",") === usual.join(",") ? undefined : next.join(",") });
        },
      }))}
    />
  );
}

/** The whole filter as the command line writes it, for what the bar has no button for. */
function ExpertFilter({ filter, onApply }: { filter: string; onApply: (filter: string) => void }) {
  const [text, setText] = useState(filter);
  return (
    <Form
      onSubmit={(event) => {
        event.preventDefault();
        onApply(text);
      }}
    >
      <div className="hostler-row hostler-expert">
        <TextInput autoFocus id="expert-filter-text" aria-label={words.table.expert} placeholder={words.table.expertHint} value={text} onChange={(_, next) => setText(next)} />
        <Button type="submit" variant="secondary">{words.table.apply}</Button>
      </div>
      <Alert isInline isPlain variant="info" title={words.table.expertHint} />
    </Form>
  );
}
