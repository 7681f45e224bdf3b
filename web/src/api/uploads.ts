import { useSyncExternalStore } from "react";
import { address } from "./client.ts";
import { RefusalError, refusalFrom, refusalOf, type Refusal } from "./refusal.ts";
import { signedOut } from "./session.ts";
import { isUnfinished, isSame, kept, type Kept, type Upload } from "./upload-state.ts";

// Files on their way into the library. They go on while one walks about in the console, are asked for again where they
// broke off after a cut, and after a reload once the same file was chosen again: the server knows how far it was.

/** More at a time makes each slower and none of them earlier. */
const AT_A_TIME = 2;
/** A piece is what is sent again at most after a cut. */
const PIECE_BYTES = 8 * 1024 * 1024;
/** This long without a byte gone out or an answer: it is asked again how far the server is. */
const SILENCE_MS = 30_000;
const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 8_000;
const PLACE = "hostler.uploads";

let written = "";
let uploads: readonly Upload[] = readKept();
const files = new Map<string, File>();
const running = new Map<string, AbortController>();
const listeners = new Set<() => void>();

function readKept(): Upload[] {
  try {
    const read = JSON.parse(localStorage.getItem(PLACE) ?? "[]") as Kept[];
    return read.map((one) => ({ ...one, key: one.id, sent: 0, state: { is: "needs-file" } }));
  } catch {
    return [];
  }
}

function become(next: readonly Upload[]): void {
  uploads = next;
  const text = JSON.stringify(kept(next));
  if (text !== written) localStorage.setItem(PLACE, text);
  written = text;
  for (const listener of listeners) listener();
}

function patch(key: string, change: Partial<Upload>): void {
  become(uploads.map((one) => (one.key === key ? { ...one, ...change } : one)));
}

const find = (key: string): Upload | undefined => uploads.find((one) => one.key === key);
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const ours = { "X-Hostler-CSRF": "1" };

async function ask<T>(method: "GET" | "POST" | "DELETE", path: string, signal: AbortSignal, body?: object): Promise<T> {
  const response = await fetch(`/api/v1${path}`, {
    method,
    signal,
    headers: { ...ours, ...(body === undefined ? {} : { "content-type": "application/json" }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  let answer: unknown;
  try {
    answer = JSON.parse(text);
  } catch {
    answer = undefined;
  }
  if (!response.ok) throw new RefusalError(refusalFrom(answer, response.status), response.status);
  return answer as T;
}

/** One piece. Only this older way of asking tells how much has gone out. */
function put(path: string, piece: Blob, told: (bytes: number) => void, signal: AbortSignal): Promise<number> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const abort = (): void => request.abort();
    signal.addEventListener("abort", abort);
    // A line can be dead without a sign of it.
    let isSilent = false;
    const silent = (): void => {
      isSilent = true;
      request.abort();
    };
    let silence = setTimeout(silent, SILENCE_MS);
    request.onloadend = () => {
      clearTimeout(silence);
      signal.removeEventListener("abort", abort);
    };
    request.upload.onprogress = (event) => {
      clearTimeout(silence);
      silence = setTimeout(silent, SILENCE_MS);
      told(event.loaded);
    };
    request.onload = () => {
      let answer: unknown;
      try {
        answer = JSON.parse(request.responseText);
      } catch {
        answer = undefined;
      }
      if (request.status >= 200 && request.status < 300) resolve((answer as { received_bytes: number }).received_bytes);
      else reject(new RefusalError(refusalFrom(answer, request.status), request.status));
    };
    request.onerror = () => reject(new TypeError("cut"));
    request.onabort = () => reject(isSilent ? new TypeError("silent") : new DOMException("stopped", "AbortError"));
    request.open("PUT", address({ method: "PUT", path }));
    request.setRequestHeader("X-Hostler-CSRF", "1");
    request.setRequestHeader("content-type", "application/octet-stream");
    request.send(piece);
  });
}

interface Status {
  id: string;
  received_bytes: number;
}

/** What may be another time: the way is cut, nobody is signed in just now, the host is silent, the server is busy; not what is wrong with the file. */
const mayHeal = (thrown: unknown): boolean =>
  !(thrown instanceof RefusalError) || thrown.status === 401 || thrown.status >= 500 || thrown.status === 429 || thrown.refusal.code === "upload.offset.wrong";

/** Sends a file from where the server has it to, to its end. */
async function sendAll(key: string, file: File, signal: AbortSignal): Promise<void> {
  let upload = find(key);
  if (upload === undefined) return;
  if (upload.id === "") {
    const begun = await ask<Status>("POST", `/library-shares/${upload.share}/uploads`, signal, { path: upload.path, size_bytes: upload.size });
    patch(key, { id: begun.id, sent: begun.received_bytes });
  }
  upload = find(key) ?? upload;
  let at = (await ask<Status>("GET", `/uploads/${upload.id}`, signal)).received_bytes;
  patch(key, { sent: at, state: { is: "sending" } });
  while (at < file.size) {
    const from = at;
    at = await put(`/uploads/${upload.id}?offset=${from}`, file.slice(from, from + PIECE_BYTES), (bytes) => patch(key, { sent: Math.min(file.size, from + bytes) }), signal);
    patch(key, { sent: at, state: { is: "sending" } });
  }
  patch(key, { state: { is: "finishing" } });
  for (;;) {
    try {
      const { job } = await ask<{ job: number }>("POST", `/uploads/${upload.id}/finish`, signal);
      patch(key, { state: { is: "done", job } });
      return;
    } catch (thrown) {
      // It is read through once more where it lies.
      if (!(thrown instanceof RefusalError && thrown.refusal.code === "upload.verifying")) throw thrown;
      await pause(1_000);
    }
  }
}

async function run(key: string, file: File): Promise<void> {
  const stop = new AbortController();
  running.set(key, stop);
  const isStopped = (): boolean => stop.signal.aborted;
  let wait = FIRST_RETRY_MS;
  let furthest = find(key)?.sent ?? 0;
  for (;;) {
    try {
      await sendAll(key, file, stop.signal);
      break;
    } catch (thrown) {
      if (isStopped()) break;
      const refusal: Refusal = refusalOf(thrown);
      if (thrown instanceof RefusalError && thrown.status === 401) signedOut();
      if (!mayHeal(thrown)) {
        patch(key, { state: { is: "refused", refusal } });
        break;
      }
      const sent = find(key)?.sent ?? 0;
      if (sent > furthest) wait = FIRST_RETRY_MS;
      furthest = Math.max(furthest, sent);
      patch(key, { state: { is: "lost", refusal } });
      await pause(wait * (0.5 + Math.random() / 2));
      wait = Math.min(wait * 2, LAST_RETRY_MS);
      if (isStopped()) break;
    }
  }
  running.delete(key);
  next();
}

/** Begins what waits, as far as there is room. */
function next(): void {
  for (const upload of uploads) {
    if (running.size >= AT_A_TIME) return;
    const file = files.get(upload.key);
    if (upload.state.is !== "waiting" || running.has(upload.key) || file === undefined) continue;
    void run(upload.key, file);
  }
}

/** Takes files for a share; one that was begun before a reload goes on where it was. */
export function addUploads(share: { id: string; name: string }, folder: string, chosen: readonly File[]): void {
  for (const file of chosen) {
    const path = [folder.replaceAll(/^\/+|\/+$/gu, ""), file.name].filter((part) => part !== "").join("/");
    const begun = uploads.find((one) => one.state.is === "needs-file" && one.share === share.id && one.path === path && isSame(one, file));
    if (begun !== undefined) {
      continueUpload(begun.key, file);
      continue;
    }
    const key = crypto.randomUUID();
    files.set(key, file);
    become([...uploads, { key, id: "", share: share.id, shareName: share.name, path, name: file.name, size: file.size, modified: file.lastModified, sent: 0, state: { is: "waiting" } }]);
  }
  next();
}

/** Goes on with the file that was chosen again; another file is refused, beside the upload. */
export function continueUpload(key: string, file: File): void {
  const upload = find(key);
  if (upload === undefined) return;
  if (!isSame(upload, file)) {
    patch(key, { state: { is: "needs-file", wrong: file.name } });
    return;
  }
  files.set(key, file);
  patch(key, { state: { is: "waiting" } });
  next();
}

export function pauseUpload(key: string): void {
  running.get(key)?.abort();
  patch(key, { state: { is: "paused" } });
}

export function resumeUpload(key: string): void {
  patch(key, { state: files.has(key) ? { is: "waiting" } : { is: "needs-file" } });
  next();
}

/** Takes an upload away, and what of it is on the share; what is done stays there. */
export async function dropUpload(key: string): Promise<void> {
  const upload = find(key);
  if (upload === undefined) return;
  running.get(key)?.abort();
  files.delete(key);
  become(uploads.filter((one) => one.key !== key));
  // What cannot be said now the share's agent finds by itself: an upload that nobody goes on with ends.
  if (upload.id !== "" && isUnfinished(upload)) await ask("DELETE", `/uploads/${upload.id}`, new AbortController().signal).catch(() => undefined);
}

/** After a reload: how far the server is with what was begun; what it has no more of is forgotten. */
export async function lookAtKept(): Promise<void> {
  for (const { key, id, state } of uploads) {
    if (state.is !== "needs-file" || id === "") continue;
    try {
      const { received_bytes } = await ask<Status>("GET", `/uploads/${id}`, new AbortController().signal);
      patch(key, { sent: received_bytes });
    } catch (thrown) {
      if (thrown instanceof RefusalError && (thrown.status === 404 || thrown.status === 403)) become(uploads.filter((one) => one.key !== key));
    }
  }
}

/** Stops everything: whoever signs in next sees nothing of who was here before. */
export function forgetUploads(): void {
  for (const stop of running.values()) stop.abort();
  files.clear();
  become([]);
}

window.addEventListener("beforeunload", (event) => {
  if (running.size > 0) event.preventDefault();
});

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function useUploads(): readonly Upload[] {
  return useSyncExternalStore(subscribe, () => uploads);
}
