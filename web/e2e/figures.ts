import { readFileSync } from "node:fs";
import { chromium, type CDPSession, type Page } from "playwright-core";

// Figures of the console over a large fleet, in a real Chromium against a server that serves the console itself:
//   hostler-testbed simulate --hosts 200 --vms 20000 --alone /tmp/fleet --ready /tmp/fleet.json --changes-per-s 20
//   HOSTLER_READY=/tmp/fleet.json MINUTES=10 node --import ./scripts/typescript.mjs e2e/figures.ts

interface Ready {
  server: string;
  password_file: string;
}

const { server, password_file: passwordFile } = JSON.parse(readFileSync(process.env.HOSTLER_READY ?? "", "utf8")) as Ready;
const runs = Number(process.env.RUNS ?? 7);
const minutes = Number(process.env.MINUTES ?? 10);
const typed = "prod web server 07 in the shop";

const sorted = (all: number[]): number[] => all.toSorted((a, b) => a - b);
const median = (all: number[]): number => sorted(all)[Math.floor(all.length / 2)] ?? Number.NaN;
const line = (what: string, figure: string, promised: string): void => console.log(`| ${what} | ${figure} | ${promised} |`);
const ms = (time: number): string => `${time.toFixed(0)} ms`;

/** From the address to the first machine on the screen. */
async function useful(page: Page): Promise<number> {
  const begun = performance.now();
  await page.goto(`${server}/machines`, { waitUntil: "commit" });
  await page.locator("tbody a[href*='/machines/']").first().waitFor();
  return performance.now() - begun;
}

/** The longest time in which the page did nothing else while somebody typed, and the longest from a key to its letter. */
async function typing(page: Page): Promise<{ blocked: number; key: number }> {
  await page.evaluate(() => {
    const seen = { blocked: 0, key: 0 };
    (window as unknown as { seen: typeof seen }).seen = seen;
    new PerformanceObserver((list) => {
      for (const task of list.getEntries()) seen.blocked = Math.max(seen.blocked, task.duration);
    }).observe({ type: "longtask" });
    new PerformanceObserver((list) => {
      for (const key of list.getEntries()) if (key.name.startsWith("key")) seen.key = Math.max(seen.key, key.duration);
    }).observe({ type: "event", durationThreshold: 16 } as PerformanceObserverInit);
  });
  const box = page.getByRole("searchbox", { name: "Find by name" }).or(page.getByRole("textbox", { name: "Find by name" })).first();
  await box.click();
  await page.keyboard.type(typed, { delay: 90 });
  await page.waitForTimeout(1_500);
  const seen = await page.evaluate(() => (window as unknown as { seen: { blocked: number; key: number } }).seen);
  await box.fill("");
  await page.locator("tbody a[href*='/machines/']").first().waitFor();
  return seen;
}

/** From asking for a change to a machine on the screen until the screen shows it. */
async function change(page: Page, n: number): Promise<number> {
  const name = await page.evaluate(async () => {
    const response = await fetch("/api/v1/vms?filter=origin=created,status=off&limit=1");
    const { items } = (await response.json()) as { items: { id: string; spec: { name: string } }[] };
    return items[0]!;
  });
  const renamed = `figure-${Date.now()}-${n}`;
  await page.goto(`${server}/machines?filter=id%3D${name.id}`);
  await page.getByRole("link", { name: name.spec.name }).first().waitFor();
  const begun = performance.now();
  await page.evaluate(
    async ([id, to]) =>
      fetch(`/api/v1/vms/${id}`, { method: "PATCH", headers: { "X-Hostler-CSRF": "1", "content-type": "application/json" }, body: JSON.stringify({ name: to }) }),
    [name.id, renamed] as const,
  );
  await page.getByRole("link", { name: renamed }).first().waitFor();
  return performance.now() - begun;
}

/** What the tab's scripts hold once what is garbage is gone, in MiB. */
async function held(session: CDPSession): Promise<number> {
  await session.send("HeapProfiler.collectGarbage");
  const { metrics } = await session.send("Performance.getMetrics");
  return (metrics.find((metric) => metric.name === "JSHeapUsedSize")?.value ?? 0) / 1_048_576;
}

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});
try {
  const context = await browser.newContext({ ignoreHTTPSErrors: true, viewport: { width: 1280, height: 800 } });
  const page = await context.newPage();
  page.setDefaultTimeout(60_000);
  await page.goto(server);
  await page.getByLabel("User name").fill("administrator");
  await page.getByLabel("Password").fill(readFileSync(passwordFile, "utf8").trim());
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("navigation", { name: "Main navigation" }).waitFor();
  console.log("| what | figure | promised |\n| --- | --- | --- |");
  const times: number[] = [];
  for (let n = 0; n < runs; n += 1) times.push(await useful(page));
  line(`Machines: from the address to the first machine (median of ${runs})`, `${ms(median(times))}, slowest ${ms(Math.max(...times))}`, "< 1 s");
  const { blocked, key } = await typing(page);
  line("typing in the filter: longest task of the page", blocked === 0 ? "none over 50 ms" : ms(blocked), "< 100 ms");
  line("typing in the filter: from a key to its letter, slowest", ms(key), "");
  const changes: number[] = [];
  for (let n = 0; n < runs; n += 1) changes.push(await change(page, n));
  line(`a change, from asking to the screen (median of ${runs})`, `${ms(median(changes))}, slowest ${ms(Math.max(...changes))}`, "< 1 s");
  await useful(page);
  const session = await context.newCDPSession(page);
  await session.send("Performance.enable");
  const memory = [await held(session)];
  for (let minute = 0; minute < minutes; minute += 1) {
    await page.waitForTimeout(60_000);
    memory.push(await held(session));
  }
  line(`memory of the tab's scripts, each minute for ${minutes} minutes`, `${memory.map((mib) => mib.toFixed(1)).join(", ")} MiB`, "steady");
} finally {
  await browser.close();
}
