import type { HostStatus } from "../api/types.ts";

/** How a host is, machines and all: the worst of it. */
export type Health = "well" | "quiet" | "troubled" | "down";

export function healthOf(status: HostStatus, troubles: number): Health {
  switch (status) {
    case "responding":
      return troubles > 0 ? "troubled" : "well";
    case "not-available":
    case "in-maintenance":
      return troubles > 0 ? "troubled" : "quiet";
    case "not-responding":
    case "hypervisor-not-responding":
    case "declared-dead":
      return "down";
  }
}

/** How all of them are together: in trouble when one is; only when none is well it is worse than that. */
export function rolledUp(healths: readonly Health[]): Health {
  if (healths.length > 0 && healths.every((health) => health === "down")) return "down";
  if (healths.some((health) => health === "down" || health === "troubled")) return "troubled";
  return healths.every((health) => health === "quiet") ? "quiet" : "well";
}
