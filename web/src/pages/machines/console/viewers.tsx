import { Label, Tooltip } from "@patternfly/react-core";
import { get } from "../../../api/hooks.ts";
import { useLooking } from "../../../api/looking.ts";
import { consoleWords } from "../../../words/console.ts";

export interface Viewer {
  user: string;
  kind: string;
  view_only: boolean;
  since: string;
}

/** No window tells who watches; a look now and then does. */
const NEXT_MS = 5_000;

/** Everybody but this one look of one's own: each user once. */
export function othersOf(viewers: readonly Viewer[], me: string, isHere: boolean): string[] {
  const rest = [...viewers];
  const mine = isHere ? rest.findIndex((viewer) => viewer.user === me) : -1;
  if (mine >= 0) rest.splice(mine, 1);
  return [...new Set(rest.map((viewer) => viewer.user))].map((user) => {
    const theirs = rest.filter((viewer) => viewer.user === user);
    return consoleWords.viewer(user, theirs.length, theirs.every((viewer) => viewer.view_only));
  });
}

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
