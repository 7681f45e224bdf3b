//! Runs what the documentation says can be typed, in the order in which it is read, on a computer of the testbed that
//! has nothing of Hostler. A block of a page is run when its fence says so:
//!
//! - ```` ```sh run ````: it has to succeed; ```` ```sh run refused ````: it has to fail;
//! - ```` ```text shows ```` after it: each of its lines has to be in what was written, in this order; `…` stands for
//!   anything, and blanks count as one;
//! - `<!-- run: … -->`: what a reader need not see, such as a file that a later block takes for given.
//!
//! Each block is a shell of its own, in the top folder of the project, with the programs in its path.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use super::browser::on_computer;
use super::counts::Counts;
use crate::trouble::Trouble;
use crate::{commands, tiny_linux, tree};

/// The pages whose blocks are run, in this order, on one computer.
const PAGES: [&str; 11] = [
    "docs/first-hour.md",
    "docs/console/overview.md",
    "docs/machines.md",
    "docs/hosts-and-agents.md",
    "docs/how-to/host-groups.md",
    "docs/how-to/refreshers.md",
    "docs/library-and-templates.md",
    "docs/jobs.md",
    "docs/users-and-tokens.md",
    "docs/command-line.md",
    "docs/backup-and-restore.md",
];
/// Fewer blocks than this are never run: a fence that was mistyped is noticed here. Raise it with the pages.
const LEAST_BLOCKS: u32 = 68;
/// A block that takes longer hangs.
const BLOCK_WITHIN: Duration = Duration::from_secs(600);
/// What is said of a block that held: counted by whoever reads it.
const HELD: &str = "held: ";
const FAILED: &str = "FAILED: ";

/// A block of a page.
#[derive(Debug, PartialEq, Eq)]
struct Block {
    /// Where it begins, from 1.
    line: usize,
    script: String,
    refused: bool,
    /// What it has to write.
    shows: Vec<String>,
}

/// Runs the pages' blocks on a computer of their own. The programs have to be built.
///
/// # Errors
/// The computer cannot be made, or fewer blocks ran than there are.
pub fn run(said: &mut dyn Write) -> Result<Counts, Trouble> {
    let mut command = on_computer("pages")?;
    let finished = commands::watched(&mut command, said)?;
    let count = |word: &str| finished.said.lines().filter(|line| line.starts_with(word)).count();
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let counts = Counts { passed: number(count(HELD)), failed: number(count(FAILED)), left_out: 0 };
    if counts.failed == 0 && !finished.success {
        return Err(commands::failed(&command, &finished.said));
    }
    if counts.failed == 0 && counts.passed < LEAST_BLOCKS {
        return Err(Trouble::new(
            format!("Only {} blocks of commands ran; there are at least {LEAST_BLOCKS}.", counts.passed),
            "See whose fence lacks \"run\"; the bound stands in xtask/src/test/pages.rs.",
        ));
    }
    println!("{} blocks of commands in the pages do what they say (at least {LEAST_BLOCKS}).", counts.passed);
    Ok(counts)
}

/// What happens on that computer: every page to its end or to the first block that does not hold.
///
/// # Errors
/// A page cannot be read, or a block did not hold.
pub fn inside() -> Result<(), Trouble> {
    let disk = tiny_linux::build()?;
    for page in PAGES {
        let path = tree::top().join(page);
        let text = fs::read_to_string(&path).map_err(|error| Trouble::file("read", &path, &error))?;
        for block in blocks(&text)? {
            let began = Instant::now();
            let place = format!("{page}:{}", block.line);
            if let Err(why) = hold(&block, &disk) {
                println!("{FAILED}{place}");
                return Err(Trouble::new(
                    format!("{place}: {why}\nIt is:\n{}", block.script),
                    "Mend the page, or the program that does not do what the page says.",
                ));
            }
            println!("{HELD}{place} ({:.1} s)", began.elapsed().as_secs_f64());
        }
    }
    Ok(())
}

/// Runs a block and says in what it does not hold.
fn hold(block: &Block, disk: &Path) -> Result<(), String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(tree::target().join("debug")).chain(std::env::split_paths(&path));
    let path = std::env::join_paths(folders).map_err(|error| error.to_string())?;
    let limit = BLOCK_WITHIN.as_secs().to_string();
    let mut shell = commands::command(&["timeout", &limit, "bash", "-euo", "pipefail", "-c", &block.script]);
    shell.current_dir(tree::top()).env("PATH", path).env("HOSTLER_TINY_LINUX", disk);
    // Both in one stream, as a terminal shows them.
    let (mut reader, writer) = std::io::pipe().map_err(|error| error.to_string())?;
    let other = writer.try_clone().map_err(|error| error.to_string())?;
    let child = shell.stdout(Stdio::from(writer)).stderr(Stdio::from(other)).spawn();
    drop(shell);
    let mut child = child.map_err(|error| error.to_string())?;
    let mut said = String::new();
    let read = std::io::Read::read_to_string(&mut reader, &mut said);
    let ended = child.wait().map_err(|error| error.to_string())?;
    read.map_err(|error| error.to_string())?;
    if ended.success() == block.refused {
        return Err(format!("it ended with {ended}, having written:\n{said}"));
    }
    match missing(&block.shows, &said) {
        None => Ok(()),
        Some(line) => Err(format!("it does not show {line:?}, but:\n{said}")),
    }
}

/// The first line that is not shown, in the order in which they have to be.
fn missing<'a>(shows: &'a [String], said: &str) -> Option<&'a str> {
    let mut said = said.lines().map(plain);
    shows.iter().find(|line| !said.any(|said| is_like(&plain(line), &said))).map(String::as_str)
}

/// Without what only sets words apart.
fn plain(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether a line is what a pattern says, in which `…` stands for anything.
fn is_like(pattern: &str, line: &str) -> bool {
    let mut parts = pattern.split('…');
    let Some(mut rest) = parts.next().and_then(|first| line.strip_prefix(first)) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// The blocks of a page that are run.
fn blocks(page: &str) -> Result<Vec<Block>, Trouble> {
    let mut found: Vec<Block> = Vec::new();
    let mut lines = page.lines().enumerate();
    while let Some((at, line)) = lines.next() {
        let block = |script, refused| Block { line: at + 1, script, refused, shows: Vec::new() };
        if let Some(script) = line.strip_prefix("<!-- run: ").and_then(|rest| rest.strip_suffix(" -->")) {
            found.push(block(script.to_owned(), false));
            continue;
        }
        let Some(fence) = line.trim_start().strip_prefix("```") else { continue };
        let inner: Vec<&str> =
            lines.by_ref().map(|(_, line)| line.trim()).take_while(|line| *line != "```").collect();
        let words: Vec<&str> = fence.split_whitespace().collect();
        match words.as_slice() {
            ["sh", "run"] => found.push(block(inner.join("\n"), false)),
            ["sh", "run", "refused"] => found.push(block(inner.join("\n"), true)),
            ["text", "shows"] => match found.last_mut() {
                Some(block) => block.shows.extend(inner.into_iter().map(str::to_owned)),
                None => return Err(unclear(at, "nothing was run before it")),
            },
            [_, "run" | "shows", ..] => return Err(unclear(at, "its fence is none that is known")),
            _ => {}
        }
    }
    Ok(found)
}

fn unclear(at: usize, why: &str) -> Trouble {
    Trouble::new(
        format!("Line {}: {why}.", at + 1),
        "The top of xtask/src/test/pages.rs says what a fence may say.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "\
# Page
<!-- run: touch disk -->
```sh run
hostler vm list
```

It shows:

```text shows
NAME   STATUS
web-1  … now
```
```sh
not run
```
```sh run refused
hostler vm delete web-1
```
";

    #[test]
    fn the_blocks_of_a_page_that_are_marked_are_found_with_what_they_show() {
        let found = blocks(PAGE).unwrap();
        let scripts: Vec<_> = found.iter().map(|block| (block.line, block.script.as_str())).collect();
        assert_eq!(scripts, [(2, "touch disk"), (3, "hostler vm list"), (16, "hostler vm delete web-1")]);
        assert_eq!(found[1].shows, ["NAME   STATUS", "web-1  … now"]);
        assert!(found[2].refused && !found[1].refused);
    }

    #[test]
    fn a_mistyped_fence_and_an_answer_to_nothing_are_refused() {
        assert!(blocks("```sh run refuse\n```\n").is_err());
        assert!(blocks("```text shows\n```\n").is_err());
    }

    #[test]
    fn lines_have_to_be_shown_in_their_order_whatever_the_blanks_and_the_dots_stand_for_anything() {
        let shows = |lines: &[&str], said: &str| {
            missing(&lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>(), said).map(str::to_owned)
        };
        let said = "NAME STATUS\nweb-1   Running  host-a\nweb-2   Off  host-a\n";
        assert_eq!(shows(&["NAME  STATUS", "web-1 Running …", "… Off host-a"], said), None);
        assert_eq!(shows(&["web-2 …", "web-1 …"], said), Some("web-1 …".into()));
        assert_eq!(shows(&["web-1 Running"], said), Some("web-1 Running".into()));
        assert_eq!(shows(&["web-1 … Off …"], said), Some("web-1 … Off …".into()));
    }

    #[test]
    fn a_block_holds_when_it_ends_as_is_said_and_shows_what_is_said() {
        let block = |script: &str, refused, shows: &[&str]| Block {
            line: 1,
            script: script.into(),
            refused,
            shows: shows.iter().map(|line| (*line).to_owned()).collect(),
        };
        let disk = Path::new("/nowhere");
        hold(&block("echo one; echo two >&2", false, &["one", "two"]), disk).unwrap();
        hold(&block("echo no; exit 3", true, &["no"]), disk).unwrap();
        assert!(hold(&block("false; true", false, &[]), disk).is_err());
        assert!(hold(&block("true", true, &[]), disk).is_err());
        assert!(hold(&block("echo one", false, &["two"]), disk).is_err());
    }
}
