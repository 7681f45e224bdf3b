import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { ask, ended } from "./ask.ts";
import { open, signIn, visitor, type Setting, type Visitor } from "./setting.ts";

// Lists and forms, as people use them: two machines that are off, made for these stories and removed after them.

interface Vm {
  id: string;
  spec: { notes?: string; tags?: string[]; hardware: { memory_mib: number } };
}

const mark = String(Date.now() % 1_000_000);
const [a, b] = [`list-${mark}-a`, `list-${mark}-b`];
const ids: Record<string, string> = {};
let setting: Setting;
let one: Visitor;

const vmNamed = (name: string): Promise<Vm> => ask<Vm>(one.page, "GET", `/vms/${ids[name] ?? name}`);

async function done(method: string, path: string, body?: object): Promise<void> {
  const { job } = await ask<{ job: number }>(one.page, method, path, body);
  assert.equal(typeof job, "number", `${method} ${path} was taken on`);
  await ended(one.page, job);
}

before(async () => {
  setting = await open();
  one = await visitor(setting);
  await signIn(one, "/jobs");
  const { items } = await ask<{ items: { id: string }[] }>(one.page, "GET", "/templates?limit=1");
  for (const name of [a, b]) {
    const { job, id } = await ask<{ job: number; id: string }>(one.page, "POST", "/vms", { name, from: { is: "template", template: items[0]!.id } });
    assert.equal(await ended(one.page, job), "completed");
    ids[name] = id;
  }
});

after(async () => {
  await one.page.goto("/jobs");
  for (const name of [a, b]) {
    const { job } = await ask<{ job?: number }>(one.page, "DELETE", `/vms/${ids[name] ?? name}`);
    if (job !== undefined) await ended(one.page, job);
  }
  await setting.stop();
});

async function openEdit(name: string): Promise<void> {
  const { page } = one;
  await page.goto(`/machines/${ids[name]!}`);
  await page.getByRole("main").getByRole("button", { name: "Edit", exact: true }).click();
  await page.getByRole("dialog").waitFor();
}

test("an edit says what another changed of the same meanwhile, and puts mine upon theirs where I keep it", async () => {
  const { page } = one;
  await openEdit(a);
  await page.getByRole("textbox", { name: "Notes" }).fill("mine");
  await done("PATCH", `/vms/${ids[a]!}`, { notes: "theirs", tags: ["theirs"] });
  await page.getByRole("button", { name: "Save", exact: true }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByText("Somebody changed it since you opened this form").waitFor();
  await dialog.getByText("administrator").first().waitFor();
  await dialog.getByRole("listitem").getByText("theirs").first().waitFor();
  assert.equal((await vmNamed(a)).spec.notes, "theirs");
  await dialog.getByRole("button", { name: "Keep mine" }).click();
  assert.equal(await dialog.getByRole("textbox", { name: "Tags" }).inputValue(), "theirs");
  assert.equal(await dialog.getByRole("textbox", { name: "Notes" }).inputValue(), "mine");
  await dialog.getByRole("button", { name: "Save", exact: true }).click();
  await dialog.waitFor({ state: "detached" });
  await page.getByText(`Edit ${a}: completed`).waitFor();
  const { spec } = await vmNamed(a);
  assert.deepEqual([spec.notes, spec.tags], ["mine", ["theirs"]]);
});

test("taking theirs fills the form with it, and sends nothing", async () => {
  const { page } = one;
  await openEdit(b);
  await page.getByRole("textbox", { name: "Notes" }).fill("mine");
  await done("PATCH", `/vms/${ids[b]!}`, { notes: "theirs" });
  await page.getByRole("button", { name: "Save", exact: true }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Take theirs" }).click();
  assert.equal(await page.getByRole("textbox", { name: "Notes" }).inputValue(), "theirs");
  assert.equal(await page.getByRole("button", { name: "Save", exact: true }).isDisabled(), true);
  await page.getByRole("button", { name: "Cancel", exact: true }).click();
  assert.equal((await vmNamed(b)).spec.notes, "theirs");
});

test("what another changed of something else is no conflict", async () => {
  const { page } = one;
  await openEdit(b);
  await page.getByRole("textbox", { name: "Notes" }).fill("upon new memory");
  await done("PATCH", `/vms/${ids[b]!}/hardware`, { memory_mib: 160 });
  await page.getByRole("button", { name: "Save", exact: true }).click();
  await page.getByRole("dialog").waitFor({ state: "detached" });
  await page.getByText(`Edit ${b}: completed`).waitFor();
  const { spec } = await vmNamed(b);
  assert.deepEqual([spec.notes, spec.hardware.memory_mib], ["upon new memory", 160]);
});

test("what was filled in is there again after the page was left, until it is cancelled", async () => {
  const { page } = one;
  await openEdit(a);
  await page.getByRole("textbox", { name: "Notes" }).fill("half a sentence");
  await page.goto("/jobs");
  await openEdit(a);
  await page.getByText("Continued from your draft.").waitFor();
  assert.equal(await page.getByRole("textbox", { name: "Notes" }).inputValue(), "half a sentence");
  await page.getByRole("button", { name: "Cancel", exact: true }).click();
  await openEdit(a);
  assert.equal(await page.getByRole("textbox", { name: "Notes" }).inputValue(), "mine");
  await page.getByRole("button", { name: "Cancel", exact: true }).click();
});

test("Enter in the palette never does what an older answer had in it", async () => {
  const { page } = one;
  const refreshes = async (name: string): Promise<number> => (await ask<{ items: unknown[] }>(page, "GET", `/jobs?about=vm/${ids[name]!}&kind=refresh-vm`)).items.length;
  await page.goto("/jobs");
  await page.getByRole("heading", { level: 1, name: "Jobs" }).waitFor();
  await page.keyboard.press("Control+k");
  const field = page.getByRole("combobox", { name: "Search or do" });
  await field.fill(`refresh ${a}`);
  await page.getByRole("option", { name: new RegExp(`^Refresh ${a}`, "u") }).waitFor();
  // The next answer is kept back: what is on the screen until then is all there is to act on.
  let letGo: () => void = () => undefined;
  const held = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  await page.route(/\/api\/v1\/vms\?/u, async (route) => {
    await held;
    await route.continue();
  });
  await field.fill(`refresh ${b}`);
  await page.keyboard.press("Enter");
  assert.equal(await page.getByRole("option").count(), 0);
  letGo();
  await page.unroute(/\/api\/v1\/vms\?/u);
  await page.getByRole("option", { name: new RegExp(`^Refresh ${b}`, "u") }).waitFor();
  await page.keyboard.press("Enter");
  await page.getByText(`Refresh ${b}: completed`).waitFor();
  assert.deepEqual([await refreshes(a), await refreshes(b)], [0, 1]);
});

test("machines are grouped, all of them selected, and each has a line with what came of it", async () => {
  const { page } = one;
  await page.goto(`/machines?filter=name~list-${mark}*&tree=off`);
  await page.getByRole("link", { name: a }).waitFor();
  await page.getByRole("button", { name: "Group by" }).click();
  await page.getByRole("menuitem", { name: "Status", exact: true }).click();
  const group = page.getByRole("button", { name: /^Off 2/u });
  await group.click();
  await page.getByRole("link", { name: a }).waitFor({ state: "detached" });
  await group.click();
  assert.match(page.url(), /group=status/u);
  await page.getByRole("checkbox", { name: "Select all rows on this page" }).click();
  await page.getByRole("button", { name: /^2 selected/u }).click();
  await page.getByRole("menuitem", { name: "Refresh" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByRole("button", { name: "Refresh 2 machines" }).click();
  await dialog.getByText("Asked for 2").waitFor();
  await dialog.getByText("Completed").nth(1).waitFor();
  assert.equal(await dialog.getByRole("link", { name: /^Job \d+$/u }).count(), 2);
  await dialog.getByRole("button", { name: "Close", exact: true }).last().click();
  await page.getByText("2 selected").waitFor({ state: "detached" });
});

test("a host in the tree is a filter, which stands as a chip and goes by it", async () => {
  const { page } = one;
  const { items } = await ask<{ items: { name: string }[] }>(page, "GET", "/hosts?limit=1");
  const host = items[0]!.name;
  await page.goto("/machines?tree=on");
  await page.getByRole("treeitem").filter({ hasText: host }).getByText(host, { exact: true }).last().click();
  await page.waitForURL((url) => url.searchParams.get("filter") === `host=${host}`);
  await page.getByRole("button", { name: `Take away Host ${host}` }).click();
  await page.waitForURL((url) => !url.searchParams.has("filter"));
});
