import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { ask, ended } from "./ask.ts";
import { open, signIn, visitor, type Setting, type Visitor } from "./setting.ts";

// Groups of hosts, as a person orders a house: a group, what is kept for its hosts, a host in it, and all of it back.

interface Host {
  id: string;
  name: string;
  host_group: string;
  in_force: { reserve: { cpu_percent: number } };
}

const name = `Site ${Date.now() % 1_000_000}`;
const path = `/All Hosts/${name}`;
let setting: Setting;
let one: Visitor;

async function host(): Promise<Host> {
  const { items } = await ask<{ items: Host[] }>(one.page, "GET", "/hosts?limit=1");
  return items[0]!;
}

before(async () => {
  setting = await open();
  one = await visitor(setting);
  await signIn(one, "/hosts");
});

after(async () => {
  await setting.stop();
});

async function act(group: string, action: string): Promise<void> {
  const { page } = one;
  await page.getByRole("button", { name: `Actions for ${group}`, exact: true }).click();
  await page.getByRole("menuitem", { name: action }).click();
}

test("a group is made, keeps something for its hosts, takes one in and gives it back, and is deleted when it is empty", async () => {
  const { page } = one;
  await page.getByRole("tab", { name: "Host groups" }).click();
  await act("/All Hosts", "New group in it");
  await page.getByRole("textbox", { name: "Name" }).fill(name);
  await page.getByRole("textbox", { name: "Processor kept" }).fill("101");
  await page.getByText("A whole number from 0 to 100").waitFor();
  assert.equal(await page.getByRole("button", { name: "Create", exact: true }).isDisabled(), true);
  await page.getByRole("textbox", { name: "Processor kept" }).fill("33");
  await page.getByRole("button", { name: "Create", exact: true }).click();
  await page.getByRole("link", { name: path, exact: true }).waitFor();

  const before = await host();
  assert.notEqual(before.in_force.reserve.cpu_percent, 33);
  await page.goto(`/hosts/${before.id}`);
  await page.getByRole("main").getByRole("button", { name: "Move", exact: true }).click();
  await page.getByRole("combobox", { name: "Into" }).selectOption(path);
  await page.getByText(`${before.name}: processor kept, percent ${before.in_force.reserve.cpu_percent} → 33`).waitFor();
  await page.getByRole("dialog").getByRole("button", { name: "Move", exact: true }).click();
  await page.getByRole("main").getByText(path).first().waitFor();
  await page.getByText("Processor 33 %").first().waitFor();

  // What the host sets itself is nearer, until the group overwrites it.
  const own = await ask<{ job: number }>(page, "PATCH", `/hosts/${before.id}`, { reserve: { cpu_percent: 44 } });
  assert.equal(await ended(page, own.job), "completed");
  await page.goto("/hosts?tab=groups");
  await act(path, "Edit");
  const dialog = page.getByRole("dialog");
  await dialog.getByRole("textbox", { name: "Processor kept" }).fill("22");
  await dialog.getByText("Nothing changes for them.").waitFor();
  await dialog.getByRole("checkbox", { name: "Reserves that groups and hosts below have set give way" }).check();
  await dialog.getByText(`${before.name}: processor kept, percent 44 → 22`).waitFor();
  await dialog.getByRole("button", { name: "Save", exact: true }).click();
  await dialog.waitFor({ state: "detached" });
  await page.goto(`/hosts/${before.id}`);
  await page.getByText("Processor 22 %").first().waitFor();

  await page.goto("/machines?tree=on");
  await page.getByRole("treeitem").filter({ hasText: name }).getByText(name, { exact: true }).last().click();
  await page.waitForURL((url) => url.searchParams.get("filter") === `under_host_group=${path}`);
  await page.getByRole("button", { name: `Take away In host group ${path}` }).waitFor();

  await page.goto("/hosts?tab=groups");
  await page.getByRole("button", { name: `Actions for ${path}`, exact: true }).click();
  await page.getByText("There are hosts or groups in it.").waitFor();
  await page.keyboard.press("Escape");
  const { job } = await ask<{ job: number }>(page, "POST", `/hosts/${before.id}/move`, { to: before.host_group });
  assert.equal(await ended(page, job), "completed");
  assert.equal((await host()).in_force.reserve.cpu_percent, before.in_force.reserve.cpu_percent);

  await page.getByText("There are hosts or groups in it.").waitFor({ state: "detached" });
  await act(path, "Delete");
  await page.getByRole("dialog").getByRole("button", { name: "Delete", exact: true }).click();
  await page.getByRole("link", { name: path, exact: true }).waitFor({ state: "detached" });
});
