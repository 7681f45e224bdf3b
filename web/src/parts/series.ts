import { bytes, mebibytes } from "./quantities.ts";

/** What an agent keeps of a machine or a host: values at equal steps, `null` where nothing is known. */
export interface Performance {
  from: string;
  to: string;
  step_ms: number;
  series: Partial<Record<SeriesName, (number | null)[]>>;
}
export type SeriesName = "processor_percent" | "memory_mib" | "disk_read_bytes_s" | "disk_write_bytes_s" | "net_in_bytes_s" | "net_out_bytes_s";
export type Values = readonly (number | null)[];
export type Unit = "percent" | "mebibytes" | "rate";

/** A value as people say it. */
export function inUnit(value: number, unit: Unit): string {
  if (unit === "percent") return `${value < 10 ? Math.round(value * 10) / 10 : Math.round(value)} %`;
  return unit === "mebibytes" ? mebibytes(value) : `${bytes(Math.round(value))}/s`;
}

/** The end of an axis: a round number at or over the largest value, so that lines keep their place from look to look. */
export function topOf(lines: readonly Values[], unit: Unit, least = 0): number {
  const most = Math.max(least, ...lines.flatMap((line) => line.map((value) => value ?? 0)));
  if (unit === "percent") return Math.max(100, roundUp(most, 10));
  if (most <= 0) return unit === "rate" ? 1024 : 1;
  return roundUp(most, 1024);
}

/** 1, 2 or 5 times a power of ten, or in steps of 1024: 1, 2, 4 … of KiB, MiB, GiB. */
function roundUp(value: number, base: 10 | 1024): number {
  if (base === 1024) return 2 ** Math.ceil(Math.log2(value));
  const power = 10 ** Math.floor(Math.log10(value));
  const times = value / power;
  return power * (times <= 1 ? 1 : times <= 2 ? 2 : times <= 5 ? 5 : 10);
}

/** The line of some values as an SVG path; where nothing is known there is no line. */
export function pathOf(values: Values, width: number, height: number, top: number): string {
  const steps = Math.max(1, values.length - 1);
  let isDown = false;
  let path = "";
  values.forEach((value, index) => {
    if (value === null) {
      isDown = false;
      return;
    }
    const x = round((index / steps) * width);
    const y = round(height - (Math.min(value, top) / top) * height);
    const stands = values[index - 1] === undefined || values[index - 1] === null ? values[index + 1] === undefined || values[index + 1] === null : false;
    // A value that stands alone is a dot: a line of no length with round ends.
    path += `${isDown ? "L" : "M"}${x} ${y}${stands ? `L${x} ${y}` : ""}`;
    isDown = true;
  });
  return path;
}

const round = (value: number): number => Math.round(value * 10) / 10;

/** The newest steps may not be told yet; what is older than these is not now. */
const NOW_STEPS = 3;

/** What it is now, where that is known, and the largest value. */
export function extremes(values: Values): { last: number | undefined; most: number | undefined } {
  const known = values.filter((value) => value !== null);
  return { last: values.slice(-NOW_STEPS).findLast((value) => value !== null) ?? undefined, most: known.length === 0 ? undefined : Math.max(...known) };
}

/** When a value was measured. */
export function momentOf(performance: Performance, index: number): Date {
  return new Date(Date.parse(performance.from) + index * performance.step_ms);
}

/** Fewer rows for a table: each the mean of as many steps. */
export function thinned(values: Values, every: number): (number | null)[] {
  const rows: (number | null)[] = [];
  for (let start = 0; start < values.length; start += every) {
    const known = values.slice(start, start + every).filter((value) => value !== null);
    rows.push(known.length === 0 ? null : known.reduce((sum, value) => sum + value, 0) / known.length);
  }
  return rows;
}
