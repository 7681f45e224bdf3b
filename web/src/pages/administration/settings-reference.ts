import { useGet } from "../../api/hooks.ts";
import type { Refusal } from "../../api/refusal.ts";
import type { Schemas } from "../../api/types.ts";

/** What a setting means, from the one table that the server, its help and its documentation share. */
export type SettingHelp = Schemas["SettingView"];

interface Reference {
  reference: ReadonlyMap<string, SettingHelp> | undefined;
  error: Refusal | undefined;
  again: () => void;
}

/** Every setting with its help, unit, range, default and where that comes from. */
export function useSettingsReference(): Reference {
  const { data, error, again } = useGet<SettingHelp[]>("/settings-reference");
  return { reference: data && new Map(data.map((help) => [help.name, help])), error, again };
}
