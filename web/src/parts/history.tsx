import { Button } from "@patternfly/react-core";
import { Table, Tbody, Td, Th, Thead, Tr } from "@patternfly/react-table";
import { useInfiniteQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { get } from "../api/hooks.ts";
import { refusalOf } from "../api/refusal.ts";
import type { FeedEvent, Schemas } from "../api/types.ts";
import { actorName } from "../words/actors.ts";
import { machineWords } from "../words/machines.ts";
import { propertyName, propertyValue } from "../words/properties.ts";
import { differences, type Difference } from "./differences.ts";
import { ErrorBox } from "./error-box.tsx";
import { Waiting } from "./live-table.tsx";
import { LongValue } from "./long-value.tsx";
import { Time } from "./time.tsx";

const names = machineWords.history;
const PAGE = 50;

/** Every change of every property of a thing: when, who, under which job, what it was and what it became. */
export function History({ path, revision }: { path: string; revision: number }) {
  const asked = useInfiniteQuery({
    // A new version of the thing is a new history; nothing else makes this one old.
    queryKey: ["history", path, revision],
    queryFn: ({ pageParam }) => get<Schemas["Page_FeedEvent"]>(`${path}?limit=${PAGE}${pageParam === "" ? "" : `&cursor=${pageParam}`}`),
    initialPageParam: "",
    getNextPageParam: (last) => last.next ?? undefined,
  });
  if (asked.error !== null) return <ErrorBox refusal={refusalOf(asked.error)} />;
  if (asked.data === undefined) return <Waiting />;
  const versions = asked.data.pages.flatMap((page) => page.items);
  const hasMore = asked.hasNextPage;
  return (
    <>
      <div className="hostler-scroll">
      <Table aria-label={machineWords.tabs.history} variant="compact">
        <Thead>
          <Tr>
            {[names.when, names.who, names.job, names.what, names.before, names.after].map((title) => (
              <Th key={title}>{title}</Th>
            ))}
          </Tr>
        </Thead>
        <Tbody>
          {versions.map((version, index) => (
            <Version key={version.rev} version={version} before={versions[index + 1]} isOldest={index === versions.length - 1 && !hasMore} />
          ))}
        </Tbody>
      </Table>
      </div>
      {hasMore && (
        <Button variant="link" isLoading={asked.isFetchingNextPage} onClick={() => void asked.fetchNextPage()}>
          {names.more}
        </Button>
      )}
    </>
  );
}

/** A change of one property, or of the whole thing. */
type Change = Difference & { isWhole?: boolean };

function changesOf(version: FeedEvent, before: FeedEvent | undefined, isOldest: boolean): Change[] {
  if (version.op === "gone") return [{ property: names.gone, before: "", after: "", isWhole: true }];
  if (before === undefined) return isOldest ? [{ property: names.made, before: "", after: "", isWhole: true }] : [];
  return differences(before.body, version.body);
}

function Version({ version, before, isOldest }: { version: FeedEvent; before: FeedEvent | undefined; isOldest: boolean }) {
  const changes = changesOf(version, before, isOldest);
  return changes.map((change, index) => (
    <Tr key={change.property}>
      <Td dataLabel={names.when}>{index === 0 && <Time at={version.at} />}</Td>
      <Td dataLabel={names.who}>{index === 0 && actorName(version.actor)}</Td>
      <Td dataLabel={names.job}>
        {index === 0 && typeof version.job === "number" && <Link to="/jobs/$job" params={{ job: String(version.job) }}>{version.job}</Link>}
      </Td>
      <Td dataLabel={names.what} className="hostler-property" title={change.property}>{change.isWhole === true ? change.property : propertyName(change.property)}</Td>
      <Td dataLabel={names.before} className="hostler-value"><Value change={change} value={change.before} /></Td>
      <Td dataLabel={names.after} className="hostler-value"><Value change={change} value={change.after} /></Td>
    </Tr>
  ));
}

function Value({ change, value }: { change: Change; value: string }) {
  return change.isWhole === true ? null : <LongValue text={propertyValue(change.property, value)} />;
}
