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

/** By which fields a machine is looked for: by name and tag always, by the others where the text can be one. */
export function termsFor(text: string): Term[] {
  const like = (field: string): Term => ({ field, op: "~", values: [containing(text)] });
  return [
    like("name"),
    like("tags"),
    ...(/^[0-9a-f-]{4,36}$/iu.test(text) ? [like("id")] : []),
    ...(/^([0-9a-f]{2}:){1,5}[0-9a-f]{0,2}$/iu.test(text) ? [like("mac")] : []),
    ...(/^\d{1,3}(\.\d{1,3}){1,3}\.?$|^(?=.*(::|[0-9a-f]{3,4}:))[0-9a-f:]+$/iu.test(text) ? [like("address")] : []),
  ];
}

async function page<T>(noun: string, term: Term): Promise<T[]> {
  const query = new URLSearchParams({ limit: String(SHOWN), filter: filterOf([term]) });
  const { items } = await get<{ items: T[] }>(`/${noun}?${query.toString()}`);
  return items;
}

/** Each thing once, though more than one field found it. */
function once<T extends { id: string }>(lists: T[][]): T[] {
  return [...new Map(lists.flat().map((one) => [one.id, one])).values()].slice(0, SHOWN);
}

/** Machines by name, tag, id, address and MAC; hosts, templates and library items by name. */
export async function find(text: string, onlyVms: boolean): Promise<Found> {
  const name: Term = { field: "name", op: "~", values: [containing(text)] };
  const vms = Promise.all(
    termsFor(text).map((term) =>
      // A server that does not know a field yet finds nothing by it; the others still find.
      page<VmView>("vms", term).catch((thrown: unknown) => {
        if (term.field === "name") throw thrown;
        return [];
      }),
    ),
  );
  const [byFields, hosts, templates, items] = await Promise.all([
    vms,
    onlyVms ? [] : page<HostView>("hosts", name),
    onlyVms ? [] : page<TemplateView>("templates", name),
    onlyVms ? [] : page<ItemView>("library-items", name),
  ]);
  return { text, vms: once(byFields), hosts, templates, items };
}

const has = (text: string, part: string): boolean => text.toLowerCase().includes(part.toLowerCase());

/**
 * What of an answer holds for another text: while the next answer is on its way, only what it will have in it, too. So
 * nothing is ever shown, or done at Enter, that does not fit what stands in the field.
 */
export function narrowed(found: Found | undefined, text: string): Found | undefined {
  if (found === undefined || found.text === text) return found;
  return {
    text,
    vms: found.vms.filter(({ id, spec }) => has(spec.name, text) || id.includes(text.toLowerCase()) || (spec.tags ?? []).some((tag) => has(tag, text))),
    hosts: found.hosts.filter(({ name }) => has(name, text)),
    templates: found.templates.filter(({ spec }) => has(spec.name, text)),
    items: found.items.filter(({ name }) => has(name, text)),
  };
}

/** The place of the chosen one: it stays chosen wherever it goes; gone, the first one is. */
export function placeOf(keys: readonly string[], chosen: string | undefined): number {
  const at = chosen === undefined ? -1 : keys.indexOf(chosen);
  return at < 0 ? 0 : at;
}
