import { Alert, Button, Form, FormGroup, Modal, ModalBody, ModalFooter, ModalHeader } from "@patternfly/react-core";
import { useRef, useState, type DragEvent } from "react";
import { line } from "../actions/command.ts";
import { useWindow } from "../api/hooks.ts";
import { addUploads } from "../api/uploads.ts";
import { CodeLine } from "../parts/as-command.tsx";
import { bytes } from "../parts/quantities.ts";
import { words } from "../words/en.ts";
import { uploadWords } from "../words/uploads.ts";
import { ChoiceField, TextField } from "./fields.tsx";

/** Chooses files and where they go. What was chosen goes on after the dialogue is closed. */
export function UploadForm({ dropped, onClose }: { dropped: readonly File[]; onClose: () => void }) {
  const shares = useWindow("library-shares", { sort: "name", limit: 1000 }).window?.rows;
  const [shareId, setShareId] = useState("");
  const [folder, setFolder] = useState("");
  const [files, setFiles] = useState(dropped);
  const share = shares?.find((one) => one.id === shareId) ?? shares?.[0];
  const send = (): void => {
    if (share === undefined) return;
    addUploads(share, folder, files);
    onClose();
  };
  return (
    <Modal isOpen variant="medium" onClose={onClose} aria-labelledby="upload-title">
      <ModalHeader title={uploadWords.title} labelId="upload-title" />
      <ModalBody>
        <Form onSubmit={(event) => event.preventDefault()}>
          {shares?.length === 0 && <Alert isInline variant="info" title={uploadWords.noShare} />}
          <DropZone files={files} onFiles={setFiles} />
          <ChoiceField id="upload-share" label={uploadWords.share} value={share?.id ?? ""} onChange={setShareId} isRequired choices={(shares ?? []).map((one) => ({ value: one.id, title: one.name }))} />
          <TextField id="upload-folder" label={uploadWords.folder} value={folder} onChange={setFolder} help={uploadWords.folderHelp} />
        </Form>
        {share !== undefined && files[0] !== undefined && <CodeLine text={commandFor(share.name, folder, files[0].name)} label={words.command.line} />}
      </ModalBody>
      <ModalFooter>
        <Button isDisabled={share === undefined || files.length === 0} onClick={send}>{uploadWords.submit}</Button>
        <Button variant="link" onClick={onClose}>{words.form.cancel}</Button>
      </ModalFooter>
    </Modal>
  );
}

function commandFor(share: string, folder: string, name: string): string {
  return line("library-item upload", [share, name], { path: folder === "" ? undefined : `${folder}/${name}` });
}

function DropZone({ files, onFiles }: { files: readonly File[]; onFiles: (files: readonly File[]) => void }) {
  const input = useRef<HTMLInputElement>(null);
  const [isOver, setOver] = useState(false);
  const onDrop = (event: DragEvent): void => {
    event.preventDefault();
    event.stopPropagation();
    setOver(false);
    onFiles([...event.dataTransfer.files]);
  };
  const onDrag = (isIn: boolean) => (event: DragEvent) => {
    event.preventDefault();
    setOver(isIn);
  };
  return (
    <FormGroup label={uploadWords.files} fieldId="upload-files" isRequired>
      <div className={`hostler-drop${isOver ? " is-over" : ""}`} onDrop={onDrop} onDragOver={onDrag(true)} onDragLeave={onDrag(false)}>
        <input ref={input} id="upload-files" type="file" multiple hidden onChange={(event) => onFiles([...(event.target.files ?? [])])} />
        <Button variant="secondary" onClick={() => input.current?.click()}>{uploadWords.choose}</Button>
        <span>{files.length === 0 ? uploadWords.drop : uploadWords.chosen(files.length, bytes(files.reduce((sum, file) => sum + file.size, 0)))}</span>
        {files.length > 0 && (
          <ul>
            {files.map((file) => (
              <li key={file.name}>{file.name}</li>
            ))}
          </ul>
        )}
      </div>
    </FormGroup>
  );
}
