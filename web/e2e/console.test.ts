import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import type { Page } from "playwright-core";
import { findings, open, signIn, visitor, type Setting, type Visitor } from "./setting.ts";

// A machine as somebody sees it who sits before it.

const BOOT_MS = 300_000;
const name = `console-${Date.now() % 1_000_000}`;
let setting: Setting;
let one: Visitor;

/** What the serial line shows, row by row. */
const lines = (page: Page) => page.locator(".xterm-rows");
const connected = (page: Page) => page.getByRole("toolbar", { name: "Console" }).getByText("Connected", { exact: true });

/** Asks the server directly, for what a story begins with and leaves behind, and waits for the job. */
async function done(page: Page, method: string, path: string, body?: object): Promise<void> {
  await page.evaluate(
    async ([how, where, what]) => {
      const headers = { "X-Hostler-CSRF": "1", ...(what === null ? {} : { "content-type": "application/json" }) };
      const { job, code, cause } = (await (await fetch(`/api/v1${where}`, { method: how, headers, ...(what === null ? {} : { body: what }) })).json()) as { job?: number; code?: string; cause?: string };
      if (code !== undefined) throw new Error(`${how} ${where}: ${code} ${cause ?? ""}`);
      while (job !== undefined && (await (await fetch(`/api/v1/jobs/${job}`)).json() as { ended?: string }).ended === undefined) await new Promise((resolve) => setTimeout(resolve, 200));
    },
    [method, path, body === undefined ? null : JSON.stringify(body)] as const,
  );
}

before(async () => {
  setting = await open();
  one = await visitor(setting);
  const { page } = one;
  await signIn(one, "/machines");
  const template = await page.evaluate(async () => ((await (await fetch("/api/v1/templates?limit=1")).json()) as { items: { id: string }[] }).items[0]?.id);
  assert.ok(template !== undefined, "the server has a template");
  await done(page, "POST", "/vms", { name, from: { is: "template", template } });
});

after(async () => {
  const { page } = one;
  await page.goto("/jobs");
  await done(page, "POST", `/vms/${name}/turn-off`).catch(() => undefined);
  await done(page, "DELETE", `/vms/${name}`);
  await setting.stop();
});

test("the console waits on a stopped machine, and shows its start from the first output", async () => {
  const { page } = one;
  await page.goto(`/machines/${name}?tab=console&kind=serial`);
  await page.getByText(`${name}: Off`).waitFor();
  await page.getByText("Waits for its start", { exact: true }).waitFor();
  assert.deepEqual(await findings(page), []);
  await page.getByRole("region", { name: `Console of ${name}` }).getByRole("button", { name: "Start", exact: true }).click();
  await connected(page).waitFor();
  // Its prompt: a shell that starts throws away what was typed before.
  await lines(page).getByText(/:\/root#/u).first().waitFor({ timeout: BOOT_MS });
});

test("what is typed into the serial line reaches the guest", async () => {
  const { page } = one;
  await page.getByRole("textbox", { name: `Serial line of ${name}` }).focus();
  await page.keyboard.type("echo sum-$((40+2))\n");
  await lines(page).getByText(/^sum-42/u).first().waitFor();
  await page.getByRole("button", { name: "Send text" }).click();
  await page.getByRole("textbox", { name: "Text" }).fill("echo pasted-$((1+2))\n");
  await page.getByRole("dialog").getByRole("button", { name: "Send", exact: true }).click();
  await lines(page).getByText(/^pasted-3/u).first().waitFor();
});

test("a cut is said, and the console is back by itself with all it showed", async () => {
  const { page } = one;
  setting.front.cut();
  await page.getByText("The connection is lost").waitFor();
  await page.getByRole("button", { name: "Try now" }).waitFor();
  setting.front.mend();
  await connected(page).waitFor();
  await page.getByText("The connection is lost").waitFor({ state: "detached" });
  await lines(page).getByText(/^sum-42/u).first().waitFor();
  await page.getByRole("textbox", { name: `Serial line of ${name}` }).focus();
  await page.keyboard.type("echo back-$((2+2))\n");
  await lines(page).getByText(/^back-4/u).first().waitFor();
});

test("the screen is seen in a window of its own, kept as a picture, and typed into", async () => {
  const { page } = one;
  one.complaints.length = 0;
  await page.goto(`/machines/${name}/console`);
  await connected(page).waitFor();
  const canvas = page.getByRole("application", { name: `Screen of ${name}` });
  await page.waitForFunction(() => (document.querySelector<HTMLCanvasElement>(".hostler-console canvas")?.width ?? 0) > 300);
  const save = async (): Promise<Buffer> => {
    const [file] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "Screenshot" }).click()]);
    assert.match(file.suggestedFilename(), new RegExp(`^${name}-.*\\.png$`, "u"));
    return readFileSync(await file.path());
  };
  // A cursor blinks: pictures of it in all its states, before anything is typed.
  const before_: Buffer[] = [];
  for (let picture = 0; picture < 8; picture += 1) {
    before_.push(await save());
    await page.waitForTimeout(130);
  }
  assert.equal(before_[0]?.subarray(1, 4).toString(), "PNG");
  await canvas.click();
  await page.keyboard.type("echo typed\n");
  let isSeen = false;
  for (let tries = 0; tries < 60 && !isSeen; tries += 1) {
    const now = await save();
    isSeen = before_.every((picture) => !picture.equals(now));
    if (!isSeen) await page.waitForTimeout(500);
  }
  assert.ok(isSeen, "what was typed is to be seen");
  await page.getByRole("button", { name: "Keys", exact: true }).click();
  await page.getByRole("menuitem", { name: "Ctrl-Alt-Del" }).waitFor();
  await page.keyboard.press("Escape");
  assert.deepEqual(await findings(page), []);
  assert.deepEqual(one.complaints, [], "nothing that the strict policy forbids");
});

test("two windows know of each other, and who only looks changes nothing", async () => {
  const { page } = one;
  await page.getByText("Only you watch").waitFor();
  const other = await visitor(setting);
  await signIn(other, "/jobs");
  await other.page.goto(`/machines/${name}/console?kind=serial`);
  await connected(other.page).waitFor();
  await other.page.getByText("View only").click();
  await page.getByText("Also here: administrator, view only").waitFor();
  await connected(other.page).waitFor();
  await other.page.getByRole("button", { name: "Keys", exact: true }).click();
  assert.equal(await other.page.getByRole("menuitem", { name: /^Ctrl-C/u }).getAttribute("aria-disabled"), "true");
  await other.context.close();
  await page.getByText("Only you watch").waitFor();
});

test("a machine that is turned off is waited for, and seen when it comes again", async () => {
  const { page } = one;
  await page.goto(`/machines/${name}/console`);
  await page.getByText(/^Connected$|^Waits for its start$/u).waitFor();
  await done(page, "POST", `/vms/${name}/turn-off`).catch(() => undefined);
  await page.getByText(`${name}: Off`).waitFor();
  await page.getByRole("region", { name: `Console of ${name}` }).getByRole("button", { name: "Start", exact: true }).first().click();
  await connected(page).waitFor();
  await page.waitForFunction(() => (document.querySelector<HTMLCanvasElement>(".hostler-console canvas")?.width ?? 0) > 300);
});
