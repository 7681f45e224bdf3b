import { Button, Form, Modal, ModalBody, ModalFooter, ModalHeader } from "@patternfly/react-core";
import { useId, useState, type SubmitEvent, type ReactNode } from "react";
import { send, type Ask } from "../api/client.ts";
import { refusalOf, type Refusal } from "../api/refusal.ts";
import type { Accepted } from "../api/types.ts";
import { AsCommand } from "../parts/as-command.tsx";
import { ErrorBox } from "../parts/error-box.tsx";
import { useTeller } from "../shell/toasts.tsx";
import { words } from "../words/en.ts";

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
  onClose: () => void;
  /** What to do with an answer that is more than a job. */
  onAnswer?: (answer: unknown) => void;
  children?: ReactNode;
}

/** The one shell of all dialogues that change something: fields, the same as a command, what was refused and why. */
export function FormDialog({ title, description, submit, isDanger = false, ask, command, shown, onClose, onAnswer, children }: Props) {
  const id = useId();
  const { tell } = useTeller();
  const [refusal, setRefusal] = useState<Refusal | undefined>();
  const [isBusy, setBusy] = useState(false);
  const told = shown ?? ask;
  // One key for one form: pressed twice, or sent again after a cut, it is the same job.
  const [key] = useState(() => crypto.randomUUID());
  const onSubmit = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    if (ask === undefined || isBusy) return;
    setBusy(true);
    setRefusal(undefined);
    try {
      const answer = await send(ask, key);
      if (onAnswer !== undefined) onAnswer(answer);
      else onClose();
      if (typeof (answer as Partial<Accepted> | undefined)?.job === "number") tell({ title, job: answer.job });
      else tell({ title });
    } catch (thrown) {
      setRefusal(refusalOf(thrown));
    }
    setBusy(false);
  };
  return (
    <Modal isOpen variant="medium" onClose={onClose} aria-labelledby={`${id}-title`} aria-describedby={`${id}-body`}>
      <ModalHeader title={title} labelId={`${id}-title`} {...(isDanger ? { titleIconVariant: "warning" as const } : {})} description={description} />
      <ModalBody id={`${id}-body`}>
        <Form id={`${id}-form`} onSubmit={onSubmit}>
          {children}
        </Form>
        {told !== undefined && <AsCommand ask={told} command={command} />}
        {refusal !== undefined && <ErrorBox refusal={refusal} />}
      </ModalBody>
      <ModalFooter>
        <Button type="submit" form={`${id}-form`} variant={isDanger ? "danger" : "primary"} isDisabled={ask === undefined || isBusy} isLoading={isBusy}>
          {submit}
        </Button>
        <Button variant="link" onClick={onClose}>
          {words.form.cancel}
        </Button>
      </ModalFooter>
    </Modal>
  );
}
