import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { helpFor } from "./help-pages.ts";

const docs = new URL("../../../docs/console/", import.meta.url);

test("every page of the console has a page of help of its own, and it is written", () => {
  const source = readFileSync(new URL("../routes.tsx", import.meta.url), "utf8");
  const paths = [...source.matchAll(/path: "([^"]+)"/gu)].map((found) => found[1]!).filter((path) => path !== "/sign-in");
  assert.ok(paths.length >= 10);
  for (const path of paths) {
    const help = helpFor(path.replaceAll(/\$\w+/gu, "01a2")).replace("/docs/console/", "");
    assert.notEqual(help, "index.html", `${path} has no help`);
    const page = new URL(help.replace(/\.html.*/u, ".md"), docs);
    assert.ok(existsSync(page), `${page.pathname} is not written`);
    const anchor = help.split("#")[1];
    if (anchor !== undefined) assert.match(readFileSync(page, "utf8").toLowerCase(), new RegExp(`^#+ ${anchor}`, "mu"));
  }
});
