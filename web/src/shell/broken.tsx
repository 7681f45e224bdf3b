import { Bullseye, Button, EmptyState, EmptyStateActions, EmptyStateBody } from "@patternfly/react-core";
import { Link, useRouter } from "@tanstack/react-router";
import { words } from "../words/en.ts";

/** Whether a part of the console did not arrive, in the words of Chromium, Firefox and Safari. */
const isLostPart = (message: string): boolean => /dynamically imported module|module script failed/iu.test(message);

/** What stands where a page has broken: what it was, and the way on. */
export function Broken({ error, reset }: { error: unknown; reset: () => void }) {
  const router = useRouter();
  const message = error instanceof Error ? error.message : String(error);
  const isLost = isLostPart(message);
  const showAgain = (): void => {
    // A browser does not ask again for a part that it did not get, until the whole page is loaded anew.
    if (isLost) {
      window.location.reload();
      return;
    }
    reset();
    void router.invalidate();
  };
  return (
    <Bullseye>
      <EmptyState titleText={isLost ? words.broken.lost : words.broken.title} headingLevel="h1" status={isLost ? "warning" : "danger"}>
        <EmptyStateBody>
          <p>{isLost ? words.broken.lostBody : words.broken.body}</p>
          <pre className="hostler-pre" tabIndex={0}>{message}</pre>
        </EmptyStateBody>
        <EmptyStateActions>
          <Button onClick={showAgain}>{isLost ? words.broken.reload : words.broken.again}</Button>
        </EmptyStateActions>
      </EmptyState>
    </Bullseye>
  );
}

/** What stands at an address that is none of ours. */
export function Missing() {
  return (
    <Bullseye>
      <EmptyState titleText={words.broken.missing} headingLevel="h1">
        <EmptyStateBody>{words.broken.missingBody}</EmptyStateBody>
        <EmptyStateActions>
          <Link to="/">{words.broken.home}</Link>
        </EmptyStateActions>
      </EmptyState>
    </Bullseye>
  );
}
