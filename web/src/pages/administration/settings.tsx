import { Button, Form, FormGroup, FormHelperText, FormSection, HelperText, HelperTextItem, InputGroup, InputGroupItem, InputGroupText, TextInput } from "@patternfly/react-core";
import { useState, type SubmitEvent } from "react";
import { line } from "../../actions/command.ts";
import { send, type Ask } from "../../api/client.ts";
import { get, useGet, useMayChange } from "../../api/hooks.ts";
import { refusalOf, type Refusal } from "../../api/refusal.ts";
import type { Schemas } from "../../api/types.ts";
import { useDraft } from "../../forms/draft.ts";
import { AsCommand } from "../../parts/as-command.tsx";
import { ErrorBox } from "../../parts/error-box.tsx";
import { Waiting } from "../../parts/live-table.tsx";
import { useTeller } from "../../shell/toasts.tsx";
import { words } from "../../words/en.ts";
import { administrationWords } from "../../words/hosts.ts";
import { useSettingsReference, type SettingHelp } from "./settings-reference.ts";

const names = administrationWords.settings;
type Value = number | string;
type Settings = Record<string, Value>;

const shown = (value: Value): string => (typeof value === "number" ? value.toLocaleString() : value);
/** An address stands as a text in the settings: one whose default is a text is an address. */
const isMac = (help: SettingHelp | undefined): boolean => typeof help?.default === "string";
const macIn = (text: string): string => text.trim().toLowerCase().replaceAll("-", ":");

/** The settings of the whole installation. */
export function SettingsForm() {
  const { data, error, again } = useGet<Schemas["ServerView"]>("/server");
  const { reference, error: unknown, again: askReference } = useSettingsReference();
  if (error !== undefined) return <ErrorBox refusal={error} retry={again} />;
  if (unknown !== undefined) return <ErrorBox refusal={unknown} retry={askReference} />;
  return data === undefined || reference === undefined ? <Waiting /> : <Fields settings={data.settings} reference={reference} onSaved={again} />;
}

/** Why a text is no value of a setting; undefined where it is one. */
function wrongIn(text: string, help: SettingHelp | undefined): string | undefined {
  if (isMac(help)) return /^([\da-f]{2}:){5}[\da-f]{2}$/u.test(macIn(text)) ? undefined : names.mac;
  if (!/^\d+$/u.test(text)) return names.number;
  return help !== undefined && (Number(text) < Number(help.minimum) || Number(text) > Number(help.maximum)) ? names.range(shown(help.minimum), shown(help.maximum)) : undefined;
}

function Fields({ settings, reference, onSaved }: { settings: Settings; reference: ReadonlyMap<string, SettingHelp>; onSaved: () => void }) {
  const mayChange = useMayChange();
  const { tell } = useTeller();
  const draft = useDraft<Record<string, string>>("settings", {});
  const texts = draft.values;
  const [refusal, setRefusal] = useState<Refusal | undefined>();
  const [isBusy, setBusy] = useState(false);
  const changed = Object.entries(texts).filter(([name, text]) => text !== String(settings[name]));
  const isWhole = changed.length > 0 && changed.every(([name, text]) => wrongIn(text, reference.get(name)) === undefined);
  const changes = Object.fromEntries(changed.map(([name, text]): [string, Value] => [name, isMac(reference.get(name)) ? macIn(text) : Number(text)]));
  const ask: Ask = { method: "PUT", path: "/settings", body: { ...settings, ...changes } };
  const command = line("server set", changed.map(([name, text]) => `${name}=${text}`));
  const onSubmit = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    setRefusal(undefined);
    setBusy(true);
    try {
      // All settings go at once and have no version of their own: what another set since is looked for, and kept.
      const { settings: present } = await get<Schemas["ServerView"]>("/server");
      const taken = Object.keys(changes).find((name) => (present as Settings)[name] !== settings[name]);
      if (taken !== undefined) {
        onSaved();
        setRefusal({ code: "revision.stale", object: names.names[taken] ?? taken, cause: names.stale(shown((present as Settings)[taken] ?? "")), remedy: names.staleRemedy });
      } else {
        const { job } = await send({ ...ask, body: { ...present, ...changes } }, crypto.randomUUID());
        tell({ title: names.saved, job });
        draft.begin();
        onSaved();
      }
    } catch (thrown) {
      setRefusal(refusalOf(thrown));
    }
    setBusy(false);
  };
  const known = new Set(names.sections.flatMap(([, inside]) => inside));
  const sections: [string, readonly string[]][] = [...names.sections, [names.other, Object.keys(settings).filter((name) => !known.has(name))]];
  return (
    <Form onSubmit={onSubmit} isWidthLimited>
      {sections.map(([title, inside]) => {
        const shown = inside.filter((name) => settings[name] !== undefined);
        if (shown.length === 0) return null;
        return (
          <FormSection key={title} title={title} titleElement="h2">
            {shown.map((name) => (
              <Setting
                key={name}
                name={name}
                text={texts[name] ?? String(settings[name])}
                now={settings[name] ?? 0}
                help={reference.get(name)}
                isReadOnly={!mayChange}
                onChange={(next) => draft.set({ [name]: next })}
              />
            ))}
          </FormSection>
        );
      })}
      {isWhole && <AsCommand ask={ask} command={command} />}
      {refusal !== undefined && <ErrorBox refusal={refusal} />}
      {mayChange && (
        <div className="hostler-save">
          <Button type="submit" isDisabled={!isWhole || isBusy} isLoading={isBusy}>{names.save}</Button>
          {changed.length > 0 && <Button variant="link" onClick={draft.begin}>{words.form.undo}</Button>}
          {changed.length > 0 && <span className="hostler-hint">{names.changed(changed.length)}</span>}
        </div>
      )}
    </Form>
  );
}

interface SettingProps {
  name: string;
  text: string;
  now: Value;
  help: SettingHelp | undefined;
  isReadOnly: boolean;
  onChange: (text: string) => void;
}

/** One setting: what it means, its range and default, and the way back to that. */
function Setting({ name, text, now, help, isReadOnly, onChange }: SettingProps) {
  const id = `setting-${name}`;
  const wrong = wrongIn(text, help);
  const isUsual = help === undefined || text === String(help.default);
  return (
    <FormGroup label={names.names[name] ?? name} fieldId={id}>
      <InputGroup className="hostler-setting">
        <InputGroupItem>
          <TextInput
            id={id}
            inputMode={isMac(help) ? "text" : "numeric"}
            autoComplete="off"
            value={text}
            {...(isReadOnly ? { readOnlyVariant: "default" as const } : {})}
            validated={wrong !== undefined ? "error" : text !== String(now) ? "success" : "default"}
            aria-describedby={`${id}-help`}
            onChange={(_, next) => onChange(next)}
          />
        </InputGroupItem>
        {help !== undefined && help.unit !== "" && <InputGroupText>{names.units[help.unit] ?? help.unit}</InputGroupText>}
        {!isUsual && !isReadOnly && (
          <InputGroupItem>
            <Button variant="link" aria-label={`${names.toUsual(shown(help.default))}: ${names.names[name] ?? name}`} onClick={() => onChange(String(help.default))}>{names.toUsual(shown(help.default))}</Button>
          </InputGroupItem>
        )}
      </InputGroup>
      <FormHelperText>
        <HelperText id={`${id}-help`}>
          {wrong !== undefined && <HelperTextItem variant="error">{wrong}</HelperTextItem>}
          {help !== undefined && <HelperTextItem>{`${help.help} ${names.range(shown(help.minimum), shown(help.maximum))}; ${names.usual(shown(help.default))}.`}</HelperTextItem>}
          {help !== undefined && <HelperTextItem>{names.why(shown(help.default), help.source)}</HelperTextItem>}
        </HelperText>
      </FormHelperText>
    </FormGroup>
  );
}
