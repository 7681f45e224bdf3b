import { existsSync, readFileSync } from "node:fs";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";
import { site } from "./scripts/site.mjs";

const server = process.env.HOSTLER_SERVER ?? "https://127.0.0.1:8470";
const authority = process.env.HOSTLER_CA;

export default defineConfig({
  plugins: [react()],
  // Whether there is something that Help can lead to.
  define: { "import.meta.env.VITE_DOCS": JSON.stringify(existsSync(`${site}/index.html`)) },
  build: {
    // The server allows nothing but itself as a source: no data: addresses in style sheets.
    assetsInlineLimit: 0,
    manifest: true,
    target: "es2022",
    modulePreload: { polyfill: false },
  },
  server: {
    proxy: {
      "/api": {
        target: server,
        // The cookie's protection compares Origin and Host; behind this proxy both become the server's.
        changeOrigin: true,
        headers: { origin: server },
        ...(authority === undefined ? { secure: false } : { ssl: { ca: readFileSync(authority) } }),
      },
    },
  },
});
