import { performanceWords } from "../words/looks.ts";
import { extremes, inUnit, pathOf, topOf, type Unit, type Values } from "./series.ts";

const WIDTH = 120;
const HEIGHT = 28;

/** A curve as small as a word, with its newest value beside it. */
export function Sparkline({ name, values, unit, range, least = 0 }: { name: string; values: Values; unit: Unit; range: string; least?: number }) {
  const { last, most } = extremes(values);
  const top = topOf([values], unit, least);
  const text = most === undefined ? performanceWords.unknown(name) : performanceWords.summary(name, last === undefined ? performanceWords.none : inUnit(last, unit), inUnit(most, unit), range);
  return (
    <div className="hostler-sparkline">
      <span>{name}</span>
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label={text}>
        <title>{text}</title>
        <path className="hostler-line-0" d={pathOf(values, WIDTH, HEIGHT - 2, top)} transform="translate(0 1)" />
      </svg>
      <span>{last === undefined ? performanceWords.none : inUnit(last, unit)}</span>
    </div>
  );
}
