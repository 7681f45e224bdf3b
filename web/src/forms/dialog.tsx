import { Alert, Button, Form, Modal, ModalBody, ModalFooter, ModalHeader } from "@patternfly/react-core";
import { useId, useRef, useState, type SubmitEvent, type ReactNode } from "react";
import { send, type Ask } from "../api/client.ts";
import { get, useGet } from "../api/hooks.ts";
import { RefusalError, refusalOf, type Refusal } from "../api/refusal.ts";
import type { Accepted, Schemas } from "../api/types.ts";
import { AsCommand } from "../parts/as-command.tsx";
import { ErrorBox } from "../parts/error-box.tsx";
import { useTeller } from "../shell/toasts.tsx";
import { words } from "../words/en.ts";
import { Conflict } from "./conflict.tsx";
import type { Draft, Versioned } from "./draft.ts";
import { etag, readHead, type Rests } from "./rests.ts";

interface Props {
  title: string;
  description?: ReactNode;
  submit: string;
  isDanger?: boolean;
  /** What it asks for, as the fields stand; undefined while something is missing. */
  ask: Ask | undefined;
  command: string;
  /** What is shown instead of what is asked: where that holds a secret, or is not confirmed yet. */
  shown?: Ask;
  /** What was filled in, which is kept when the form is left. */
  draft?: Omit<Draft<never>, "values" | "set">;
  /** The version that an edit rests on: another's change in between is shown, and never overwritten unseen. */
  rests?: Rests;
  onClose: () => void;
  /** What to do with an answer that is more than a job. */
  onAnswer?: (answer: unknown) => void;
  children?: ReactNode;
}

/** How often an edit is sent again because something of the thing changed that the form has nothing to do with. */
const TRIES = 5;
const same = (one: unknown, other: unknown): boolean => JSON.stringify(one) === JSON.stringify(other);
const isStale = (thrown: unknown): boolean => thrown instanceof RefusalError && thrown.status === 412;

/** Sends an edit upon the version it rests on; answers the present one where what the form changes is another now. */
async function sendUpon(ask: Ask, key: string, rests: Rests): Promise<{ answer: unknown } | { present: Versioned }> {
  let { revision } = rests.base;
  for (let tries = 0; ; tries += 1) {
    try {
      // Sent again upon another version it is another request, and has a key of its own.
      return { answer: await send({ ...ask, ifMatch: etag(await readHead(tries > 0), revision) }, tries === 0 ? key : `${key}-${tries}`) };
    } catch (thrown) {
      if (!isStale(thrown) || tries >= TRIES) throw thrown;
      const present = await get<Versioned>(rests.path);
      if (!same(rests.partOf(present), rests.partOf(rests.base))) return { present };
      ({ revision } = present);
    }
  }
}

/** The one shell of all dialogues that change something: fields, the same as a command, what was refused and why. */
export function FormDialog({ title, description, submit, isDanger = false, ask, command, shown, draft, rests, onClose, onAnswer, children }: Props) {
  const id = useId();
  const { tell } = useTeller();
  const [refusal, setRefusal] = useState<Refusal | undefined>();
  const [present, setPresent] = useState<Versioned | undefined>();
  const [isKept, setKept] = useState(false);
  const [isBusy, setBusy] = useState(false);
  const { data: server } = useGet<Schemas["ServerView"]>("/server", rests !== undefined);
  const plain = shown ?? ask;
  const told = plain !== undefined && rests !== undefined && server !== undefined ? { ...plain, ifMatch: etag(server.head, rests.base.revision) } : plain;
  // One key for one request: pressed twice, or sent again after a cut, it is the same job. Other fields are another.
  const keys = useRef(new Map<string, string>());
  const keyOf = (asked: Ask): string => {
    const text = JSON.stringify([asked, rests?.base.revision]);
    const key = keys.current.get(text) ?? crypto.randomUUID();
    keys.current.set(text, key);
    return key;
  };
  const onSubmit = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    if (ask === undefined || isBusy) return;
    setBusy(true);
    setRefusal(undefined);
    setPresent(undefined);
    setKept(false);
    try {
      const sent = rests === undefined ? { answer: await send<unknown>(ask, keyOf(ask)) } : await sendUpon(ask, keyOf(ask), rests);
      if ("present" in sent) {
        setPresent(sent.present);
      } else {
        draft?.drop();
        if (onAnswer !== undefined) onAnswer(sent.answer);
        else onClose();
        const { job } = (sent.answer ?? {}) as Partial<Accepted>;
        tell(job === undefined ? { title } : { title, job });
      }
    } catch (thrown) {
      setRefusal(refusalOf(thrown));
    }
    setBusy(false);
  };
  const cancel = (): void => {
    draft?.drop();
    onClose();
  };
  return (
    <Modal isOpen variant="medium" onClose={onClose} aria-labelledby={`${id}-title`} aria-describedby={`${id}-body`}>
      <ModalHeader title={title} labelId={`${id}-title`} {...(isDanger ? { titleIconVariant: "warning" as const } : {})} description={description} />
      <ModalBody id={`${id}-body`}>
        {draft?.isOld === true && (
          <Alert isInline variant="info" title={words.form.draft} actionLinks={<Button variant="link" isInline onClick={draft.begin}>{words.form.begin}</Button>} />
        )}
        <Form id={`${id}-form`} onSubmit={onSubmit}>
          {children}
        </Form>
        {told !== undefined && <AsCommand ask={told} command={command} />}
        {refusal !== undefined && <ErrorBox refusal={refusal} />}
        {present !== undefined && rests !== undefined && (
          <Conflict
            rests={rests}
            present={present}
            onTake={() => {
              rests.take(present);
              setPresent(undefined);
            }}
            onKeep={() => {
              rests.keep(present);
              setPresent(undefined);
              setKept(true);
            }}
          />
        )}
        {isKept && <Alert isInline isLiveRegion variant="info" title={words.stale.kept} />}
      </ModalBody>
      <ModalFooter>
        <Button type="submit" form={`${id}-form`} variant={isDanger ? "danger" : "primary"} isDisabled={ask === undefined || isBusy || present !== undefined} isLoading={isBusy}>
          {submit}
        </Button>
        <Button variant="link" onClick={cancel}>
          {words.form.cancel}
        </Button>
      </ModalFooter>
    </Modal>
  );
}
