import { useEffect, useEffectEvent, useState, type ReactNode } from "react";
import { send } from "../api/client.ts";
import { deleteView, saveView, useMyViews } from "../api/my-views.ts";
import type { Noun, SavedViewView } from "../api/types.ts";
import { SaveViewForm } from "../forms/save-view.tsx";
import { useTeller } from "../shell/toasts.tsx";
import { words } from "../words/en.ts";
import { Menu, type Choice } from "./menu.tsx";
import { patchOf, stateOf } from "./view-state.ts";
import type { View } from "./view.ts";
import { carryOver } from "./views-kept-here.ts";

const none: readonly SavedViewView[] = [];
/** Pages whose views of this browser were handed over, or tried to be, since the console was loaded. */
const carried = new Set<Noun>();

/** Views of a list under names of one's own, kept by the server. */
export function SavedViews({ noun, view, icon }: { noun: Noun; view: View; icon: ReactNode }) {
  const { views = none, error, again } = useMyViews(noun);
  const { run } = useTeller();
  const [isNaming, setNaming] = useState(false);
  useCarryOver(noun);
  const unread: Choice[] = error === undefined ? [] : [
    { key: "unread", label: words.table.viewsUnread, reason: `${error.object}: ${error.cause}. ${error.remedy ?? ""}`.trim(), onChoose: () => undefined },
    { key: "again", label: words.error.retry, onChoose: again },
  ];
  return (
    <>
      <Menu
        label={words.table.saved}
        variant="plain"
        toggle={icon}
        choices={[
          ...unread,
          ...views.map(({ id, name, state }) => ({ key: id, label: name, onChoose: () => view.set(patchOf(state)) })),
          { key: "save view", label: `${words.table.save}…`, onChoose: () => setNaming(true) },
          ...views.map(({ id, name }) => ({
            key: `remove ${id}`,
            label: words.table.removeView(name),
            onChoose: () => void run(deleteView(noun, name), words.table.removeView(name)),
          })),
        ]}
      />
      {isNaming && <SaveViewForm page={noun} state={stateOf(view.search)} views={views} onClose={() => setNaming(false)} />}
    </>
  );
}

/** What was kept in this browser goes to the server as soon as it is known what is there. */
function useCarryOver(noun: Noun): void {
  const { views } = useMyViews(noun);
  const { tell } = useTeller();
  const isKnown = views !== undefined;
  const carry = useEffectEvent(async () => {
    try {
      const refused = await carryOver(noun, views ?? none, {
        storage: localStorage,
        save: ({ name, state }) => send({ ...saveView(noun, name, state), query: { wait: "true" } }, crypto.randomUUID()),
      });
      for (const { name, refusal } of refused) tell({ title: words.table.carryView(name), refusal });
    } catch {
      // A browser that lets nothing be kept has nothing to hand over.
    }
  });
  useEffect(() => {
    if (!isKnown || carried.has(noun)) return;
    carried.add(noun);
    void carry();
  }, [isKnown, noun]);
}
