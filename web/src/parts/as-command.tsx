import { ClipboardCopy, ClipboardCopyVariant, ExpandableSection } from "@patternfly/react-core";
import { useState } from "react";
import { curl } from "../actions/command.ts";
import type { Ask } from "../api/client.ts";
import { words } from "../words/en.ts";

/** A text to read and to copy. */
export function Code({ text, label }: { text: string; label: string }) {
  return (
    <ClipboardCopy
      isReadOnly
      isCode
      isExpanded
      variant={ClipboardCopyVariant.expansion}
      hoverTip={words.command.copy}
      clickTip={words.command.copied}
      textAriaLabel={label}
      toggleAriaLabel={label}
    >
      {text}
    </ClipboardCopy>
  );
}

/** One line to read and to copy. */
export function CodeLine({ text, label }: { text: string; label: string }) {
  return (
    <ClipboardCopy isReadOnly isCode hoverTip={words.command.copy} clickTip={words.command.copied} textAriaLabel={label}>
      {text}
    </ClipboardCopy>
  );
}

/** The command line and the REST call that do the same as a form: folded, since most people come for the form. */
export function AsCommand({ ask, command }: { ask: Ask; command: string }) {
  const [open, setOpen] = useState(false);
  return (
    <ExpandableSection toggleText={words.command.show} isExpanded={open} onToggle={(_, next) => setOpen(next)} isIndented>
      <div className="hostler-commands">
        <strong>{words.command.line}</strong>
        <CodeLine text={command} label={words.command.line} />
        <strong>{words.command.rest}</strong>
        <pre className="hostler-pre" tabIndex={0} aria-label={words.command.rest}>{curl(ask, window.location.origin)}</pre>
      </div>
    </ExpandableSection>
  );
}
