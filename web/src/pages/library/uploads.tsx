import { Button } from "@patternfly/react-core";
import { useState, type DragEvent, type ReactNode } from "react";
import { useMayChange } from "../../api/hooks.ts";
import { useUploads } from "../../api/uploads.ts";
import { UploadForm } from "../../forms/upload.tsx";
import { UploadList } from "../../parts/upload-list.tsx";
import { uploadWords } from "../../words/uploads.ts";

/** Opens the upload dialogue, by its button or by files dropped anywhere on the page. */
export function useUploading(): { button: ReactNode; dialog: ReactNode; onDrop: (event: DragEvent) => void; onDragOver: (event: DragEvent) => void } {
  const mayChange = useMayChange();
  const [dropped, setDropped] = useState<readonly File[] | undefined>();
  const hasFiles = (event: DragEvent): boolean => event.dataTransfer.types.includes("Files");
  return {
    button: mayChange && <Button onClick={() => setDropped([])}>{uploadWords.open}</Button>,
    dialog: dropped !== undefined && <UploadForm dropped={dropped} onClose={() => setDropped(undefined)} />,
    onDragOver: (event) => {
      if (mayChange && hasFiles(event)) event.preventDefault();
    },
    onDrop: (event) => {
      if (!mayChange || !hasFiles(event)) return;
      event.preventDefault();
      setDropped([...event.dataTransfer.files]);
    },
  };
}

/** What is on its way, where it will stand. */
export function Uploads() {
  const uploads = useUploads();
  return uploads.length === 0 ? null : <UploadList uploads={uploads} />;
}
