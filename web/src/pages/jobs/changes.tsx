import { Table, Tbody, Td, Th, Thead, Tr } from "@patternfly/react-table";
import { useGet } from "../../api/hooks.ts";
import type { JobView, Schemas } from "../../api/types.ts";
import { written } from "../../parts/differences.ts";
import { ErrorBox } from "../../parts/error-box.tsx";
import { Waiting } from "../../parts/live-table.tsx";
import { words } from "../../words/en.ts";
import { About } from "./about.tsx";

const names = words.job;

/** Every property that the job changed. */
export function JobChanges({ job }: { job: JobView }) {
  const { data, error, again } = useGet<Schemas["PropertyChangeView"][]>(`/jobs/${job.id}/changes`, true, job.revision);
  if (error !== undefined) return <ErrorBox refusal={error} retry={again} />;
  if (data === undefined) return <Waiting />;
  if (data.length === 0) return <p>{names.noChanges}</p>;
  return (
    <Table aria-label={names.changes} variant="compact">
      <Thead>
        <Tr>
          <Th>{names.object}</Th>
          <Th>{names.property}</Th>
          <Th>{names.before}</Th>
          <Th>{names.after}</Th>
        </Tr>
      </Thead>
      <Tbody>
        {data.map((change, index) => (
          // A property can change more than once in one job: the place is what tells them apart.
          <Tr key={`${change.object} ${change.property} ${index}`}>
            <Td dataLabel={names.object} className="hostler-name"><About about={change.object} /></Td>
            <Td dataLabel={names.property} className="hostler-name">{change.property}</Td>
            <Td dataLabel={names.before} className="hostler-value">{written(change.before)}</Td>
            <Td dataLabel={names.after} className="hostler-value">{written(change.after)}</Td>
          </Tr>
        ))}
      </Tbody>
    </Table>
  );
}
