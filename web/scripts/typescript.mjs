// Lets Node run TypeScript sources: `node --import ./scripts/typescript.mjs`. Types are stripped, not checked; tsc
// checks them.
import { register } from "node:module";

register("./typescript-load.mjs", import.meta.url);
