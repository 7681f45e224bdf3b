import { termsOf } from "../api/filter.ts";
import { get } from "../api/hooks.ts";
import { listQuery } from "../api/list-query.ts";
import type { Noun, Nouns } from "../api/types.ts";
import type { WindowQuery } from "../api/windows.ts";

interface Page<T> {
  items: T[];
  next?: string | null;
}

/** Everything that a view shows, all pages of it. */
export async function readAll<N extends Noun>(noun: N, { filter, sort }: WindowQuery): Promise<Nouns[N][]> {
  const rows: Nouns[N][] = [];
  let cursor: string | undefined;
  do {
    const query = listQuery(noun, termsOf(filter ?? ""), sort);
    query.set("limit", "1000");
    if (cursor !== undefined) query.set("cursor", cursor);
    const page = await get<Page<Nouns[N]>>(`/${noun}?${query.toString()}`);
    rows.push(...page.items);
    cursor = page.next ?? undefined;
  } while (cursor !== undefined);
  return rows;
}

/** A table as RFC 4180 has it. A cell that a spreadsheet would take for a formula is made a text. */
export function csv(heads: string[], lines: string[][]): string {
  const cell = (text: string): string => {
    const safe = /^[=+\-@\t\r]/u.test(text) ? `'${text}` : text;
    return /[",\r\n]/u.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  return [heads, ...lines].map((cells) => `${cells.map(cell).join(",")}\r\n`).join("");
}

export function download(name: string, type: string, text: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
