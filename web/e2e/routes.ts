import type { Page } from "playwright-core";

export interface Things {
  vm: string;
  host: string;
  job: string;
}

/** One of each thing that has a page of its own: a machine that runs, its host, and a job that made one, where there are such. */
export async function things(page: Page): Promise<Things> {
  return page.evaluate(async () => {
    type Thing = { id: string | number; host?: string | null };
    const first = async (...asked: string[]): Promise<Thing> => {
      for (const path of asked) {
        const { items } = (await (await fetch(`/api/v1/${path}`)).json()) as { items: Thing[] };
        if (items[0] !== undefined) return items[0];
      }
      return { id: "none" };
    };
    const vm = await first("vms?limit=1&filter=origin=created,status=running", "vms?limit=1");
    const host = typeof vm.host === "string" ? vm.host : (await first("hosts?limit=1")).id;
    const job = await first("jobs?limit=1&kind=create-vm", "jobs?limit=1");
    return { vm: String(vm.id), host: String(host), job: String(job.id) };
  });
}

/** Every address that the router knows, and each of its tabs: a test holds it against src/routes.tsx. */
export function routes({ vm, host, job }: Things): [name: string, path: string][] {
  return [
    ["overview", "/"],
    ["machines", "/machines"],
    ["machines-drawer", `/machines?show=${vm}`],
    ["machines-grouped", "/machines?group=host&picked=*"],
    ["machines-none", "/machines?filter=name~nothing-has-this-name"],
    ["machine-create", "/machines/create"],
    ["machine", `/machines/${vm}`],
    ["machine-hardware", `/machines/${vm}?tab=hardware`],
    ["machine-console", `/machines/${vm}?tab=console`],
    ["machine-console-serial", `/machines/${vm}?tab=console&kind=serial`],
    ["machine-console-window", `/machines/${vm}/console`],
    ["machine-performance", `/machines/${vm}?tab=performance`],
    ["machine-history", `/machines/${vm}?tab=history`],
    ["machine-definition", `/machines/${vm}?tab=definition`],
    ["machine-gone", "/machines/00000000-0000-7000-8000-000000000000"],
    ["hosts", "/hosts"],
    ["hosts-drawer", `/hosts?show=${host}`],
    ["host-groups", "/hosts?tab=groups"],
    ["host", `/hosts/${host}`],
    ["host-hardware", `/hosts/${host}?tab=hardware`],
    ["host-machines", `/hosts/${host}?tab=machines`],
    ["host-performance", `/hosts/${host}?tab=performance`],
    ["host-looks", `/hosts/${host}?tab=looks`],
    ["host-history", `/hosts/${host}?tab=history`],
    ["networking", "/networking"],
    ["network", "/networking/default"],
    ["network-hosts", "/networking/default?tab=hosts"],
    ["network-machines", "/networking/default?tab=machines"],
    ["network-leases", "/networking/default?tab=leases"],
    ["library", "/library"],
    ["library-items", "/library?tab=items"],
    ["library-shares", "/library?tab=shares"],
    ["jobs", "/jobs"],
    ["job", `/jobs/${job}`],
    ["job-log", `/jobs/${job}?tab=log`],
    ["job-changes", `/jobs/${job}?tab=changes`],
    ["job-command", `/jobs/${job}?tab=command`],
    ["administration", "/administration"],
    ["administration-tokens", "/administration?tab=tokens"],
    ["administration-agents", "/administration?tab=agents"],
    ["administration-refreshers", "/administration?tab=refreshers"],
    ["administration-settings", "/administration?tab=settings"],
    ["administration-backup", "/administration?tab=backup"],
    ["administration-about", "/administration?tab=about"],
    ["missing", "/no-such-page"],
  ];
}

/** Goes there, and waits until it has something to show. */
export async function get(page: Page, path: string): Promise<void> {
  await page.goto(path);
  await page.getByRole("heading", { level: 1 }).first().waitFor();
  await page.waitForFunction(() => document.querySelector('[aria-busy="true"]') === null);
  await page.waitForTimeout(150);
}
