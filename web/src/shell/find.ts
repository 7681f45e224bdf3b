import { plainActions, type PlainAction } from "../actions/vm.ts";
import { containing, filterOf, type Term } from "../api/filter.ts";
import { get } from "../api/hooks.ts";
import type { HostView, ItemView, TemplateView, VmView } from "../api/types.ts";
import { vmActionWords } from "../words/machines.ts";

/** How many of each kind are shown: who wants more goes on typing. */
const SHOWN = 6;

/** A verb at the beginning of what was typed, and what is behind it: "start web" does something, "web" finds it. */
export function verbIn(text: string): { action: PlainAction; rest: string } | undefined {
  const small = text.toLowerCase();
  for (const action of plainActions) {
    const verb = [vmActionWords.labels[action].toLowerCase(), action].find((one) => small.startsWith(`${one} `));
    if (verb !== undefined) return { action, rest: text.slice(verb.length).trim() };
  }
  return undefined;
}

/** What was found for a text. */
export interface Found {
  text: string;
  vms: VmView[];
  hosts: HostView[];
  templates: TemplateView[];
  items: ItemView[];
}

async function page<T>(noun: string, text: string): Promise<T[]> {
  const term: Term = { field: "text", op: "~", values: [containing(text)] };
  const query = new URLSearchParams({ limit: String(SHOWN), filter: filterOf([term]) });
  const { items } = await get<{ items: T[] }>(`/${noun}?${query.toString()}`);
  return items;
}

/** Whatever somebody remembers of it: machines by name, tag, id, MAC and notes; the others by name, id and path. */
export async function find(text: string, onlyVms: boolean): Promise<Found> {
  const [vms, hosts, templates, items] = await Promise.all([
    page<VmView>("vms", text),
    onlyVms ? [] : page<HostView>("hosts", text),
    onlyVms ? [] : page<TemplateView>("templates", text),
    onlyVms ? [] : page<ItemView>("library-items", text),
  ]);
  return { text, vms, hosts, templates, items };
}

/** The texts by which the server finds, too. */
const vmTexts = ({ id, spec }: VmView): string[] => [spec.name, id, spec.notes ?? "", ...(spec.tags ?? []), ...(spec.hardware.adapters ?? []).map(({ mac }) => mac)];

const has = (text: string, part: string): boolean => text.toLowerCase().includes(part.toLowerCase());

/**
 * What of an answer holds for another text: while the next answer is on its way, only what it will have in it, too. So
 * nothing is ever shown, or done at Enter, that does not fit what stands in the field.
 */
export function narrowed(found: Found | undefined, text: string): Found | undefined {
  if (found === undefined || found.text === text) return found;
  return {
    text,
    vms: found.vms.filter((vm) => vmTexts(vm).some((one) => has(one, text))),
    hosts: found.hosts.filter(({ id, name }) => has(name, text) || has(id, text)),
    templates: found.templates.filter(({ id, spec }) => has(spec.name, text) || has(id, text)),
    items: found.items.filter(({ id, name, seen }) => has(name, text) || has(seen.path, text) || has(id, text)),
  };
}

/** The place of the chosen one: it stays chosen wherever it goes; gone, the first one is. */
export function placeOf(keys: readonly string[], chosen: string | undefined): number {
  const at = chosen === undefined ? -1 : keys.indexOf(chosen);
  return at < 0 ? 0 : at;
}
