import { ExpandableSection, ToggleGroup, ToggleGroupItem } from "@patternfly/react-core";
import { Table, Tbody, Td, Th, Thead, Tr } from "@patternfly/react-table";
import { useState } from "react";
import { get } from "../api/hooks.ts";
import { useLooking, type Looked } from "../api/looking.ts";
import { refusalOf } from "../api/refusal.ts";
import { performanceWords } from "../words/looks.ts";
import { ErrorBox } from "./error-box.tsx";
import { LineChart, type Chart } from "./line-chart.tsx";
import { Waiting } from "./live-table.tsx";
import { inUnit, momentOf, thinned, type Performance, type SeriesName, type Unit } from "./series.ts";
import { Sparkline } from "./sparkline.tsx";
import type { View } from "./view.ts";

const HOUR_MS = 3_600_000;
const ranges = { "1h": HOUR_MS, "6h": 6 * HOUR_MS, "24h": 24 * HOUR_MS } as const;
type Range = keyof typeof ranges;
const isRange = (text: string | undefined): text is Range => text !== undefined && text in ranges;

/** The next look when there is something new to see, and no oftener than this. */
const LEAST_PAUSE_MS = 5_000;
const ROWS = 60;
const POINTS = { chart: 360, spark: 60 };

const charts = (memoryMib: number): Chart[] => [
  { title: performanceWords.charts.processor, unit: "percent", lines: ["processor_percent"] },
  { title: performanceWords.charts.memory, unit: "mebibytes", lines: ["memory_mib"], least: memoryMib },
  { title: performanceWords.charts.disk, unit: "rate", lines: ["disk_read_bytes_s", "disk_write_bytes_s"] },
  { title: performanceWords.charts.network, unit: "rate", lines: ["net_in_bytes_s", "net_out_bytes_s"] },
];

/** What a host has kept of one of its machines, or of itself. */
function usePerformance(path: string, range: Range, points: number): Looked<Performance> {
  return useLooking(
    `${path} ${range} ${points}`,
    () => {
      const from = new Date(Date.now() - ranges[range]).toISOString();
      return get<Performance>(`${path}?from=${encodeURIComponent(from)}&points=${points}`);
    },
    (answer) => Math.max(LEAST_PAUSE_MS, answer?.step_ms ?? 0),
  );
}

/** The last hour in four small curves. */
export function Sparklines({ path, memoryMib }: { path: string; memoryMib: number }) {
  const { data, error } = usePerformance(path, "1h", POINTS.spark);
  if (data === undefined) return error === undefined ? null : <p className="hostler-hint">{refusalOf(error).cause}</p>;
  const { series } = data;
  const range = performanceWords.ranges["1h"];
  const sum = (one: SeriesName, other: SeriesName): (number | null)[] => (series[one] ?? []).map((value, step) => (value === null ? null : value + (series[other]?.[step] ?? 0)));
  const names = performanceWords.charts;
  return (
    <div className="hostler-sparklines">
      <Sparkline name={names.processor} values={series.processor_percent ?? []} unit="percent" range={range} />
      <Sparkline name={names.memory} values={series.memory_mib ?? []} unit="mebibytes" range={range} least={memoryMib} />
      <Sparkline name={names.disk} values={sum("disk_read_bytes_s", "disk_write_bytes_s")} unit="rate" range={range} />
      <Sparkline name={names.network} values={sum("net_in_bytes_s", "net_out_bytes_s")} unit="rate" range={range} />
    </div>
  );
}

/** Up to a day of processor, memory, disk and network. */
export function PerformanceTab({ path, view, memoryMib }: { path: string; view: View; memoryMib: number }) {
  const range = isRange(view.search.range) ? view.search.range : "1h";
  const { data, error } = usePerformance(path, range, POINTS.chart);
  const [at, setAt] = useState<number | undefined>();
  const shown = charts(memoryMib);
  const title = performanceWords.ranges[range];
  return (
    <>
      <div className="hostler-row">
        <ToggleGroup aria-label={performanceWords.range}>
          {(Object.keys(ranges) as Range[]).map((one) => (
            <ToggleGroupItem key={one} text={performanceWords.ranges[one]} isSelected={one === range} onChange={() => view.set({ range: one === "1h" ? undefined : one })} />
          ))}
        </ToggleGroup>
        <span className="hostler-hint">{performanceWords.hint}</span>
      </div>
      {error !== undefined && <ErrorBox refusal={refusalOf(error)} />}
      {data === undefined && error === undefined && <Waiting />}
      {data !== undefined && (
        <>
          <div className="hostler-charts">
            {shown.map((chart) => (
              <LineChart key={chart.title} chart={chart} performance={data} range={title} at={at} onPoint={setAt} />
            ))}
          </div>
          <AsTable performance={data} charts={shown} />
        </>
      )}
    </>
  );
}

const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "short", timeStyle: "medium" });

/** The same values to read: newest first, each row the mean of as many steps. */
function AsTable({ performance, charts: shown }: { performance: Performance; charts: Chart[] }) {
  const [open, setOpen] = useState(false);
  const columns = shown.flatMap((chart) =>
    chart.lines.map((name) => ({ name, unit: chart.unit, title: chart.lines.length > 1 ? `${chart.title}: ${performanceWords.lines[name]}` : chart.title })),
  );
  return (
    <ExpandableSection toggleText={performanceWords.table} isExpanded={open} onToggle={(_, next) => setOpen(next)}>
      {open && <Rows performance={performance} columns={columns} />}
    </ExpandableSection>
  );
}

function Rows({ performance, columns }: { performance: Performance; columns: { name: SeriesName; unit: Unit; title: string }[] }) {
  const steps = Math.max(0, ...columns.map(({ name }) => performance.series[name]?.length ?? 0));
  const every = Math.max(1, Math.ceil(steps / ROWS));
  const values = columns.map(({ name }) => thinned(performance.series[name] ?? [], every));
  const rows = Array.from({ length: Math.ceil(steps / every) }, (_, row) => row).reverse();
  return (
    <div className="hostler-scroll">
      <Table aria-label={performanceWords.table} variant="compact">
        <Thead>
          <Tr>
            <Th>{performanceWords.time}</Th>
            {columns.map(({ name, title }) => (
              <Th key={name}>{title}</Th>
            ))}
          </Tr>
        </Thead>
        <Tbody>
          {rows.map((row) => (
            <Tr key={row}>
              <Td dataLabel={performanceWords.time}>{exact.format(momentOf(performance, row * every))}</Td>
              {columns.map(({ name, unit, title }, column) => {
                const value = values[column]?.[row];
                return (
                  <Td key={name} dataLabel={title}>
                    {value === undefined || value === null ? performanceWords.none : inUnit(value, unit)}
                  </Td>
                );
              })}
            </Tr>
          ))}
        </Tbody>
      </Table>
    </div>
  );
}
