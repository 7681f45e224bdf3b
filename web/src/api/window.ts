/** What the server says of a window: at first whole, then what changed. */
export interface WindowEvent<T> {
  rev: number;
  total: number;
  counts?: Record<string, number>;
  order?: string[];
  put?: T[];
}

/** A part of a list as it stands now. */
export interface Window<T> {
  rev: number;
  total: number;
  counts: Record<string, number>;
  rows: T[];
  /** How often each row changed while it was looked at: what changed is marked by it. */
  changes: ReadonlyMap<string, number>;
}

/** Ids in JSON are texts, a job's a number: one spelling for both. */
export const idOf = (thing: { id: string | number }): string => String(thing.id);

/** Figures that are others at every look: how loaded something is, when it was last heard of. They are no news. */
const figures = new Set(["load", "clock_ahead_ms", "last_contact", "cpu_percent", "disk_used_mib", "disk_total_mib", "loads_known"]);

/** What of a row is news when it is another. */
const steady = (row: object): string => JSON.stringify(row, (key, value: unknown) => (figures.has(key) ? undefined : value));

/** The window after an event. What is not as it was is marked, also when the whole window comes again. */
export function after<T extends { id: string | number }>(
  before: Window<T> | undefined,
  event: WindowEvent<T>,
): Window<T> {
  const known = new Map((before?.rows ?? []).map((row) => [idOf(row), row]));
  const changes = new Map(before?.changes);
  for (const row of event.put ?? []) {
    const id = idOf(row);
    const was = known.get(id);
    const isNews = before !== undefined && (was === undefined || steady(was) !== steady(row));
    if (isNews) changes.set(id, (changes.get(id) ?? 0) + 1);
    known.set(id, row);
  }
  const order = event.order?.map(String) ?? (before?.rows ?? []).map(idOf);
  const rows = order.flatMap((id) => {
    const row = known.get(id);
    return row === undefined ? [] : [row];
  });
  const shown = new Set(order);
  for (const id of changes.keys()) if (!shown.has(id)) changes.delete(id);
  return { rev: event.rev, total: event.total, counts: event.counts ?? before?.counts ?? {}, rows, changes };
}
