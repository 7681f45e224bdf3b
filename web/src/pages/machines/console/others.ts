import { consoleWords } from "../../../words/console.ts";

export interface Viewer {
  user: string;
  kind: string;
  view_only: boolean;
  since: string;
}

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
