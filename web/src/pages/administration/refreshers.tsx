import { Button, Stack, StackItem } from "@patternfly/react-core";
import { Link } from "@tanstack/react-router";
import { useCallback, useEffect, useState } from "react";
import { useGet, useMayChange } from "../../api/hooks.ts";
import type { Schemas } from "../../api/types.ts";
import { ErrorBox } from "../../parts/error-box.tsx";
import { Waiting } from "../../parts/live-table.tsx";
import { everyText, Looks, useRunRefresher } from "../../parts/looks.tsx";
import { PlainTable } from "../../parts/plain-table.tsx";
import { Time } from "../../parts/time.tsx";
import { refresherWords as names } from "../../words/refreshers.ts";

type Refresher = Schemas["RefresherView"];

/** How often what is shown is read again: when something was looked at is in no window. */
const AGAIN_MS = 5_000;

function useEvery(again: () => void): void {
  useEffect(() => {
    const timer = setInterval(again, AGAIN_MS);
    return () => clearInterval(timer);
  }, [again]);
}

/** The refreshers, and how far the chosen one is. */
export function Refreshers() {
  const { data, error, again } = useGet<Refresher[]>("/refreshers");
  const mayChange = useMayChange();
  const [chosen, setChosen] = useState<Refresher["refresher"]>("vm-light");
  useEvery(again);
  const run = useRunRefresher(again);
  if (error !== undefined) return <ErrorBox refusal={error} retry={again} />;
  if (data === undefined) return <Waiting />;
  return (
    <Stack hasGutter>
      <StackItem>
        <PlainTable<Refresher>
          title={names.title}
          rows={data}
          keyOf={({ refresher }) => refresher}
          columns={[
            {
              title: names.refresher,
              cell: ({ refresher }) => (
                <Button variant="link" isInline aria-pressed={refresher === chosen} onClick={() => setChosen(refresher)}>{names.names[refresher]}</Button>
              ),
            },
            { title: names.does, cell: ({ does }) => does },
            { title: names.every, cell: ({ interval_s: s }) => everyText(s) },
            { title: names.looksAt, cell: ({ looks_at: count }) => count, isNumber: true },
            { title: names.leftAlone, cell: ({ left_alone: count }) => count, isNumber: true },
            { title: names.failing, cell: ({ failing }) => failing, isNumber: true },
            { title: names.last, cell: ({ last }) => (typeof last === "string" ? <Time at={last} /> : names.notYet) },
            ...(mayChange
              ? [
                  {
                    title: names.run,
                    cell: ({ refresher }: Refresher) => (
                      <Button variant="link" isInline aria-label={names.runOf(names.names[refresher], "")} onClick={() => void run(refresher)}>
                        {names.run}
                      </Button>
                    ),
                  },
                ]
              : []),
          ]}
        />
        <p className="hostler-hint">
          {names.hint} <Link to="/administration" search={{ tab: "settings" }}>{names.toSettings}</Link>
        </p>
      </StackItem>
      <StackItem>
        <LooksOf refresher={chosen} />
      </StackItem>
    </Stack>
  );
}

function LooksOf({ refresher }: { refresher: Refresher["refresher"] }) {
  const { data, error, again } = useGet<{ items: Schemas["LookView"][]; total?: number }>(`/refreshers/${refresher}/looks?limit=200`);
  const read = useCallback(() => again(), [again]);
  useEvery(read);
  if (error !== undefined) return <ErrorBox refusal={error} retry={again} />;
  if (data === undefined) return <Waiting />;
  const { items, total = items.length } = data;
  return (
    <>
      <Looks title={names.looks(names.names[refresher])} looks={items} onRun={again} />
      {total > items.length && <p className="hostler-hint">{names.shown(items.length, total)}</p>}
    </>
  );
}
