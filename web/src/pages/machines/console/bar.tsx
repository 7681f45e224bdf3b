import { Button, Label, Switch, ToggleGroup, ToggleGroupItem, Tooltip } from "@patternfly/react-core";
import { CameraIcon } from "@patternfly/react-icons/dist/esm/icons/camera-icon";
import { ExpandIcon } from "@patternfly/react-icons/dist/esm/icons/expand-icon";
import { ExternalLinkAltIcon } from "@patternfly/react-icons/dist/esm/icons/external-link-alt-icon";
import { KeyboardIcon } from "@patternfly/react-icons/dist/esm/icons/keyboard-icon";
import { PasteIcon } from "@patternfly/react-icons/dist/esm/icons/paste-icon";
import { useState, type ComponentProps } from "react";
import { useReasons } from "../../../actions/vm.ts";
import { UsualVmAction, VmMenu } from "../../../actions/vm-menu.tsx";
import { useMayChange } from "../../../api/hooks.ts";
import type { VmView } from "../../../api/types.ts";
import { DvdForm } from "../../../forms/vm-hardware.tsx";
import { Menu } from "../../../parts/menu.tsx";
import { PossibleButton } from "../../../parts/possible-button.tsx";
import { consoleWords } from "../../../words/console.ts";
import { hasScreenIn } from "../screen.tsx";
import type { ConsoleKind, LinkState } from "./link.ts";
import type { ConsoleHandle } from "./screen-handle.ts";
import { SendText } from "./send-text.tsx";
import { Viewers } from "./viewers.tsx";

interface Choice {
  isOn: boolean;
  set: (isOn: boolean) => void;
}

interface Props {
  vm: VmView;
  me: string;
  kind: ConsoleKind;
  state: LinkState;
  handle: ConsoleHandle | null;
  hasActions: boolean;
  isAlone: boolean;
  onKind: (kind: ConsoleKind) => void;
  watch: Choice & { reason: string | undefined };
  fit: Choice;
  reader: Choice;
  full: { isOn: boolean; toggle: () => void };
}

/** What can be done with a console, and how it stands. */
export function Bar({ vm, me, kind, state, handle, hasActions, isAlone, onKind, watch, fit, reader, full }: Props) {
  const [isSending, setSending] = useState(false);
  const isOn = state.is === "open" && hasScreenIn(vm.status) && handle !== null;
  const why = watch.isOn ? (watch.reason ?? consoleWords.watch) : isOn ? undefined : stateWord(state, vm);
  // The menu itself stays: it would flicker with each cut, and what is in it says why nothing can be pressed.
  const chords = (handle?.chords ?? [consoleWords.keysHint]).map((chord) => ({ key: chord, label: chord, reason: why, onChoose: () => handle?.press(chord) }));
  return (
    <div className="hostler-console-bar" role="toolbar" aria-label={consoleWords.toolbar}>
      <ToggleGroup aria-label={consoleWords.kind} isCompact>
        {(["graphics", "serial"] as const).map((one) => (
          <ToggleGroupItem key={one} text={consoleWords.kinds[one]} isSelected={one === kind} onChange={() => onKind(one)} />
        ))}
      </ToggleGroup>
      <StateLabel state={state} vm={vm} />
      <Menu
        label={consoleWords.keys}
        toggle={consoleWords.keys}
        icon={<KeyboardIcon />}
        choices={chords}
      />
      <PossibleButton label={consoleWords.text} icon={<PasteIcon />} reason={why} onClick={() => setSending(true)} />
      <PossibleButton
        label={kind === "graphics" ? consoleWords.picture : consoleWords.pictureSerial}
        icon={<CameraIcon />}
        reason={isOn || (kind === "serial" && handle !== null) ? undefined : consoleWords.pictureNone}
        onClick={() => void save(handle, vm.spec.name)}
      />
      {kind === "graphics" ? (
        <Switch id="console-fit" label={consoleWords.fit} isChecked={fit.isOn} onChange={(_, next) => fit.set(next)} />
      ) : (
        <Switch id="console-reader" label={consoleWords.reader} isChecked={reader.isOn} onChange={(_, next) => reader.set(next)} />
      )}
      <WatchSwitch {...watch} />
      <Button variant="plain" aria-label={full.isOn ? consoleWords.fullEnd : consoleWords.full} icon={<ExpandIcon />} onClick={full.toggle} />
      {!isAlone && (
        <Button variant="plain" aria-label={consoleWords.window} icon={<ExternalLinkAltIcon />} onClick={() => openWindow(vm, kind)} />
      )}
      <Viewers vm={vm.id} me={me} isHere={state.is === "open"} />
      {hasActions && (
        <div className="hostler-actions">
          <UsualVmAction vm={vm} />
          <Dvd vm={vm} />
          <VmMenu vm={vm} />
        </div>
      )}
      {isSending && handle !== null && <SendText name={vm.spec.name} kind={kind} handle={handle} onClose={() => setSending(false)} />}
    </div>
  );
}

function openWindow(vm: VmView, kind: ConsoleKind): void {
  window.open(`/machines/${vm.id}/console${kind === "serial" ? "?kind=serial" : ""}`, `hostler-console-${vm.id}`, "popup,width=1060,height=900");
}

function stateWord(state: LinkState, vm: VmView): string {
  return state.is === "open" && !hasScreenIn(vm.status) ? consoleWords.states.waiting : consoleWords.states[state.is];
}

const colors = { connecting: "blue", open: "green", lost: "red", ended: "red" } as const;

function StateLabel({ state, vm }: { state: LinkState; vm: VmView }) {
  const isWaiting = state.is === "open" && !hasScreenIn(vm.status);
  return <Label isCompact color={isWaiting ? "blue" : colors[state.is]}>{stateWord(state, vm)}</Label>;
}

function WatchSwitch({ isOn, reason, set }: ComponentProps<typeof Bar>["watch"]) {
  const control = <Switch id="console-watch" label={consoleWords.watch} isChecked={isOn} isDisabled={reason !== undefined} onChange={(_, next) => set(next)} />;
  if (reason === undefined) return control;
  return (
    <Tooltip content={reason}>
      <span tabIndex={0}>{control}</span>
    </Tooltip>
  );
}

function Dvd({ vm }: { vm: VmView }) {
  const [isOpen, setOpen] = useState(false);
  const mayChange = useMayChange();
  const reasons = useReasons();
  if (!mayChange) return null;
  return (
    <>
      <PossibleButton label={consoleWords.dvd} reason={reasons(vm.status, "set-media")} onClick={() => setOpen(true)} />
      {isOpen && <DvdForm vm={vm} onClose={() => setOpen(false)} />}
    </>
  );
}

/** Puts what is shown into a file of the viewer's, named by machine and time. */
async function save(handle: ConsoleHandle | null, name: string): Promise<void> {
  const made = await handle?.picture();
  if (made === undefined) return;
  const link = document.createElement("a");
  const address = URL.createObjectURL(made.blob);
  link.href = address;
  link.download = `${name.replaceAll(/[^\p{L}\p{N}._-]+/gu, "-")}-${new Date().toISOString().slice(0, 19).replaceAll(":", "-")}.${made.extension}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}
