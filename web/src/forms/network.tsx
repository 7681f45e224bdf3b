import { Alert, Button, Checkbox, FormGroup } from "@patternfly/react-core";
import { useState } from "react";
import { line } from "../actions/command.ts";
import { containing, filterOf } from "../api/filter.ts";
import { useWindow } from "../api/hooks.ts";
import type { HostView, Schemas } from "../api/types.ts";
import { networkWords } from "../words/networking.ts";
import { FormDialog } from "./dialog.tsx";
import { useDraft } from "./draft.ts";
import { ChoiceField, TextField } from "./fields.tsx";

const names = networkWords.create;

/** So many hosts a request may name. */
const MOST_HOSTS = 64;
/** So many are offered at a time; who has more looks for them by name. */
const SHOWN = 12;
const kinds = ["external", "internal", "private", "nat"] as const;
type Kind = (typeof kinds)[number];

interface Chosen {
  id: string;
  name: string;
  /** The adapters over which an external network could go. */
  adapters: string[];
}

const fresh = { name: "", kind: "nat" as Kind, hosts: [] as Chosen[], address: "", dhcp: "", adapter: "", vlan: "" };

/** A VLAN as somebody writes it: none, or 1 to 4094; NaN for what is no VLAN. */
export function vlanIn(text: string): number | undefined {
  if (text.trim() === "") return undefined;
  const id = /^\d{1,4}$/u.test(text.trim()) ? Number(text) : Number.NaN;
  return id >= 1 && id <= 4094 ? id : Number.NaN;
}

/** Addresses from one to another as somebody writes them: none, or both ends; undefined for what is no range. */
function rangeIn(text: string): { first: string; last: string } | "none" | undefined {
  const [first = "", last = "", ...more] = text.split("-").map((one) => one.trim());
  if (first === "" && last === "") return "none";
  return first === "" || last === "" || more.length > 0 ? undefined : { first, last };
}

/** What stands in the fields that this kind has; undefined while something is missing. */
function bodyOf(values: typeof fresh): Schemas["NewNetwork"] | undefined {
  const { kind, hosts } = values;
  const name = values.name.trim();
  const hasAddress = kind === "nat" || kind === "internal";
  const vlan = kind === "external" ? vlanIn(values.vlan) : undefined;
  const dhcp = hasAddress ? rangeIn(values.dhcp) : "none";
  const lacks = name === "" || hosts.length === 0 || (hasAddress && values.address.trim() === "") || (kind === "external" && values.adapter === "");
  if (lacks || Number.isNaN(vlan) || dhcp === undefined) return undefined;
  return {
    name,
    kind,
    hosts: hosts.map(({ id }) => id),
    ...(hasAddress ? { address: values.address.trim() } : {}),
    ...(dhcp === "none" ? {} : { dhcp }),
    ...(kind === "external" ? { adapter: values.adapter } : {}),
    ...(vlan === undefined ? {} : { vlan }),
  };
}

/** Makes a network on hosts, the same on each. */
export function CreateNetworkForm({ onClose }: { onClose: () => void }) {
  const draft = useDraft("create-network", fresh);
  const { values, set } = draft;
  const { kind, hosts } = values;
  const body = bodyOf(values);
  const hasAddress = kind === "nat" || kind === "internal";
  const [first, ...others] = hosts;
  const adapters = (first?.adapters ?? []).filter((one) => others.every((host) => host.adapters.includes(one)));
  return (
    <FormDialog
      title={names.title}
      submit={names.submit}
      ask={body === undefined ? undefined : { method: "POST", path: "/networks", body }}
      command={line("network create", [values.name.trim()], {
        kind,
        host: hosts.map((host) => host.name),
        address: body?.address ?? undefined,
        dhcp: typeof body?.dhcp === "object" && body.dhcp !== null ? `${body.dhcp.first}-${body.dhcp.last}` : undefined,
        adapter: body?.adapter ?? undefined,
        vlan: body?.vlan ?? undefined,
      })}
      draft={draft}
      onClose={onClose}
    >
      <TextField id="network-name" label={networkWords.columns.name} value={values.name} onChange={(name) => set({ name })} help={names.nameHelp} isRequired />
      <ChoiceField
        id="network-kind"
        label={networkWords.columns.kind}
        value={kind}
        onChange={(next) => set({ kind: kinds.find((one) => one === next) ?? "nat" })}
        choices={kinds.map((one) => ({ value: one, title: networkWords.kinds[one] }))}
        help={networkWords.kindHints[kind]}
      />
      <Hosts chosen={hosts} onChange={(next) => set({ hosts: next, adapter: "" })} />
      {hasAddress && <TextField id="network-address" label={names.address} value={values.address} onChange={(address) => set({ address })} help={names.addressHelp} isRequired />}
      {hasAddress && (
        <TextField
          id="network-dhcp"
          label={names.dhcp}
          value={values.dhcp}
          onChange={(dhcp) => set({ dhcp })}
          help={kind === "nat" ? names.dhcpOfNat : names.dhcpOfInternal}
          error={rangeIn(values.dhcp) === undefined ? names.noRange : undefined}
        />
      )}
      {kind === "external" && (
        <ChoiceField
          id="network-adapter"
          label={names.adapter}
          value={values.adapter}
          onChange={(adapter) => set({ adapter })}
          choices={[{ value: "", title: names.chooseAdapter }, ...adapters.map((one) => ({ value: one, title: one }))]}
          help={hosts.length > 1 ? names.adaptersOfAll : undefined}
          isRequired
        />
      )}
      {kind === "external" && <TextField id="network-vlan" label={names.vlan} value={values.vlan} onChange={(vlan) => set({ vlan })} help={names.vlanHelp} error={Number.isNaN(vlanIn(values.vlan)) ? names.noVlan : undefined} />}
      {kind === "external" && <Alert isInline variant="info" title={names.trial} />}
    </FormDialog>
  );
}

/** The hosts on which it is made: the first by name, and others by a part of their name. */
function Hosts({ chosen, onChange }: { chosen: readonly Chosen[]; onChange: (next: Chosen[]) => void }) {
  const [text, setText] = useState("");
  const filter = text.trim() === "" ? "" : filterOf([{ field: "name", op: "~", values: [containing(text.trim())] }]);
  const { window } = useWindow("hosts", { ...(filter === "" ? {} : { filter }), sort: "name", limit: SHOWN });
  const isMany = (window?.total ?? 0) > SHOWN || filter !== "";
  const chosenOf = ({ id, name, facts }: HostView): Chosen => ({ id, name, adapters: (facts.hardware?.adapters ?? []).flatMap((one) => (typeof one.name === "string" ? [one.name] : [])) });
  const toggle = (host: HostView, isIn: boolean): void => onChange(isIn ? [...chosen, chosenOf(host)] : chosen.filter(({ id }) => id !== host.id));
  const isFull = chosen.length >= MOST_HOSTS;
  return (
    <FormGroup role="group" label={networkWords.columns.hosts} fieldId="network-hosts" isRequired>
      {isMany && <TextField id="network-host-filter" label={names.findHost} value={text} onChange={setText} />}
      {(window?.rows ?? []).map((host) => {
        const isIn = chosen.some(({ id }) => id === host.id);
        return <Checkbox key={host.id} id={`network-host-${host.id}`} label={host.name} isChecked={isIn} isDisabled={!isIn && isFull} onChange={(_, next) => toggle(host, next)} />;
      })}
      {isMany && chosen.length > 0 && (
        <p className="hostler-hint">
          {names.chosen(chosen.map(({ name }) => name).join(", "))} <Button variant="link" isInline onClick={() => onChange([])}>{names.none}</Button>
        </p>
      )}
    </FormGroup>
  );
}

/** Removes a network from all hosts that have it, or from some of them. */
export function RemoveNetworkForm({ network, onClose }: { network: Schemas["NetworkView"]; onClose: () => void }) {
  const [kept, setKept] = useState<readonly string[]>([]);
  const from = network.hosts.filter(({ host }) => !kept.includes(host));
  const isAll = kept.length === 0;
  const query = isAll ? {} : { query: { hosts: from.map(({ host }) => host).join(",") } };
  return (
    <FormDialog
      title={networkWords.remove.title(network.name)}
      submit={networkWords.remove.submit}
      isDanger
      ask={from.length === 0 ? undefined : { method: "DELETE", path: `/networks/${encodeURIComponent(network.name)}`, ...query }}
      command={line("network remove", [network.name], { host: isAll ? undefined : from.map((on) => on.host_name) })}
      onClose={onClose}
    >
      <p>{networkWords.remove.what}</p>
      {network.machines > 0 && <Alert isInline variant="warning" title={networkWords.remove.machines(network.machines)} />}
      {network.hosts.length > 1 && (
        <FormGroup role="group" label={networkWords.remove.from} fieldId="remove-from">
          {network.hosts.map(({ host, host_name: name }) => (
            <Checkbox
              key={host}
              id={`remove-from-${host}`}
              label={name}
              isChecked={!kept.includes(host)}
              onChange={(_, isIn) => setKept(isIn ? kept.filter((one) => one !== host) : [...kept, host])}
            />
          ))}
        </FormGroup>
      )}
    </FormDialog>
  );
}
