import assert from "node:assert/strict";
import { copyFileSync, existsSync, rmSync } from "node:fs";
import { after, before, test } from "node:test";
import type { Page } from "playwright-core";
import { ask, ended } from "./ask.ts";
import { open, signIn, state, visitor, type Setting, type Visitor } from "./setting.ts";

// What people do, as they see it: by role and name, against the real server and its machines.

const disk = process.env.HOSTLER_DISK ?? `${state}/library/tiny-linux.qcow2`;
const mark = String(Date.now() % 1_000_000);
const name = `story-${mark}`;
let setting: Setting;
let one: Visitor;

const status = (page: Page, text: string) => page.getByRole("main").getByText(text, { exact: true }).first();

before(async () => {
  setting = await open();
  one = await visitor(setting);
});

after(async () => {
  const { page } = one;
  await page.goto("/jobs");
  for (const vm of [name, `${name}-failing`]) {
    const off = await ask<{ job?: number }>(page, "POST", `/vms/${vm}/turn-off`);
    if (off.job !== undefined) await ended(page, off.job);
    const gone = await ask<{ job?: number }>(page, "DELETE", `/vms/${vm}`);
    if (gone.job !== undefined) await ended(page, gone.job);
  }
  await ask(page, "DELETE", `/templates/${name}-failing`);
  rmSync(`${state}/library/${name}.qcow2`, { force: true });
  await setting.stop();
});

test("a wrong password is refused in words, and who signs in comes back to the link that was asked", async () => {
  const { page } = one;
  await page.goto("/jobs?filter=state%3Dcompleted");
  await page.getByLabel("User name").fill("administrator");
  await page.getByLabel("Password").fill("wrong");
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByText("access.sign.in.failed").waitFor();
  await signIn(one, "/jobs?filter=state%3Dcompleted");
  await page.getByRole("heading", { level: 1, name: "Jobs" }).waitFor();
  assert.match(page.url(), /\/jobs\?filter=state%3Dcompleted$/u);
});

test("a machine is created from a template with a name alone, and appears in a second window by itself", async () => {
  const { page } = one;
  const other = await visitor(setting);
  await signIn(other, `/machines?filter=name~${name}*`);
  await other.page.getByText("Nothing matches these filters").waitFor();
  await page.goto("/machines");
  await page.getByRole("button", { name: "Create machine" }).click();
  // The list has a box whose label holds "name", too.
  await page.getByRole("heading", { level: 1, name: "Create a machine" }).waitFor();
  await page.getByRole("textbox", { name: "Name" }).fill(name);
  await page.getByText("Would be placed on").waitFor();
  await page.getByText("of 5 stars").first().waitFor();
  await page.getByRole("button", { name: "Show as command and REST call" }).click();
  assert.match(await page.getByRole("textbox", { name: "Command line" }).inputValue(), new RegExp(`^hostler vm create ${name} --template \\S+ --start$`, "u"));
  await page.getByRole("button", { name: "Create", exact: true }).click();
  await page.getByRole("heading", { level: 1, name }).waitFor();
  await other.page.getByRole("link", { name }).waitFor();
  await other.page.getByRole("main").getByText("Running", { exact: true }).waitFor();
  await status(page, "Running").waitFor();
  await other.context.close();
});

test("an action that is not possible stands in its place with the reason", async () => {
  const { page } = one;
  await page.getByRole("button", { name: "Actions", exact: true }).click();
  const remove = page.getByRole("menuitem", { name: /^Delete/u });
  assert.equal(await remove.getAttribute("aria-disabled"), "true");
  await page.getByText(/Shut it down or turn it off first/u).first().waitFor();
  await page.keyboard.press("Escape");
});

test("a machine that runs can be migrated, and where there is no other host that is said", async () => {
  const { page } = one;
  await page.getByRole("button", { name: "Actions", exact: true }).click();
  await page.getByRole("menuitem", { name: "Migrate" }).click();
  const dialog = page.getByRole("dialog", { name: `Migrate ${name} to another host` });
  await dialog.getByText("There is no other host.").waitFor();
  assert.equal(await dialog.getByRole("button", { name: "Migrate", exact: true }).isDisabled(), true);
  await dialog.getByRole("button", { name: "Cancel" }).click();
  await dialog.waitFor({ state: "detached" });
});

test("turning off names what is lost, and starting again needs no question", async () => {
  const { page } = one;
  await page.getByRole("button", { name: "Actions", exact: true }).click();
  await page.getByRole("menuitem", { name: /^Turn off/u }).click();
  await page.getByText("What its programs have not written to disk yet").waitFor();
  await page.getByRole("button", { name: "Turn off" }).click();
  await status(page, "Off").waitFor();
  await page.getByRole("main").getByRole("button", { name: "Start", exact: true }).click();
  await status(page, "Running").waitFor();
});

test("the palette finds a machine by a part of its name, and acts by verb", async () => {
  const { page } = one;
  await page.keyboard.press("Control+k");
  await page.getByRole("combobox", { name: "Search or do" }).fill(`pause ${mark}`);
  await page.getByRole("option", { name: new RegExp(`^Pause ${name}`, "u") }).waitFor();
  await page.keyboard.press("Enter");
  await status(page, "Paused").waitFor();
  await page.getByRole("main").getByRole("button", { name: "Resume", exact: true }).click();
  await status(page, "Running").waitFor();
});

test("what somebody else does is seen without a reload", async () => {
  const { page } = one;
  await ask(page, "POST", `/vms/${name}/pause`);
  await status(page, "Paused").waitFor();
  await ask(page, "POST", `/vms/${name}/resume`);
  await status(page, "Running").waitFor();
});

test("a failed job says its cause where it was asked for, and is run again from there", async () => {
  const { page } = one;
  const file = `${state}/library/${name}.qcow2`;
  assert.ok(existsSync(disk), `${disk} is the disk that this story copies`);
  copyFileSync(disk, file);
  const { job } = await ask<{ job: number }>(page, "POST", "/library-shares/library/refresh");
  await ended(page, job);
  const { items } = await ask<{ items: { id: string }[] }>(page, "GET", `/library-items?filter=name=${name}`);
  await ask(page, "POST", "/templates", { name: `${name}-failing`, disk: items[0]!.id, memory_mib: 128, deploy: "copy" });
  rmSync(file);
  await page.goto("/machines/create");
  await page.getByRole("textbox", { name: "Name" }).fill(`${name}-failing`);
  await page.getByRole("combobox", { name: "Template" }).selectOption({ label: `${name}-failing` });
  await page.getByRole("button", { name: "Create", exact: true }).click();
  await page.getByText(/: failed, undone/u).waitFor();
  const again = page.getByRole("button", { name: "Run again" });
  copyFileSync(disk, file);
  await again.first().click();
  await page.getByText(/: completed$/u).first().waitFor();
});

test("a list is what its address says: sorted, filtered, with its columns", async () => {
  const { page } = one;
  await page.goto(`/machines?filter=name~story-*&sort=-name&columns=name,status`);
  await page.getByRole("link", { name }).first().waitFor();
  assert.deepEqual((await page.getByRole("columnheader").allInnerTexts()).map((text) => text.trim()).filter((text) => text !== ""), ["Name", "Status", "Actions"]);
  await page.getByRole("searchbox", { name: "Find by name" }).or(page.getByRole("textbox", { name: "Find by name" })).first().fill("no such machine");
  await page.getByText("Nothing matches these filters").waitFor();
  assert.match(page.url(), /no(\+|%20)such(\+|%20)machine/u);
  await page.getByRole("main").getByRole("button", { name: "Clear filters" }).last().click();
  await page.getByRole("link", { name }).first().waitFor();
});

test("a cut connection is said, and what happened meanwhile is there when it is back", async () => {
  const { page } = one;
  const other = await visitor(setting);
  await page.goto(`/machines?filter=name~${name}`);
  await page.getByRole("main").getByText("Running", { exact: true }).waitFor();
  setting.front.cut();
  await page.getByText("Connection lost").waitFor();
  setting.front.mend();
  await signIn(other, "/jobs");
  await ask(other.page, "POST", `/vms/${name}/pause`);
  await page.getByText("Connection lost").waitFor({ state: "detached" });
  await page.getByRole("main").getByText("Paused", { exact: true }).waitFor();
  await other.context.close();
});

test("a part of the console that does not arrive is said, and comes when the page is loaded again", async () => {
  const other = await visitor(setting);
  await signIn(other, "/jobs");
  await other.page.getByRole("heading", { level: 1, name: "Jobs" }).waitFor();
  await other.page.route(/\/assets\/palette-.*\.js$/u, (route) => route.abort());
  await other.page.keyboard.press("Control+k");
  await other.page.getByRole("heading", { name: "A part of the console did not arrive" }).waitFor();
  await other.page.unroute(/\/assets\/palette-.*\.js$/u);
  await other.page.getByRole("button", { name: "Load the page again" }).click();
  await other.page.getByRole("heading", { level: 1, name: "Jobs" }).waitFor();
  await other.page.keyboard.press("Control+k");
  await other.page.getByRole("combobox", { name: "Search or do" }).waitFor();
  await other.context.close();
});
