import { Label } from "@patternfly/react-core";
import { get } from "../../api/hooks.ts";
import { useLooking, type Looked } from "../../api/looking.ts";
import type { Schemas } from "../../api/types.ts";
import { networkWords as names } from "../../words/networking.ts";

export type Network = Schemas["NetworkView"];
export type NetworkDetail = Schemas["NetworkDetail"];

/** Networks are put together from what hosts say, and stand in no window: they are asked for while somebody looks. */
const AGAIN_MS = 5_000;
export function useNetworks<T>(path: string): Looked<T> {
  return useLooking(path, () => get<T>(path), () => AGAIN_MS);
}

/** How many hosts have a network otherwise than the others. */
export const odd = ({ mismatches }: Network): number => new Set((mismatches ?? []).map(({ host }) => host)).size;

export function NetworkLabel({ network }: { network: Network }) {
  const count = odd(network);
  return count === 0 ? <Label isCompact variant="outline" status="success">{names.same}</Label> : <Label isCompact variant="outline" status="warning">{names.differs(count)}</Label>;
}

export function KindText({ kind }: { kind: Network["kind"] }) {
  return <span title={names.kindHints[kind]}>{names.kinds[kind]}</span>;
}
