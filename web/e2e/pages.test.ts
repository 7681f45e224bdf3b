import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { madeNetwork } from "./ask.ts";
import { get, routes, things } from "./routes.ts";
import { findings, isTooWide, open, signIn, visitor, type Setting } from "./setting.ts";

let setting: Setting;
before(async () => {
  setting = await open();
  const one = await visitor(setting);
  await signIn(one);
  await madeNetwork(one.page, "default");
  await one.context.close();
});
after(() => setting.stop());

test("every page of the router is among those that are visited", () => {
  const source = readFileSync(new URL("../src/routes.tsx", import.meta.url), "utf8");
  const paths = [...source.matchAll(/path: "([^"]+)"/gu)].map((found) => found[1]!).filter((path) => path !== "/sign-in");
  const visited = routes({ vm: "V", host: "H", job: "J" }).map(([, path]) => path.replace(/\?.*/u, ""));
  for (const path of paths) {
    const example = path.replace("$vm", "V").replace("$host", "H").replace("$job", "J").replace("$network", "default");
    assert.ok(visited.includes(example), `${path} is visited by no test`);
  }
  assert.ok(paths.length >= 10);
});

for (const [width, dark] of [[1280, false], [390, true]] as const) {
  test(`each page is whole at ${width} px: nothing for axe, no complaint, nothing cut off`, async () => {
    const who = await visitor(setting, { width, dark, height: width === 390 ? 844 : 800 });
    await signIn(who);
    const wrong: string[] = [];
    for (const [name, path] of routes(await things(who.page))) {
      who.complaints.length = 0;
      await get(who.page, path);
      wrong.push(...(await findings(who.page)).map((text) => `${name}: ${text}`));
      wrong.push(...who.complaints.map((text) => `${name}: console: ${text}`));
      if (await isTooWide(who.page)) wrong.push(`${name}: wider than ${width} px`);
    }
    assert.deepEqual(wrong, []);
    await who.context.close();
  });
}

test("the sign-in page is whole, too, and so is high contrast", async () => {
  const who = await visitor(setting);
  await who.page.goto("/");
  await who.page.getByLabel("Password").waitFor();
  assert.deepEqual(await findings(who.page), []);
  await signIn(who);
  await who.page.getByRole("button", { name: "Theme" }).click();
  await who.page.getByRole("menuitem", { name: "High contrast" }).click();
  await who.page.keyboard.press("Escape");
  await get(who.page, "/machines");
  assert.deepEqual(await findings(who.page), []);
});

test("dialogues, menus and the palette are whole, too", async () => {
  const who = await visitor(setting);
  const { page } = who;
  await signIn(who, "/machines");
  const wrong: string[] = [];
  const look = async (what: string): Promise<void> => {
    await page.waitForTimeout(300);
    wrong.push(...(await findings(page)).map((text) => `${what}: ${text}`));
  };
  await page.getByRole("checkbox", { name: "Select all rows on this page" }).click();
  await page.getByRole("button", { name: /selected/u }).click();
  await look("bulk menu");
  await page.getByRole("menuitem", { name: "Refresh" }).click();
  await look("bulk dialogue");
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: /^Actions for/u }).first().click();
  await look("row menu");
  await page.keyboard.press("Escape");
  await page.keyboard.press("Control+k");
  await page.getByRole("combobox").fill("start w");
  await look("palette");
  await page.keyboard.press("Escape");
  await get(page, `/machines/${(await things(page)).vm}?tab=hardware`);
  await page.getByRole("main").getByRole("button", { name: "Edit" }).click();
  await page.getByRole("textbox", { name: "Notes" }).fill("a note");
  await page.getByRole("button", { name: "Show as command and REST call" }).click();
  await look("edit");
  await page.getByRole("button", { name: "Cancel", exact: true }).click();
  for (const [tab, button] of [["templates", "Make a template"], ["shares", "Add a share"]] as const) {
    await get(page, `/library?tab=${tab}`);
    await page.getByRole("button", { name: button }).first().click();
    await look(button);
  }
  assert.deepEqual(wrong, []);
  await who.context.close();
});
