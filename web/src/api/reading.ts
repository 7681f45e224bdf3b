import { termsOf } from "./filter.ts";
import { onChange } from "./feed.ts";
import { listQuery } from "./list-query.ts";
import { RefusalError, refusalFrom, refusalOf } from "./refusal.ts";
import { signedOut } from "./session.ts";
import type { Noun, Nouns } from "./types.ts";
import type { WindowEvent } from "./window.ts";
import type { WindowQuery } from "./windows.ts";

// Windows of a server that has no window routes: the list is read, and read again when the feed tells of a change.
// Good for a few hundred things; larger installations have servers with windows.

const PAGE = 1_000;
const MOST_PAGES = 5;
const GATHER_MS = 250;

/** Whose changes are to be seen in which list: a machine's status comes from its job and its host as well. */
const kindsOf: Record<Noun, readonly string[]> = {
  vms: ["vm", "job", "host"],
  hosts: ["host", "vm", "agent"],
  jobs: ["job"],
  "library-shares": ["library-share"],
  "library-items": ["library-item"],
  templates: ["template"],
  users: ["user"],
  tokens: ["token"],
  agents: ["agent"],
  enrolments: ["enrolment"],
};

/** The term whose values are counted. */
const statusField: Partial<Record<Noun, string>> = { vms: "status", jobs: "state", hosts: "status" };

interface Page<T> {
  items: T[];
  next?: string | null;
}

interface Taker<T> {
  take: (event: WindowEvent<T>) => void;
  refused: (error: RefusalError) => void;
}

async function readPages<N extends Noun>(noun: N, base: URLSearchParams, signal: AbortSignal): Promise<Nouns[N][]> {
  const rows: Nouns[N][] = [];
  let cursor: string | undefined;
  for (let page = 0; page < MOST_PAGES; page += 1) {
    const query = new URLSearchParams(base);
    query.set("limit", String(PAGE));
    if (cursor !== undefined) query.set("cursor", cursor);
    const response = await fetch(`/api/v1/${noun}?${query.toString()}`, { signal });
    if (response.status === 401) signedOut();
    if (!response.ok) throw new RefusalError(refusalFrom(await response.json().catch(() => undefined), response.status), response.status);
    const { items, next } = (await response.json()) as Page<Nouns[N]>;
    rows.push(...items);
    if (typeof next !== "string") break;
    cursor = next;
  }
  return rows;
}

/** The one thing of a window that asks for it by its id; nothing where it is gone. */
async function readOne<N extends Noun>(noun: N, id: string, signal: AbortSignal): Promise<Nouns[N][]> {
  const response = await fetch(`/api/v1/${noun}/${encodeURIComponent(id)}`, { signal });
  if (response.status === 401) signedOut();
  if (response.status === 404) return [];
  if (!response.ok) throw new RefusalError(refusalFrom(await response.json().catch(() => undefined), response.status), response.status);
  return [(await response.json()) as Nouns[N]];
}

export function readWindow<N extends Noun>(noun: N, asked: WindowQuery, taker: Taker<Nouns[N]>): () => void {
  const counted = statusField[noun];
  const terms = termsOf(asked.filter ?? "");
  const wanted = terms.find((term) => term.field === counted && term.op === "=")?.values;
  const id = terms[0]?.field === "id" ? terms[0].values[0] : undefined;
  const query = listQuery(noun, terms.filter((term) => term.field !== counted || term.op !== "="), asked.sort);
  const stopped = new AbortController();
  let gathering: ReturnType<typeof setTimeout> | undefined;
  let reading = false;
  let dirty = false;
  const isDirty = (): boolean => dirty;
  const statusOf = (row: Nouns[N]): string => (counted === undefined ? "" : String((row as Record<string, unknown>)[counted]));
  const readNow = async (): Promise<void> => {
    reading = true;
    dirty = false;
    try {
      const all = id === undefined ? await readPages(noun, query, stopped.signal) : await readOne(noun, id, stopped.signal);
      const counts: Record<string, number> = {};
      if (counted !== undefined) for (const row of all) counts[statusOf(row)] = (counts[statusOf(row)] ?? 0) + 1;
      const some = wanted === undefined ? all : all.filter((row) => wanted.includes(statusOf(row)));
      const offset = asked.offset ?? 0;
      const put = some.slice(offset, offset + (asked.limit ?? 100));
      taker.take({ rev: 0, total: some.length, counts, order: put.map((row) => String(row.id)), put });
    } catch (thrown) {
      if (!stopped.signal.aborted) taker.refused(thrown instanceof RefusalError ? thrown : new RefusalError(refusalOf(thrown), 0));
    }
    reading = false;
    if (isDirty()) later();
  };
  const later = (): void => {
    dirty = true;
    if (reading || stopped.signal.aborted) return;
    gathering ??= setTimeout(() => {
      gathering = undefined;
      void readNow();
    }, GATHER_MS);
  };
  const stop = onChange((event) => {
    if (event === undefined || kindsOf[noun].includes(event.kind)) later();
  });
  void readNow();
  return () => {
    stop();
    clearTimeout(gathering);
    stopped.abort();
  };
}
