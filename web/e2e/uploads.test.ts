import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { open, signIn, state, visitor, type Setting, type Visitor } from "./setting.ts";

// Files into the library, as they go on a line that breaks.

const mark = String(Date.now() % 1_000_000);
const name = `upload-${mark}.iso`;
const small = `small-${mark}.iso`;
let setting: Setting;
let one: Visitor;
let folder: string;

const sumOf = (file: string): string => createHash("sha256").update(readFileSync(file)).digest("hex");

before(async () => {
  setting = await open();
  one = await visitor(setting);
  folder = mkdtempSync(join(tmpdir(), "hostler-upload-"));
  // More than a few pieces, so that there is something left when the line is cut.
  writeFileSync(join(folder, name), randomBytes(48 * 1024 * 1024));
  writeFileSync(join(folder, small), randomBytes(70_000));
  await signIn(one, "/library?tab=items");
});

after(async () => {
  rmSync(folder, { recursive: true });
  for (const file of [name, small]) rmSync(`${state}/library/${file}`, { force: true });
  await one.page.evaluate(() => fetch("/api/v1/library-shares/library/refresh", { method: "POST", headers: { "X-Hostler-CSRF": "1" } }));
  await setting.stop();
});

test("an upload that is cut goes on by itself, and after a reload with the same file; then it is in the library", async () => {
  const { page } = one;
  await page.getByRole("button", { name: "Upload", exact: true }).click();
  const dialog = page.getByRole("dialog", { name: "Upload into the library" });
  await dialog.getByLabel("Files").setInputFiles(join(folder, name));
  await dialog.getByText("1 file, 48 MiB").waitFor();
  await dialog.getByRole("button", { name: "Upload", exact: true }).click();
  await page.getByText(/^Sending/u).waitFor();
  setting.front.cut();
  await page.getByText(/^Connection lost, it goes on by itself/u).waitFor();
  await page.getByRole("button", { name: /^1 upload, \d+ %$/u }).waitFor();
  // Or it might be over before it is paused.
  setting.front.hold();
  setting.front.mend();
  await page.getByText(/^Sending/u).first().waitFor();
  await page.getByRole("button", { name: `Pause ${name}` }).click();
  await page.getByText(/^Paused/u).waitFor();
  setting.front.letGo();
  await page.reload();
  await page.getByText(/^Choose the same file again to go on/u).waitFor();
  const again = page.getByLabel(`Choose ${name} again`).first();
  await again.setInputFiles(join(folder, small));
  await page.getByText(`${small} is another file, or was changed since.`).waitFor();
  await again.setInputFiles(join(folder, name));
  await page.getByText(/^Done/u).waitFor();
  await page.getByRole("main").getByText(name.replace(".iso", ""), { exact: true }).first().waitFor();
  assert.equal(sumOf(`${state}/library/${name}`), sumOf(join(folder, name)), "what arrived is what was sent");
});

test("a file whose name is taken is refused beside it, in words", async () => {
  const { page } = one;
  await page.getByRole("button", { name: "Upload", exact: true }).click();
  const dialog = page.getByRole("dialog", { name: "Upload into the library" });
  await dialog.getByLabel("Files").setInputFiles([join(folder, name), join(folder, small)]);
  await dialog.getByText("2 files,").waitFor();
  assert.match(await dialog.getByRole("textbox", { name: "Command line" }).inputValue(), /^hostler library-item upload library \S+$/u);
  await dialog.getByRole("button", { name: "Upload", exact: true }).click();
  const uploads = page.getByRole("main").getByRole("list", { name: "Uploads" });
  await uploads.getByText(/^Refused/u).waitFor();
  await uploads.getByText(/^Code/u).waitFor();
  await page.getByRole("main").getByText(small.replace(".iso", ""), { exact: true }).first().waitFor();
  assert.ok(existsSync(`${state}/library/${small}`));
  await page.getByRole("button", { name: `Cancel the upload of ${name}` }).first().click();
  await uploads.getByText(/^Refused/u).waitFor({ state: "detached" });
});
