import { Dropdown, DropdownItem, DropdownList, MenuToggle, type MenuToggleProps } from "@patternfly/react-core";
import { useState, type ReactElement, type ReactNode } from "react";

/** A thing to choose. One that is not possible now says why, and what to do about it. */
export interface Choice {
  key: string;
  label: ReactNode;
  onChoose: () => void;
  reason?: string | undefined;
  isDanger?: boolean;
  isSelected?: boolean;
}

/** A button that opens a list of things to choose. */
export function Menu({ label, toggle, choices, icon, variant = "default", stays = false, isDisabled = false }: {
  label: string;
  toggle: ReactNode;
  /** What there is to choose: known already, or found out by a part of its own once it is open. */
  choices: Choice[] | ReactElement;
  icon?: ReactNode;
  variant?: Exclude<MenuToggleProps["variant"], "typeahead" | undefined>;
  /** Whether it stays open when something was chosen. */
  stays?: boolean;
  isDisabled?: boolean;
}) {
  const [open, setOpen] = useState(false);
  return (
    <Dropdown
      isOpen={open}
      onOpenChange={setOpen}
      onSelect={() => setOpen(stays)}
      popperProps={{ position: "end", preventOverflow: true }}
      isScrollable
      maxMenuHeight="min(34rem, 70vh)"
      toggle={(ref) => (
        <MenuToggle ref={ref} aria-label={label} variant={variant} isExpanded={open} isDisabled={isDisabled} onClick={() => setOpen(!open)} icon={icon}>
          {toggle}
        </MenuToggle>
      )}
    >
      <DropdownList aria-label={label}>{Array.isArray(choices) ? <Choices choices={choices} /> : choices}</DropdownList>
    </Dropdown>
  );
}

/** What stands in a menu. */
export function Choices({ choices }: { choices: Choice[] }) {
  return choices.map((choice) => (
    <DropdownItem
      key={choice.key}
      onClick={() => choice.reason === undefined && choice.onChoose()}
      isAriaDisabled={choice.reason !== undefined}
      isDanger={choice.isDanger === true && choice.reason === undefined}
      {...(choice.isSelected === undefined ? {} : { isSelected: choice.isSelected })}
      {...(choice.reason === undefined ? {} : { description: choice.reason })}
    >
      {choice.label}
    </DropdownItem>
  ));
}
