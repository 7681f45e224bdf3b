import { mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import type { Page } from "playwright-core";
import { madeNetwork } from "./ask.ts";
import { get, routes, things } from "./routes.ts";
import { isTooWide, open, signIn, visitor } from "./setting.ts";

// Pictures of every page, wide and narrow, light and dark, for docs/screenshots:
// npm run shots [-- folder [pattern of pages' names]]
// A page that complains or is too wide is not pictured: it says why, and the run fails.

const folder = process.argv[2] ?? "../docs/screenshots";
const only = new RegExp(process.argv[3] ?? "", "u");
/** Sharp enough to read, small enough that all of them together stay below the limit. */
const QUALITY = 72;
const MOST_MIB = 6;
const TRIES = 3;
/** Until the first picture of a machine's screen has come. */
const SCREEN_MS = 1_500;

async function picture(page: Page, file: string): Promise<void> {
  const client = await page.context().newCDPSession(page);
  const { data } = await client.send("Page.captureScreenshot", { format: "webp", quality: QUALITY });
  await client.detach();
  writeFileSync(file, Buffer.from(data, "base64"));
}

mkdirSync(folder, { recursive: true });
const setting = await open();
const wrong: string[] = [];
try {
  for (const [width, dark] of [[1280, false], [390, false], [1280, true], [390, true]] as const) {
    const who = await visitor(setting, { width, dark, height: width === 390 ? 844 : 800 });
    await signIn(who);
    await madeNetwork(who.page, "default");
    for (const [name, path] of routes(await things(who.page))) {
      if (!only.test(name)) continue;
      const look = `${width === 390 ? "narrow" : "wide"}-${dark ? "dark" : "light"}`;
      // A computer on which networks come and go makes the browser drop what it is loading: that is seen in another try.
      for (let tries = 0; tries < TRIES; tries += 1) {
        who.complaints.length = 0;
        try {
          await get(who.page, path);
          // A console is worth a picture once it shows something.
          await who.page.getByText("Connecting").last().waitFor({ state: "hidden" });
          if (name.startsWith("machine-console")) await who.page.waitForTimeout(SCREEN_MS);
          if (await isTooWide(who.page)) who.complaints.push(`wider than ${width} px`);
        } catch (thrown) {
          who.complaints.push(String(thrown).split("\n")[0] ?? "");
        }
        if (who.complaints.length === 0) break;
      }
      if (who.complaints.length === 0) await picture(who.page, `${folder}/${name}-${look}.webp`);
      wrong.push(...[...new Set(who.complaints)].map((text) => `${name} ${look}: ${text}`));
    }
    await who.context.close();
  }
} finally {
  await setting.stop();
}
const mib = readdirSync(folder).reduce((sum, file) => sum + statSync(`${folder}/${file}`).size, 0) / 1024 / 1024;
if (mib > MOST_MIB) wrong.push(`the pictures are ${mib.toFixed(1)} MiB, more than ${MOST_MIB}`);
console.log(`${readdirSync(folder).length} pictures, ${mib.toFixed(1)} MiB`);
if (wrong.length > 0) {
  console.error(wrong.join("\n"));
  process.exitCode = 1;
}
