import { useGet } from "../../api/hooks.ts";
import type { Refusal } from "../../api/refusal.ts";

/** What a setting means, from the one table that the server, its help and its documentation share. */
export interface SettingHelp {
  help: string;
  unit: string;
  minimum: number;
  maximum: number;
  usual: number;
}

interface Property {
  description?: string;
  minimum?: number;
  maximum?: number;
  default?: number;
}

interface Document {
  components: { schemas: { Settings: { properties: Record<string, Property> } } };
}

/** A property of the schema as help: its last sentence says the unit. */
export function helpOf({ description = "", minimum = 0, maximum = 0, default: usual = 0 }: Property): SettingHelp {
  const found = /^(.*?)\s*In ([a-z]+)\.$/su.exec(description);
  return { help: found?.[1] ?? description, unit: found?.[2] ?? "", minimum, maximum, usual };
}

/** Every setting with its help, unit, range and default. */
export function useSettingsReference(): { reference: Record<string, SettingHelp> | undefined; error: Refusal | undefined } {
  const { data, error } = useGet<Document>("/openapi.json");
  const properties = data?.components.schemas.Settings.properties;
  return {
    reference: properties === undefined ? undefined : Object.fromEntries(Object.entries(properties).map(([name, property]) => [name, helpOf(property)])),
    error,
  };
}
