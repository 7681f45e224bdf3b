import type { Schemas } from "../api/types.ts";
import { words } from "./en.ts";

/** Who did something. */
export function actorName(actor: Schemas["Actor"]): string {
  switch (actor.is) {
    case "user":
      return actor.name;
    case "agent":
      return words.job.byAgent(actor.name);
    case "refresher":
      return words.job.byRefresher;
    default:
      return words.job.bySystem;
  }
}
