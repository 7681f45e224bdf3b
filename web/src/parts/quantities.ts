/** Sizes as people say them: the largest unit that keeps the number readable, exact where it divides. */
export function mebibytes(mib: number): string {
  if (mib >= 1024 * 1024) return `${trimmed(mib / 1024 / 1024)} TiB`;
  return mib >= 1024 ? `${trimmed(mib / 1024)} GiB` : `${trimmed(mib)} MiB`;
}

export function bytes(size: number): string {
  return size >= 1024 * 1024 ? mebibytes(size / 1024 / 1024) : size >= 1024 ? `${trimmed(size / 1024)} KiB` : `${size} B`;
}

function trimmed(value: number): string {
  return String(Math.round(value * 10) / 10);
}

/** A span between two moments. */
export function span(ms: number): string {
  if (ms < 1_000) return `${Math.max(0, Math.round(ms))} ms`;
  const seconds = ms / 1_000;
  if (seconds < 60) return `${seconds < 10 ? trimmed(seconds) : Math.round(seconds)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${Math.round(seconds % 60)} s`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} days`;
}

/** How often something is done: no part of it is nothing. */
export function interval(seconds: number): string {
  const parts: [number, string][] = [[Math.floor(seconds / 3_600), "h"], [Math.floor((seconds % 3_600) / 60), "min"], [seconds % 60, "s"]];
  return parts.filter(([count]) => count > 0).map(([count, unit]) => `${count}\u00a0${unit}`).join(" ");
}

/** A size that a person typed: `512`, `512 MiB`, `2G`, `1.5 GiB`; undefined where it is none. A bare number is MiB. */
export function mebibytesIn(text: string): number | undefined {
  const found = /^\s*(\d+(?:\.\d+)?)\s*(|m|mb|mib|g|gb|gib|t|tb|tib)\s*$/iu.exec(text);
  if (found === null) return undefined;
  const factor = { "": 1, m: 1, g: 1024, t: 1024 * 1024 }[(found[2] ?? "").slice(0, 1).toLowerCase() as "" | "m" | "g" | "t"];
  const mib = Number(found[1]) * factor;
  return Number.isInteger(mib) && mib > 0 ? mib : undefined;
}
