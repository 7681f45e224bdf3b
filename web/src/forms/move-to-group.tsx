import { useQuery } from "@tanstack/react-query";
import { line } from "../actions/command.ts";
import { dryRun } from "../api/client.ts";
import { useWindow } from "../api/hooks.ts";
import { refusalOf } from "../api/refusal.ts";
import type { DryRun, HostGroupView, Schemas } from "../api/types.ts";
import { ErrorBox } from "../parts/error-box.tsx";
import { hostGroupWords } from "../words/host-groups.ts";
import { FormDialog } from "./dialog.tsx";
import { useDraft } from "./draft.ts";
import { ChoiceField } from "./fields.tsx";

const names = hostGroupWords.effects;
/** More is not read before something is pressed. */
const SHOWN = 20;

/** What is moved: a host, or a group with all that is in it. */
export interface Moved {
  noun: "hosts" | "host-groups";
  id: string;
  /** As it is called, and as the command line takes it. */
  name: string;
  /** The path of the group that it is in. */
  in: string;
}

/** Whether a group can be moved there: not into itself, nor into what is below it, nor to where it is. */
const takes = (group: HostGroupView, moved: Moved): boolean =>
  group.path !== moved.in && (moved.noun === "hosts" || (group.path !== moved.name && !group.path.startsWith(`${moved.name}/`)));

/** Puts a host or a group into another group; what would be otherwise from then on stands beside it. */
export function MoveToGroupForm({ moved, onClose }: { moved: Moved; onClose: () => void }) {
  const draft = useDraft(`move.${moved.id}`, { to: "" });
  const groups = (useWindow("host-groups", { sort: "path", limit: 1000 }).window?.rows ?? []).filter((group) => takes(group, moved));
  const to = groups.find(({ id }) => id === draft.values.to) ?? groups[0];
  const ask = to === undefined ? undefined : { method: "POST" as const, path: `/${moved.noun}/${moved.id}/move`, body: { to: to.id } };
  const plan = useQuery({
    queryKey: ["move", moved.id, to?.id],
    queryFn: () => dryRun<DryRun>(ask ?? { method: "POST", path: "" }),
    enabled: ask !== undefined,
    gcTime: 0,
  });
  return (
    <FormDialog
      title={hostGroupWords.moveTitle(moved.name)}
      submit={hostGroupWords.move}
      ask={ask}
      command={line(moved.noun === "hosts" ? "host move" : "host-group move", [moved.name], { to: to?.path })}
      draft={draft}
      onClose={onClose}
    >
      {groups.length === 0 ? (
        <p>{hostGroupWords.noOther}</p>
      ) : (
        <ChoiceField id="move-to" label={hostGroupWords.fields.to} value={to?.id ?? ""} onChange={(next) => draft.set({ to: next })} choices={groups.map(({ id, path }) => ({ value: id, title: path }))} isRequired />
      )}
      {plan.error !== null && <ErrorBox refusal={refusalOf(plan.error)} />}
      {plan.data?.effects !== undefined && plan.data.effects !== null && <Effects effects={plan.data.effects} />}
      {plan.isFetching && plan.data === undefined && <p className="hostler-hint">{names.reading}</p>}
    </FormDialog>
  );
}

function Effects({ effects }: { effects: Schemas["Effects"] }) {
  const { hosts, machines, changes, more = 0 } = effects;
  if (changes.length === 0) return <p role="status">{names.none(hosts, machines)}</p>;
  const hidden = changes.length - SHOWN + more;
  return (
    <div role="status">
      <p>{names.some(hosts, machines)}</p>
      <ul>
        {changes.slice(0, SHOWN).map(({ host, name, property, before, after }) => (
          <li key={`${host} ${property}`}>{names.change(name, names.properties[property] ?? property, String(before), String(after))}</li>
        ))}
        {hidden > 0 && <li>{names.more(hidden)}</li>}
      </ul>
    </div>
  );
}
