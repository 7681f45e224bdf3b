import { Button, Form, FormGroup, SearchInput, TextInput, Toolbar, ToolbarContent, ToolbarFilter, ToolbarGroup, ToolbarItem } from "@patternfly/react-core";
import { useEffect, useState, type ReactNode } from "react";
import { contained, containing, valuesOf, withTerm } from "../api/filter.ts";
import type { Noun, Nouns } from "../api/types.ts";
import { words } from "../words/en.ts";
import { csv, download, readAll } from "./export.ts";
import type { Column } from "./live-table.tsx";
import { Menu } from "./menu.tsx";
import { SavedViews } from "./saved-views.tsx";
import type { View } from "./view.ts";

/** A field whose values are chosen from a list, each with how many there are. */
export interface Facet {
  field: string;
  title: string;
  values: { value: string; title: string }[];
  counts?: Record<string, number>;
}

interface Props<N extends Noun> {
  noun: N;
  view: View;
  columns: Column<Nouns[N]>[];
  facets?: Facet[];
  /** The field that the search box looks in. */
  textField?: string;
  /** Buttons of this list, at the end. */
  children?: ReactNode;
}

/** Filter, columns, export and the list's own buttons. All of it is in the address. */
export function FilterBar<N extends Noun>({ noun, view, columns, facets = [], textField = "name", children }: Props<N>) {
  const filter = view.search.filter ?? "";
  const setFilter = (next: string): void => view.set({ filter: next, page: undefined });
  const text = contained(valuesOf(filter, textField, "~")[0] ?? "");
  const exported = async (as: "csv" | "json"): Promise<void> => {
    const rows = await readAll(noun, view.query);
    if (as === "json") download(`${noun}.json`, "application/json", JSON.stringify(rows, null, 2));
    else download(`${noun}.csv`, "text/csv", csv(columns.map((column) => column.title), rows.map((row) => columns.map((column) => column.text(row)))));
  };
  return (
    <Toolbar clearAllFilters={() => setFilter("")} clearFiltersButtonText={words.table.clear} inset={{ default: "insetNone" }}>
      <ToolbarContent>
        <ToolbarGroup variant="filter-group">
          <ToolbarItem>
            <TextFilter text={text} onChange={(next) => setFilter(withTerm(filter, { field: textField, op: "~", values: next === "" ? [] : [containing(next)] }))} />
          </ToolbarItem>
          {facets.map((facet) => (
            <FacetFilter key={facet.field} facet={facet} filter={filter} onChange={setFilter} />
          ))}
        </ToolbarGroup>
        <ToolbarGroup align={{ default: "alignStart", md: "alignEnd" }}>
          <ToolbarItem>
            <ExpertFilter key={filter} filter={filter} onApply={setFilter} />
          </ToolbarItem>
          <ToolbarItem>
            <SavedViews noun={noun} view={view} />
          </ToolbarItem>
          <ToolbarItem>
            <ColumnMenu columns={columns} view={view} />
          </ToolbarItem>
          <ToolbarItem>
            <Menu
              label={words.table.exportMenu}
              toggle={words.table.exportMenu}
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
  );
}

/** Shorter asks the server at each key, longer makes people wait for what they typed. */
const TYPING_MS = 150;

/** What is typed is there at once, and becomes the filter when it has stood still for a moment. */
function TextFilter({ text, onChange }: { text: string; onChange: (text: string) => void }) {
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
    <SearchInput aria-label={words.table.search} placeholder={words.table.search} value={typed} onChange={(_, next) => setTyped(next)} onClear={() => setTyped("")} />
  );
}

function FacetFilter({ facet, filter, onChange }: { facet: Facet; filter: string; onChange: (filter: string) => void }) {
  const chosen = valuesOf(filter, facet.field);
  const choose = (values: string[]): void => onChange(withTerm(filter, { field: facet.field, op: "=", values }));
  const titleOf = (value: string): string => facet.values.find((one) => one.value === value)?.title ?? value;
  return (
    <ToolbarFilter
      categoryName={facet.title}
      labels={chosen.map((value) => ({ key: value, node: titleOf(value) }))}
      deleteLabel={(_, label) => choose(chosen.filter((value) => value !== (typeof label === "string" ? label : label.key)))}
      deleteLabelGroup={() => choose([])}
    >
      <Menu
        label={facet.title}
        toggle={facet.title}
        stays
        choices={facet.values.map(({ value, title }) => ({
          key: value,
          label: facet.counts === undefined ? title : `${title} (${facet.counts[value] ?? 0})`,
          isSelected: chosen.includes(value),
          onChoose: () => choose(chosen.includes(value) ? chosen.filter((one) => one !== value) : [...chosen, value]),
        }))}
      />
    </ToolbarFilter>
  );
}

function ColumnMenu<T>({ columns, view }: { columns: Column<T>[]; view: View }) {
  const usual = columns.filter((column) => column.isExtra !== true).map((column) => column.key);
  const shown = view.search.columns?.split(",") ?? usual;
  return (
    <Menu
      label={words.table.columns}
      toggle={words.table.columns}
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
  const [open, setOpen] = useState(false);
  const [text, setText] = useState(filter);
  if (!open) {
    return <Button variant="link" onClick={() => setOpen(true)}>{words.table.expert}</Button>;
  }
  return (
    <Form
      onSubmit={(event) => {
        event.preventDefault();
        onApply(text);
      }}
    >
      <FormGroup fieldId="expert-filter-text">
        <div className="hostler-row">
          <TextInput id="expert-filter-text" aria-label={words.table.expert} placeholder={words.table.expertHint} value={text} onChange={(_, next) => setText(next)} />
          <Button type="submit" variant="secondary">{words.table.apply}</Button>
        </div>
      </FormGroup>
    </Form>
  );
}
