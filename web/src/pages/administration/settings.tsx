import { ActionGroup, Button, Form } from "@patternfly/react-core";
import { useState, type SubmitEvent } from "react";
import { line } from "../../actions/command.ts";
import { send, type Ask } from "../../api/client.ts";
import { useGet, useMayChange } from "../../api/hooks.ts";
import { refusalOf, type Refusal } from "../../api/refusal.ts";
import type { Schemas } from "../../api/types.ts";
import { TextField } from "../../forms/fields.tsx";
import { AsCommand } from "../../parts/as-command.tsx";
import { ErrorBox } from "../../parts/error-box.tsx";
import { Waiting } from "../../parts/live-table.tsx";
import { useTeller } from "../../shell/toasts.tsx";
import { administrationWords } from "../../words/hosts.ts";

const names = administrationWords.settings;

/** The settings of the whole installation. */
export function SettingsForm() {
  const { data, error, again } = useGet<Schemas["ServerView"]>("/server");
  if (error !== undefined) return <ErrorBox refusal={error} retry={again} />;
  return data === undefined ? <Waiting /> : <Fields settings={data.settings} onSaved={again} />;
}

function Fields({ settings, onSaved }: { settings: Record<string, number>; onSaved: () => void }) {
  const mayChange = useMayChange();
  const { tell } = useTeller();
  const [texts, setTexts] = useState<Record<string, string>>({});
  const [refusal, setRefusal] = useState<Refusal | undefined>();
  const changed = Object.entries(texts).filter(([name, text]) => text !== String(settings[name]));
  const isWhole = changed.length > 0 && changed.every(([, text]) => /^\d+$/u.test(text));
  const ask: Ask = { method: "PUT", path: "/settings", body: { ...settings, ...Object.fromEntries(changed.map(([name, text]) => [name, Number(text)])) } };
  const command = line("server set", changed.map(([name, text]) => `${name}=${text}`));
  const onSubmit = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    setRefusal(undefined);
    try {
      const { job } = await send(ask, crypto.randomUUID());
      tell({ title: names.saved, job });
      setTexts({});
      onSaved();
    } catch (thrown) {
      setRefusal(refusalOf(thrown));
    }
  };
  return (
    <Form onSubmit={onSubmit} isWidthLimited>
      {Object.entries(settings).map(([name, value]) => {
        const [label, help] = names.names[name] ?? [name, ""];
        const text = texts[name] ?? String(value);
        return (
          <TextField
            key={name}
            id={`setting-${name}`}
            label={label}
            value={text}
            onChange={(next) => setTexts((before) => ({ ...before, [name]: next }))}
            help={help}
            error={/^\d+$/u.test(text) ? undefined : names.number}
          />
        );
      })}
      {isWhole && <AsCommand ask={ask} command={command} />}
      {refusal !== undefined && <ErrorBox refusal={refusal} />}
      {mayChange && (
        <ActionGroup>
          <Button type="submit" isDisabled={!isWhole}>{names.save}</Button>
        </ActionGroup>
      )}
    </Form>
  );
}
