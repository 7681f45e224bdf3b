import { Alert, Button, Form, FormGroup, FormHelperText, HelperText, HelperTextItem, Modal, ModalBody, ModalFooter, ModalHeader, Progress, TextArea } from "@patternfly/react-core";
import { useEffect, useRef, useState } from "react";
import { consoleWords } from "../../../words/console.ts";
import { words } from "../../../words/en.ts";
import { pressesOf } from "./keys.ts";
import type { ConsoleKind } from "./link.ts";
import type { ConsoleHandle } from "./screen-handle.ts";

/** A text that is typed into a machine: a guest without an agent knows no clipboard. */
export function SendText({ name, kind, handle, onClose }: { name: string; kind: ConsoleKind; handle: ConsoleHandle; onClose: () => void }) {
  const [text, setText] = useState("");
  const [told, setTold] = useState<{ sent: number; all: number } | undefined>();
  const [isRefused, setRefused] = useState(false);
  const stop = useRef<AbortController>(null);
  useEffect(() => () => stop.current?.abort(), []);
  const missing = kind === "graphics" ? pressesOf(text).missing : [];
  const type = async (): Promise<void> => {
    const mine = new AbortController();
    stop.current = mine;
    setTold({ sent: 0, all: text.length });
    await handle.type(text, (sent, all) => setTold({ sent, all }), mine.signal);
    setTold(undefined);
    if (mine.signal.aborted) return;
    onClose();
    handle.focus();
  };
  const take = async (): Promise<void> => {
    try {
      setText(await navigator.clipboard.readText());
      setRefused(false);
    } catch {
      setRefused(true);
    }
  };
  return (
    <Modal isOpen variant="medium" onClose={onClose} aria-labelledby="send-text-title">
      <ModalHeader title={consoleWords.textTitle(name)} labelId="send-text-title" />
      <ModalBody>
        <Form onSubmit={(event) => event.preventDefault()}>
          <FormGroup label={consoleWords.textLabel} fieldId="send-text">
            <TextArea id="send-text" value={text} rows={6} resizeOrientation="vertical" isDisabled={told !== undefined} onChange={(_, next) => setText(next)} aria-describedby="send-text-help" />
            <FormHelperText>
              <HelperText id="send-text-help">
                <HelperTextItem>{kind === "graphics" ? consoleWords.textHint : consoleWords.textHintSerial}</HelperTextItem>
                {missing.length > 0 && <HelperTextItem variant="warning">{consoleWords.textMissing(missing.join(" "))}</HelperTextItem>}
              </HelperText>
            </FormHelperText>
          </FormGroup>
          <div>
            <Button variant="link" isInline isDisabled={told !== undefined} onClick={() => void take()}>{consoleWords.fromClipboard}</Button>
          </div>
          {isRefused && <Alert isInline variant="info" title={consoleWords.clipboardRefused} />}
        </Form>
        {told !== undefined && <Progress size="sm" aria-label={consoleWords.textTitle(name)} title={consoleWords.textSent(told.sent, told.all)} value={told.all === 0 ? 0 : (100 * told.sent) / told.all} measureLocation="none" />}
      </ModalBody>
      <ModalFooter>
        {told === undefined ? (
          <Button isDisabled={text === ""} onClick={() => void type()}>{consoleWords.textSend}</Button>
        ) : (
          <Button variant="danger" onClick={() => stop.current?.abort()}>{consoleWords.textStop}</Button>
        )}
        <Button variant="link" onClick={onClose}>{words.form.cancel}</Button>
      </ModalFooter>
    </Modal>
  );
}
