// Runs every *.test.ts below src. Says how many files it found and fails below the lower bound: a test that is not
// found is not passed.
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";

const LEAST = 14;
const files = readdirSync("src", { recursive: true }).filter((name) => name.endsWith(".test.ts")).map((name) => `src/${name}`);
if (files.length < LEAST) {
  console.error(`${files.length} test files found, at least ${LEAST} expected`);
  process.exit(1);
}
console.log(`${files.length} test files`);
const run = spawnSync(process.execPath, ["--import", "./scripts/typescript.mjs", "--test", "--test-reporter=spec", ...files], { stdio: "inherit" });
process.exit(run.status ?? 1);
