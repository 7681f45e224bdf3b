import type { Refusal } from "./refusal.ts";

/** How an upload stands. */
export type UploadState =
  | { is: "waiting" }
  | { is: "sending" }
  | { is: "paused" }
  /** Cut; it is tried again by itself. */
  | { is: "lost"; refusal: Refusal }
  /** The page was loaded again: a browser gives a file only when it is chosen. */
  | { is: "needs-file"; wrong?: string }
  | { is: "finishing" }
  | { is: "done"; job: number }
  | { is: "refused"; refusal: Refusal };

export interface Upload {
  key: string;
  /** The server's; empty until it was begun there. */
  id: string;
  share: string;
  shareName: string;
  path: string;
  name: string;
  size: number;
  /** When the file was changed last, by which it is known again. */
  modified: number;
  sent: number;
  state: UploadState;
}

/** What outlives a reload. */
export type Kept = Omit<Upload, "key" | "sent" | "state">;

export const isUnfinished = (upload: Upload): boolean => upload.state.is !== "done";
/** Whether it needs nobody just now. */
export const isUnderWay = (upload: Upload): boolean => upload.state.is === "waiting" || upload.state.is === "sending" || upload.state.is === "lost" || upload.state.is === "finishing";

/** What is written down: what was begun on the server and is not ended. */
export function kept(uploads: readonly Upload[]): Kept[] {
  return uploads
    .filter((upload) => upload.id !== "" && isUnfinished(upload) && upload.state.is !== "refused")
    .map(({ id, share, shareName, path, name, size, modified }) => ({ id, share, shareName, path, name, size, modified }));
}

/** Whether a file is the one that an upload was begun with, as far as a browser tells. */
export function isSame(upload: Kept, file: { name: string; size: number; lastModified: number }): boolean {
  return upload.name === file.name && upload.size === file.size && upload.modified === file.lastModified;
}

/** How much of all that is under way has gone out, in percent. */
export function together(uploads: readonly Upload[]): number {
  const all = uploads.filter(isUnfinished);
  const size = all.reduce((sum, upload) => sum + upload.size, 0);
  return size === 0 ? 0 : Math.floor((100 * all.reduce((sum, upload) => sum + upload.sent, 0)) / size);
}
