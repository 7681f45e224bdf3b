//! What `docs/parity` says of older managers' features: every feature of a list stands on its page exactly once, what it
//! is and why is said in the page's own words, and the commands and tests that it names exist.

use std::collections::{BTreeMap, BTreeSet};

use super::none;
use crate::tree;

/// What a feature can be here.
const IS: [&str; 3] = ["have", "differs", "gap"];

/// Why one differs or is missing.
const REASONS: [&str; 4] = ["later", "no-such-thing", "cannot-prove", "replaced"];

/// A feature as a page tells it: its cells, without the marks of code.
struct Row<'t> {
    id: &'t str,
    what: &'t str,
    is: &'t str,
    reason: &'t str,
    here: &'t str,
    command: &'t str,
    test: &'t str,
}

/// The rows of a page's tables of features; a line that looks like one and has other cells is a breach.
fn rows(page: &str) -> (Vec<Row<'_>>, Vec<String>) {
    let (mut rows, mut breaches) = (Vec::new(), Vec::new());
    for line in page.lines().filter(|line| line.starts_with("| ")) {
        let inner = line.trim().trim_start_matches('|').trim_end_matches('|');
        let cells: Vec<&str> = inner.split('|').map(|cell| cell.trim().trim_matches('`')).collect();
        match cells[..] {
            ["id", ..] => {}
            [id, what, is, reason, here, command, test] if is_id(id) => {
                rows.push(Row { id, what, is, reason, here, command, test });
            }
            [first, ..] if is_id(first) => breaches.push(format!("{first} has {} cells, not 7", cells.len())),
            _ => {}
        }
    }
    (rows, breaches)
}

/// `V-013`, `S4-141`.
fn is_id(text: &str) -> bool {
    let parts = text.split_once('-');
    parts.is_some_and(|(source, number)| {
        source.starts_with(|first: char| first.is_ascii_uppercase())
            && number.len() >= 3
            && number.bytes().all(|digit| digit.is_ascii_digit())
    })
}

/// The ids of a list, each with its words.
fn listed(list: &str) -> Vec<(&str, &str)> {
    let lines = list.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    lines.map(|line| line.split_once(' ').unwrap_or((line, ""))).collect()
}

/// What is wrong with a page: against its list, the commands that there are, and the sources by their path.
fn wrong(
    list: &str,
    page: &str,
    commands: &BTreeSet<String>,
    source: impl Fn(&str) -> Option<String>,
) -> Vec<String> {
    let (rows, mut breaches) = rows(page);
    let mut told: BTreeMap<&str, usize> = BTreeMap::new();
    for row in &rows {
        *told.entry(row.id).or_default() += 1;
    }
    let words: BTreeMap<&str, &str> = listed(list).into_iter().collect();
    if words.len() != listed(list).len() {
        breaches.push("the list has an id twice".into());
    }
    for id in words.keys().filter(|id| !told.contains_key(*id)) {
        breaches.push(format!("{id} is on the list and not on the page"));
    }
    for (id, times) in told {
        if times > 1 {
            breaches.push(format!("{id} stands on the page {times} times"));
        }
    }
    for row in &rows {
        let mut say = |what: String| breaches.push(format!("{}: {what}", row.id));
        match words.get(row.id) {
            None => say("it is not on the list".into()),
            Some(words) if *words != row.what => say(format!("the list says {words:?}")),
            Some(_) => {}
        }
        if !IS.contains(&row.is) {
            say(format!("{:?} is none of {IS:?}", row.is));
        }
        match (row.is, row.reason) {
            ("have", "") => {}
            ("have", reason) => say(format!("what is the same needs no reason, and has {reason:?}")),
            (_, reason) if REASONS.contains(&reason) => {}
            (_, reason) => say(format!("{reason:?} is none of {REASONS:?}")),
        }
        if row.here.is_empty() {
            say("it does not say how it is here".into());
        }
        if !row.command.is_empty() && !commands.contains(row.command) {
            say(format!("there is no command {:?}", row.command));
        }
        if row.is != "gap" && row.test.is_empty() {
            say("no test shows it".into());
        }
        if !row.test.is_empty() && !exists(row.test, &source) {
            say(format!("there is no test {}", row.test));
        }
    }
    breaches
}

/// Whether there is a test of this name: `crates/…/groups.rs::a_name`, `web/…/overview.test.ts::a sentence`.
fn exists(test: &str, source: impl Fn(&str) -> Option<String>) -> bool {
    let Some((path, name)) = test.split_once("::") else { return false };
    let Some(text) = source(path) else { return false };
    if path.ends_with(".rs") {
        return text.contains(&format!("fn {name}("));
    }
    text.contains(&format!("test(\"{name}\""))
}

/// The commands of the reference, which is made from the program: `hostler vm list`.
fn commands() -> BTreeSet<String> {
    let page = std::fs::read_to_string(tree::top().join("docs/reference/command-line.md")).unwrap();
    let headings = page.lines().filter(|line| line.starts_with("## ") || line.starts_with("### "));
    let names = headings.filter_map(|line| line.split('`').nth(1));
    names.map(str::to_owned).collect()
}

#[test]
fn every_feature_of_the_lists_is_told_once_with_a_command_and_a_test_that_exist() {
    let folder = tree::top().join("docs/parity");
    let commands = commands();
    assert!(commands.len() > 50, "{commands:?}");
    let mut breaches = Vec::new();
    let mut lists = 0;
    for file in std::fs::read_dir(folder.join("ids")).unwrap() {
        let path = file.unwrap().path();
        let subject = path.file_stem().unwrap().to_string_lossy().into_owned();
        let list = std::fs::read_to_string(&path).unwrap();
        let page = std::fs::read_to_string(folder.join(format!("{subject}.md"))).unwrap();
        let source = |path: &str| std::fs::read_to_string(tree::top().join(path)).ok();
        let found = wrong(&list, &page, &commands, source);
        breaches.extend(found.into_iter().map(|breach| format!("docs/parity/{subject}.md: {breach}")));
        lists += 1;
    }
    assert!(lists > 0, "there are no lists");
    none(&breaches);
}

#[test]
fn each_kind_of_breach_is_found() {
    let commands = BTreeSet::from(["hostler host list".to_owned()]);
    let source = |path: &str| (path == "a.rs").then(|| "fn it_is_so() {".to_owned());
    let with = |row: &str| wrong("V-001 one two three\n", row, &commands, source);
    let good =
        "| V-001 | one two three | differs | replaced | so | `hostler host list` | `a.rs::it_is_so` |\n";
    assert_eq!(with(good), Vec::<String>::new());
    assert_eq!(with(&good.replace("differs", "have").replace("replaced", "")), Vec::<String>::new());
    assert_eq!(with(""), ["V-001 is on the list and not on the page"]);
    assert_eq!(with(&[good, good].concat()), ["V-001 stands on the page 2 times"]);
    for (from, to, says) in [
        ("V-001", "V-002", "not on the list"),
        ("two", "zwei", "the list says"),
        ("differs", "partly", "is none of"),
        ("replaced", "no time", "is none of"),
        ("differs", "have", "needs no reason"),
        ("| so |", "| |", "how it is here"),
        ("host list", "host lists", "there is no command"),
        ("`a.rs::it_is_so`", "", "no test shows it"),
        ("it_is_so", "it_is", "there is no test"),
        ("a.rs", "b.rs", "there is no test"),
        ("| so ", "", "has 6 cells"),
    ] {
        let found = with(&good.replace(from, to));
        assert!(found.iter().any(|breach| breach.contains(says)), "{from} {to}: {found:?}");
    }
}
