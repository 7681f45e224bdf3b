import { List, ListItem } from "@patternfly/react-core";
import { useQuery } from "@tanstack/react-query";
import { line } from "../actions/command.ts";
import { dryRun } from "../api/client.ts";
import { get } from "../api/hooks.ts";
import { refusalOf } from "../api/refusal.ts";
import type { DryRun, RatingView, VmView } from "../api/types.ts";
import { ErrorBox } from "../parts/error-box.tsx";
import { Waiting } from "../parts/live-table.tsx";
import { UnsuitedHosts } from "../parts/unsuited-hosts.tsx";
import { createWords, migrateWords as names } from "../words/machines.ts";
import { FormDialog } from "./dialog.tsx";
import { useDraft } from "./draft.ts";
import { ChoiceField } from "./fields.tsx";

/** Moves a running machine to another host: which suit and why, which do not, and what will be done. */
export function MigrateVmForm({ vm, onClose }: { vm: VmView; onClose: () => void }) {
  const draft = useDraft(`migrate.${vm.id}`, { to: "" });
  const ratings = useQuery({
    queryKey: ["migration-targets", vm.id],
    queryFn: () => get<RatingView[]>(`/vms/${vm.id}/migration-targets`),
    gcTime: 0,
  });
  const suited = (ratings.data ?? []).filter(({ stars }) => stars > 0);
  const others = (ratings.data ?? []).filter(({ stars }) => stars === 0);
  const to = suited.find(({ host }) => host === draft.values.to) ?? suited[0];
  const ask = to === undefined ? undefined : { method: "POST" as const, path: `/vms/${vm.id}/migrate`, body: { to: to.host } };
  const plan = useQuery({
    queryKey: ["migrate", vm.id, to?.host],
    queryFn: () => dryRun<DryRun>(ask ?? { method: "POST", path: "" }),
    enabled: ask !== undefined,
    gcTime: 0,
  });
  return (
    <FormDialog
      title={names.title(vm.spec.name)}
      description={names.what}
      submit={names.submit}
      ask={ask}
      command={line("vm migrate", [vm.spec.name], { to: to?.name })}
      draft={draft}
      onClose={onClose}
    >
      {ratings.error !== null && <ErrorBox refusal={refusalOf(ratings.error)} />}
      {ratings.data === undefined && ratings.error === null && <Waiting />}
      {ratings.data !== undefined && suited.length === 0 && <p role="status">{others.length === 0 ? names.alone : names.none}</p>}
      {to !== undefined && (
        <>
          <ChoiceField
            id="migrate-to"
            label={names.to}
            value={to.host}
            onChange={(next) => draft.set({ to: next })}
            choices={suited.map(({ host, name, stars }) => ({ value: host, title: `${name}: ${createWords.stars(stars)}` }))}
            isRequired
          />
          <p className="hostler-hint">{(to.reasons ?? []).join("; ")}</p>
        </>
      )}
      {others.length > 0 && <UnsuitedHosts ratings={others} isOpenAtFirst={suited.length === 0} />}
      {plan.error !== null && <ErrorBox refusal={refusalOf(plan.error)} />}
      {plan.data !== undefined && (
        <div role="status">
          <p>{`${createWords.plan}:`}</p>
          <List component="ol">
            {[...plan.data.steps.map((step) => step.key), ...plan.data.then].map((key) => (
              <ListItem key={key}>{names.steps[key] ?? key.replaceAll("-", " ")}</ListItem>
            ))}
          </List>
        </div>
      )}
    </FormDialog>
  );
}
