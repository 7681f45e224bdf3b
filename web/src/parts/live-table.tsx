import { Bullseye, Checkbox, EmptyState, EmptyStateActions, EmptyStateBody, Button, Pagination, Skeleton } from "@patternfly/react-core";
import { Table, Tbody, Td, Th, Thead, Tr } from "@patternfly/react-table";
import type { KeyboardEvent, ReactNode } from "react";
import type { WindowState } from "../api/hooks.ts";
import { idOf } from "../api/window.ts";
import { words } from "../words/en.ts";
import { ErrorBox } from "./error-box.tsx";
import type { View } from "./view.ts";

export interface Column<T> {
  key: string;
  title: string;
  cell: (row: T) => ReactNode;
  /** The same as text, for export. */
  text: (row: T) => string;
  /** The field it is sorted by, where it can be. */
  sort?: string;
  /** Not shown until somebody asks for it. */
  isExtra?: boolean;
}

/** The columns that a view shows. */
export function shownColumns<T>(columns: Column<T>[], view: View): Column<T>[] {
  const asked = view.search.columns?.split(",");
  return columns.filter((column) => (asked === undefined ? column.isExtra !== true : asked.includes(column.key)));
}

/** The sort of a view as a field and its direction. */
function sortOf(sort: string): { field: string; direction: "asc" | "desc" } {
  const [first = ""] = sort.split(",");
  return first.startsWith("-") ? { field: first.slice(1), direction: "desc" } : { field: first, direction: "asc" };
}

function rowClass(changes: number | undefined): string {
  // Two names, so that a second change starts the mark anew.
  return changes === undefined ? "" : `hostler-changed-${changes % 2}`;
}

/** Keys that a row would take for itself; all others go their way (Escape to a menu, Ctrl K to the palette). */
function keepFromRow(event: KeyboardEvent): void {
  if (event.key === "Enter" || event.key === " ") event.stopPropagation();
}

interface Props<T extends { id: string | number }> {
  label: string;
  columns: Column<T>[];
  state: WindowState<T>;
  view: View;
  nameOf: (row: T) => string;
  /** Shown where there is nothing, and no filter hides it. */
  empty: ReactNode;
  actions?: (row: T) => ReactNode;
  isSelectable?: boolean;
  hasDrawer?: boolean;
}

/** A list that stays as things are: a page of a window, marked where it changes. */
export function LiveTable<T extends { id: string | number }>(props: Props<T>) {
  const { label, columns, state, view, nameOf, actions, isSelectable = false, hasDrawer = false } = props;
  const { window, error } = state;
  if (error !== undefined) return <ErrorBox refusal={error} />;
  if (window === undefined) return <Waiting />;
  if (window.total === 0) return (view.search.filter ?? "") === "" ? props.empty : <NothingMatches view={view} />;
  const shown = shownColumns(columns, view);
  const sorted = sortOf(view.query.sort ?? "");
  const ids = window.rows.map(idOf);
  const pickedHere = ids.filter((id) => view.picked.includes(id));
  const pick = (next: string[]): void => view.set({ picked: next.join(",") });
  return (
    <>
      <div className="hostler-scroll">
      <Table aria-label={label} variant="compact" className={state.stale ? "hostler-stale" : ""}>
        <Thead>
          <Tr>
            {isSelectable && (
              <Th aria-label={words.table.selectColumn}>
                <Checkbox
                  id="select-all"
                  aria-label={words.table.selectAll}
                  isChecked={pickedHere.length === ids.length}
                  onChange={(_, isOn) => pick(isOn ? [...new Set([...view.picked, ...ids])] : view.picked.filter((id) => !ids.includes(id)))}
                />
              </Th>
            )}
            {shown.map((column, index) => (
              <Th
                key={column.key}
                modifier="nowrap"
                {...(column.sort === undefined
                  ? {}
                  : {
                      sort: {
                        columnIndex: index,
                        sortBy: sorted.field === column.sort ? { index, direction: sorted.direction } : {},
                        onSort: (_event: unknown, _index: number, direction: string) =>
                          view.set({ sort: `${direction === "desc" ? "-" : ""}${column.sort ?? ""}`, page: undefined }),
                      },
                    })}
              >
                {column.title}
              </Th>
            ))}
            {actions !== undefined && <Th screenReaderText={words.table.actionsOf("")} />}
          </Tr>
        </Thead>
        <Tbody>
          {window.rows.map((row) => {
            const id = idOf(row);
            const name = nameOf(row);
            return (
              <Tr
                key={id}
                className={rowClass(window.changes.get(id))}
                {...(hasDrawer
                  ? {
                      isClickable: true,
                      isRowSelected: view.search.show === id,
                      onRowClick: () => view.set({ show: view.search.show === id ? undefined : id }),
                    }
                  : {})}
              >
                {isSelectable && (
                  <Td onClick={(event) => event.stopPropagation()} onKeyDown={keepFromRow}>
                    <Checkbox
                      id={`select-${id}`}
                      aria-label={words.table.select(name)}
                      isChecked={view.picked.includes(id)}
                      onChange={(_, isOn) => pick(isOn ? [...view.picked, id] : view.picked.filter((one) => one !== id))}
                    />
                  </Td>
                )}
                {shown.map((column) => (
                  <Td key={column.key} dataLabel={column.title} {...(column === shown[0] ? { className: "hostler-name" } : {})}>
                    {column.cell(row)}
                  </Td>
                ))}
                {actions !== undefined && (
                  <Td isActionCell onClick={(event) => event.stopPropagation()} onKeyDown={keepFromRow}>
                    {actions(row)}
                  </Td>
                )}
              </Tr>
            );
          })}
        </Tbody>
      </Table>
      </div>
      <Pages view={view} total={window.total} />
    </>
  );
}

function Pages({ view, total }: { view: View; total: number }) {
  if (total <= view.per && view.page === 1) return <p className="hostler-count" role="status">{words.table.rows(total)}</p>;
  return (
    <Pagination
      itemCount={total}
      page={view.page}
      perPage={view.per}
      variant="bottom"
      isCompact
      onSetPage={(_, page) => view.set({ page: page === 1 ? undefined : String(page) })}
      onPerPageSelect={(_, per) => view.set({ per: String(per), page: undefined })}
      perPageOptions={[20, 50, 100, 200].map((value) => ({ title: String(value), value }))}
      titles={{ paginationAriaLabel: words.table.page }}
    />
  );
}

export function Waiting() {
  return (
    <div className="hostler-waiting" aria-busy="true">
      {[40, 70, 55, 60].map((width) => (
        <Skeleton key={width} width={`${width}%`} screenreaderText={words.table.loading} />
      ))}
    </div>
  );
}

function NothingMatches({ view }: { view: View }) {
  return (
    <Nothing title={words.table.none} body={words.table.noneBody}>
      <Button variant="link" onClick={() => view.set({ filter: undefined, page: undefined })}>
        {words.table.clear}
      </Button>
    </Nothing>
  );
}

/** What an empty list says: that there is nothing, and what to do next. */
export function Nothing({ title, body, children }: { title: string; body: ReactNode; children?: ReactNode }) {
  return (
    <Bullseye>
      <EmptyState titleText={title} headingLevel="h2" variant="sm">
        <EmptyStateBody>{body}</EmptyStateBody>
        {children !== undefined && <EmptyStateActions>{children}</EmptyStateActions>}
      </EmptyState>
    </Bullseye>
  );
}
