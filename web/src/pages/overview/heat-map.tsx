import { Link } from "@tanstack/react-router";
import type { HostView } from "../../api/types.ts";
import { hostStatus, isWell } from "../../parts/status-label.tsx";
import { overviewWords } from "../../words/hosts.ts";
import { hostStatusWords } from "../../words/statuses.ts";

const brand = "var(--pf-t--global--color--brand--default)";

/** A colour between the page's own and the brand's: darker is busier in every theme. */
export const heat = (percent: number): string => `color-mix(in srgb, ${brand} ${Math.round(8 + percent * 0.92)}%, transparent)`;

/** Hosts as squares by load and health. Each says in words what its colour says. */
export function HeatMap({ hosts }: { hosts: HostView[] }) {
  return (
    <>
      <p className="hostler-hint">{overviewWords.heatHint}</p>
      <ul className="hostler-heat" aria-label={overviewWords.heat}>
        {hosts.map((host) => (
          <li key={host.id}>
            <Square host={host} />
          </li>
        ))}
      </ul>
      <div className="hostler-legend">
        <span><i style={{ background: heat(0) }} />{overviewWords.legend.low}</span>
        <span><i style={{ background: heat(100) }} />{overviewWords.legend.high}</span>
        <span><i className="hostler-heat-unknown" />{overviewWords.legend.unknown}</span>
        <span><i className="hostler-heat-down" />{overviewWords.legend.down}</span>
      </div>
    </>
  );
}

function Square({ host }: { host: HostView }) {
  const status = hostStatus(host);
  const cpu = host.load?.cpu_percent;
  const isFine = isWell(host);
  const text = overviewWords.heatHost(host.name, hostStatusWords[status], cpu === undefined ? overviewWords.noLoad : overviewWords.load(cpu));
  return (
    <Link
      to="/hosts/$host"
      params={{ host: host.id }}
      aria-label={text}
      title={text}
      className={isFine ? (cpu === undefined ? "hostler-heat-unknown" : "") : "hostler-heat-down"}
      {...(isFine && cpu !== undefined ? { style: { background: heat(cpu) } } : {})}
    />
  );
}
