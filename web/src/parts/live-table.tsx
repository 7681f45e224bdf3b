import { Bullseye, Button, Checkbox, EmptyState, EmptyStateActions, EmptyStateBody, Pagination, Skeleton } from "@patternfly/react-core";
import { AngleDownIcon } from "@patternfly/react-icons/dist/esm/icons/angle-down-icon";
import { AngleRightIcon } from "@patternfly/react-icons/dist/esm/icons/angle-right-icon";
import { Table, Tbody, Td, Th, Thead, Tr } from "@patternfly/react-table";
import { memo, useMemo, type KeyboardEvent, type ReactNode } from "react";
import type { WindowState } from "../api/hooks.ts";
import { idOf, type Window } from "../api/window.ts";
import { words } from "../words/en.ts";
import { useAfter } from "./after.ts";
import { ErrorBox } from "./error-box.tsx";
import { grouped, type Grouping, type Part } from "./grouping.ts";
import { countOf, isPicked, pickedOf, picking, selectionOf, type Selection } from "./selection.ts";
import type { Search, View } from "./view.ts";

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
  /** A number: stands at the right, digits below each other. */
  isNumber?: boolean;
}

/** The columns that a view shows, as its address has them. */
export function shownColumns<T>(columns: Column<T>[], written: Search["columns"]): Column<T>[] {
  const asked = written?.split(",");
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

const cellClass = <T,>(column: Column<T>, isFirst: boolean): { className?: string } =>
  isFirst ? { className: "hostler-name" } : column.isNumber === true ? { className: "hostler-number" } : {};

/** As many rows as a usual screen holds. */
const ABOVE_FOLD = 20;

interface Props<T extends { id: string | number }> {
  label: string;
  columns: Column<T>[];
  state: WindowState<T>;
  view: View;
  nameOf: (row: T) => string;
  /** Shown where there is nothing, and no filter hides it. */
  empty: ReactNode;
  actions?: (row: T) => ReactNode;
  /** What can be done to the selected rows; with it rows can be selected. */
  bulk?: (selection: Selection, total: number) => ReactNode;
  hasDrawer?: boolean;
  groups?: Grouping<T>[];
}

/** A list that stays as things are: a page of a window, marked where it changes. */
export function LiveTable<T extends { id: string | number }>(props: Props<T>) {
  const { columns, state, view, bulk } = props;
  const { window, error } = state;
  const shown = useMemo(() => shownColumns(columns, view.search.columns), [columns, view.search.columns]);
  if (error !== undefined) return <ErrorBox refusal={error} />;
  if (window === undefined) return <WaitingTable heads={shown.map((column) => column.title)} />;
  if (window.total === 0) return (view.search.filter ?? "") === "" ? props.empty : <NothingMatches view={view} />;
  if (window.rows.length === 0 && view.page > 1) return <BehindTheEnd view={view} />;
  const selection = selectionOf(view.search.picked);
  return (
    <>
      {bulk !== undefined && <SelectedBar selection={selection} window={window} view={view} actions={bulk(selection, window.total)} />}
      <Rows {...props} window={window} shown={shown} selection={selection} />
      <Pages view={view} total={window.total} />
    </>
  );
}

function Rows<T extends { id: string | number }>(props: Props<T> & { window: Window<T>; shown: Column<T>[]; selection: Selection }) {
  const { label, state, view, actions, bulk, nameOf, hasDrawer = false, groups = [], window, shown, selection } = props;
  const sorted = sortOf(view.sort);
  const ids = window.rows.map(idOf);
  // What is above the fold comes first: nobody waits for rows that are not seen yet.
  const drawn = useAfter(true) ? window.rows : window.rows.slice(0, ABOVE_FOLD);
  const pickedHere = ids.filter((id) => isPicked(selection, id)).length;
  const grouping = groups.find(({ field }) => field === view.search.group);
  const width = shown.length + (bulk === undefined ? 0 : 1) + (actions === undefined ? 0 : 1);
  const row = (one: T): ReactNode => {
    const id = idOf(one);
    return (
      <LiveRow
        key={id}
        row={one}
        columns={shown}
        changes={window.changes.get(id)}
        set={view.set}
        nameOf={nameOf}
        actions={actions}
        isPicked={bulk === undefined ? undefined : isPicked(selection, id)}
        isShown={hasDrawer ? view.search.show === id : undefined}
      />
    );
  };
  return (
    <div className="hostler-scroll">
      <Table aria-label={label} variant="compact" className={state.stale ? "hostler-stale" : ""}>
        <Thead>
          <Tr>
            {bulk !== undefined && (
              <Th aria-label={words.table.selectColumn} className="hostler-pick">
                <Checkbox
                  id="select-all"
                  aria-label={words.table.selectAll}
                  isChecked={pickedHere === ids.length ? true : pickedHere === 0 ? false : null}
                  onChange={() => view.set({ picked: pickedOf(picking(selection, ids, pickedHere < ids.length)) })}
                />
              </Th>
            )}
            {shown.map((column, index) => (
              <Th
                key={column.key}
                modifier="nowrap"
                {...cellClass(column, false)}
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
            {actions !== undefined && <Th screenReaderText={words.table.actions} />}
          </Tr>
        </Thead>
        <Tbody>
          {grouping === undefined
            ? drawn.map(row)
            : grouped(drawn, grouping).map((part) => (
                <Group key={part.key} part={part} grouping={grouping} view={view} counts={window.counts} width={width}>
                  {part.rows.map(row)}
                </Group>
              ))}
        </Tbody>
      </Table>
    </div>
  );
}

/** Rows that have something in common, below what that is. */
function Group<T>({ part, grouping, view, counts, width, children }: { part: Part<T>; grouping: Grouping<T>; view: View; counts: Record<string, number>; width: number; children: ReactNode }) {
  const folded = view.search.folded?.split("|") ?? [];
  const isFolded = folded.includes(part.key);
  const toggle = (): void => view.set({ folded: (isFolded ? folded.filter((key) => key !== part.key) : [...folded, part.key]).join("|") });
  // The server counts by status; of other groups it is known how many are on this page.
  const count = grouping.isCounted === true ? counts[part.key] : undefined;
  return (
    <>
      <Tr className="hostler-group">
        <Td colSpan={width}>
          <Button variant="plain" size="sm" aria-expanded={!isFolded} icon={isFolded ? <AngleRightIcon /> : <AngleDownIcon />} onClick={toggle}>
            <span className="hostler-group-title">{part.key === "" ? grouping.none : grouping.title(part.rows[0] as T)}</span>{" "}
            <span className="hostler-hint">{count === undefined ? words.table.here(part.rows.length) : count.toLocaleString()}</span>
          </Button>
        </Td>
      </Tr>
      {!isFolded && children}
    </>
  );
}

interface RowProps<T extends { id: string | number }> {
  row: T;
  columns: Column<T>[];
  /** How often it changed while it was looked at. */
  changes: number | undefined;
  set: View["set"];
  nameOf: (row: T) => string;
  actions: ((row: T) => ReactNode) | undefined;
  /** Undefined where rows cannot be selected. */
  isPicked: boolean | undefined;
  /** Whether its details stand beside the list; undefined where there are none. */
  isShown: boolean | undefined;
}

function Row<T extends { id: string | number }>({ row, columns, changes, set, nameOf, actions, isPicked: picked, isShown }: RowProps<T>) {
  const id = idOf(row);
  return (
    <Tr
      className={rowClass(changes)}
      {...(isShown === undefined
        ? {}
        : {
            isClickable: true,
            isRowSelected: isShown,
            onRowClick: () => set(({ show }) => ({ show: show === id ? undefined : id })),
          })}
    >
      {picked !== undefined && (
        <Td className="hostler-pick" onClick={(event) => event.stopPropagation()} onKeyDown={keepFromRow}>
          <Checkbox
            id={`select-${id}`}
            aria-label={words.table.select(nameOf(row))}
            isChecked={picked}
            onChange={(_, isOn) => set((before) => ({ picked: pickedOf(picking(selectionOf(before.picked), [id], isOn)) }))}
          />
        </Td>
      )}
      {columns.map((column) => (
        <Td key={column.key} dataLabel={column.title} {...cellClass(column, column === columns[0])}>
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
}

/** A row that is drawn anew only when it is another one, or something of it has changed. */
const LiveRow = memo(Row) as typeof Row;

/** How many are selected, on whatever page, and what can be done to them. */
function SelectedBar({ selection, window, view, actions }: { selection: Selection; window: { total: number }; view: View; actions: ReactNode }) {
  const count = countOf(selection, window.total);
  if (count === 0) return null;
  return (
    <div className="hostler-picked" role="group" aria-label={words.table.selectColumn}>
      <strong role="status">{words.table.selected(count)}</strong>
      {actions}
      {count < window.total && <Button variant="link" isInline onClick={() => view.set({ picked: "*" })}>{words.table.selectEach(window.total)}</Button>}
      <Button variant="link" isInline onClick={() => view.set({ picked: undefined })}>{words.table.selectNone}</Button>
    </div>
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

/** How many lines stand in for those that are being read. */
const WAITING_ROWS = 8;

/** The table as it will be, with nothing in it yet. */
function WaitingTable({ heads }: { heads: string[] }) {
  return (
    <div className="hostler-scroll" aria-busy="true">
      <Table aria-label={words.table.loading} variant="compact">
        <Thead>
          <Tr>
            {heads.map((head) => (
              <Th key={head} modifier="nowrap">{head}</Th>
            ))}
          </Tr>
        </Thead>
        <Tbody>
          {Array.from({ length: WAITING_ROWS }, (_, index) => (
            <Tr key={index}>
              {heads.map((head, at) => (
                <Td key={head} dataLabel={head}>
                  <Skeleton width={`${50 + ((index * 3 + at * 5) % 4) * 12}%`} {...(index === 0 && at === 0 ? { screenreaderText: words.table.loading } : {})} />
                </Td>
              ))}
            </Tr>
          ))}
        </Tbody>
      </Table>
    </div>
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

/** The list became shorter than the page that the address asks for. */
function BehindTheEnd({ view }: { view: View }) {
  return (
    <Nothing title={words.table.behind} body={words.table.behindBody}>
      <Button variant="link" onClick={() => view.set({ page: undefined })}>{words.table.firstPage}</Button>
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
