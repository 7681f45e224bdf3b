import { mkdirSync } from "node:fs";
import { get, routes, things } from "./routes.ts";
import { findings, isTooWide, open, signIn, visitor } from "./setting.ts";

// Pictures of every page, wide and narrow, light and dark, with what axe and the console have to say:
// node --import ./scripts/typescript.mjs e2e/shots.ts [folder] [part of a route]

const folder = process.argv[2] ?? "e2e/out";
const only = process.argv[3] ?? "";
mkdirSync(folder, { recursive: true });
const setting = await open();
try {
  for (const [width, dark] of [[1280, false], [390, false], [1280, true], [390, true]] as const) {
    const who = await visitor(setting, { width, dark, height: width === 390 ? 844 : 800 });
    await signIn(who);
    const known = await things(who.page);
    for (const [name, path] of routes(known)) {
      if (!name.includes(only)) continue;
      who.complaints.length = 0;
      await get(who.page, path);
      await who.page.screenshot({ path: `${folder}/${name}-${width}-${dark ? "dark" : "light"}.png`, fullPage: false });
      const found = await findings(who.page);
      const wide = await isTooWide(who.page);
      console.log(name, width, dark ? "dark" : "light", wide ? "TOO WIDE" : "", ...who.complaints.map((text) => `\n  console: ${text}`), ...found.map((text) => `\n  axe: ${text}`));
    }
    await who.context.close();
  }
} finally {
  await setting.stop();
}
