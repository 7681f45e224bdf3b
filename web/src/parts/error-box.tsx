import { Alert, Button } from "@patternfly/react-core";
import type { Refusal } from "../api/refusal.ts";
import { words } from "../words/en.ts";

/** Why something was not done, beside what asked for it: object and cause, what to do, and the code. */
export function ErrorBox({ refusal, retry }: { refusal: Refusal; retry?: () => void }) {
  const remedy = refusal.remedy ?? "";
  return (
    <Alert
      isInline
      isLiveRegion
      variant="danger"
      title={`${refusal.object}: ${refusal.cause}`}
      {...(retry === undefined
        ? {}
        : { actionLinks: <Button variant="link" isInline onClick={retry}>{words.error.retry}</Button> })}
    >
      {remedy !== "" && <p>{remedy}</p>}
      <p className="hostler-code">
        {words.error.code}: <code>{refusal.code}</code>
      </p>
    </Alert>
  );
}
