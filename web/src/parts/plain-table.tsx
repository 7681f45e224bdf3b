import { Title } from "@patternfly/react-core";
import { Table, Tbody, Td, Th, Thead, Tr } from "@patternfly/react-table";
import type { ReactNode } from "react";

export interface PlainColumn<T> {
  title: string;
  cell: (row: T) => ReactNode;
  /** Stands at the right, digits below each other. */
  isNumber?: boolean;
}

interface PlainTableProps<T> {
  /** The heading above it. Where there is one already, `label` only names the table. */
  title?: string;
  label?: string;
  columns: PlainColumn<T>[];
  rows: readonly T[];
  keyOf: (row: T) => string;
}

/** A few things of one kind below a heading; nothing where there are none. */
export function PlainTable<T>({ title, label = title, columns, rows, keyOf }: PlainTableProps<T>) {
  if (rows.length === 0) return null;
  const classOf = (column: PlainColumn<T>): { className?: string } => (column.isNumber === true ? { className: "hostler-number" } : {});
  return (
    <section>
      {title !== undefined && <Title headingLevel="h2" size="lg">{title}</Title>}
      <div className="hostler-scroll">
        <Table {...(label === undefined ? {} : { "aria-label": label })} variant="compact" className="hostler-few">
          <Thead>
            <Tr>
              {columns.map((column) => (
                <Th key={column.title} {...classOf(column)}>{column.title}</Th>
              ))}
            </Tr>
          </Thead>
          <Tbody>
            {rows.map((row) => (
              <Tr key={keyOf(row)}>
                {columns.map((column) => (
                  <Td key={column.title} dataLabel={column.title} {...classOf(column)}>{column.cell(row)}</Td>
                ))}
              </Tr>
            ))}
          </Tbody>
        </Table>
      </div>
    </section>
  );
}
