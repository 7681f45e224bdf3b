//! The journal on a real file.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use hostler_agent::{Journal, JournalError};
use hostler_agent_core::JournalEntry;
use uuid::Uuid;

const FILE: &str = "HOSTLER_TEST_JOURNAL";

fn run(run: u64) -> JournalEntry {
    JournalEntry::Run { run }
}

/// Not a test: what the one below kills. Writes for ever, and says each entry only once it is durable.
#[test]
#[ignore = "run by another test, in a process of its own"]
fn a_writer_that_never_ends() {
    let Some(file) = std::env::var_os(FILE) else { return };
    let (mut journal, entries) = Journal::open(Path::new(&file)).unwrap();
    let mut next = entries.len() as u64;
    loop {
        journal.append(&[run(next), run(next + 1)]).unwrap();
        println!("durable {next} {}", next + 1);
        next += 2;
    }
}

#[test]
fn what_was_said_to_be_durable_survives_the_death_of_its_writer() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("journal.db");
    let mut before = 0;
    for round in 0..5 {
        let mut writer = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "--nocapture", "journal::a_writer_that_never_ends"])
            .env(FILE, &file)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(writer.stdout.take().unwrap()).lines();
        let mut said = None;
        // Killed at another moment each time, in the midst of writing.
        for line in
            lines.by_ref().map_while(Result::ok).filter(|line| line.contains("durable")).take(20 + 7 * round)
        {
            said = line.rsplit(' ').next().and_then(|n| n.parse::<u64>().ok());
        }
        writer.kill().unwrap();
        writer.wait().unwrap();
        // What it said after that is as good.
        for line in lines.map_while(Result::ok).filter(|line| line.contains("durable")) {
            said = line.rsplit(' ').next().and_then(|n| n.parse().ok()).or(said);
        }
        let (_, entries) = Journal::open(&file).unwrap();
        let whole = entries.iter().enumerate().all(|(at, entry)| *entry == run(at as u64));
        assert!(whole, "entries are lost or out of order");
        assert!(entries.len() as u64 > said.unwrap(), "{} entries, {said:?} was durable", entries.len());
        assert!(entries.len() > before, "nothing was written");
        assert!(entries.len().is_multiple_of(2), "half of a commit is there");
        before = entries.len();
    }
}

#[test]
fn compacting_puts_the_new_entries_in_place_of_all_others() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("journal.db");
    let (mut journal, entries) = Journal::open(&file).unwrap();
    assert_eq!(entries, []);
    journal.append(&[run(1), run(2)]).unwrap();
    journal.replace(&[JournalEntry::Journal { journal: Uuid::from_u128(5) }]).unwrap();
    journal.append(&[run(3)]).unwrap();
    drop(journal);
    let (_, entries) = Journal::open(&file).unwrap();
    assert_eq!(entries, [JournalEntry::Journal { journal: Uuid::from_u128(5) }, run(3)]);
}

#[test]
fn a_journal_that_cannot_be_relied_on_is_refused_and_left_as_it_is() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("journal.db");
    fs::write(&file, "this is no database, and long enough to be looked at as one".repeat(40)).unwrap();
    assert!(matches!(Journal::open(&file), Err(JournalError::Damaged { .. })));
    fs::remove_file(&file).unwrap();

    let (mut journal, _) = Journal::open(&file).unwrap();
    journal.append(&vec![run(1); 2_000]).unwrap();
    drop(journal);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600, "it holds seeds");
    let good = fs::read(&file).unwrap();

    // Garbage in the midst of it, as a failing disk leaves it.
    let mut bad = good.clone();
    let middle = bad.len() / 2;
    bad[middle..middle + 4_096].fill(0xa5);
    fs::write(&file, &bad).unwrap();
    let refused = Journal::open(&file).unwrap_err();
    assert!(matches!(refused, JournalError::Damaged { .. }), "{refused}");
    assert!(refused.to_string().contains("aside"), "{refused}");
    assert_eq!(fs::read(&file).unwrap(), bad);

    // A newer layout: the version stands at byte 60 of an SQLite file.
    let mut newer = good;
    newer[60..64].copy_from_slice(&9u32.to_be_bytes());
    fs::write(&file, newer).unwrap();
    assert!(matches!(Journal::open(&file), Err(JournalError::Newer { found: 9, .. })));
}
