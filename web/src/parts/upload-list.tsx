import { Button, Progress } from "@patternfly/react-core";
import { PauseIcon } from "@patternfly/react-icons/dist/esm/icons/pause-icon";
import { PlayIcon } from "@patternfly/react-icons/dist/esm/icons/play-icon";
import { TimesIcon } from "@patternfly/react-icons/dist/esm/icons/times-icon";
import { Link } from "@tanstack/react-router";
import { useRef } from "react";
import { isUnderWay, type Upload } from "../api/upload-state.ts";
import { continueUpload, dropUpload, pauseUpload, resumeUpload } from "../api/uploads.ts";
import { uploadWords } from "../words/uploads.ts";
import { ErrorBox } from "./error-box.tsx";
import { bytes } from "./quantities.ts";

/** Uploads, each with how far it is, what went wrong, and what can be done. */
export function UploadList({ uploads }: { uploads: readonly Upload[] }) {
  return (
    <ul className="hostler-uploads" aria-label={uploadWords.list}>
      {uploads.map((upload) => (
        <OneUpload key={upload.key} upload={upload} />
      ))}
    </ul>
  );
}

const variants = { done: "success", refused: "danger", lost: "warning" } as const;

function OneUpload({ upload }: { upload: Upload }) {
  const { key, name, path, size, sent, shareName, state } = upload;
  const variant = state.is in variants ? variants[state.is as keyof typeof variants] : undefined;
  return (
    <li>
      <Progress
        size="sm"
        title={path}
        value={size === 0 ? 100 : Math.floor((100 * sent) / size)}
        helperText={`${uploadWords.states[state.is]} · ${uploadWords.of(bytes(sent), bytes(size), shareName)}`}
        {...(variant === undefined ? {} : { variant })}
      />
      <span className="hostler-upload-actions">
        {isUnderWay(upload) && state.is !== "finishing" && <Button variant="plain" aria-label={uploadWords.pause(name)} icon={<PauseIcon />} onClick={() => pauseUpload(key)} />}
        {(state.is === "paused" || state.is === "refused") && <Button variant="plain" aria-label={uploadWords.resume(name)} icon={<PlayIcon />} onClick={() => resumeUpload(key)} />}
        {state.is === "needs-file" && <Again upload={upload} />}
        {state.is === "done" && <Link to="/jobs/$job" params={{ job: String(state.job) }}>{uploadWords.job}</Link>}
        <Button variant="plain" aria-label={state.is === "done" ? uploadWords.clear(name) : uploadWords.cancel(name)} icon={<TimesIcon />} onClick={() => void dropUpload(key)} />
      </span>
      {state.is === "refused" && <ErrorBox refusal={state.refusal} />}
      {state.is === "needs-file" && state.wrong !== undefined && <p role="alert">{uploadWords.wrong(state.wrong)}</p>}
    </li>
  );
}

function Again({ upload }: { upload: Upload }) {
  const input = useRef<HTMLInputElement>(null);
  return (
    <>
      <input
        ref={input}
        type="file"
        hidden
        aria-label={uploadWords.again(upload.name)}
        onChange={(event) => {
          const file = event.target.files?.[0];
          if (file !== undefined) continueUpload(upload.key, file);
          event.target.value = "";
        }}
      />
      <Button variant="link" onClick={() => input.current?.click()}>{uploadWords.again(upload.name)}</Button>
    </>
  );
}
