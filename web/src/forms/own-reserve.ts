import type { Schemas } from "../api/types.ts";
import { mebibytes, mebibytesIn } from "../parts/quantities.ts";

/** What a group sets of what is kept for each host, as texts in a form: an empty one is as in the group above. */
export interface OwnTexts {
  cpu: string;
  memory: string;
  disk: string;
  operations: string;
  network: string;
}

type Reserve = Schemas["EditReserve"];

const text = (value: number | null | undefined, shown: (value: number) => string = String): string => (typeof value === "number" ? shown(value) : "");

export function ownTextsOf(reserve: Schemas["OwnReserve"]): OwnTexts {
  return {
    cpu: text(reserve.cpu_percent),
    memory: text(reserve.memory_mib, mebibytes),
    disk: text(reserve.disk_mib, mebibytes),
    operations: text(reserve.disk_operations_per_s),
    network: text(reserve.network_percent),
  };
}

/** A size that may be nothing at all. */
export function sizeIn(written: string): number | undefined {
  return /^\s*0/u.test(written) && Number.parseFloat(written) === 0 ? 0 : mebibytesIn(written);
}

/** A whole number up to the most that it may be. */
export function wholeIn(written: string, most: number): number | undefined {
  const value = Number(written);
  return /^\s*\d{1,10}\s*$/u.test(written) && value <= most ? value : undefined;
}

const MOST_OPERATIONS = 1_000_000_000;

const fields: Record<keyof OwnTexts, { name: keyof Reserve; read: (written: string) => number | undefined }> = {
  cpu: { name: "cpu_percent", read: (written) => wholeIn(written, 100) },
  memory: { name: "memory_mib", read: sizeIn },
  disk: { name: "disk_mib", read: sizeIn },
  operations: { name: "disk_operations_per_s", read: (written) => wholeIn(written, MOST_OPERATIONS) },
  network: { name: "network_percent", read: (written) => wholeIn(written, 100) },
};

/** What of it changes, null where it is as in the group above from now on; nothing while a text is no value. */
export function ownReserve(values: OwnTexts, before: OwnTexts): { reserve: Reserve | undefined; wrong: Record<keyof OwnTexts, boolean> } {
  const reserve: Reserve = {};
  const wrong = { cpu: false, memory: false, disk: false, operations: false, network: false };
  for (const key of Object.keys(fields) as (keyof OwnTexts)[]) {
    const written = values[key].trim();
    if (written === before[key].trim()) continue;
    const value = written === "" ? null : fields[key].read(written);
    if (value === undefined) wrong[key] = true;
    else reserve[fields[key].name] = value;
  }
  return { reserve: Object.values(wrong).some(Boolean) ? undefined : reserve, wrong };
}
