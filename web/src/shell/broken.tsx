import { Bullseye, Button, EmptyState, EmptyStateActions, EmptyStateBody } from "@patternfly/react-core";
import { Link, useRouter } from "@tanstack/react-router";
import { words } from "../words/en.ts";

/** What stands where a page has broken: what it was, and the way on. */
export function Broken({ error, reset }: { error: unknown; reset: () => void }) {
  const router = useRouter();
  return (
    <Bullseye>
      <EmptyState titleText={words.broken.title} headingLevel="h1" status="danger">
        <EmptyStateBody>
          <p>{words.broken.body}</p>
          <pre className="hostler-pre" tabIndex={0}>{error instanceof Error ? error.message : String(error)}</pre>
        </EmptyStateBody>
        <EmptyStateActions>
          <Button
            onClick={() => {
              reset();
              void router.invalidate();
            }}
          >
            {words.broken.again}
          </Button>
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
