import { ActionGroup, Alert, Button, Checkbox, ExpandableSection, Form, PageSection } from "@patternfly/react-core";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { useMemo, useState, type SubmitEvent } from "react";
import { send, type Ask } from "../../api/client.ts";
import { useWindow } from "../../api/hooks.ts";
import { refusalOf, type Refusal } from "../../api/refusal.ts";
import type { Schemas, TemplateView } from "../../api/types.ts";
import { line } from "../../actions/command.ts";
import { tagsIn } from "../../forms/edit-vm.tsx";
import { useDraft } from "../../forms/draft.ts";
import { ChoiceField, LongTextField, TextField } from "../../forms/fields.tsx";
import { countIn } from "../../forms/vm-hardware.tsx";
import { AsCommand } from "../../parts/as-command.tsx";
import { ErrorBox } from "../../parts/error-box.tsx";
import { Nothing, Waiting } from "../../parts/live-table.tsx";
import { PageHead } from "../../parts/page-head.tsx";
import { mebibytes, mebibytesIn } from "../../parts/quantities.ts";
import { useTeller } from "../../shell/toasts.tsx";
import { words } from "../../words/en.ts";
import { vlanIn } from "../../forms/network.tsx";
import { createWords, machineWords } from "../../words/machines.ts";
import { Placement } from "./placement.tsx";

const parent = { title: machineWords.title, to: "/machines" as const };
const fresh = { name: "", template: "", start: true, cpus: "", memory: "", disk: "", host: "", path: "", network: "", mac: "", vlan: "", spoofing: "", notes: "", tags: "" };

/** A machine from a template: a name, and Create. What has a good default is folded. */
export function CreateMachinePage() {
  const { window, error } = useWindow("templates", { sort: "name", limit: 1000 });
  const { from } = useSearch({ from: "__root__" });
  const navigate = useNavigate();
  return (
    <>
      <PageHead title={createWords.title} parent={parent} />
      <PageSection isFilled>
        {error !== undefined && <ErrorBox refusal={error} />}
        {error === undefined && window === undefined && <Waiting />}
        {window?.rows.length === 0 && (
          <Nothing title={createWords.noTemplate} body={createWords.noTemplateBody}>
            <Button onClick={() => void navigate({ to: "/library", search: { tab: "templates" } })}>{createWords.toLibrary}</Button>
          </Nothing>
        )}
        {window !== undefined && window.rows.length > 0 && <CreateForm templates={window.rows} from={from} />}
      </PageSection>
    </>
  );
}

/** Whether a text is a MAC address, or none. */
const isMac = (text: string): boolean => text.trim() === "" || /^([\da-f]{2}[:-]){5}[\da-f]{2}$/iu.test(text.trim());

/** Why a VLAN cannot be asked for so; undefined where it can. */
function vlanTrouble({ vlan, network }: typeof fresh): string | undefined {
  const id = vlanIn(vlan);
  if (Number.isNaN(id)) return createWords.noVlan;
  return id !== undefined && network === "" ? createWords.vlanNetwork : undefined;
}

/** The request as the fields stand; undefined while one of them is no value. */
function wantedOf(draft: typeof fresh, template: TemplateView): Schemas["CreateVm"] | undefined {
  const cpus = draft.cpus === "" ? undefined : countIn(draft.cpus);
  const memory = draft.memory === "" ? undefined : mebibytesIn(draft.memory);
  const disk = draft.disk === "" ? undefined : mebibytesIn(draft.disk);
  const isWrong = (text: string, value: number | undefined): boolean => text !== "" && value === undefined;
  if (isWrong(draft.cpus, cpus) || isWrong(draft.memory, memory) || isWrong(draft.disk, disk)) return undefined;
  const vlan = vlanIn(draft.vlan);
  if (vlanTrouble(draft) !== undefined || !isMac(draft.mac)) return undefined;
  const tags = tagsIn(draft.tags);
  return {
    name: draft.name.trim(),
    from: { is: "template", template: template.id },
    ...(draft.start ? { start: true } : {}),
    ...(cpus === undefined ? {} : { cpus }),
    ...(memory === undefined ? {} : { memory_mib: memory }),
    ...(disk === undefined ? {} : { disk_bytes: disk * 1024 * 1024 }),
    ...(draft.host === "" ? {} : { host: draft.host }),
    ...(draft.path === "" ? {} : { path: draft.path }),
    ...(draft.network === "" ? {} : { network: draft.network }),
    ...(draft.mac.trim() === "" ? {} : { mac: draft.mac.trim() }),
    ...(vlan === undefined ? {} : { vlan }),
    ...(draft.spoofing === "" ? {} : { allow_mac_spoofing: draft.spoofing === "true" }),
    ...(draft.notes === "" ? {} : { notes: draft.notes }),
    ...(tags.length === 0 ? {} : { tags }),
  };
}

function CreateForm({ templates, from }: { templates: TemplateView[]; from: string | undefined }) {
  const navigate = useNavigate();
  const { tell } = useTeller();
  const { values: draft, set, drop, begin, isOld } = useDraft("create-vm", fresh);
  const hosts = useWindow("hosts", { sort: "name", limit: 1000 }).window?.rows ?? [];
  const [isMore, setMore] = useState(false);
  const [refusal, setRefusal] = useState<Refusal | undefined>();
  const [isBusy, setBusy] = useState(false);
  const [key, setKey] = useState(() => crypto.randomUUID());
  const template = templates.find((one) => one.id === (draft.template === "" ? from : draft.template)) ?? templates[0];
  const wanted = useMemo(() => (template === undefined ? undefined : wantedOf(draft, template)), [draft, template]);
  if (template === undefined) return null;
  const host = hosts.find((one) => one.id === draft.host);
  const ask: Ask | undefined = wanted === undefined || wanted.name === "" ? undefined : { method: "POST", path: "/vms", body: wanted };
  const command = line("vm create", [draft.name.trim()], {
    template: template.spec.name,
    cpus: wanted?.cpus ?? undefined,
    memory: typeof wanted?.memory_mib === "number" ? `${wanted.memory_mib}MiB` : undefined,
    "disk-size": typeof wanted?.disk_bytes === "number" ? `${wanted.disk_bytes / 1024 / 1024}MiB` : undefined,
    host: host?.name,
    path: draft.path,
    network: draft.network,
    mac: draft.mac.trim(),
    vlan: wanted?.vlan ?? undefined,
    "allow-mac-spoofing": draft.spoofing === "true",
    "allow-mac-spoofing=false": draft.spoofing === "false",
    notes: draft.notes,
    tag: wanted?.tags,
    start: draft.start,
  });
  const onSubmit = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    if (ask === undefined || isBusy) return;
    setBusy(true);
    setRefusal(undefined);
    try {
      const { job, id } = await send(ask, key);
      drop();
      tell({ title: `${createWords.submit} ${draft.name.trim()}`, job });
      if (typeof id === "string") await navigate({ to: "/machines/$vm", params: { vm: id } });
      else await navigate({ to: "/jobs/$job", params: { job: String(job) } });
    } catch (thrown) {
      setRefusal(refusalOf(thrown));
      setKey(crypto.randomUUID());
      setBusy(false);
    }
  };
  const { spec } = template;
  const networks = [...new Set(hosts.flatMap((one) => one.facts.networks ?? []))].sort();
  return (
    <div className="hostler-two">
      <Form onSubmit={onSubmit}>
        {isOld && <Alert isInline variant="info" title={words.form.draft} actionLinks={<Button variant="link" isInline onClick={begin}>{words.form.begin}</Button>} />}
        <TextField id="name" label={createWords.name} value={draft.name} onChange={(name) => set({ name })} isRequired />
        <ChoiceField
          id="template"
          label={createWords.template}
          value={template.id}
          onChange={(id) => set({ template: id })}
          choices={templates.map((one) => ({ value: one.id, title: one.spec.name }))}
          help={spec.notes}
        />
        <Checkbox id="start" label={createWords.start} isChecked={draft.start} onChange={(_, start) => set({ start })} />
        <ExpandableSection toggleText={words.form.more} isExpanded={isMore} onToggle={(_, next) => setMore(next)} isIndented>
          <div className="hostler-fields">
            <TextField
              id="cpus"
              label={createWords.cpus}
              value={draft.cpus}
              onChange={(cpus) => set({ cpus })}
              help={createWords.asTemplate(String(spec.cpus ?? 1))}
              error={draft.cpus !== "" && countIn(draft.cpus) === undefined ? machineWords.hardware.noNumber : undefined}
            />
            <TextField
              id="memory"
              label={createWords.memory}
              value={draft.memory}
              onChange={(memory) => set({ memory })}
              help={createWords.asTemplate(mebibytes(spec.memory_mib ?? 0))}
              error={draft.memory !== "" && mebibytesIn(draft.memory) === undefined ? machineWords.hardware.noSize : undefined}
            />
            <TextField
              id="disk"
              label={createWords.disk}
              value={draft.disk}
              onChange={(disk) => set({ disk })}
              help={createWords.diskHelp}
              error={draft.disk !== "" && mebibytesIn(draft.disk) === undefined ? machineWords.hardware.noSize : undefined}
            />
            <ChoiceField
              id="host"
              label={createWords.host}
              value={draft.host}
              onChange={(next) => set({ host: next })}
              choices={[{ value: "", title: createWords.anyHost }, ...hosts.map((one) => ({ value: one.id, title: one.name }))]}
            />
            <TextField
              id="path"
              label={createWords.path}
              value={draft.path}
              onChange={(path) => set({ path })}
              help={createWords.pathHelp}
              error={draft.path !== "" && !draft.path.startsWith("/") ? createWords.pathHelp : undefined}
            />
            <ChoiceField
              id="network"
              label={createWords.network}
              value={draft.network}
              onChange={(network) => set({ network })}
              choices={[{ value: "", title: createWords.noNetwork }, ...networks.map((one) => ({ value: one, title: one }))]}
            />
            <TextField id="mac" label={createWords.mac} value={draft.mac} onChange={(mac) => set({ mac })} help={createWords.macHelp} error={isMac(draft.mac) ? undefined : createWords.noMac} />
            <TextField id="vlan" label={createWords.vlan} value={draft.vlan} onChange={(vlan) => set({ vlan })} help={createWords.vlanHelp} error={vlanTrouble(draft)} />
            <ChoiceField
              id="spoofing"
              label={createWords.spoofing}
              value={draft.spoofing}
              onChange={(spoofing) => set({ spoofing })}
              choices={(["", "false", "true"] as const).map((value) => ({ value, title: createWords.spoofingChoices[value] }))}
            />
            <TextField id="tags" label={createWords.tags} value={draft.tags} onChange={(tags) => set({ tags })} help={machineWords.edit.tagsHelp} />
            <LongTextField id="notes" label={createWords.notes} value={draft.notes} onChange={(notes) => set({ notes })} />
          </div>
        </ExpandableSection>
        {ask !== undefined && <AsCommand ask={ask} command={command} />}
        {refusal !== undefined && <ErrorBox refusal={refusal} />}
        <ActionGroup>
          <Button type="submit" isDisabled={ask === undefined || isBusy} isLoading={isBusy}>{createWords.submit}</Button>
          <Button variant="link" onClick={() => void navigate({ to: "/machines" })}>{words.form.cancel}</Button>
        </ActionGroup>
      </Form>
      <Placement wanted={wanted} deploy={spec.deploy ?? "overlay"} />
    </div>
  );
}
