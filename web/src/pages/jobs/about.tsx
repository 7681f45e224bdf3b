import { Link } from "@tanstack/react-router";

/** A thing by its key (`vm/01a1…`), as a link where it has a page. */
export function About({ about, title }: { about: string; title?: string }) {
  const [kind = "", id = ""] = about.split("/");
  const text = title ?? about;
  if (kind === "vm") return <Link to="/machines/$vm" params={{ vm: id }}>{text}</Link>;
  if (kind === "host") return <Link to="/hosts/$host" params={{ host: id }}>{text}</Link>;
  if (kind === "template") return <Link to="/library" search={{ tab: "templates", show: id }}>{text}</Link>;
  if (kind === "library-share" || kind === "library-item") return <Link to="/library" search={{ tab: kind === "library-item" ? "items" : "shares" }}>{text}</Link>;
  return <span className="hostler-value">{text}</span>;
}
