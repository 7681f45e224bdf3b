import type { Ask } from "../api/client.ts";
import { useGet } from "../api/hooks.ts";
import type { Refusal } from "../api/refusal.ts";
import type { VmStatus, VmView } from "../api/types.ts";
import type { Risky } from "../forms/confirm.tsx";
import { vmActionWords } from "../words/machines.ts";
import { line } from "./command.ts";

/** Actions that need nothing but their machine. Those with fields are forms. */
export const plainActions = [
  "start",
  "shut-down",
  "turn-off",
  "pause",
  "resume",
  "reset",
  "save",
  "discard-saved",
  "settle",
  "adopt",
  "refresh",
  "forget",
  "delete",
] as const;
export type PlainAction = (typeof plainActions)[number];

/** What a machine's status allows, from the server's own table; nothing where the server has none. */
interface Allowance {
  status: VmStatus;
  actions: { action: string; refusal?: Refusal | null }[];
}

/** Why an action is not possible in a status; undefined where it is. */
export type Reasons = (status: VmStatus, action: string) => string | undefined;

export function reasonsIn(table: Allowance[]): Reasons {
  const reasons = new Map<string, string>();
  for (const { status, actions } of table) {
    for (const { action, refusal } of actions) {
      if (refusal === undefined || refusal === null) continue;
      reasons.set(`${status} ${action}`, [refusal.cause, refusal.remedy ?? ""].filter((text) => text !== "").join(". "));
    }
  }
  return (status, action) => reasons.get(`${status} ${action}`);
}

const none: Allowance[] = [];

/** The server's table of what each status allows. */
export function useReasons(): Reasons {
  const { data } = useGet<Allowance[]>("/vm-actions");
  return reasonsIn(data ?? none);
}

export function vmPath(vm: VmView): string {
  return `/vms/${vm.id}`;
}

/** What an action asks of the server. */
export function askFor(vm: VmView, action: PlainAction): Ask {
  if (action === "delete") return { method: "DELETE", path: vmPath(vm) };
  if (action === "forget") return { method: "DELETE", path: vmPath(vm), query: { disks: "false" } };
  return { method: "POST", path: `${vmPath(vm)}/${action}` };
}

export function commandFor(vm: VmView, action: PlainAction): string {
  return line(`vm ${action}`, [vm.spec.name], { yes: action === "delete" });
}

/** What is lost by an action; undefined where it loses nothing that cannot be had again. */
export function lossesOf(vm: VmView, action: PlainAction): readonly string[] | undefined {
  const { losses } = vmActionWords;
  switch (action) {
    case "turn-off":
      return vm.status === "saved" ? losses.savedState : losses.powerCut;
    case "reset":
      return losses.powerCut;
    case "discard-saved":
      return losses.savedState;
    case "forget":
      return losses.record;
    case "delete":
      return [...losses.record, ...[...(vm.spec.hardware.disks ?? []), ...(vm.spec.detached ?? [])].map((disk) => losses.disk(disk.no, disk.file))];
    default:
      return undefined;
  }
}

export function riskOf(vm: VmView, action: PlainAction): Risky | undefined {
  const losses = lossesOf(vm, action);
  if (losses === undefined) return undefined;
  const label = vmActionWords.labels[action];
  return {
    title: `${label} ${vm.spec.name}`,
    submit: label,
    ask: askFor(vm, action),
    command: commandFor(vm, action),
    losses,
    ...(action === "delete" ? { typed: vm.spec.name } : {}),
  };
}
