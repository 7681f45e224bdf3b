import { Alert, Button, List, ListItem } from "@patternfly/react-core";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { get } from "../api/hooks.ts";
import type { FeedEvent, JobView, Schemas } from "../api/types.ts";
import { differences, type Difference } from "../parts/differences.ts";
import { Time } from "../parts/time.tsx";
import { actorName } from "../words/actors.ts";
import { words } from "../words/en.ts";
import { propertyName, propertyValue } from "../words/properties.ts";
import type { Versioned } from "./draft.ts";
import type { Rests } from "./rests.ts";

/** Who changed a thing since, and what of it, where that can be told apart. */
interface Since {
  actor: Schemas["Actor"];
  at: string;
  job?: number;
  changes: Difference[];
}

/** As many versions back as one looks for who it was. */
const LOOKED_BACK = 50;

/** Who changed what of a thing since a version: from its history, or from the jobs about it where it has none. */
async function readSince({ path, about, base, partOf }: Rests): Promise<Since[]> {
  if (/^(vm|host)\//u.test(about)) {
    const { items } = await get<Schemas["Page_FeedEvent"]>(`${path}/history?limit=${LOOKED_BACK}`);
    return items.flatMap((event, index) => sinceOf(event, items[index + 1], base.revision, partOf));
  }
  const { items } = await get<Schemas["Page_JobView"]>(`/jobs?about=${encodeURIComponent(about)}&limit=${LOOKED_BACK}`);
  return items
    .filter((job: JobView) => job.revision > base.revision && job.state.startsWith("completed"))
    .map((job) => ({ actor: job.actor, at: job.ended ?? job.created, job: job.id, changes: [] }));
}

function sinceOf(event: FeedEvent, before: FeedEvent | undefined, revision: number, partOf: Rests["partOf"]): Since[] {
  if (event.rev <= revision || before === undefined || event.op === "gone") return [];
  const changes = differences(partOf(before.body), partOf(event.body));
  return changes.length === 0 ? [] : [{ actor: event.actor, at: event.at, changes, ...(typeof event.job === "number" ? { job: event.job } : {}) }];
}

function Changes({ changes }: { changes: Difference[] }) {
  return (
    <List>
      {changes.map(({ property, before, after }) => (
        <ListItem key={property}>
          {`${propertyName(property)}: `}
          <span className="hostler-value">{propertyValue(property, before)}</span>
          {" → "}
          <span className="hostler-value">{propertyValue(property, after)}</span>
        </ListItem>
      ))}
    </List>
  );
}

/** Somebody changed the thing since the form was opened: who, what, and whose version it shall be. */
export function Conflict({ rests, present, onTake, onKeep }: { rests: Rests; present: Versioned; onTake: () => void; onKeep: () => void }) {
  const { data } = useQuery({ queryKey: ["since", rests.path, rests.base.revision, present.revision], queryFn: () => readSince(rests), gcTime: 0 });
  const all = differences(rests.partOf(rests.base), rests.partOf(present));
  const isTold = data?.some(({ changes }) => changes.length > 0) === true;
  const who = (since: Since): ReactNode => (
    <>
      <strong>{actorName(since.actor)}</strong>, <Time at={since.at} />
      {since.job !== undefined && (
        <>
          , <Link to="/jobs/$job" params={{ job: String(since.job) }}>{words.job.number(since.job)}</Link>
        </>
      )}
    </>
  );
  return (
    <Alert
      isInline
      isLiveRegion
      variant="warning"
      title={words.stale.title}
      actionLinks={
        <>
          <Button variant="secondary" size="sm" onClick={onKeep}>{words.stale.mine}</Button>
          <Button variant="link" size="sm" onClick={onTake}>{words.stale.theirs}</Button>
        </>
      }
    >
      <ul className="hostler-plain">
        {data?.map((since) => (
          <li key={`${since.at} ${since.job ?? ""}`}>
            {who(since)}
            <Changes changes={since.changes} />
          </li>
        ))}
      </ul>
      {!isTold && <Changes changes={all} />}
      <p>{words.stale.body}</p>
      <p className="hostler-code">
        {words.error.code}: <code>revision.stale</code>
      </p>
    </Alert>
  );
}
