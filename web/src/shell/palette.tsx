import { Modal, ModalBody, ModalHeader, TextInput } from "@patternfly/react-core";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useDeferredValue, useState, type KeyboardEvent } from "react";
import { askFor, plainActions, riskOf, useReasons, type PlainAction } from "../actions/vm.ts";
import { containing, filterOf } from "../api/filter.ts";
import { get, useMayChange } from "../api/hooks.ts";
import type { Schemas, VmView } from "../api/types.ts";
import { Confirm, type Risky } from "../forms/confirm.tsx";
import { words } from "../words/en.ts";
import { vmActionWords } from "../words/machines.ts";
import { vmStatusWords } from "../words/statuses.ts";
import { places } from "./navigation.tsx";
import { useTeller } from "./toasts.tsx";

interface Hit {
  key: string;
  title: string;
  note: string;
  go: () => void;
  reason?: string | undefined;
}

const SHOWN = 6;

/** A verb at the beginning of what was typed, and what is behind it: "start web" does something, "web" finds it. */
export function verbIn(text: string): { action: PlainAction; rest: string } | undefined {
  const found = plainActions.find((action) => {
    const label = vmActionWords.labels[action].toLowerCase();
    return [action, label].some((verb) => text.toLowerCase().startsWith(`${verb} `));
  });
  if (found === undefined) return undefined;
  const label = vmActionWords.labels[found].toLowerCase();
  const length = text.toLowerCase().startsWith(`${label} `) ? label.length : found.length;
  return { action: found, rest: text.slice(length).trim() };
}

async function find(text: string): Promise<{ vms: VmView[]; hosts: Schemas["HostView"][]; templates: Schemas["TemplateView"][]; items: Schemas["ItemView"][] }> {
  const byName = new URLSearchParams({ limit: String(SHOWN), filter: filterOf([{ field: "name", op: "~", values: [containing(text)] }]) }).toString();
  const byTag = new URLSearchParams({ limit: String(SHOWN), filter: filterOf([{ field: "tags", op: "=", values: [text] }]) }).toString();
  const [vms, tagged, hosts, templates, items] = await Promise.all([
    get<Schemas["Page_VmView"]>(`/vms?${byName}`),
    get<Schemas["Page_VmView"]>(`/vms?${byTag}`),
    get<Schemas["Page_HostView"]>(`/hosts?${byName}`),
    get<Schemas["Page_TemplateView"]>(`/templates?${byName}`),
    get<Schemas["Page_ItemView"]>(`/library-items?${byName}`),
  ]);
  const known = new Set(vms.items.map((vm) => vm.id));
  const all = [...vms.items, ...tagged.items.filter((vm) => !known.has(vm.id))];
  // An id, or its last digits, is found by asking for the thing itself.
  if (all.length === 0 && /^[0-9a-f-]{6,36}$/iu.test(text)) {
    const vm = await get<VmView>(`/vms/${text}`).catch(() => undefined);
    if (vm !== undefined) all.push(vm);
  }
  return { vms: all, hosts: hosts.items, templates: templates.items, items: items.items };
}

/** Search and commands in one: objects by name, tag or id, jobs by number, actions by verb. */
export function Palette({ onClose }: { onClose: () => void }) {
  const [text, setText] = useState("");
  const [at, setAt] = useState(0);
  const [risky, setRisky] = useState<Risky | undefined>();
  const settled = useDeferredValue(text.trim());
  const navigate = useNavigate();
  const mayChange = useMayChange();
  const reasons = useReasons();
  const { run } = useTeller();
  const verb = mayChange ? verbIn(settled) : undefined;
  const wanted = verb?.rest ?? settled;
  const { data } = useQuery({ queryKey: ["find", wanted], queryFn: () => find(wanted), enabled: wanted !== "", placeholderData: keepPreviousData, staleTime: 0, gcTime: 0 });
  const leave = (go: () => void) => (): void => {
    onClose();
    go();
  };
  const act = (vm: VmView, action: PlainAction): void => {
    const risk = riskOf(vm, action);
    if (risk !== undefined) setRisky(risk);
    else leave(() => void run(askFor(vm, action), `${vmActionWords.labels[action]} ${vm.spec.name}`))();
  };
  const found = wanted === "" ? undefined : data;
  const pages: Hit[] = places
    .filter(({ title }) => title.toLowerCase().includes(settled.toLowerCase()))
    .map(({ to, title }) => ({ key: to, title, note: words.palette.pages, go: leave(() => void navigate({ to })) }));
  const jobs: Hit[] = /^\d{1,15}$/u.test(settled)
    ? [{ key: "job", title: words.job.number(Number(settled)), note: words.nav.jobs, go: leave(() => void navigate({ to: "/jobs/$job", params: { job: settled } })) }]
    : [];
  const vms = (found?.vms ?? []).map((vm): Hit =>
    verb === undefined
      ? { key: vm.id, title: vm.spec.name, note: vmStatusWords[vm.status], go: leave(() => void navigate({ to: "/machines/$vm", params: { vm: vm.id } })) }
      : { key: vm.id, title: `${vmActionWords.labels[verb.action]} ${vm.spec.name}`, note: reasons(vm.status, verb.action) ?? vmStatusWords[vm.status], reason: reasons(vm.status, verb.action), go: () => act(vm, verb.action) },
  );
  const others: Hit[] =
    verb !== undefined
      ? []
      : [
          ...(found?.hosts ?? []).map((host) => ({ key: host.id, title: host.name, note: words.nav.hosts, go: leave(() => void navigate({ to: "/hosts/$host", params: { host: host.id } })) })),
          ...(found?.templates ?? []).map(({ id, spec }) => ({ key: id, title: spec.name, note: words.palette.template, go: leave(() => void navigate({ to: "/library", search: { tab: "templates", show: id } })) })),
          ...(found?.items ?? []).map(({ id, name }) => ({ key: id, title: name, note: words.nav.library, go: leave(() => void navigate({ to: "/library", search: { tab: "items", show: id } })) })),
        ];
  const hits = [...jobs, ...pages, ...vms, ...others];
  const chosen = Math.min(at, hits.length - 1);
  const onKey = (event: KeyboardEvent): void => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      const step = event.key === "ArrowDown" ? 1 : -1;
      setAt((chosen + step + hits.length) % Math.max(1, hits.length));
    } else if (event.key === "Enter") {
      event.preventDefault();
      const hit = hits[chosen];
      if (hit?.reason === undefined) hit?.go();
    }
  };
  if (risky !== undefined) return <Confirm risky={risky} onClose={onClose} />;
  return (
    <Modal isOpen variant="medium" onClose={onClose} aria-labelledby="palette-title" position="top">
      <ModalHeader title={words.palette.title} labelId="palette-title" description={words.palette.hint} />
      <ModalBody>
        <TextInput
          autoFocus
          autoComplete="off"
          role="combobox"
          aria-label={words.palette.title}
          aria-expanded
          aria-controls="palette-results"
          aria-autocomplete="list"
          {...(hits[chosen] === undefined ? {} : { "aria-activedescendant": `hit-${chosen}` })}
          placeholder={words.palette.placeholder}
          value={text}
          onChange={(_, next) => {
            setText(next);
            setAt(0);
          }}
          onKeyDown={onKey}
        />
        <ul className="hostler-palette" id="palette-results" role="listbox" aria-label={words.palette.results}>
          {hits.map((hit, index) => (
            <li key={hit.key} id={`hit-${index}`} role="option" aria-selected={index === chosen} aria-disabled={hit.reason !== undefined} onClick={() => hit.reason === undefined && hit.go()} onMouseMove={() => setAt(index)}>
              {hit.title}
              <small>{hit.note}</small>
            </li>
          ))}
        </ul>
        {hits.length === 0 && <p role="status">{words.palette.none}</p>}
      </ModalBody>
    </Modal>
  );
}
