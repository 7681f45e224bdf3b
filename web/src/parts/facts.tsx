import { DescriptionList, DescriptionListDescription, DescriptionListGroup, DescriptionListTerm } from "@patternfly/react-core";
import type { ReactNode } from "react";

/** Names and values of one thing. A value that is not there takes no room. */
export function Facts({ facts, narrow = false }: { facts: [name: string, value: ReactNode][]; narrow?: boolean }) {
  const known = facts.filter(([, value]) => value !== undefined && value !== null && value !== "");
  return (
    <DescriptionList isCompact isHorizontal={!narrow} {...(narrow ? {} : { horizontalTermWidthModifier: { default: "16ch" } })}>
      {known.map(([name, value]) => (
        <DescriptionListGroup key={name}>
          <DescriptionListTerm>{name}</DescriptionListTerm>
          <DescriptionListDescription>{value}</DescriptionListDescription>
        </DescriptionListGroup>
      ))}
    </DescriptionList>
  );
}
