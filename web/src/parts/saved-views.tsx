import { Button, Form, FormGroup, Modal, ModalBody, ModalFooter, ModalHeader, TextInput } from "@patternfly/react-core";
import { useState, type ReactNode } from "react";
import type { Noun } from "../api/types.ts";
import { words } from "../words/en.ts";
import { Menu } from "./menu.tsx";
import { searchOf, type Search, type View } from "./view.ts";

type Saved = Record<string, Search>;

/** A view says everything of these, also what it says nothing of. */
const usual = { filter: undefined, sort: undefined, columns: undefined, per: undefined, group: undefined, folded: undefined, page: undefined, picked: undefined };

const place = (noun: Noun): string => `hostler.views.${noun}`;

function readSaved(noun: Noun): Saved {
  try {
    const known = JSON.parse(localStorage.getItem(place(noun)) ?? "{}") as Record<string, Record<string, unknown>>;
    return Object.fromEntries(Object.entries(known).map(([name, search]) => [name, searchOf(search)]));
  } catch {
    return {};
  }
}

/** Views of a list under names of one's own, kept in this browser. */
export function SavedViews({ noun, view, icon }: { noun: Noun; view: View; icon: ReactNode }) {
  const [saved, setSaved] = useState(() => readSaved(noun));
  const [naming, setNaming] = useState<string | undefined>();
  const keep = (next: Saved): void => {
    setSaved(next);
    localStorage.setItem(place(noun), JSON.stringify(next));
  };
  const { filter, sort, columns, per, group } = view.search;
  return (
    <>
      <Menu
        label={words.table.saved}
        variant="plain"
        toggle={icon}
        choices={[
          ...Object.entries(saved).map(([name, search]) => ({
            key: name,
            label: name,
            onChoose: () => view.set({ ...usual, ...search }),
          })),
          { key: "save view", label: `${words.table.save}…`, onChoose: () => setNaming("") },
          ...Object.keys(saved).map((name) => ({
            key: `remove ${name}`,
            label: words.table.removeView(name),
            onChoose: () => keep(Object.fromEntries(Object.entries(saved).filter(([other]) => other !== name))),
          })),
        ]}
      />
      {naming !== undefined && (
        <Modal isOpen variant="small" onClose={() => setNaming(undefined)} aria-labelledby="save-view">
          <ModalHeader title={words.table.save} labelId="save-view" />
          <ModalBody>
            <Form
              id="save-view-form"
              onSubmit={(event) => {
                event.preventDefault();
                keep({ ...saved, [naming.trim()]: searchOf({ filter, sort, columns, per, group }) });
                setNaming(undefined);
              }}
            >
              <FormGroup label={words.table.saveName} fieldId="view-name" isRequired>
                <TextInput id="view-name" isRequired value={naming} onChange={(_, next) => setNaming(next)} />
              </FormGroup>
            </Form>
          </ModalBody>
          <ModalFooter>
            <Button type="submit" form="save-view-form" isDisabled={naming.trim() === ""}>{words.table.save}</Button>
            <Button variant="link" onClick={() => setNaming(undefined)}>{words.form.cancel}</Button>
          </ModalFooter>
        </Modal>
      )}
    </>
  );
}
