import { Title } from "@patternfly/react-core";
import type { KeyboardEvent, PointerEvent } from "react";
import { performanceWords } from "../words/looks.ts";
import { extremes, inUnit, momentOf, pathOf, topOf, type Performance, type SeriesName, type Unit } from "./series.ts";

const WIDTH = 600;
const HEIGHT = 120;
const clock = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });

/** One picture of a tab: what it shows, in which unit, up to where at least. */
export interface Chart {
  title: string;
  unit: Unit;
  lines: readonly SeriesName[];
  least?: number;
}

/**
 * Curves over time. `at` is the step that somebody points at, in this picture or in one beside it: the same moment is
 * read in all of them.
 */
export function LineChart({ chart, performance, range, at, onPoint }: {
  chart: Chart;
  performance: Performance;
  range: string;
  at: number | undefined;
  onPoint: (step: number | undefined) => void;
}) {
  const { title, unit } = chart;
  const lines = chart.lines.map((name) => ({ name, label: performanceWords.lines[name], values: performance.series[name] ?? [] }));
  const steps = Math.max(0, ...lines.map((line) => line.values.length));
  const top = topOf(lines.map((line) => line.values), unit, chart.least);
  const read = (step: number | undefined): string[] =>
    lines.map((line) => {
      const value = step === undefined ? extremes(line.values).last : line.values[step];
      const text = value === undefined || value === null ? performanceWords.none : inUnit(value, unit);
      return lines.length > 1 ? `${line.label} ${text}` : text;
    });
  const isKnown = lines.some((line) => extremes(line.values).most !== undefined);
  const summary = lines
    .map(({ label, values }) => {
      const { last, most } = extremes(values);
      return most === undefined ? performanceWords.unknown(label) : performanceWords.summary(label, last === undefined ? performanceWords.none : inUnit(last, unit), inUnit(most, unit), range);
    })
    .join(". ");
  const onMove = (event: PointerEvent<SVGSVGElement>): void => {
    const place = event.currentTarget.getBoundingClientRect();
    if (steps === 0 || place.width === 0) return;
    onPoint(Math.max(0, Math.min(steps - 1, Math.round(((event.clientX - place.left) / place.width) * (steps - 1)))));
  };
  const onKey = (event: KeyboardEvent): void => {
    const from = at ?? steps - 1;
    const to = { ArrowLeft: from - 1, ArrowRight: from + 1, PageUp: from + 10, PageDown: from - 10, Home: 0, End: steps - 1 }[event.key];
    if (event.key === "Escape") onPoint(undefined);
    if (to === undefined || steps === 0) return;
    event.preventDefault();
    onPoint(Math.max(0, Math.min(steps - 1, to)));
  };
  const x = at === undefined || steps < 2 ? undefined : (at / (steps - 1)) * WIDTH;
  const moment = at === undefined ? performanceWords.now : clock.format(momentOf(performance, at));
  return (
    <figure className="hostler-chart" aria-label={title}>
      <figcaption>
        <Title headingLevel="h2" size="md">{title}</Title>
        <output className="hostler-chart-read">
          {lines.length > 1 && isKnown
            ? read(at).map((text, index) => <span key={lines[index]?.name} className={`hostler-key-${index}`}>{text}</span>)
            : isKnown && <span>{read(at)[0]}</span>}
          <small>{moment}</small>
        </output>
      </figcaption>
      {isKnown ? (
        <div
          className="hostler-chart-body"
          role="slider"
          tabIndex={0}
          aria-label={performanceWords.curveKeys(title)}
          aria-valuemin={0}
          aria-valuemax={Math.max(0, steps - 1)}
          aria-valuenow={at ?? Math.max(0, steps - 1)}
          aria-valuetext={`${moment}: ${read(at).join(", ")}`}
          onKeyDown={onKey}
        >
          <span className="hostler-chart-top">{inUnit(top, unit)}</span>
          <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" onPointerMove={onMove} onPointerDown={onMove} onPointerLeave={() => onPoint(undefined)}>
            <title>{summary}</title>
            <path className="hostler-grid" d={[0.25, 0.5, 0.75].map((part) => `M0 ${HEIGHT * part}L${WIDTH} ${HEIGHT * part}`).join("")} />
            {lines.map((line, index) => (
              <path key={line.name} className={`hostler-line-${index}`} d={pathOf(line.values, WIDTH, HEIGHT, top)} />
            ))}
            {x !== undefined && <path className="hostler-cross" d={`M${x} 0L${x} ${HEIGHT}`} />}
          </svg>
        </div>
      ) : (
        <p className="hostler-hint">{performanceWords.nothing}</p>
      )}
      <div className="hostler-chart-ends">
        <span>{performanceWords.ago(range)}</span>
        <span>{performanceWords.now}</span>
      </div>
    </figure>
  );
}
