import { Button, Label, LabelGroup } from "@patternfly/react-core";
import { contained, filterOf, termsOf, type Term } from "../api/filter.ts";
import { words } from "../words/en.ts";
import type { Facet } from "./filter-bar.tsx";

/** How a sign reads between a field and its value. */
const signs: Record<Term["op"], string> = { "=": "", "!=": words.table.not, "~": "", "!~": words.table.not, "<": "<", "<=": "≤", ">": ">", ">=": "≥" };

/** Every term of the filter, whoever put it there, each to be taken away. What the search box holds stands there. */
export function FilterChips({ filter, facets, textField, onChange }: { filter: string; facets: readonly Facet[]; textField: string; onChange: (filter: string) => void }) {
  const terms = termsOf(filter);
  const shown = terms.map((term, at) => ({ term, at })).filter(({ term }) => !(term.field === textField && term.op === "~"));
  if (terms.length === 0) return null;
  const change = (at: number, values: string[]): void => onChange(filterOf(terms.map((term, other) => (other === at ? { ...term, values } : term))));
  return (
    <div className="hostler-chips">
      {shown.map(({ term, at }) => {
        const facet = facets.find(({ field }) => field === term.field);
        const title = [facet?.title ?? words.table.fields[term.field] ?? term.field, signs[term.op]].join(" ").trim();
        return (
          <LabelGroup
            key={`${term.field}${term.op}${at}`}
            categoryName={title}
            isClosable={term.values.length > 1}
            closeBtnAriaLabel={words.table.takeAway(title)}
            onClick={() => change(at, [])}
            numLabels={6}
          >
            {term.values.map((value) => (
              <Label
                key={value}
                variant="outline"
                closeBtnAriaLabel={words.table.takeAway(`${title} ${value}`)}
                onClose={(event) => {
                  event.stopPropagation();
                  change(at, term.values.filter((one) => one !== value));
                }}
              >
                {facet?.values.find((one) => one.value === value)?.title ?? contained(value)}
              </Label>
            ))}
          </LabelGroup>
        );
      })}
      <Button variant="link" isInline onClick={() => onChange("")}>{words.table.clear}</Button>
    </div>
  );
}
