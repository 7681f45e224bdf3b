import { Button, Label } from "@patternfly/react-core";
import { useCallback } from "react";
import { send } from "../api/client.ts";
import { useMayChange } from "../api/hooks.ts";
import { refusalOf } from "../api/refusal.ts";
import type { Schemas } from "../api/types.ts";
import { useTeller } from "../shell/toasts.tsx";
import { refresherWords as names } from "../words/refreshers.ts";
import { PlainTable } from "./plain-table.tsx";
import { interval, span } from "./quantities.ts";
import { Time } from "./time.tsx";

type Look = Schemas["LookView"];
type Refresher = Schemas["RefresherKind"];

/** How often, in words. */
export const everyText = (seconds: number): string => (seconds === 0 ? names.off : interval(seconds));

/** Lets a refresher look now; what it finds is there a moment later. */
export function useRunRefresher(onRun: () => void): (refresher: Refresher, at?: string) => Promise<void> {
  const { tell } = useTeller();
  return useCallback(
    async (refresher, at) => {
      const title = names.names[refresher];
      try {
        const body: Schemas["RunRefresher"] = at === undefined ? {} : { at };
        const run = await send<Schemas["RefresherRun"]>({ method: "POST", path: `/refreshers/${refresher}/run`, body });
        tell({ title: names.asked(title, run.asked) });
      } catch (thrown) {
        tell({ title, refusal: refusalOf(thrown) });
      }
      onRun();
    },
    [tell, onRun],
  );
}

function Result({ look }: { look: Look }) {
  if (look.error !== undefined && look.error !== null) return <Label isCompact variant="outline" status="danger">{look.error.cause}</Label>;
  if (look.is_left_alone) return <Label isCompact variant="outline" status="warning">{names.inMaintenance}</Label>;
  return typeof look.last === "string" ? <Label isCompact variant="outline" status="success">{names.good}</Label> : null;
}

/** How far refreshers are with hosts and shares. */
export function Looks({ title, looks, onRun }: { title: string; looks: readonly Look[]; onRun: () => void }) {
  const mayChange = useMayChange();
  const run = useRunRefresher(onRun);
  return (
    <PlainTable<Look>
      title={title}
      rows={looks}
      keyOf={({ refresher, id }) => `${refresher} ${id}`}
      columns={[
        { title: names.refresher, cell: ({ refresher }) => names.names[refresher] },
        { title: names.looksAt, cell: ({ name }) => name },
        { title: names.every, cell: ({ interval_s: s }) => everyText(s) },
        { title: names.last, cell: ({ last }) => (typeof last === "string" ? <Time at={last} /> : names.notYet) },
        { title: names.took, cell: ({ took_ms: ms }) => (typeof ms === "number" ? span(ms) : ""), isNumber: true },
        { title: names.next, cell: ({ next, is_looking: now }) => (now ? names.soon : typeof next === "string" ? <Time at={next} /> : "") },
        { title: names.result, cell: (look) => <Result look={look} /> },
        ...(mayChange
          ? [
              {
                title: names.run,
                cell: ({ refresher, id, name }: Look) => (
                  <Button variant="link" isInline aria-label={names.runOf(names.names[refresher], name)} onClick={() => void run(refresher, id)}>
                    {names.run}
                  </Button>
                ),
              },
            ]
          : []),
      ]}
    />
  );
}
