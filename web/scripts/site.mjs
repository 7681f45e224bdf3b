import { resolve } from "node:path";

/** Where `cargo xtask site` builds the documentation. */
export const site = resolve(import.meta.dirname, "../..", process.env.CARGO_TARGET_DIR ?? "target", "site");
