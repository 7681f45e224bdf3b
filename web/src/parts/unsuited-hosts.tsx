import { ExpandableSection, List, ListItem } from "@patternfly/react-core";
import { useState } from "react";
import type { RatingView } from "../api/types.ts";
import { createWords } from "../words/machines.ts";

/** How many are named: whoever looks for one of many filters the list of hosts. */
const MOST = 50;

/** Hosts that cannot take a machine: said in a line each, since most people look for one that can. */
export function UnsuitedHosts({ ratings, isOpenAtFirst }: { ratings: RatingView[]; isOpenAtFirst: boolean }) {
  const [open, setOpen] = useState(isOpenAtFirst);
  return (
    <ExpandableSection toggleText={createWords.notSuited(ratings.length)} isExpanded={open} onToggle={(_, next) => setOpen(next)} isIndented>
      <List>
        {ratings.slice(0, MOST).map((rating) => (
          <ListItem key={rating.host}>
            <strong>{rating.name}</strong>
            {`: ${(rating.lacks ?? []).join("; ")}`}
          </ListItem>
        ))}
      </List>
    </ExpandableSection>
  );
}
