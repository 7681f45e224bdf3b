import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { ask, ended } from "./ask.ts";
import { findings, open, signIn, visitor, type Setting, type Visitor } from "./setting.ts";

// Saved views, which the server keeps for their user, and the table that the help of settings comes from.

interface View {
  name: string;
  page: string;
  state: string;
}

const mark = String(Date.now() % 1_000_000);
let setting: Setting;
let one: Visitor;

const mine = async (): Promise<View[]> => (await ask<{ items: View[] }>(one.page, "GET", "/me/views?limit=1000")).items.filter(({ name }) => name.includes(mark));

before(async () => {
  setting = await open();
  one = await visitor(setting);
  await signIn(one, "/jobs");
});

after(async () => {
  for (const { page, name } of await mine()) {
    const { job } = await ask<{ job?: number }>(one.page, "DELETE", `/me/views/${page}/${encodeURIComponent(name)}`);
    if (job !== undefined) await ended(one.page, job);
  }
  await setting.stop();
});

async function openMenu({ page }: Visitor): Promise<void> {
  await page.getByRole("button", { name: "Saved views" }).click();
  await page.getByRole("menu", { name: "Saved views" }).waitFor();
}

test("a view that is saved in one browser is there in another one at once, and goes there as well", async () => {
  const name = `Completed ${mark}`;
  const other = await visitor(setting);
  await signIn(other, "/jobs");
  await openMenu(other);
  // What the browser itself says of the first question, which nobody signed in had asked.
  for (const { complaints } of [one, other]) complaints.splice(0);
  const { page } = one;
  await page.goto("/jobs?filter=state%3Dcompleted&sort=-created&page=1");
  await openMenu(one);
  await page.getByRole("menuitem", { name: "Save this view…" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByRole("textbox", { name: "Name of the view" }).fill(name);
  await dialog.getByRole("button", { name: "Show as command and REST call" }).click();
  assert.equal(await dialog.getByRole("textbox", { name: "Command line" }).inputValue(), `hostler view save 'jobs/${name}' --state 'filter=state%3Dcompleted&sort=-created'`);
  assert.deepEqual(await findings(page), []);
  await dialog.getByRole("button", { name: "Save this view" }).click();
  await dialog.waitFor({ state: "detached" });
  await page.getByText("Save this view: completed").waitFor();

  await other.page.getByRole("menuitem", { name, exact: true }).click();
  await other.page.waitForURL((url) => url.search === "?filter=state%3Dcompleted&sort=-created");

  await page.goto("/jobs?sort=created");
  await openMenu(one);
  await page.getByRole("menuitem", { name: "Save this view…" }).click();
  await dialog.getByRole("textbox", { name: "Name of the view" }).fill(name.toLowerCase());
  await dialog.getByText(`The view ${name} is replaced.`).waitFor();
  await dialog.getByRole("button", { name: "Save this view" }).click();
  await dialog.waitFor({ state: "detached" });
  await openMenu(other);
  await other.page.getByRole("menuitem", { name: name.toLowerCase(), exact: true }).click();
  await other.page.waitForURL((url) => url.search === "?sort=created");

  await openMenu(other);
  await openMenu(one);
  await page.getByRole("menuitem", { name: `Remove the view ${name.toLowerCase()}` }).click();
  await other.page.getByRole("menuitem", { name: name.toLowerCase(), exact: true }).waitFor({ state: "detached" });
  assert.deepEqual([...one.complaints, ...other.complaints], []);
  await other.context.close();
});

test("a name that cannot be one is refused in the form, with what helps", async () => {
  const { page } = one;
  await page.goto("/jobs");
  await openMenu(one);
  await page.getByRole("menuitem", { name: "Save this view…" }).click();
  const dialog = page.getByRole("dialog");
  const name = dialog.getByRole("textbox", { name: "Name of the view" });
  await name.fill("..");
  await dialog.getByText("A name cannot be “.” or “..”.").waitFor();
  assert.ok(await dialog.getByRole("button", { name: "Save this view" }).isDisabled());
  await name.fill(`a/${mark}`);
  await dialog.getByRole("button", { name: "Save this view" }).click();
  await dialog.getByText("name.invalid").waitFor();
  await dialog.getByText("Choose a name of 1 to 100 visible characters").waitFor();
  // What the browser itself says of the refused request.
  one.complaints.splice(0);
});

test("what a browser kept before the server did is handed over once", async () => {
  const name = `Old ${mark}`;
  const { page } = one;
  await page.goto("/overview-is-no-list");
  await page.evaluate((view) => localStorage.setItem("hostler.views.jobs", JSON.stringify({ [view]: { filter: "state=completed", per: "100" } })), name);
  await page.goto("/jobs");
  await openMenu(one);
  await page.getByRole("menuitem", { name, exact: true }).waitFor();
  await page.waitForFunction(() => localStorage.getItem("hostler.views.jobs") === null);
  assert.deepEqual((await mine()).map((view) => [view.page, view.name, view.state]), [["jobs", name, "filter=state%3Dcompleted&per=100"]]);
});

test("a setting says what it means and why it is what it usually is", async () => {
  const { page } = one;
  const [first] = await ask<{ help: string; source: string; default: number }[]>(page, "GET", "/settings-reference");
  await page.goto("/administration?tab=settings");
  await page.getByText(first!.help).waitFor();
  await page.getByText(`Why ${first!.default}: ${first!.source}`).waitFor();
  assert.deepEqual(await findings(page), []);
});
