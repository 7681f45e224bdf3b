import { Badge, Button, Popover } from "@patternfly/react-core";
import { UploadIcon } from "@patternfly/react-icons/dist/esm/icons/upload-icon";
import { lazy, Suspense, useEffect } from "react";
import { isUnfinished, together } from "../api/upload-state.ts";
import { lookAtKept, useUploads } from "../api/uploads.ts";
import { uploadWords } from "../words/uploads.ts";

const UploadList = lazy(async () => ({ default: (await import("../parts/upload-list.tsx")).UploadList }));

/** Uploads with how far they are, from everywhere; nothing while there is none. */
export function UploadsTray() {
  const uploads = useUploads();
  useEffect(() => void lookAtKept(), []);
  if (uploads.length === 0) return null;
  const open = uploads.filter(isUnfinished);
  return (
    <Popover
      aria-label={uploadWords.list}
      headerContent={uploadWords.list}
      position="bottom-end"
      minWidth="min(24rem, 90vw)"
      bodyContent={() => (
        <Suspense fallback={null}>
          <UploadList uploads={uploads} />
        </Suspense>
      )}
    >
      <Button variant="plain" aria-label={uploadWords.tray(open.length, together(uploads))} icon={<UploadIcon />}>
        {open.length > 0 && <Badge isRead={false}>{together(uploads)} %</Badge>}
      </Button>
    </Popover>
  );
}
