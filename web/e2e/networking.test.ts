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

test("a network that no host has is said to be gone", async () => {
  const { page } = one;
  await page.goto("/networking/nobody-has-this");
  await page.getByRole("heading", { level: 1, name: "No host has this network any more" }).waitFor();
});
