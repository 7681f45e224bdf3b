import type { Page } from "playwright-core";

/** Asks the server directly, for what a story begins with and leaves behind. */
export function ask<T>(page: Page, method: string, path: string, body?: object): Promise<T> {
  return page.evaluate(
    async ([how, where, what]) => {
      const response = await fetch(`/api/v1${where}`, {
        method: how,
        headers: { "X-Hostler-CSRF": "1", ...(what === null ? {} : { "content-type": "application/json" }) },
        ...(what === null ? {} : { body: what }),
      });
      const text = await response.text();
      return (text === "" ? undefined : JSON.parse(text)) as T;
    },
    [method, path, body === undefined ? null : JSON.stringify(body)] as const,
  );
}

/** Waits for the end of a job, a minute at most, as pages are waited for; its state. */
export async function ended(page: Page, job: number): Promise<string> {
  const until = Date.now() + 60_000;
  for (;;) {
    const seen = await ask<{ ended?: string; state: string }>(page, "GET", `/jobs/${job}`);
    if (seen.ended !== undefined) return seen.state;
    if (Date.now() > until) throw new Error(`job ${job} does not end: ${JSON.stringify(seen)}`);
    await page.waitForTimeout(100);
  }
}

/** A network on the first host, for stories and pages that need one; where it stands already, it is as good. */
export async function madeNetwork(page: Page, name: string): Promise<void> {
  const { items: there } = await ask<{ items: { name: string }[] }>(page, "GET", "/networks");
  if (there.some((network) => network.name === name)) return;
  const { items } = await ask<{ items: { name: string }[] }>(page, "GET", "/hosts?limit=1");
  const { job } = await ask<{ job: number }>(page, "POST", "/networks", { name, kind: "private", hosts: [items[0]!.name] });
  const state = await ended(page, job);
  if (state !== "completed") throw new Error(`network ${name} is not made: ${state}`);
}
