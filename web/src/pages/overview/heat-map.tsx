import { ToggleGroup, ToggleGroupItem } from "@patternfly/react-core";
import { Link, useNavigate } from "@tanstack/react-router";
import { memo, useId, useState, type KeyboardEvent, type MouseEvent } from "react";
import type { HostStatus, HostView } from "../../api/types.ts";
import { hostStatus } from "../../parts/status-label.tsx";
import { useView } from "../../parts/view.ts";
import { overviewWords } from "../../words/overview.ts";
import { hostStatusWords } from "../../words/statuses.ts";
import { bands, inBands, lookOf, measures, neighbour, percentOf, sectionsOf, sizeOf, type Measure, type Section } from "./heat.ts";

const names = overviewWords.heat;
const brand = "var(--pf-t--global--color--brand--default)";

/** A colour between the page's own and the brand's: darker is busier in every theme. */
const heat = (percent: number): string => `color-mix(in srgb, ${brand} ${Math.round(8 + percent * 0.92)}%, transparent)`;

const squareOf = (target: EventTarget): HTMLAnchorElement | null => (target instanceof Element ? target.closest<HTMLAnchorElement>("a[data-host]") : null);

/**
 * Hosts by load and health, in their groups. Each says in words what its colour says; together they are one stop of the
 * keyboard, through which arrow keys lead. `more` is how many hosts there are that are not shown.
 */
export function HeatMap({ hosts, more }: { hosts: readonly HostView[]; more: number }) {
  const view = useView();
  const navigate = useNavigate();
  const hint = useId();
  const [at, setAt] = useState<string | undefined>();
  const [pointed, setPointed] = useState<string | undefined>();
  const measure = measures.find((one) => one === view.search.by) ?? "processor";
  const sections = sectionsOf(hosts);
  const stop = hosts.some(({ id }) => id === at) ? at : sections[0]?.hosts[0]?.id;
  const shown = hosts.find(({ id }) => id === pointed);

  const onKeyDown = (event: KeyboardEvent<HTMLElement>): void => {
    const square = squareOf(event.target);
    if (square === null || event.altKey || event.ctrlKey || event.metaKey) return;
    const all = [...event.currentTarget.querySelectorAll<HTMLAnchorElement>("a[data-host]")];
    const next = neighbour(all.map((one) => one.getBoundingClientRect()), all.indexOf(square), event.key);
    if (next === undefined) return;
    event.preventDefault();
    all[next]?.focus();
  };
  // One hand for a thousand squares; a click that wants a window of its own is the browser's.
  const onClick = (event: MouseEvent): void => {
    const host = squareOf(event.target)?.dataset.host;
    if (host === undefined || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    void navigate({ to: "/hosts/$host", params: { host } });
  };

  return (
    <>
      <div className="hostler-heat-head">
        <ToggleGroup isCompact aria-label={names.by}>
          {measures.map((one) => (
            <ToggleGroupItem key={one} text={names.measures[one]} isSelected={one === measure} onChange={() => view.set({ by: one === "processor" ? undefined : one })} />
          ))}
        </ToggleGroup>
        <Bands hosts={hosts} measure={measure} />
      </div>
      <p className="hostler-hint" id={hint}>{names.hints[measure]} {names.keys}</p>
      <div
        className={`hostler-heat-map is-${sizeOf(hosts.length)}`}
        onKeyDown={onKeyDown}
        onClick={onClick}
        onFocus={(event) => {
          const host = squareOf(event.target)?.dataset.host;
          if (host !== undefined) setAt(host);
          setPointed(host);
        }}
        onMouseOver={(event) => setPointed(squareOf(event.target)?.dataset.host)}
        onMouseLeave={() => setPointed(undefined)}
        onBlur={() => setPointed(undefined)}
      >
        {sections.map((section) => (
          <Group key={section.group} section={section} measure={measure} stop={stop} isAlone={sections.length === 1} hint={hint} isNamed={sizeOf(hosts.length) === "tile"} />
        ))}
      </div>
      <p className="hostler-heat-pointed" aria-hidden="true">{shown === undefined ? " " : textOf(shown, measure)}</p>
      {more > 0 && <p className="hostler-hint">{names.more(hosts.length, hosts.length + more)}</p>}
      <div className="hostler-legend">
        <span><i style={{ background: heat(0) }} />{names.legend.low}</span>
        <span><i style={{ background: heat(100) }} />{names.legend.high}</span>
        <span><i className="hostler-heat-unknown" />{names.legend.unknown}</span>
        <span><i className="hostler-heat-quiet" />{names.legend.quiet}</span>
        <span><i className="hostler-heat-down" />{names.legend.down}</span>
      </div>
    </>
  );
}

/** How many are how busy: the map in one line, for whoever does not see it. */
function Bands({ hosts, measure }: { hosts: readonly HostView[]; measure: Measure }) {
  const counts = inBands(hosts.map((host) => (lookOf(hostStatus(host)) === "down" ? undefined : percentOf(host, measure))));
  return <p className="hostler-hint">{bands.map((from, at) => names.band(counts[at] ?? 0, from, bands[at - 1])).join(" · ")}</p>;
}

function textOf(host: HostView, measure: Measure): string {
  const percent = percentOf(host, measure);
  return names.host(host.name, hostStatusWords[hostStatus(host)], percent === undefined ? names.unknown : names.load(measure, percent), host.machines);
}

/** A path as people say it: All Hosts itself, and else what is below it. */
const shortPath = (path: string): string => path.replace(/^\/All Hosts\/(?=.)/u, "").replace(/^\//u, "");

function Group({ section: { group, hosts }, measure, stop, isAlone, isNamed, hint }: { section: Section; measure: Measure; stop: string | undefined; isAlone: boolean; isNamed: boolean; hint: string }) {
  return (
    <section aria-label={group}>
      {!isAlone && (
        <h3 className="hostler-heat-group">
          <Link to="/hosts" search={{ filter: `host_group=${group}` }}>{shortPath(group)}</Link> <span className="hostler-hint">{hosts.length.toLocaleString()}</span>
        </h3>
      )}
      <ul className="hostler-heat" aria-label={names.in(group)} aria-describedby={hint}>
        {hosts.map((host) => (
          <Square key={host.id} id={host.id} name={isNamed ? host.name : ""} status={hostStatus(host)} percent={rounded(percentOf(host, measure))} text={textOf(host, measure)} isStop={host.id === stop} />
        ))}
      </ul>
    </section>
  );
}

const rounded = (percent: number | undefined): number | undefined => (percent === undefined ? undefined : Math.round(percent));

interface SquareProps {
  id: string;
  /** Written into it where there is room; else empty. */
  name: string;
  status: HostStatus;
  percent: number | undefined;
  text: string;
  isStop: boolean;
}

/** Drawn anew only when what it shows has changed: of a thousand hosts a few change at a time. */
const Square = memo(function Square({ id, name, status, percent, text, isStop }: SquareProps) {
  const look = lookOf(status);
  const looks = [look === "down" ? "hostler-heat-down" : percent === undefined ? "hostler-heat-unknown" : "", look === "quiet" ? "hostler-heat-quiet" : ""].join(" ").trim();
  const colour = look !== "down" && percent !== undefined ? { style: { background: heat(percent) } } : {};
  const shown = look === "down" ? names.down : percent === undefined ? "" : `${percent} %`;
  // Who speaks to the page says what is written there, so what is read aloud begins with it.
  const label = name === "" || shown === "" ? text : text.replace(`${name}:`, () => `${name} ${shown}:`);
  return (
    <li>
      <a href={`/hosts/${id}`} data-host={id} aria-label={label} title={text} tabIndex={isStop ? 0 : -1} {...(name === "" ? { className: looks, ...colour } : { className: "is-named" })}>
        {name !== "" && (
          <>
            <i className={looks} {...colour} />
            <span className="hostler-heat-name">{name}</span> <span>{shown}</span>
          </>
        )}
      </a>
    </li>
  );
});
