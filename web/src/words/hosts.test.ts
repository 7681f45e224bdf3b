import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { administrationWords } from "./hosts.ts";

const { components } = JSON.parse(readFileSync(new URL("../../../docs/openapi.json", import.meta.url), "utf8")) as { components: { schemas: { Settings: { properties: Record<string, unknown> } } } };

test("every setting that the server has is called as people call it, and stands in a section", () => {
  const { names, sections } = administrationWords.settings;
  const settings = Object.keys(components.schemas.Settings.properties).sort();
  assert.ok(settings.length > 0);
  assert.deepEqual(Object.keys(names).sort(), settings);
  assert.deepEqual(sections.flatMap(([, inside]) => inside).sort(), settings);
});
