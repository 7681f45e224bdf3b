import { Alert, AlertActionCloseButton, AlertActionLink, AlertGroup } from "@patternfly/react-core";
import { Link } from "@tanstack/react-router";
import { createContext, useCallback, useContext, useEffect, useMemo, useState, type ReactNode } from "react";
import { send, type Ask } from "../api/client.ts";
import { useObject } from "../api/hooks.ts";
import { refusalOf, type Refusal } from "../api/refusal.ts";
import type { Accepted } from "../api/types.ts";
import { words } from "../words/en.ts";
import { jobStateWords } from "../words/statuses.ts";

/** What was asked for, told until it is seen how it went. */
interface Told {
  key: number;
  title: string;
  job?: number;
  refusal?: Refusal;
}

interface Teller {
  /** Asks for a change and tells how it goes; the job, or undefined where it was refused. */
  run: (ask: Ask, title: string) => Promise<Accepted | undefined>;
  /** Tells of a job that was asked for elsewhere (by a form). */
  tell: (told: Omit<Told, "key">) => void;
}

const TellerContext = createContext<Teller | undefined>(undefined);

export function useTeller(): Teller {
  const teller = useContext(TellerContext);
  if (teller === undefined) throw new Error("useTeller is used inside of Toasts");
  return teller;
}

const SHOWN_MS = 5_000;
let keys = 0;

export function Toasts({ children }: { children: ReactNode }) {
  const [told, setTold] = useState<Told[]>([]);
  const drop = useCallback((key: number) => setTold((all) => all.filter((one) => one.key !== key)), []);
  const tell = useCallback((one: Omit<Told, "key">) => {
    keys += 1;
    const key = keys;
    setTold((all) => [...all.slice(-4), { ...one, key }]);
  }, []);
  const run = useCallback<Teller["run"]>(
    async (ask, title) => {
      try {
        const accepted = await send(ask, crypto.randomUUID());
        tell({ title, job: accepted.job });
        return accepted;
      } catch (thrown) {
        tell({ title, refusal: refusalOf(thrown) });
        return undefined;
      }
    },
    [tell],
  );
  const teller = useMemo(() => ({ run, tell }), [run, tell]);
  return (
    <TellerContext value={teller}>
      {children}
      <AlertGroup isToast isLiveRegion hasAnimations>
        {told.map((one) =>
          one.job === undefined ? (
            <RefusedToast key={one.key} told={one} drop={drop} />
          ) : (
            <JobToast key={one.key} told={one} job={one.job} drop={drop} />
          ),
        )}
      </AlertGroup>
    </TellerContext>
  );
}

interface ToastProps {
  told: Told;
  drop: (key: number) => void;
}

function RefusedToast({ told, drop }: ToastProps) {
  const { refusal } = told;
  const isRefused = refusal !== undefined;
  useEffect(() => {
    if (isRefused) return undefined;
    const timer = setTimeout(() => drop(told.key), SHOWN_MS);
    return () => clearTimeout(timer);
  }, [isRefused, drop, told.key]);
  return (
    <Alert
      variant={isRefused ? "danger" : "success"}
      title={isRefused ? `${told.title}: ${words.toast.refused}` : told.title}
      actionClose={<AlertActionCloseButton onClose={() => drop(told.key)} />}
    >
      {isRefused && <RefusalText refusal={refusal} />}
    </Alert>
  );
}

function RefusalText({ refusal }: { refusal: Refusal }) {
  return (
    <>
      <p>{`${refusal.object}: ${refusal.cause}`}</p>
      {(refusal.remedy ?? "") !== "" && <p>{refusal.remedy}</p>}
      <p className="hostler-code">
        {words.error.code}: <code>{refusal.code}</code>
      </p>
    </>
  );
}

/** A job from the moment it was asked for to its end. A success goes by itself, a failure stays until it was read. */
function JobToast({ told, job: id, drop }: ToastProps & { job: number }) {
  const { data: job } = useObject("jobs", String(id));
  const { run } = useTeller();
  const state = job?.state ?? "queued";
  const hasFailed = state.startsWith("failed");
  const isDone = typeof job?.ended === "string";
  useEffect(() => {
    if (!isDone || hasFailed) return undefined;
    const timer = setTimeout(() => drop(told.key), SHOWN_MS);
    return () => clearTimeout(timer);
  }, [isDone, hasFailed, drop, told.key]);
  const variant = hasFailed ? "danger" : state === "completed" ? "success" : state === "completed-with-warnings" ? "warning" : "info";
  return (
    <Alert
      variant={variant}
      title={`${told.title}: ${jobStateWords[state].toLowerCase()}`}
      actionClose={<AlertActionCloseButton onClose={() => drop(told.key)} />}
      actionLinks={
        <>
          <Link to="/jobs/$job" params={{ job: String(id) }}>{words.job.number(id)}</Link>
          {hasFailed && (
            <AlertActionLink
              onClick={() => {
                drop(told.key);
                void run({ method: "POST", path: `/jobs/${id}/again` }, told.title);
              }}
            >
              {words.job.again}
            </AlertActionLink>
          )}
        </>
      }
    >
      {job?.error !== undefined && job.error !== null && <RefusalText refusal={job.error} />}
      {typeof job?.waiting === "string" && <p>{`${words.job.waits} ${job.waiting}`}</p>}
    </Alert>
  );
}
