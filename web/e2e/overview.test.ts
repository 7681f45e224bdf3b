import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { ask } from "./ask.ts";
import { open, signIn, visitor, type Setting, type Visitor } from "./setting.ts";

// The overview as somebody reads it who begins the day: which hosts are busy, what the groups hold, what the library has.

let setting: Setting;
let one: Visitor;

before(async () => {
  setting = await open();
  one = await visitor(setting);
  await signIn(one, "/");
});

after(async () => {
  await setting.stop();
});

test("the map of hosts is one stop of the keyboard, says each host in words, and leads to it", async () => {
  const { page } = one;
  const { items } = await ask<{ items: { name: string }[] }>(page, "GET", "/hosts?limit=1000");
  const map = page.getByRole("link", { name: / machines?$/u }).and(page.locator("[data-host]"));
  await map.first().waitFor();
  assert.equal(await map.count(), items.length);
  assert.equal(await page.locator("[data-host][tabindex='0']").count(), 1);
  await page.locator("[data-host][tabindex='0']").focus();
  await page.keyboard.press("End");
  const said = (await page.locator("[data-host]:focus").getAttribute("aria-label")) ?? "";
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { level: 1, name: items.find(({ name }) => said.startsWith(name))!.name, exact: true }).waitFor();
  await page.goBack();
});

test("what the map's colour stands for is in the address", async () => {
  const { page } = one;
  await page.getByRole("button", { name: "Disk", exact: true }).click();
  await page.getByText("the fuller the disk of its machines").waitFor();
  await page.reload();
  await page.getByText("the fuller the disk of its machines").waitFor();
  assert.match(page.url(), /by=disk/u);
});

test("All Hosts stands among the groups with what it holds, and leads to its hosts", async () => {
  const { page } = one;
  const groups = page.getByRole("grid", { name: "Host groups" });
  await groups.getByRole("img", { name: /given, .* kept for the hosts, of /u }).first().waitFor();
  await groups.getByRole("link", { name: "All Hosts", exact: true }).click();
  await page.getByRole("heading", { level: 1, name: "Hosts", exact: true }).waitFor();
  assert.match(decodeURIComponent(page.url()).replaceAll("+", " "), /under_host_group=\/All Hosts/u);
});
