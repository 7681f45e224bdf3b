import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { dryRun, type Ask } from "../api/client.ts";
import { refusalOf } from "../api/refusal.ts";
import type { DryRun, Schemas } from "../api/types.ts";
import { ErrorBox } from "../parts/error-box.tsx";
import { hostGroupWords } from "../words/host-groups.ts";

const names = hostGroupWords.effects;
/** More is not read before something is pressed. */
const SHOWN = 20;

interface Names {
  none: (hosts: number, machines: number) => string;
  some: (hosts: number, machines: number) => string;
}

/** What would be in force otherwise if this were asked for; nothing while there is nothing to ask. */
export function EffectsOf({ ask, names: own }: { ask: Ask | undefined; names: Names }) {
  const plan = useQuery({
    queryKey: ["effects", JSON.stringify(ask)],
    queryFn: () => dryRun<DryRun>(ask ?? { method: "POST", path: "" }),
    enabled: ask !== undefined,
    placeholderData: keepPreviousData,
    gcTime: 0,
  });
  if (ask === undefined) return null;
  const effects = plan.data?.effects ?? undefined;
  return (
    <>
      {plan.error !== null && <ErrorBox refusal={refusalOf(plan.error)} />}
      {plan.error === null && effects !== undefined && <Effects effects={effects} names={own} />}
      {plan.isFetching && plan.data === undefined && <p className="hostler-hint">{names.reading}</p>}
    </>
  );
}

function Effects({ effects, names: own }: { effects: Schemas["Effects"]; names: Names }) {
  const { hosts, machines, changes, more = 0 } = effects;
  if (changes.length === 0) return <p role="status">{own.none(hosts, machines)}</p>;
  const hidden = changes.length - SHOWN + more;
  return (
    <div role="status">
      <p>{own.some(hosts, machines)}</p>
      <ul>
        {changes.slice(0, SHOWN).map(({ host, name, property, before, after }) => (
          <li key={`${host} ${property}`}>{names.change(name, names.properties[property] ?? property, String(before), String(after))}</li>
        ))}
        {hidden > 0 && <li>{names.more(hidden)}</li>}
      </ul>
    </div>
  );
}
