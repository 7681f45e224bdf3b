import { Table, Tbody, Td, Th, Thead, Tr } from "@patternfly/react-table";
import { useGet } from "../../api/hooks.ts";
import type { JobView, Schemas } from "../../api/types.ts";
import { written } from "../../parts/differences.ts";
import { ErrorBox } from "../../parts/error-box.tsx";
import { Waiting } from "../../parts/live-table.tsx";
import { LongValue } from "../../parts/long-value.tsx";
import { words } from "../../words/en.ts";
import { propertyName, propertyValue } from "../../words/properties.ts";
import { About } from "./about.tsx";

const names = words.job;
type Change = Schemas["PropertyChangeView"];

/** What the ids of a change are called now, where they still mean something. */
const nameIn = ({ names: called }: Change, key: string): string => called?.[key.replace(/^.*\//u, "")] ?? key;
const shownOf = (change: Change, value: unknown): string => propertyValue(change.property, nameIn(change, written(value)));

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
            <Td dataLabel={names.object} className="hostler-name"><About about={change.object} title={nameIn(change, change.object)} /></Td>
            <Td dataLabel={names.property} title={change.property}>{propertyName(change.property)}</Td>
            <Td dataLabel={names.before} className="hostler-value"><LongValue text={shownOf(change, change.before)} /></Td>
            <Td dataLabel={names.after} className="hostler-value"><LongValue text={shownOf(change, change.after)} /></Td>
          </Tr>
        ))}
      </Tbody>
    </Table>
  );
}
