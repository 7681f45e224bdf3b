import { createRootRoute, createRoute, createRouter, lazyRouteComponent } from "@tanstack/react-router";
import { searchOf } from "./parts/view.ts";
import { Broken, Missing } from "./shell/broken.tsx";
import { Shell } from "./shell/shell.tsx";
import { SignIn } from "./shell/sign-in.tsx";

// Each page is a chunk of its own, read when somebody goes there.

const root = createRootRoute({ validateSearch: searchOf, notFoundComponent: Missing, errorComponent: Broken });

const signIn = createRoute({ getParentRoute: () => root, path: "/sign-in", component: SignIn });
const shell = createRoute({ getParentRoute: () => root, id: "shell", component: Shell });

const overview = createRoute({
  getParentRoute: () => shell,
  path: "/",
  component: lazyRouteComponent(() => import("./pages/overview/page.tsx"), "OverviewPage"),
});
const machines = createRoute({
  getParentRoute: () => shell,
  path: "/machines",
  component: lazyRouteComponent(() => import("./pages/machines/list.tsx"), "MachinesPage"),
});
const createMachine = createRoute({
  getParentRoute: () => shell,
  path: "/machines/create",
  component: lazyRouteComponent(() => import("./pages/machines/create.tsx"), "CreateMachinePage"),
});
const machine = createRoute({
  getParentRoute: () => shell,
  path: "/machines/$vm",
  component: lazyRouteComponent(() => import("./pages/machines/page.tsx"), "MachinePage"),
});
const consoleWindow = createRoute({
  getParentRoute: () => root,
  path: "/machines/$vm/console",
  component: lazyRouteComponent(() => import("./pages/machines/console/window.tsx"), "ConsoleWindow"),
});
const hosts = createRoute({
  getParentRoute: () => shell,
  path: "/hosts",
  component: lazyRouteComponent(() => import("./pages/hosts/list.tsx"), "HostsPage"),
});
const host = createRoute({
  getParentRoute: () => shell,
  path: "/hosts/$host",
  component: lazyRouteComponent(() => import("./pages/hosts/page.tsx"), "HostPage"),
});
const library = createRoute({
  getParentRoute: () => shell,
  path: "/library",
  component: lazyRouteComponent(() => import("./pages/library/page.tsx"), "LibraryPage"),
});
const networking = createRoute({
  getParentRoute: () => shell,
  path: "/networking",
  component: lazyRouteComponent(() => import("./pages/networking/list.tsx"), "NetworkingPage"),
});
const network = createRoute({
  getParentRoute: () => shell,
  path: "/networking/$network",
  component: lazyRouteComponent(() => import("./pages/networking/page.tsx"), "NetworkPage"),
});
const jobs = createRoute({
  getParentRoute: () => shell,
  path: "/jobs",
  component: lazyRouteComponent(() => import("./pages/jobs/list.tsx"), "JobsPage"),
});
const job = createRoute({
  getParentRoute: () => shell,
  path: "/jobs/$job",
  component: lazyRouteComponent(() => import("./pages/jobs/page.tsx"), "JobPage"),
});
const administration = createRoute({
  getParentRoute: () => shell,
  path: "/administration",
  component: lazyRouteComponent(() => import("./pages/administration/page.tsx"), "AdministrationPage"),
});

const tree = root.addChildren([
  signIn,
  consoleWindow,
  shell.addChildren([overview, machines, createMachine, machine, hosts, host, library, networking, network, jobs, job, administration]),
]);

export const router = createRouter({
  routeTree: tree,
  defaultPreload: "intent",
  defaultErrorComponent: Broken,
  // Addresses stay readable: texts as they are, no JSON in them.
  parseSearch: (text) => Object.fromEntries(new URLSearchParams(text)),
  stringifySearch: (search) => {
    const text = new URLSearchParams(Object.entries(search as Record<string, string | undefined>).filter((pair): pair is [string, string] => pair[1] !== undefined)).toString();
    return text === "" ? "" : `?${text}`;
  },
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
