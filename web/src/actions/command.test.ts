import assert from "node:assert/strict";
import { test } from "node:test";
import { curl, line, quoted } from "./command.ts";

test("a word with spaces or quotes reaches the command as one word", () => {
  assert.equal(quoted("web-1"), "web-1");
  assert.equal(quoted("web 1"), "'web 1'");
  assert.equal(quoted("it's"), String.raw`'it'\''s'`);
  assert.equal(quoted("$(reboot)"), "'$(reboot)'");
});

test("only what was asked for is written", () => {
  const written = line("vm create", ["web-1"], { template: "tiny-linux", cpus: undefined, memory: "256MiB", tag: ["a", "b c"], start: true, uefi: false, notes: "" });
  assert.equal(written, "hostler vm create web-1 --template tiny-linux --memory 256MiB --tag a --tag 'b c' --start");
});

test("a name that begins with a dash is no option", () => {
  assert.equal(line("vm start", ["--force"]), "hostler vm start -- --force");
  assert.equal(line("vm edit", ["a"], { notes: "-x" }), "hostler vm edit a --notes=-x");
});

test("a REST call has its body quoted for the shell", () => {
  const ask = { method: "POST" as const, path: "/vms", query: { dry_run: "true" }, body: { name: "it's" } };
  assert.equal(
    curl(ask, "https://h:8470"),
    "curl --cacert authority.crt -H @header -X POST 'https://h:8470/api/v1/vms?dry_run=true' \\\n  -H 'content-type: application/json' \\\n  -d '{\"name\":\"it'\\''s\"}'",
  );
});
