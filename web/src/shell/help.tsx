import { Button } from "@patternfly/react-core";
import { QuestionCircleIcon } from "@patternfly/react-icons/dist/esm/icons/question-circle-icon";
import { useLocation } from "@tanstack/react-router";
import { words } from "../words/en.ts";
import { helpFor } from "./help-pages.ts";

/** Leads to the page of the documentation that is about this page; the server has it, so it needs no network. */
export function Help() {
  const path = useLocation({ select: ({ pathname }) => pathname });
  return <Button variant="plain" component="a" href={helpFor(path)} target="_blank" rel="noreferrer" aria-label={words.help} icon={<QuestionCircleIcon />} />;
}
