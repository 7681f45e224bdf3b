import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { ask } from "./ask.ts";
import { open, signIn, visitor, type Setting, type Visitor } from "./setting.ts";

// Managed computers, as a person looks after them: what is there, what could be updated, and what a removal would leave.

interface Agent {
  name: string;
  version: string;
  address?: string;
  offered?: string;
  up_to_date?: boolean;
}

let setting: Setting;
let one: Visitor;

before(async () => {
  setting = await open();
  one = await visitor(setting);
  await signIn(one, "/administration?tab=agents");
});

after(async () => {
  await setting.stop();
});

test("a managed computer shows its version, whether that is the server's, and from where it calls", async () => {
  const { page } = one;
  await page.getByRole("tab", { name: "Managed computers", selected: true }).waitFor();
  const { items } = await ask<{ items: Agent[] }>(page, "GET", "/agents?limit=1");
  const agent = items[0]!;
  assert.equal(agent.up_to_date, true);
  assert.equal(agent.offered, agent.version);
  const row = page.getByRole("row").filter({ hasText: agent.name });
  await row.getByText("Answers").waitFor();
  await row.getByText("Up to date").waitFor();
  await row.getByText(agent.address!).waitFor();

  // What is not possible stays in its place and says why.
  await page.getByRole("button", { name: `Actions for ${agent.name}`, exact: true }).click();
  await page.getByText("It has the server's version.").waitFor();
  await page.getByRole("menuitem", { name: "Remove" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByText("Machines run on, and they and their disks stay.").waitFor();
  await dialog.getByRole("button", { name: "Show as command and REST call" }).click();
  const command = dialog.getByRole("textbox", { name: "Command line" });
  assert.equal(await command.inputValue(), `hostler agent remove ${agent.name}`);
  await dialog.getByRole("checkbox", { name: "Leave what is the agent's on the computer" }).click();
  assert.equal(await command.inputValue(), `hostler agent remove ${agent.name} --keep`);
  await page.keyboard.press("Escape");
  await dialog.waitFor({ state: "detached" });
  assert.equal((await ask<{ items: Agent[] }>(page, "GET", "/agents?limit=1")).items[0]!.name, agent.name);
});

test("a token for a computer says which group it joins", async () => {
  const { page } = one;
  await page.getByRole("button", { name: "Enrol a computer" }).click();
  const dialog = page.getByRole("dialog", { name: "Enrol a computer" });
  const group = dialog.getByRole("combobox", { name: "Host group" });
  await group.selectOption("/All Hosts");
  await dialog.getByRole("button", { name: "Show as command and REST call" }).click();
  const command = dialog.getByRole("textbox", { name: "Command line" });
  assert.equal(await command.inputValue(), "hostler agent enrolment-token --host --group '/All Hosts' --valid 3600s");
  await dialog.getByRole("checkbox", { name: "It serves library shares" }).check();
  await dialog.getByRole("checkbox", { name: "It runs machines" }).uncheck();
  assert.equal(await command.inputValue(), "hostler agent enrolment-token --library --valid 3600s");
  assert.equal(await group.count(), 0);
  await page.keyboard.press("Escape");
  await dialog.waitFor({ state: "detached" });
});
