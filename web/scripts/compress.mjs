// Leaves beside each text of the build what goes over the wire: .br and .gz, so that the server packs nothing while
// somebody waits. zlib works in threads of its own: as many files at a time as there are processors.
import { readFile, readdir, writeFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { promisify } from "node:util";
import { brotliCompress, constants, gzip } from "node:zlib";

const TEXTS = /\.(?:js|css|html|svg|json)$/u;
/** Packed, a smaller file is not smaller on the wire. */
const LEAST_BYTES = 200;

const began = Date.now();
const files = (await readdir("dist", { recursive: true }))
  .filter((name) => TEXTS.test(name) && !name.split("/").some((part) => part.startsWith(".")))
  .map((name) => `dist/${name}`);
let [plain, packed] = [0, 0];

async function compress(file) {
  const bytes = await readFile(file);
  if (bytes.length < LEAST_BYTES) return;
  const [br, gz] = await Promise.all([
    promisify(brotliCompress)(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length } }),
    promisify(gzip)(bytes, { level: 9 }),
  ]);
  await Promise.all([writeFile(`${file}.br`, br), writeFile(`${file}.gz`, gz)]);
  plain += bytes.length;
  packed += br.length;
}

const waiting = [...files];
await Promise.all(
  Array.from({ length: availableParallelism() }, async () => {
    for (let file = waiting.pop(); file !== undefined; file = waiting.pop()) await compress(file);
  }),
);
console.log(`${files.length} files packed in ${Date.now() - began} ms: ${Math.round(plain / 1000)} kB, ${Math.round(packed / 1000)} kB as brotli`);
