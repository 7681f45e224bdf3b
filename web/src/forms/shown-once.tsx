import { Button, Modal, ModalBody, ModalFooter, ModalHeader } from "@patternfly/react-core";
import { Code } from "../parts/as-command.tsx";
import { words } from "../words/en.ts";

/** A secret that is shown this once. */
export function ShownOnce({ title, hint, texts, onClose }: { title: string; hint: string; texts: [label: string, text: string][]; onClose: () => void }) {
  return (
    <Modal isOpen variant="medium" onClose={onClose} aria-labelledby="shown-once">
      <ModalHeader title={title} labelId="shown-once" description={hint} />
      <ModalBody>
        {texts.map(([label, text]) => (
          <Code key={label} text={text} label={label} />
        ))}
      </ModalBody>
      <ModalFooter>
        <Button onClick={onClose}>{words.form.close}</Button>
      </ModalFooter>
    </Modal>
  );
}
