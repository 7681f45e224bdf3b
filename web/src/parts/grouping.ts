import type { ReactNode } from "react";

/** Something that rows of a list can have in common. */
export interface Grouping<T> {
  /** The field, as filters and sorts call it. */
  field: string;
  /** What it is called in the menu. */
  label: string;
  keyOf: (row: T) => string;
  /** What stands above a group, said of one of its rows. */
  title: (row: T) => ReactNode;
  /** What stands above those that have none. */
  none: string;
  /** Whether the server counts by it. */
  isCounted?: boolean;
}

export interface Part<T> {
  key: string;
  rows: T[];
}

/** Rows in the order they come, in groups: the server has sorted them by what they have in common. */
export function grouped<T>(rows: readonly T[], { keyOf }: Pick<Grouping<T>, "keyOf">): Part<T>[] {
  const parts = new Map<string, Part<T>>();
  for (const row of rows) {
    const key = keyOf(row);
    const part = parts.get(key) ?? { key, rows: [] };
    part.rows.push(row);
    parts.set(key, part);
  }
  return [...parts.values()];
}
