import type { Ask } from "../api/client.ts";
import { address } from "../api/client.ts";

/** A word as a shell takes it for one word, and nothing else. */
export function quoted(word: string): string {
  return /^[A-Za-z0-9\-_./:=,@+%]+$/u.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;
}

/** An option with its value, a flag (true), or nothing (undefined, false, ""). */
type Options = Record<string, string | number | boolean | readonly string[] | undefined>;

/**
 * A command line of `hostler`. Names come from people: one that begins with a dash stands behind `--`, or would be read
 * as an option.
 */
export function line(words: string, names: readonly string[], options: Options = {}): string {
  const parts = ["hostler", words];
  const behind: string[] = [];
  for (const name of names) (behind.length > 0 || name.startsWith("-") ? behind : parts).push(quoted(name));
  for (const [option, value] of Object.entries(options)) {
    const values = typeof value === "object" ? value : [value];
    for (const one of values) {
      if (one === undefined || one === false || one === "") continue;
      if (one === true) parts.push(`--${option}`);
      else if (String(one).startsWith("-")) parts.push(`--${option}=${quoted(String(one))}`);
      else parts.push(`--${option} ${quoted(String(one))}`);
    }
  }
  if (behind.length > 0) parts.push("--", ...behind);
  return parts.join(" ");
}

/** The same as a call with curl; the token is read from a file, as docs/rest.md says. */
export function curl(ask: Ask, origin: string): string {
  const parts = [`curl --cacert authority.crt -H @header -X ${ask.method} ${quoted(`${origin}${address(ask)}`)}`];
  if (ask.ifMatch !== undefined) parts.push(`-H ${quoted(`If-Match: ${ask.ifMatch}`)}`);
  if (ask.body !== undefined) parts.push("-H 'content-type: application/json'", `-d ${quoted(JSON.stringify(ask.body))}`);
  return parts.join(" \\\n  ");
}
