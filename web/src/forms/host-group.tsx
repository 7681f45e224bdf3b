import { Checkbox } from "@patternfly/react-core";
import { line } from "../actions/command.ts";
import type { HostGroupView, Schemas } from "../api/types.ts";
import { mebibytes } from "../parts/quantities.ts";
import { hostGroupWords } from "../words/host-groups.ts";
import { FormDialog } from "./dialog.tsx";
import { useDraft, useEdit, type Draft } from "./draft.ts";
import { EffectsOf } from "./effects.tsx";
import { ChoiceField, LongTextField, TextField } from "./fields.tsx";
import { ownReserve, ownTextsOf, type OwnTexts } from "./own-reserve.ts";
import { restsOn } from "./rests.ts";

const names = hostGroupWords.fields;

type Own = "" | "true" | "false";

interface Fields extends OwnTexts {
  name: string;
  notes: string;
  unencrypted: Own;
  overwrites: boolean;
}

const ownOf = (is: boolean | null | undefined): Own => (typeof is === "boolean" ? (is ? "true" : "false") : "");

function fieldsOf(group: HostGroupView): Fields {
  const { name, notes = "", reserve = {}, unencrypted_transfers: unencrypted } = group;
  return { name, notes, ...ownTextsOf(reserve), unencrypted: ownOf(unencrypted), overwrites: false };
}

const nothing: Fields = { name: "", notes: "", cpu: "", memory: "", disk: "", operations: "", network: "", unencrypted: "", overwrites: false };

/** What a command says of a value: itself, or that the group above decides. */
const said = (value: string | undefined): string | undefined => (value === undefined ? undefined : value === "" ? "inherit" : value);

/** Makes a group in another one. */
export function NewHostGroupForm({ parent, onClose }: { parent: HostGroupView; onClose: () => void }) {
  const draft = useDraft(`new-host-group.${parent.id}`, nothing);
  const { values } = draft;
  const { reserve } = ownReserve(values, nothing);
  const name = values.name.trim();
  const set = Object.fromEntries(Object.entries(reserve ?? {}).filter(([, value]) => value !== null));
  const body: Schemas["NewHostGroup"] = {
    name,
    parent: parent.id,
    ...(values.notes === "" ? {} : { notes: values.notes }),
    ...(Object.keys(set).length === 0 ? {} : { reserve: set }),
    ...(values.unencrypted === "" ? {} : { unencrypted_transfers: values.unencrypted === "true" }),
  };
  return (
    <FormDialog
      title={hostGroupWords.createTitle(parent.path)}
      submit={hostGroupWords.createSubmit}
      ask={name === "" || reserve === undefined ? undefined : { method: "POST", path: "/host-groups", body }}
      command={line("host-group create", [name], {
        in: parent.path,
        notes: values.notes,
        "reserve-cpu": values.cpu,
        "reserve-memory": values.memory,
        "reserve-disk": values.disk,
        "reserve-disk-operations": values.operations,
        "reserve-network": values.network,
        "unencrypted-transfers": values.unencrypted,
      })}
      draft={draft}
      onClose={onClose}
    >
      <GroupFields draft={draft} above={parent.in_force} before={nothing} />
    </FormDialog>
  );
}

/** Changes what a group is called and sets. `above` is what would be in force if it set nothing. */
export function EditHostGroupForm({ group, above, onClose }: { group: HostGroupView; above: Schemas["InForceView"] | undefined; onClose: () => void }) {
  const edit = useEdit("edit-host-group", group, fieldsOf);
  const { values, base } = edit;
  const before = fieldsOf(base);
  const { reserve } = ownReserve(values, before);
  const changed = <Key extends keyof Fields>(key: Key): Fields[Key] | undefined => (values[key] === before[key] ? undefined : values[key]);
  const name = changed("name")?.trim();
  const notes = changed("notes");
  const unencrypted = changed("unencrypted");
  const body: Schemas["EditHostGroup"] = {
    ...(name === undefined ? {} : { name }),
    ...(notes === undefined ? {} : { notes }),
    ...(reserve === undefined || Object.keys(reserve).length === 0 ? {} : { reserve }),
    ...(unencrypted === undefined ? {} : { unencrypted_transfers: unencrypted === "" ? null : unencrypted === "true" }),
    ...(values.overwrites ? { overwrite_below: true } : {}),
  };
  const isWhole = values.name.trim() !== "" && reserve !== undefined && Object.keys(body).length > 0;
  const ask = isWhole ? { method: "PATCH" as const, path: `/host-groups/${group.id}`, body } : undefined;
  const hasEffects = body.reserve !== undefined || body.unencrypted_transfers !== undefined || values.overwrites;
  return (
    <FormDialog
      title={hostGroupWords.editTitle(group.path)}
      submit={hostGroupWords.save}
      ask={ask}
      command={line("host-group edit", [group.path], {
        name,
        notes,
        "reserve-cpu": said(changed("cpu")),
        "reserve-memory": said(changed("memory")),
        "reserve-disk": said(changed("disk")),
        "reserve-disk-operations": said(changed("operations")),
        "reserve-network": said(changed("network")),
        "unencrypted-transfers": said(unencrypted),
        "overwrite-below": values.overwrites,
        "if-match": base.revision,
      })}
      draft={edit}
      rests={restsOn(edit, "host-groups", "host-group", ({ name: its, notes: theirs, reserve: kept, unencrypted_transfers: open }) => ({ its, theirs, kept, open }))}
      onClose={onClose}
    >
      <GroupFields draft={edit} above={above} before={before} isTop={group.parent === undefined || group.parent === null} />
      <Checkbox id="group-overwrites" label={names.overwrite} isChecked={values.overwrites} onChange={(_, overwrites) => edit.set({ overwrites })} />
      <EffectsOf ask={hasEffects ? ask : undefined} names={hostGroupWords.effects.setting} />
    </FormDialog>
  );
}

/** `above` is what is in force where nothing is set; not known for a moment, or for the top. */
function GroupFields({ draft, above, before, isTop = false }: { draft: Draft<Fields>; above: Schemas["InForceView"] | undefined; before: Fields; isTop?: boolean }) {
  const { values, set } = draft;
  const { wrong } = ownReserve(values, before);
  const reserve = above?.reserve;
  const as = (value: string | undefined): { placeholder?: string } => (value === undefined || above === undefined ? {} : { placeholder: names.inherited(value) });
  const open = above === undefined ? "" : above.unencrypted_transfers ? hostGroupWords.yes : hostGroupWords.no;
  return (
    <>
      {!isTop && <TextField id="group-name" label={names.name} value={values.name} onChange={(name) => set({ name })} isRequired />}
      <LongTextField id="group-notes" label={names.notes} value={values.notes} onChange={(notes) => set({ notes })} />
      <TextField id="group-cpu" label={names.cpu} value={values.cpu} onChange={(cpu) => set({ cpu })} error={wrong.cpu ? names.noPercent : undefined} help={names.empty} {...as(`${reserve?.cpu_percent ?? 0} %`)} />
      <TextField id="group-memory" label={names.memory} value={values.memory} onChange={(memory) => set({ memory })} error={wrong.memory ? names.noSize : undefined} {...as(mebibytes(reserve?.memory_mib ?? 0))} />
      <TextField id="group-disk" label={names.disk} value={values.disk} onChange={(disk) => set({ disk })} error={wrong.disk ? names.noSize : undefined} {...as(mebibytes(reserve?.disk_mib ?? 0))} />
      <TextField id="group-operations" label={names.operations} value={values.operations} onChange={(operations) => set({ operations })} error={wrong.operations ? names.noNumber : undefined} {...as(String(reserve?.disk_operations_per_s ?? 0))} />
      <TextField id="group-network" label={names.network} value={values.network} onChange={(network) => set({ network })} error={wrong.network ? names.noPercent : undefined} {...as(`${reserve?.network_percent ?? 0} %`)} />
      <ChoiceField
        id="group-unencrypted"
        label={names.unencrypted}
        value={values.unencrypted}
        onChange={(next) => set({ unencrypted: next as Own })}
        choices={[
          { value: "", title: open === "" ? hostGroupWords.no : names.asAbove(open) },
          { value: "true", title: hostGroupWords.yes },
          { value: "false", title: hostGroupWords.no },
        ]}
      />
    </>
  );
}

