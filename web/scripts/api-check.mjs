// Fails when src/api/schema.d.ts is not what docs/openapi.json says.
import { readFileSync } from "node:fs";
import openapiTS, { astToString } from "openapi-typescript";

const document = new URL("../../docs/openapi.json", import.meta.url);
const committed = readFileSync(new URL("../src/api/schema.d.ts", import.meta.url), "utf8");
const header = committed.slice(0, committed.indexOf("export interface paths"));
const now = header + astToString(await openapiTS(document, { defaultNonNullable: false }));
if (now.trim() !== committed.trim()) {
  console.error("src/api/schema.d.ts is not up to date with docs/openapi.json: run npm run api");
  process.exit(1);
}
