import { Label, Tooltip } from "@patternfly/react-core";
import { get } from "../../../api/hooks.ts";
import { useLooking } from "../../../api/looking.ts";
import { consoleWords } from "../../../words/console.ts";
import { othersOf, type Viewer } from "./others.ts";

/** No window tells who watches; a look now and then does. */
const NEXT_MS = 5_000;

/** Who else has this machine's console open. */
export function Viewers({ vm, me, isHere }: { vm: string; me: string; isHere: boolean }) {
  const { data } = useLooking(`${vm} viewers ${isHere}`, () => get<Viewer[] | { items: Viewer[] }>(`/vms/${vm}/console-viewers`), () => NEXT_MS);
  if (data === undefined) return null;
  const others = othersOf(Array.isArray(data) ? data : data.items, me, isHere);
  const text = others.length === 0 ? consoleWords.alone : consoleWords.others(others.join(", "));
  return (
    <Tooltip content={text}>
      <Label isCompact color={others.length === 0 ? "grey" : "orange"} aria-label={consoleWords.watching} tabIndex={0}>{text}</Label>
    </Tooltip>
  );
}
