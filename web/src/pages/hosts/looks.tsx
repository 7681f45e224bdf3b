import { Button } from "@patternfly/react-core";
import { useEffect } from "react";
import { useGet } from "../../api/hooks.ts";
import type { HostView, Schemas } from "../../api/types.ts";
import { ErrorBox } from "../../parts/error-box.tsx";
import { Waiting } from "../../parts/live-table.tsx";
import { Looks } from "../../parts/looks.tsx";
import { refresherWords as names } from "../../words/refreshers.ts";

/** How often what is shown is read again: when something was looked at is in no window. */
const AGAIN_MS = 5_000;

/** When refreshers looked at a host, and when they will. */
export function HostLooks({ host }: { host: HostView }) {
  const { data, error, again } = useGet<Schemas["LookView"][]>(`/hosts/${host.id}/looks`, true, host.revision);
  useEffect(() => {
    const timer = setInterval(again, AGAIN_MS);
    return () => clearInterval(timer);
  }, [again]);
  if (error !== undefined) return <ErrorBox refusal={error} retry={again} />;
  if (data === undefined) return <Waiting />;
  return (
    <>
      <Looks title={names.ofHost} looks={data} onRun={again} />
      <Button variant="link" isInline onClick={again}>{names.again}</Button>
    </>
  );
}
