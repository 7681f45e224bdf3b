import { Progress, Stack, StackItem } from "@patternfly/react-core";
import type { HostView } from "../../api/types.ts";
import { mebibytes } from "../../parts/quantities.ts";
import { hostWords } from "../../words/hosts.ts";

const names = hostWords.load;
const FULL = 90;

function Meter({ title, used, all, text }: { title: string; used: number; all: number; text: string }) {
  const percent = all <= 0 ? 0 : Math.min(100, Math.round((100 * used) / all));
  return (
    <StackItem>
      <Progress size="sm" title={title} value={percent} label={text} {...(percent >= FULL ? { variant: "warning" as const } : {})} />
    </StackItem>
  );
}

/** How full a host is. */
export function HostMeters({ host }: { host: HostView }) {
  const { load, facts } = host;
  const all = facts.memory_mib ?? 0;
  const cpu = load?.cpu_percent;
  const available = load?.memory_available_mib;
  const diskAll = load?.disk_total_mib ?? 0;
  return (
    <Stack hasGutter>
      {(load === undefined || load === null) && <StackItem>{names.unknown}</StackItem>}
      {cpu !== undefined && <Meter title={names.cpu} used={cpu} all={100} text={`${Math.round(cpu)} %`} />}
      {available !== undefined && all > 0 && <Meter title={names.memory} used={all - available} all={all} text={names.of(mebibytes(all - available), mebibytes(all))} />}
      {all > 0 && <Meter title={names.given} used={host.memory_given_mib} all={all} text={names.of(mebibytes(host.memory_given_mib), mebibytes(all))} />}
      {diskAll > 0 && load?.disk_free_mib !== undefined && (
        <Meter title={names.disk} used={diskAll - load.disk_free_mib} all={diskAll} text={names.of(mebibytes(diskAll - load.disk_free_mib), mebibytes(diskAll))} />
      )}
    </Stack>
  );
}
