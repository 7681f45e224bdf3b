import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { open, signIn, visitor, type Setting } from "./setting.ts";

let setting: Setting;
before(async () => {
  setting = await open();
});
after(() => setting.stop());

test("help leads to the documentation of the page, which searches by itself and needs nothing but the server", async () => {
  const who = await visitor(setting);
  await signIn(who, "/jobs");
  const opened = who.context.waitForEvent("page");
  await who.page.getByRole("link", { name: "Help for this page" }).click();
  const page = await opened;
  const complaints: string[] = [];
  page.on("console", (message) => complaints.push(message.text()));
  page.on("requestfailed", (request) => {
    // What the browser itself gave up, because the page was left, is nobody's fault.
    if (request.failure()?.errorText !== "net::ERR_ABORTED") complaints.push(request.url());
  });
  await page.getByRole("heading", { level: 1, name: "Jobs" }).waitFor();
  assert.match(page.url(), /\/docs\/console\/jobs\.html$/u);
  await page.reload();
  await page.getByRole("heading", { level: 1, name: "Jobs" }).waitFor();
  await page.getByRole("textbox", { name: "Search" }).click();
  await page.keyboard.type("enrolment token");
  await page.locator(".md-search-result__item", { hasText: "Hosts and agents" }).first().waitFor();
  assert.deepEqual(complaints, []);
  await who.context.close();
});
