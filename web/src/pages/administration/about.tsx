import { useGet } from "../../api/hooks.ts";
import type { Schemas } from "../../api/types.ts";
import { ErrorBox } from "../../parts/error-box.tsx";
import { Facts } from "../../parts/facts.tsx";
import { Waiting } from "../../parts/live-table.tsx";
import { mebibytes } from "../../parts/quantities.ts";
import { Time } from "../../parts/time.tsx";
import { administrationWords } from "../../words/hosts.ts";

const names = administrationWords.about;

/** The server itself. */
export function About() {
  const { data, error, again } = useGet<Schemas["ServerView"]>("/server");
  if (error !== undefined) return <ErrorBox refusal={error} retry={again} />;
  if (data === undefined) return <Waiting />;
  return (
    <Facts
        facts={[
          [names.version, data.version],
          [names.installation, <span key="installation" className="hostler-value">{data.installation}</span>],
          [names.epoch, data.epoch],
          [names.head, <span key="head" className="hostler-value">{data.head}</span>],
          [names.started, <Time key="started" at={data.started} />],
          [names.memory, mebibytes(data.memory_mib)],
          [names.api, <a key="api" href="/api/v1/openapi.json">/api/v1/openapi.json</a>],
        ]}
      />
  );
}
