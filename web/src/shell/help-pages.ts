/** Which page of the documentation is about which page of the console: docs/console. The first that fits. */
const pages: [path: RegExp, help: string][] = [
  [/^\/$/u, "overview.html"],
  [/^\/machines\/create$/u, "machines.html#creating"],
  [/^\/machines\/[^/]+\/console$/u, "screen.html"],
  [/^\/machines\/.+/u, "machine.html"],
  [/^\/machines/u, "machines.html"],
  [/^\/hosts/u, "hosts.html"],
  [/^\/library/u, "library.html"],
  [/^\/networking/u, "networking.html"],
  [/^\/jobs/u, "jobs.html"],
  [/^\/administration/u, "administration.html"],
];

/** Where the help for a page of the console is; the console's first help page for one that is not known. */
export function helpFor(path: string): string {
  const found = pages.find(([pattern]) => pattern.test(path))?.[1] ?? "index.html";
  return `/docs/console/${found}`;
}
