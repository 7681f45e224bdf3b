// What a browser loads first, and what each page adds, in kB of gzip. Fails where the first load is over its limit or
// where a page has no chunk of its own.
import { readFileSync, readdirSync } from "node:fs";
import { gzipSync } from "node:zlib";

const FIRST_LOAD_KB = 260;
const manifest = JSON.parse(readFileSync("dist/.vite/manifest.json", "utf8"));
const gzip = (file) => gzipSync(readFileSync(`dist/${file}`), { level: 9 }).length / 1000;

/** Every chunk that comes with this one, itself included. */
function withImports(name, seen = new Set()) {
  if (seen.has(name)) return seen;
  seen.add(name);
  for (const imported of manifest[name].imports ?? []) withImports(imported, seen);
  return seen;
}

const entry = Object.keys(manifest).find((name) => manifest[name].isEntry);
const first = withImports(entry);
const script = [...first].reduce((sum, name) => sum + gzip(manifest[name].file), 0);
const style = [...first].flatMap((name) => manifest[name].css ?? []).reduce((sum, file) => sum + gzip(file), 0);
console.log(`first load   ${script.toFixed(1)} kB of script (at most ${FIRST_LOAD_KB}), ${style.toFixed(1)} kB of style`);

const pages = Object.keys(manifest).filter((name) => manifest[name].isDynamicEntry);
for (const page of pages) {
  const added = [...withImports(page)].filter((name) => !first.has(name)).reduce((sum, name) => sum + gzip(manifest[name].file), 0);
  console.log(`${page.padEnd(44)} + ${added.toFixed(1)} kB`);
}
const wanted = readdirSync("src/pages");
const without = wanted.filter((noun) => !pages.some((page) => page.startsWith(`src/pages/${noun}/`)));
if (without.length > 0) {
  console.error(`no chunk of its own: ${without.join(", ")}`);
  process.exit(1);
}
if (script > FIRST_LOAD_KB) {
  console.error(`the first load is over ${FIRST_LOAD_KB} kB`);
  process.exit(1);
}
