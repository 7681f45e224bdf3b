import { useState } from "react";
import type { VmView } from "../../api/types.ts";
import { machineWords } from "../../words/machines.ts";

/** At most this often while somebody looks: the next picture is asked for when the last one is there. */
const NEXT_MS = 2_000;
const screens = new Set<VmView["status"]>(["running", "paused", "shutting-down", "suspended"]);

/** What a machine shows on its screen now. */
export function Screen({ vm }: { vm: VmView }) {
  const [turn, setTurn] = useState(0);
  const [hasFailed, setFailed] = useState(false);
  if (!screens.has(vm.status)) return null;
  const later = (failed: boolean): void => {
    setFailed(failed);
    setTimeout(() => setTurn((before) => before + 1), failed ? NEXT_MS * 5 : NEXT_MS);
  };
  return (
    <>
      <img
        className="hostler-screen"
        hidden={hasFailed}
        src={`/api/v1/vms/${vm.id}/screenshot?${turn}`}
        alt={machineWords.screen(vm.spec.name)}
        onLoad={() => later(false)}
        onError={() => later(true)}
      />
      {hasFailed && <p className="hostler-hint">{machineWords.noScreen}</p>}
    </>
  );
}
