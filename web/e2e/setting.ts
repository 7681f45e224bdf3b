import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { afterEach, type TestContext } from "node:test";
import { chromium, type Browser, type BrowserContext, type Page } from "playwright-core";
import { front, type Front } from "./front.ts";

/** Where the server under test is. Started with `hostler up --state $HOSTLER_STATE …`; see README.md. */
export const state = named("HOSTLER_STATE");
export const serverUrl = process.env.HOSTLER_SERVER ?? "https://127.0.0.1:8670";
const pki = join(state, "server/pki");
const password = (): string => readFileSync(join(state, "server/initial-password"), "utf8").trim();

function named(variable: string): string {
  const value = process.env[variable];
  if (value === undefined || value === "") {
    throw new Error(`${variable} is not set. README.md of web/ says how a server for the stories is started.`);
  }
  return value;
}

export interface Setting {
  browser: Browser;
  front: Front;
  stop: () => Promise<void>;
}

export async function open(): Promise<Setting> {
  const served = await front({
    server: serverUrl,
    ca: join(pki, "authority.crt"),
    key: join(pki, "server.key"),
    cert: join(pki, "server.crt"),
    dist: new URL("../dist", import.meta.url).pathname,
    port: Number(process.env.FRONT_PORT ?? 0),
  });
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });
  return {
    browser,
    front: served,
    stop: async () => {
      await browser.close();
      await served.stop();
    },
  };
}

/** Somebody's window, with everything that its console complains of. */
export interface Visitor {
  page: Page;
  context: BrowserContext;
  complaints: string[];
}

/** Everybody's pages, for a look at them when a story fails. */
const pages = new Set<Page>();
const failures = process.env.HOSTLER_FAILURES ?? "e2e/out/failures";

/** Keeps a picture of each open page where a story failed: HOSTLER_FAILURES/<story>-<n>.png. */
async function keepPictures(story: TestContext & { passed?: boolean }): Promise<void> {
  if (story.passed !== false) return;
  mkdirSync(failures, { recursive: true });
  const name = story.name.replaceAll(/[^a-z0-9]+/giu, "-").slice(0, 80);
  let n = 0;
  for (const page of pages) {
    const path = `${failures}/${name}-${(n += 1)}.png`;
    await page.screenshot({ path, timeout: 10_000 }).then(
      () => story.diagnostic(`${page.url()} is pictured in ${path}`),
      (why: unknown) => story.diagnostic(`no picture of ${page.url()}: ${String(why)}`),
    );
  }
}

afterEach((story) => keepPictures(story as TestContext));

export async function visitor(setting: Setting, look: { width?: number; height?: number; dark?: boolean } = {}): Promise<Visitor> {
  const context = await setting.browser.newContext({
    baseURL: setting.front.url,
    ignoreHTTPSErrors: true,
    viewport: { width: look.width ?? 1280, height: look.height ?? 800 },
    colorScheme: look.dark === true ? "dark" : "light",
    reducedMotion: "reduce",
  });
  const page = await context.newPage();
  // What is waited for is a condition; the limit is for computers that do much besides.
  page.setDefaultTimeout(60_000);
  pages.add(page);
  page.on("close", () => pages.delete(page));
  const complaints: string[] = [];
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(error.message));
  return { page, context, complaints };
}

export async function signIn({ page }: Visitor, to = "/"): Promise<void> {
  await page.goto(to);
  await page.getByLabel("User name").fill("administrator");
  await page.getByLabel("Password").fill(password());
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("navigation", { name: "Main navigation" }).or(page.getByRole("button", { name: "Account" })).first().waitFor();
}

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** What axe finds on the page as it is now: rule, and where. */
export async function findings(page: Page): Promise<string[]> {
  // A colour on its way from disabled to enabled is no colour of the page. What turns for ever is not waited for.
  await page.evaluate(async () => {
    const ends = document.getAnimations().filter((one) => one.effect?.getComputedTiming().iterations !== Infinity);
    await Promise.all(ends.map((one) => one.finished.catch(() => undefined)));
  });
  await page.evaluate(axe);
  return page.evaluate(async () => {
    const { axe: checker } = window as unknown as { axe: { run: (where: Document, options: object) => Promise<{ violations: { id: string; nodes: { html: string; failureSummary?: string }[] }[] }> } };
    const { violations } = await checker.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"] });
    return violations.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.html.slice(0, 200)} ${(node.failureSummary ?? "").replaceAll("\n", " ").slice(0, 240)}`));
  });
}

/** Whether the page is wider than its window: then something is cut off. */
export function isTooWide(page: Page): Promise<boolean> {
  return page.evaluate(() => document.documentElement.scrollWidth > window.innerWidth + 1);
}
