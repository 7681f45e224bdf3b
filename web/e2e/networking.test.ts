import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { ask, madeNetwork } from "./ask.ts";
import { open, signIn, visitor, type Setting, type Visitor } from "./setting.ts";

// Networks as somebody looks at them who asks why a machine cannot be reached: what is there, on which host, who is on it.

interface Network {
  name: string;
  hosts: { host_name: string }[];
}

let setting: Setting;
let one: Visitor;

before(async () => {
  setting = await open();
  one = await visitor(setting);
  await signIn(one, "/networking");
  await madeNetwork(one.page, "default");
});

after(async () => {
  await setting.stop();
});

test("each network stands in the list and in the picture with its hosts, and has a page that says what it is on each", async () => {
  const { page } = one;
  const { items } = await ask<{ items: Network[] }>(page, "GET", "/networks");
  const [network] = items;
  const [host] = network?.hosts ?? [];
  assert.ok(network !== undefined && host !== undefined, "no host has a network");
  await page.getByRole("grid", { name: "Networks" }).getByRole("link", { name: network.name, exact: true }).waitFor();
  await page.getByRole("list", { name: "Hosts" }).getByRole("link", { name: host.host_name, exact: true }).waitFor();
  await page.getByRole("list", { name: "Networks" }).getByRole("link", { name: network.name, exact: true }).click();
  await page.getByRole("heading", { level: 1, name: network.name, exact: true }).waitFor();
  await page.getByRole("list", { name: "Hosts" }).getByRole("link").first().waitFor();
  await page.getByRole("tab", { name: /^Hosts/u }).click();
  await page.getByRole("grid", { name: "Hosts" }).getByRole("link", { name: host.host_name, exact: true }).waitFor();
});

test("who has which address is asked of the hosts, and a host that does not answer is named", async () => {
  const { page } = one;
  await page.getByRole("tab", { name: "Addresses given" }).click();
  await page.getByText("The hosts themselves say it, now.").waitFor();
  const told = page.getByRole("grid", { name: "Addresses given" }).or(page.getByText("No host has given an address on it."));
  await told.first().waitFor();
});

test("a network is created on a host that is ticked, and removed again", async () => {
  const { page } = one;
  await page.goto("/networking");
  await page.getByRole("button", { name: "Create network" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByRole("textbox", { name: "Name" }).fill("desk");
  await dialog.getByRole("combobox", { name: "Kind" }).selectOption({ label: "Internal" });
  const create = dialog.getByRole("button", { name: "Create", exact: true });
  assert.equal(await create.isDisabled(), true, "neither host nor address is said");
  await dialog.getByRole("checkbox").first().check();
  await dialog.getByRole("textbox", { name: "The host's own address on it" }).fill("10.79.0.1/24");
  await create.click();
  await page.getByRole("grid", { name: "Networks" }).getByRole("link", { name: "desk", exact: true }).click();
  await page.getByRole("heading", { level: 1, name: "desk", exact: true }).waitFor();
  await page.getByRole("main").getByRole("button", { name: "Remove", exact: true }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Remove", exact: true }).click();
  await page.getByRole("heading", { level: 1, name: "No host has this network any more" }).waitFor();
});

test("the addresses of adapters say their range and that no two machines share one", async () => {
  const { page } = one;
  await page.goto("/networking");
  await page.getByRole("tab", { name: "MAC addresses" }).click();
  await page.getByText("52:54:00:00:00:00 to 52:54:00:ff:ff:ff").waitFor();
  await page.getByText("No two machines have one address.").waitFor();
  await page.getByRole("link", { name: "Change the range" }).click();
  await page.getByRole("textbox", { name: "First MAC address given" }).waitFor();
});

test("a network that no host has is said to be gone", async () => {
  const { page } = one;
  await page.goto("/networking/nobody-has-this");
  await page.getByRole("heading", { level: 1, name: "No host has this network any more" }).waitFor();
});
