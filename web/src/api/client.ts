import createClient from "openapi-fetch";
import { RefusalError, refusalFrom } from "./refusal.ts";
import type { paths } from "./schema.d.ts";
import { signedOut } from "./session.ts";
import type { Accepted } from "./types.ts";

/** Reads by the generated types. Changes go through `send`, so that what is shown to a person is what is sent. */
export const api = createClient<paths, "application/json">({ credentials: "same-origin" });

interface Answer<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

/** The data of an answer, or its refusal thrown. */
export async function read<T>(asked: Promise<Answer<T>>): Promise<T> {
  const { data, error, response } = await asked;
  if (!response.ok || data === undefined) throw refused(error, response.status);
  return data;
}

function refused(body: unknown, status: number): RefusalError {
  if (status === 401) signedOut();
  return new RefusalError(refusalFrom(body, status), status);
}

/** A request that changes something: sent as it is shown. */
export interface Ask {
  method: "POST" | "PUT" | "PATCH" | "DELETE";
  /** Below /api/v1. */
  path: string;
  query?: Record<string, string>;
  body?: unknown;
  /** The version that it rests on, as an ETag: has the thing changed since, nothing is done. */
  ifMatch?: string;
}

/** A header by which the server knows that a page of its own asks. */
const ours = { "X-Hostler-CSRF": "1" };

export function address(ask: Ask): string {
  const query = new URLSearchParams(ask.query).toString();
  return `/api/v1${ask.path}${query === "" ? "" : `?${query}`}`;
}

/** Sends a request; `key` makes sure that asking twice is one job. */
export async function send<T = Accepted>(ask: Ask, key?: string): Promise<T> {
  const response = await fetch(address(ask), {
    method: ask.method,
    headers: {
      ...ours,
      ...(ask.body === undefined ? {} : { "content-type": "application/json" }),
      ...(key === undefined ? {} : { "Idempotency-Key": key }),
      ...(ask.ifMatch === undefined ? {} : { "If-Match": ask.ifMatch }),
    },
    ...(ask.body === undefined ? {} : { body: JSON.stringify(ask.body) }),
  });
  const text = await response.text();
  const body: unknown = text === "" ? undefined : readJson(text);
  if (!response.ok) throw refused(body, response.status);
  return body as T;
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** What a request would do; nothing is done. */
export function dryRun<T>(ask: Ask): Promise<T> {
  return send<T>({ ...ask, query: { ...ask.query, dry_run: "true" } });
}
