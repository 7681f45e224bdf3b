import { Alert, Card, CardBody, CardTitle, ExpandableSection, List, ListItem, Progress, Stack, StackItem } from "@patternfly/react-core";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { dryRun, send } from "../../api/client.ts";
import { refusalOf } from "../../api/refusal.ts";
import type { DryRun, RatingView, Schemas } from "../../api/types.ts";
import { ErrorBox } from "../../parts/error-box.tsx";
import { Waiting } from "../../parts/live-table.tsx";
import { UnsuitedHosts } from "../../parts/unsuited-hosts.tsx";
import { createWords } from "../../words/machines.ts";

const TYPING_MS = 200;
const SHOWN = 10;

/** A value once it has stood still for a moment: nobody is asked at each key. */
function useSettled<T>(value: T): T {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), TYPING_MS);
    return () => clearTimeout(timer);
  }, [value]);
  return settled;
}

/** Where a machine would go and why, and what would be done, as the form stands. */
export function Placement({ wanted, deploy }: { wanted: Schemas["CreateVm"] | undefined; deploy: Schemas["Deploy"] }) {
  const settled = useSettled(wanted);
  // A rating needs no name; the plan does.
  const rated = settled === undefined ? undefined : { ...settled, name: settled.name === "" ? "new" : settled.name };
  const ratings = useQuery({
    queryKey: ["ratings", JSON.stringify({ ...rated, name: "", notes: "", tags: [] })],
    queryFn: () => send<RatingView[]>({ method: "POST", path: "/ratings", body: rated }),
    enabled: rated !== undefined,
    placeholderData: keepPreviousData,
    gcTime: 0,
  });
  const suited = (ratings.data ?? []).filter(({ stars }) => stars > 0);
  const others = (ratings.data ?? []).filter(({ stars }) => stars === 0);
  const hasName = settled !== undefined && settled.name !== "";
  const plan = useQuery({
    queryKey: ["plan", JSON.stringify(settled)],
    queryFn: () => dryRun<DryRun>({ method: "POST", path: "/vms", body: settled }),
    enabled: hasName,
    gcTime: 0,
  });
  return (
    <Stack hasGutter>
      <StackItem>
        <Card isCompact>
          <CardTitle component="h2">{createWords.ratings}</CardTitle>
          <CardBody>
            <p className="hostler-hint">{createWords.ratingsHint}</p>
            {ratings.error !== null && <ErrorBox refusal={refusalOf(ratings.error)} />}
            {ratings.data === undefined && ratings.error === null && <Waiting />}
            <ul className="hostler-ratings">
              {suited.slice(0, SHOWN).map((rating) => (
                <Rating key={rating.host} rating={rating} />
              ))}
            </ul>
            {suited.length > SHOWN && <p className="hostler-hint">{createWords.moreSuit(suited.length - SHOWN)}</p>}
            {ratings.data !== undefined && suited.length === 0 && <Alert isInline variant="warning" title={createWords.noneSuits} />}
            {others.length > 0 && <UnsuitedHosts ratings={others} isOpenAtFirst={suited.length === 0} />}
          </CardBody>
        </Card>
      </StackItem>
      <StackItem>
        <Card isCompact>
          <CardTitle component="h2">{createWords.plan}</CardTitle>
          <CardBody>
            <p>
              {createWords.planHint} {createWords.transfers[deploy]}.
            </p>
            {!hasName && <p className="hostler-hint">{createWords.fill}</p>}
            {hasName && plan.error !== null && <ErrorBox refusal={refusalOf(plan.error)} />}
            {hasName && plan.data !== undefined && <Plan plan={plan.data} />}
          </CardBody>
        </Card>
      </StackItem>
    </Stack>
  );
}

function Rating({ rating }: { rating: RatingView }) {
  const [open, setOpen] = useState(false);
  const lacks = rating.lacks ?? [];
  return (
    <li>
      <Progress
        size="sm"
        title={rating.name}
        value={rating.stars}
        max={5}
        label={createWords.stars(rating.stars)}
        {...(rating.stars === 0 ? { variant: "danger" as const } : {})}
      />
      {lacks.length > 0 && <p>{`${createWords.lacks}: ${lacks.join("; ")}`}</p>}
      {(rating.reasons ?? []).length > 0 && (
        <ExpandableSection toggleText={`${createWords.reasons}: ${rating.name}`} isExpanded={open} onToggle={(_, next) => setOpen(next)} isIndented>
          <List>
            {(rating.reasons ?? []).map((reason) => (
              <ListItem key={reason}>{reason}</ListItem>
            ))}
          </List>
        </ExpandableSection>
      )}
    </li>
  );
}

function Plan({ plan }: { plan: DryRun }) {
  const chosen = (plan.choices as { host?: { host?: string } }).host?.host;
  return (
    <>
      {chosen !== undefined && <p>{`${createWords.chosen} ${chosen}.`}</p>}
      <List component="ol">
        {[...plan.steps.map((step) => step.key), ...plan.then].map((key) => (
          <ListItem key={key}>{key.replaceAll("-", " ")}</ListItem>
        ))}
      </List>
    </>
  );
}
