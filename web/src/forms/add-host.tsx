import { Button, Checkbox, FormGroup, Radio } from "@patternfly/react-core";
import { useState } from "react";
import { line } from "../actions/command.ts";
import { send, type Ask } from "../api/client.ts";
import { useWindow } from "../api/hooks.ts";
import { refusalOf, type Refusal } from "../api/refusal.ts";
import type { Schemas } from "../api/types.ts";
import { ErrorBox } from "../parts/error-box.tsx";
import { addHostWords as names } from "../words/add-host.ts";
import { FormDialog } from "./dialog.tsx";
import { ChoiceField, LongTextField, TextField } from "./fields.tsx";

type HostKey = Schemas["HostKey"];

const usualPort = "22";
const isPort = (text: string): boolean => /^[0-9]{1,5}$/.test(text) && Number(text) > 0 && Number(text) < 65_536;

/**
 * Adds a computer: first it shows its host keys, one of which a person confirms; only then is it asked for what proves who
 * signs in. None of that is kept as a draft, or shown.
 */
export function AddHostForm({ onClose }: { onClose: () => void }) {
  const [address, setAddress] = useState("");
  const [port, setPort] = useState(usualPort);
  const [keys, setKeys] = useState<HostKey[] | undefined>();
  const [chosen, setChosen] = useState("");
  const [isLooking, setLooking] = useState(false);
  const [refusal, setRefusal] = useState<Refusal | undefined>();
  const [user, setUser] = useState("root");
  const [proof, setProof] = useState<"password" | "key">("password");
  const [password, setPassword] = useState("");
  const [privateKey, setPrivateKey] = useState("");
  const [sudoPassword, setSudoPassword] = useState("");
  const [name, setName] = useState("");
  const [group, setGroup] = useState("");
  const [server, setServer] = useState("");
  const [host, setHost] = useState(true);
  const [library, setLibrary] = useState(false);
  const groups = useWindow("host-groups", { sort: "path", limit: 1000 }).window?.rows ?? [];
  // Only what runs machines is in a group.
  const into = host ? groups.find(({ id }) => id === group) : undefined;
  const computer = { address: address.trim(), port: Number(port) };
  // Another computer has other keys: what was confirmed is not confirmed for it.
  const another = (change: () => void): void => {
    change();
    setKeys(undefined);
    setChosen("");
    setRefusal(undefined);
  };
  const look = async (): Promise<void> => {
    setLooking(true);
    setRefusal(undefined);
    try {
      setKeys(await send<HostKey[]>({ method: "POST", path: "/host-keys", body: computer }));
    } catch (thrown) {
      setRefusal(refusalOf(thrown));
    }
    setLooking(false);
  };
  const proved = proof === "password" ? { password } : { private_key: privateKey };
  const body = {
    ...computer,
    user: user.trim(),
    host_key: chosen,
    secrets: { ...proved, ...(sudoPassword === "" ? {} : { sudo_password: sudoPassword }) },
    roles: { host, library },
    ...(name.trim() === "" ? {} : { name: name.trim() }),
    ...(into === undefined ? {} : { group: into.id }),
    ...(server.trim() === "" ? {} : { server: server.trim() }),
  };
  const isWhole = chosen !== "" && body.user !== "" && (host || library) && (proof === "password" ? password !== "" : privateKey.trim() !== "");
  const ask = (secrets: Schemas["SshSecrets"]): Ask => ({ method: "POST", path: "/hosts", body: { ...body, secrets } });
  const hidden = proof === "password" ? { password: "…" } : { private_key: "…" };
  return (
    <FormDialog
      title={names.title}
      description={names.description}
      submit={names.submit}
      ask={isWhole ? ask(body.secrets) : undefined}
      shown={ask({ ...hidden, ...(sudoPassword === "" ? {} : { sudo_password: "…" }) })}
      command={line("host add", [computer.address], {
        port: port === usualPort ? undefined : port,
        user: body.user,
        "key-file": proof === "key" ? "FILE" : undefined,
        "sudo-password-file": sudoPassword === "" ? undefined : "FILE",
        "host-key": chosen,
        name: name.trim(),
        group: into?.path,
        library,
        "no-host": !host,
        "server-address": server.trim(),
      })}
      onClose={onClose}
    >
      <TextField id="add-address" label={names.address} value={address} onChange={(next) => another(() => setAddress(next))} help={names.addressHelp} isRequired />
      <TextField id="add-port" type="number" label={names.port} value={port} onChange={(next) => another(() => setPort(next))} error={isPort(port) ? undefined : names.noPort} isRequired />
      {keys === undefined && (
        <div>
          <Button variant="secondary" isDisabled={computer.address === "" || !isPort(port) || isLooking} isLoading={isLooking} onClick={() => void look()}>
            {names.look}
          </Button>
        </div>
      )}
      {refusal !== undefined && <ErrorBox refusal={refusal} />}
      {keys !== undefined && (
        <>
          <FormGroup role="radiogroup" fieldId="add-host-key" label={names.hostKey} isRequired>
            {keys.map((key) => (
              <Radio
                key={key.fingerprint}
                id={`add-${key.kind}`}
                name="add-host-key"
                label={key.fingerprint}
                description={names.keyKind(key.kind)}
                isChecked={chosen === key.fingerprint}
                onChange={() => setChosen(key.fingerprint)}
              />
            ))}
          </FormGroup>
          <TextField id="add-user" label={names.user} value={user} onChange={setUser} help={names.userHelp} isRequired />
          <ChoiceField
            id="add-proof"
            label={names.proof}
            value={proof}
            onChange={(next) => setProof(next === "key" ? "key" : "password")}
            choices={[
              { value: "password", title: names.withPassword },
              { value: "key", title: names.withKey },
            ]}
          />
          {proof === "password" ? (
            <TextField id="add-password" type="password" label={names.password} value={password} onChange={setPassword} isRequired autoComplete="off" />
          ) : (
            <LongTextField id="add-key" label={names.key} value={privateKey} onChange={setPrivateKey} help={names.keyHelp} />
          )}
          {body.user !== "root" && (
            <TextField id="add-sudo" type="password" label={names.sudo} value={sudoPassword} onChange={setSudoPassword} help={names.sudoHelp} autoComplete="off" />
          )}
          <TextField id="add-name" label={names.name} value={name} onChange={setName} help={names.nameHelp} />
          <Checkbox id="add-host" label={names.host} isChecked={host} onChange={(_, next) => setHost(next)} />
          <Checkbox id="add-library" label={names.library} isChecked={library} onChange={(_, next) => setLibrary(next)} />
          {host && (
            <ChoiceField
              id="add-group"
              label={names.group}
              value={into?.id ?? groups[0]?.id ?? ""}
              onChange={setGroup}
              choices={groups.map(({ id, path }) => ({ value: id, title: path }))}
            />
          )}
          <TextField id="add-server" label={names.server} value={server} onChange={setServer} help={names.serverHelp} />
        </>
      )}
    </FormDialog>
  );
}
