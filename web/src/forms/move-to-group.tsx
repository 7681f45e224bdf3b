import { line } from "../actions/command.ts";
import { useWindow } from "../api/hooks.ts";
import type { HostGroupView } from "../api/types.ts";
import { hostGroupWords } from "../words/host-groups.ts";
import { FormDialog } from "./dialog.tsx";
import { useDraft } from "./draft.ts";
import { EffectsOf } from "./effects.tsx";
import { ChoiceField } from "./fields.tsx";

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
      <EffectsOf ask={ask} names={hostGroupWords.effects.moving} />
    </FormDialog>
  );
}
