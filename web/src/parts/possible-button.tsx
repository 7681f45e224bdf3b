import { Button, Tooltip, type ButtonProps } from "@patternfly/react-core";

/** A button that stays in its place when it is not possible, and says why and what to do about it. */
export function PossibleButton({ label, reason, onClick, variant = "secondary" }: {
  label: string;
  reason: string | undefined;
  onClick: () => void;
  variant?: NonNullable<ButtonProps["variant"]>;
}) {
  if (reason === undefined) return <Button variant={variant} onClick={onClick}>{label}</Button>;
  return (
    <Tooltip content={reason}>
      <Button variant={variant} isAriaDisabled>{label}</Button>
    </Tooltip>
  );
}
