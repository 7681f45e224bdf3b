import { Modal, ModalBody, ModalHeader, TextInput } from "@patternfly/react-core";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useEffect, useState, type KeyboardEvent } from "react";
import { askFor, riskOf, useReasons, type PlainAction } from "../actions/vm.ts";
import { useMayChange } from "../api/hooks.ts";
import type { VmView } from "../api/types.ts";
import { Confirm, type Risky } from "../forms/confirm.tsx";
import { words } from "../words/en.ts";
import { administrationWords, libraryWords } from "../words/hosts.ts";
import { machineWords, vmActionWords } from "../words/machines.ts";
import { vmStatusWords } from "../words/statuses.ts";
import { find, narrowed, placeOf, verbIn, type Found } from "./find.ts";
import { places } from "./navigation.tsx";
import { useTeller } from "./toasts.tsx";

interface Hit {
  key: string;
  title: string;
  note: string;
  go: () => void;
  reason?: string | undefined;
}

/** Shorter asks the server at each key. */
const TYPING_MS = 80;

function useSettled(text: string): string {
  const [settled, setSettled] = useState(text);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(text), TYPING_MS);
    return () => clearTimeout(timer);
  }, [text]);
  return settled;
}

/** What fits the text just typed: of the newest answer, and only what that text will find as well. */
function useFound(text: string, onlyVms: boolean): { found: Found | undefined; isSearching: boolean } {
  const settled = useSettled(text);
  const { data, isPlaceholderData, isFetching } = useQuery({
    queryKey: ["find", onlyVms, settled],
    queryFn: () => find(settled, onlyVms),
    enabled: settled !== "",
    placeholderData: keepPreviousData,
    staleTime: 0,
    gcTime: 0,
  });
  const isOld = settled !== text || isPlaceholderData;
  return { found: text === "" ? undefined : narrowed(data, text), isSearching: text !== "" && (isOld || isFetching) };
}

/** Search and commands in one: objects by name, tag, notes, MAC, id or path, jobs by number, actions by verb. */
export function Palette({ onClose }: { onClose: () => void }) {
  const [text, setText] = useState("");
  const [picked, setPicked] = useState<string | undefined>();
  const [risky, setRisky] = useState<Risky | undefined>();
  const navigate = useNavigate();
  const mayChange = useMayChange();
  const reasons = useReasons();
  const { run } = useTeller();
  const typed = text.trim();
  const verb = mayChange ? verbIn(text) : undefined;
  const { found, isSearching } = useFound(verb?.rest ?? typed, verb !== undefined);
  const leave = (go: () => void) => (): void => {
    onClose();
    go();
  };
  const act = (vm: VmView, action: PlainAction): void => {
    const risk = riskOf(vm, action);
    if (risk !== undefined) setRisky(risk);
    else leave(() => void run(askFor(vm, action), `${vmActionWords.labels[action]} ${vm.spec.name}`))();
  };
  const does = (action: PlainAction) => (vm: VmView): Hit => {
    const reason = reasons(vm.status, action);
    return { key: `${action} ${vm.id}`, title: `${vmActionWords.labels[action]} ${vm.spec.name}`, note: reason ?? vmStatusWords[vm.status], reason, go: () => act(vm, action) };
  };
  const opens = (vm: VmView): Hit => ({
    key: vm.id,
    title: vm.spec.name,
    note: `${vmStatusWords[vm.status]}${typeof vm.host_name === "string" ? ` · ${vm.host_name}` : ""}`,
    go: leave(() => void navigate({ to: "/machines/$vm", params: { vm: vm.id } })),
  });
  const to = (key: string, title: string, note: string, go: () => unknown): Hit => ({ key, title, note, go: leave(() => void go()) });
  const tabs = Object.entries(administrationWords.tabs);
  const known: Hit[] = [
    ...places.map((place) => to(place.to, place.title, words.palette.pages, () => navigate({ to: place.to }))),
    ...(mayChange ? [to("create", machineWords.create, words.palette.actions, () => navigate({ to: "/machines/create" }))] : []),
    ...tabs.map(([tab, title]) => to(`administration ${tab}`, title, words.nav.administration, () => navigate({ to: "/administration", search: { tab } }))),
  ].filter(({ title, note }) => (typed === "" ? note === words.palette.pages : title.toLowerCase().includes(typed.toLowerCase())));
  const job = /^#?(\d{1,15})$/u.exec(typed)?.[1];
  const jobs = job === undefined ? [] : [to(`job ${job}`, words.job.number(Number(job)), words.nav.jobs, () => navigate({ to: "/jobs/$job", params: { job } }))];
  const others = [
    ...(found?.hosts ?? []).map(({ id, name }) => to(id, name, words.nav.hosts, () => navigate({ to: "/hosts/$host", params: { host: id } }))),
    ...(found?.templates ?? []).map(({ id, spec }) => to(id, spec.name, words.palette.template, () => navigate({ to: "/library", search: { tab: "templates", show: id } }))),
    ...(found?.items ?? []).map(({ id, name }) => to(id, name, libraryWords.title, () => navigate({ to: "/library", search: { tab: "items", show: id } }))),
  ];
  const hits = verb === undefined ? [...jobs, ...known, ...(found?.vms ?? []).map(opens), ...others] : (found?.vms ?? []).map(does(verb.action));
  const at = placeOf(hits.map(({ key }) => key), picked);
  const chosen = hits[at];
  // What is marked stays marked while answers come: Enter does what was read, wherever it stands by then.
  if (chosen?.key !== picked) setPicked(chosen?.key);
  const onKey = (event: KeyboardEvent): void => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      const step = event.key === "ArrowDown" ? 1 : -1;
      setPicked(hits[(at + step + hits.length) % Math.max(1, hits.length)]?.key);
    } else if (event.key === "Enter") {
      event.preventDefault();
      if (chosen?.reason === undefined) chosen?.go();
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
          {...(chosen === undefined ? {} : { "aria-activedescendant": `hit-${at}` })}
          placeholder={words.palette.placeholder}
          value={text}
          onChange={(_, next) => {
            setText(next);
            setPicked(undefined);
          }}
          onKeyDown={onKey}
        />
        <ul className="hostler-palette" id="palette-results" role="listbox" aria-label={words.palette.results} aria-busy={isSearching}>
          {hits.map((hit, index) => (
            <li
              key={hit.key}
              id={`hit-${index}`}
              role="option"
              aria-selected={index === at}
              aria-disabled={hit.reason !== undefined}
              ref={index === at ? (shown) => shown?.scrollIntoView({ block: "nearest" }) : null}
              onClick={() => hit.reason === undefined && hit.go()}
              onMouseMove={() => setPicked(hit.key)}
            >
              <span>{hit.title}</span>
              <small>{hit.note}</small>
            </li>
          ))}
        </ul>
        {hits.length === 0 && <p role="status">{isSearching ? words.palette.searching : verb !== undefined && verb.rest === "" ? words.palette.whichMachine : words.palette.none}</p>}
      </ModalBody>
    </Modal>
  );
}
