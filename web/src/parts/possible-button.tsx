import { Button, Tooltip, type ButtonProps } from "@patternfly/react-core";
import type { ReactNode } from "react";

/** A button that stays in its place when it is not possible, and says why and what to do about it. */
export function PossibleButton({ label, reason, onClick, variant = "secondary", icon }: {
  label: string;
  reason: string | undefined;
  onClick: () => void;
  variant?: NonNullable<ButtonProps["variant"]>;
  icon?: ReactNode;
}) {
  if (reason === undefined) return <Button variant={variant} icon={icon} onClick={onClick}>{label}</Button>;
  return (
    <Tooltip content={reason}>
      <Button variant={variant} icon={icon} isAriaDisabled>{label}</Button>
    </Tooltip>
  );
}
