"""What mkdocs does for us besides: pages from outside of docs/ without a copy, and files that the server may send.

The server's policy lets nothing in but files of its own: no inline script, no style attribute, no data: address. So what
the theme writes into its pages is moved into files here, and a build that leaves one behind fails."""

import hashlib
import posixpath
import re
from pathlib import Path
from urllib.parse import unquote_to_bytes

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File

TOP = Path(__file__).resolve().parents[2]
# Pages that lie elsewhere in the tree, and what they are called in the site.
ELSEWHERE = {
    "ARCHITECTURE.md": "ARCHITECTURE.md",
    "SPECIFICATION.md": "SPECIFICATION.md",
    "CONTRIBUTING.md": "CONTRIBUTING.md",
    "CHANGELOG.md": "CHANGELOG.md",
    "deploy/README.md": "installation.md",
}
# What the console's pages look like: pictures that `npm run shots` makes, where it made them, by their names there.
PICTURES = {
    "console/overview.md": "overview",
    "console/machines.md": "machines",
    "console/machine.md": "machine",
    "console/screen.md": "machine-console",
    "console/hosts.md": "hosts",
    "console/library.md": "library",
    "console/jobs.md": "jobs",
    "console/administration.md": "administration",
}
# A page that is opened from a disk may start no worker, and use no file as a mask: it gets the first as a frame, and its
# icons as they were.
DISK = """
if (location.protocol === "file:") {
  const sheet = document.createElement("link");
  sheet.rel = "stylesheet";
  sheet.href = new URL("../stylesheets/disk.css", document.currentScript.src).href;
  document.head.append(sheet);
}
"""
LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)")


def on_config(config):
    """Pages below docs/reference are written by programs: one that is new need not be told of here."""
    known = str(config["nav"])
    reference = next(part["Reference"] for part in config["nav"] if "Reference" in part)
    pages = sorted(path.name for path in (TOP / "docs/reference").glob("*.md"))
    reference.extend(f"reference/{page}" for page in pages if f"reference/{page}" not in known)
    return config


def on_files(files, config):
    for path, name in ELSEWHERE.items():
        files.append(File.generated(config, name, content=(TOP / path).read_text("utf-8")))
    return files


def on_page_markdown(markdown, page, config, files):
    """Links are written as they work in the tree; here they lead to where the page is in the site."""
    names = {name: path for path, name in ELSEWHERE.items()}
    source = names.get(page.file.src_uri, f"docs/{page.file.src_uri}")

    def led(found):
        mark, text, link = found.groups()
        path, _, anchor = link.partition("#")
        if "://" in link or link.startswith("mailto:") or not path:
            return found.group(0)
        real = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
        name = ELSEWHERE.get(real) or (real.removeprefix("docs/") if real.startswith("docs/") else None)
        if name is None:
            if (TOP / real).exists():
                return text if text.startswith("`") else f"{text} (`{real}`)"
            return found.group(0)
        if name == ".":
            name = "README.md"
        to = posixpath.relpath(name, posixpath.dirname(page.file.src_uri) or ".")
        return f"{mark}[{text}]({to}{'#' + anchor if anchor else ''})"

    name = PICTURES.get(page.file.src_uri)
    shots = [(TOP / f"docs/screenshots/{name}-wide-{look}.webp", look) for look in ("light", "dark")]
    if all(shot.exists() for shot, _ in shots):
        both = "".join(f"![The page as it looks](../screenshots/{shot.name}#only-{look})\n" for shot, look in shots)
        heading, _, rest = markdown.partition("\n")
        markdown = f"{heading}\n\n{both}\n{rest}"
    # What a fence says to the test that runs it is nothing to its readers.
    markdown = re.sub(r"^```(sh run|text shows).*$", lambda m: "```" + m[1].split()[0], markdown, flags=re.M)
    parts = re.split(r"(^```.*?^```[^\n]*$)", markdown, flags=re.M | re.S)
    return "".join(part if part.startswith("```") else LINK.sub(led, part) for part in parts)


def on_post_build(config):
    site = Path(config["site_dir"])
    for path in [*site.rglob("*.map"), *site.glob("sitemap.xml*"), *site.glob("assets/javascripts/lunr/**/*.js")]:
        path.unlink()
    shim = "assets/javascripts/disk.js"
    (site / shim).write_text((TOP / "docs/site/iframe-worker.js").read_text("utf-8") + DISK, "utf-8")
    for page in site.rglob("*.html"):
        to_top = posixpath.relpath(".", page.parent.relative_to(site).as_posix())
        text = page.read_text("utf-8").replace("https://unpkg.com/iframe-worker/shim", f"{to_top}/{shim}")
        text = re.sub(r"<script>(.*?)</script>", lambda m: f'<script src="{to_top}/{kept(site, m[1], "js")}"></script>', text, flags=re.S)
        text = re.sub(r' style="text-align: (\w+);"', r' class="align-\1"', text)
        for bad in (r"<script(?![^>]*src=)(?![^>]*application/json)", r"<style", r'\sstyle="', r"\son[a-z]+=\"", r'src="(https?:|//|data:)', r'<link[^>]*href="(https?:|//)[^>]*stylesheet'):
            if found := re.search(bad, text):
                raise PluginError(f"{page.relative_to(site)}: the server's policy forbids {found.group(0)!r}")
        page.write_text(text, "utf-8")
    shown = "".join(page.read_text("utf-8") for page in site.rglob("*.html"))
    for shot in site.glob("screenshots/*"):
        if shot.name not in shown:
            shot.unlink()
    icons = []
    for sheet in site.rglob("*.css"):
        to_top = posixpath.relpath(".", sheet.parent.relative_to(site).as_posix())

        def moved(found):
            icons.append(found[0])
            return f'{found[1]}:url("{to_top}/{kept(site, unquote_to_bytes(found[2]), "svg")}")'

        text = re.sub(r'(--[\w-]+):url\("data:image/svg\+xml;charset=utf-8,(.*?)"\)', moved, sheet.read_text("utf-8"))
        if re.search(r"url\(.?data:", text):
            raise PluginError(f"{sheet.relative_to(site)}: the server's policy forbids data: addresses")
        sheet.write_text(text, "utf-8")
    (site / "assets/stylesheets/disk.css").write_text(":root{" + ";".join(icons) + "}", "utf-8")


def kept(site, content, ending):
    """Writes content to a file that is called by it; the file's path below the site."""
    data = content if isinstance(content, bytes) else content.encode()
    path = f"assets/inline/{hashlib.sha256(data).hexdigest()[:12]}.{ending}"
    (site / path).parent.mkdir(parents=True, exist_ok=True)
    (site / path).write_bytes(data)
    return path
