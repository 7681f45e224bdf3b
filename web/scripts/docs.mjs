// Puts the documentation beside the console, below docs/, where `cargo xtask site` built it: the server then serves both,
// and the console's help works without a network.
import { cpSync, existsSync } from "node:fs";
import { site } from "./site.mjs";

if (existsSync(`${site}/index.html`)) cpSync(site, "dist/docs", { recursive: true, filter: (path) => !/\/(?:404\.html|openapi\.json)$/u.test(path) });
