import { Fragment, type ReactNode } from "react";
import type { Line } from "./picture.ts";

/** Pixels from one row to the next. */
const ROW_PX = 40;
const middle = (row: number): number => (row + 0.5) * ROW_PX;

export interface ColumnOf {
  title: string;
  spots: readonly { key: string; row: number; body: ReactNode }[];
  /** The lines to the next column. */
  lines?: readonly Line[];
}

/**
 * Things in columns with lines between them. Each column is a list with a name; the lines say nothing that the lists do
 * not, and are for the eye alone.
 */
export function Columns({ rows, columns, label }: { rows: number; columns: readonly ColumnOf[]; label: string }) {
  const height = Math.max(1, rows) * ROW_PX;
  return (
    <div className="hostler-scroll" role="group" aria-label={label}>
      <div className="hostler-picture" style={{ gridTemplateColumns: columns.map(({ lines }) => (lines === undefined ? "minmax(11rem, 1fr)" : "minmax(11rem, 1fr) 7rem")).join(" ") }}>
        {columns.map(({ title, spots, lines }) => (
          <Fragment key={title}>
            <div>
              <h3 className="hostler-hint">{title}</h3>
              <ul aria-label={title} style={{ height: `${height}px` }}>
                {spots.map(({ key, row, body }) => (
                  <li key={key} style={{ top: `${middle(row)}px` }}>{body}</li>
                ))}
              </ul>
            </div>
            {lines !== undefined && (
              <svg aria-hidden="true" viewBox={`0 0 100 ${height}`} preserveAspectRatio="none" style={{ height: `${height}px` }}>
                {lines.map(({ key, from, to, isBad }) => (
                  <path key={key} d={`M0 ${middle(from)}C50 ${middle(from)} 50 ${middle(to)} 100 ${middle(to)}`} className={isBad ? "is-bad" : ""} />
                ))}
              </svg>
            )}
          </Fragment>
        ))}
      </div>
    </div>
  );
}
