import { Link } from "@tanstack/react-router";
import { useWindow } from "../../api/hooks.ts";
import { ErrorBox } from "../../parts/error-box.tsx";
import { Waiting } from "../../parts/live-table.tsx";
import { overviewWords } from "../../words/overview.ts";

const names = overviewWords.library;

/** What is in the library, by what it is. */
export function Library() {
  const items = useWindow("library-items", { limit: 0 });
  const templates = useWindow("templates", { limit: 0 }).window;
  const shares = useWindow("library-shares", { limit: 0 }).window;
  if (items.error !== undefined) return <ErrorBox refusal={items.error} />;
  if (items.window === undefined || templates === undefined || shares === undefined) return <Waiting />;
  if (shares.total === 0) return <Link to="/library" search={{ tab: "shares" }}>{names.none}</Link>;
  const kinds = Object.entries(items.window.counts)
    .filter(([, count]) => count > 0)
    .sort(([, a], [, b]) => b - a);
  return (
    <ul className="hostler-lines hostler-tally">
      <li><Link to="/library">{names.templates}</Link><strong>{templates.total.toLocaleString()}</strong></li>
      {kinds.map(([kind, count]) => (
        <li key={kind}>
          <Link to="/library" search={{ tab: "items", filter: `kind=${kind}` }}>{names.kinds[kind] ?? kind}</Link>
          <strong>{count.toLocaleString()}</strong>
        </li>
      ))}
      <li><Link to="/library" search={{ tab: "shares" }}>{names.shares}</Link><strong>{shares.total.toLocaleString()}</strong></li>
    </ul>
  );
}
