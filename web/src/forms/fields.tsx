import { FormGroup, FormHelperText, FormSelect, FormSelectOption, HelperText, HelperTextItem, TextArea, TextInput } from "@patternfly/react-core";
import type { ReactNode } from "react";

interface FieldProps {
  id: string;
  label: string;
  value: string;
  onChange: (value: string) => void;
  help?: ReactNode;
  error?: string | undefined;
  isRequired?: boolean;
}

function Help({ id, help, error }: { id: string; help: ReactNode; error: string | undefined }) {
  if (help === undefined && error === undefined) return null;
  return (
    <FormHelperText>
      <HelperText id={`${id}-help`}>
        {error !== undefined ? <HelperTextItem variant="error">{error}</HelperTextItem> : <HelperTextItem>{help}</HelperTextItem>}
      </HelperText>
    </FormHelperText>
  );
}

export function TextField(props: FieldProps & { type?: "text" | "password" | "number"; placeholder?: string; autoComplete?: string }) {
  const { id, label, value, onChange, help, error, isRequired = false, type = "text", placeholder, autoComplete } = props;
  return (
    <FormGroup label={label} fieldId={id} isRequired={isRequired}>
      <TextInput
        id={id}
        type={type}
        value={value}
        isRequired={isRequired}
        validated={error === undefined ? "default" : "error"}
        onChange={(_, next) => onChange(next)}
        {...(help === undefined && error === undefined ? {} : { "aria-describedby": `${id}-help` })}
        {...(placeholder === undefined ? {} : { placeholder })}
        autoComplete={autoComplete ?? "off"}
      />
      <Help id={id} help={help} error={error} />
    </FormGroup>
  );
}

export function LongTextField({ id, label, value, onChange, help }: FieldProps) {
  return (
    <FormGroup label={label} fieldId={id}>
      <TextArea id={id} value={value} autoResize resizeOrientation="vertical" onChange={(_, next) => onChange(next)} />
      <Help id={id} help={help} error={undefined} />
    </FormGroup>
  );
}

export function ChoiceField(props: FieldProps & { choices: { value: string; title: string; isDisabled?: boolean }[] }) {
  const { id, label, value, onChange, help, error, isRequired = false, choices } = props;
  return (
    <FormGroup label={label} fieldId={id} isRequired={isRequired}>
      <FormSelect id={id} value={value} isRequired={isRequired} onChange={(_, next) => onChange(next)}>
        {choices.map((choice) => (
          <FormSelectOption key={choice.value} value={choice.value} label={choice.title} isDisabled={choice.isDisabled === true} />
        ))}
      </FormSelect>
      <Help id={id} help={help} error={error} />
    </FormGroup>
  );
}
