//! What guests said on each host, as it stands in the hosts' folders.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::emulator::counts_of;
use crate::computer::Computer;

/// What a guest said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Count {
    /// The number, which its disk had never given before.
    pub number: u64,
    /// Of which of its boots.
    pub boot: String,
}

/// What the guests said: by machine (its domain's UUID) and by host, in the order in which they said it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said(pub BTreeMap<String, BTreeMap<String, Vec<Count>>>);

impl Said {
    /// Reads what the hosts of a testbed wrote down, by the testbed's folder.
    pub fn of(ground: &Path) -> Self {
        let mut said = Self::default();
        for host in Computer::all_of(ground) {
            for file in files(host.folder()) {
                let counts = parse(&fs::read(&file).unwrap_or_default());
                said.0.entry(machine_of(&file)).or_default().insert(host.name().into(), counts);
            }
        }
        said
    }
}

/// The files of a host in which stands what guests said.
pub(super) fn files(host: &Path) -> Vec<PathBuf> {
    let read = fs::read_dir(counts_of(host)).into_iter().flatten().flatten();
    read.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|end| end == "log")).collect()
}

/// Whose file it is.
pub(super) fn machine_of(file: &Path) -> String {
    file.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// A file of which one reads again and again what was added.
#[derive(Debug, Default)]
pub(super) struct Tail {
    read: u64,
    /// The last line, as long as it has no end.
    rest: Vec<u8>,
}

impl Tail {
    /// What was said since the last time.
    pub(super) fn next(&mut self, file: &Path) -> Vec<Count> {
        let mut added = Vec::new();
        let reading = File::open(file).and_then(|mut file| {
            file.seek(SeekFrom::Start(self.read))?;
            file.read_to_end(&mut added)
        });
        self.read += reading.map_or(0, |bytes| u64::try_from(bytes).unwrap_or_default());
        self.rest.append(&mut added);
        let whole = self.rest.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let lines: Vec<u8> = self.rest.drain(..whole).collect();
        parse(&lines)
    }
}

/// Whole lines only. A machine that moves while it speaks leaves one half of a line here and the other half there.
fn parse(bytes: &[u8]) -> Vec<Count> {
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').unwrap_or(0);
    let text = String::from_utf8_lossy(bytes.get(..whole).unwrap_or_default());
    text.lines().filter_map(count_of).collect()
}

fn count_of(line: &str) -> Option<Count> {
    let mut words = line.trim_end().split(' ');
    let (word, number, boot) = (words.next()?, words.next()?, words.next()?);
    let whole = word == "count" && boot.len() == 36 && words.next().is_none();
    whole.then(|| number.parse().ok()).flatten().map(|number| Count { number, boot: boot.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOOT: &str = "8a3cbd1e-0f6b-4d3a-9d1c-2f1d3c4b5a69";

    fn numbers(counts: &[Count]) -> Vec<u64> {
        counts.iter().map(|count| count.number).collect()
    }

    #[test]
    fn half_a_line_is_no_count_wherever_it_was_torn() {
        let line = format!("count 1234 {BOOT}\r\n");
        for torn in 0..line.len() {
            let (here, there) = line.split_at(torn);
            // Here the machine speaks on when it has come back, there until it goes.
            let here = format!("count 1 {BOOT}\r\n{here}count 2000 {BOOT}\r\ncount 2001 {BOOT}\r\n");
            let there = format!("{there}count 1235 {BOOT}\r\n");
            let (here, there) = (numbers(&parse(here.as_bytes())), numbers(&parse(there.as_bytes())));
            let expected = if torn == 0 { vec![1, 2000, 2001] } else { vec![1, 2001] };
            assert_eq!(here, expected, "torn after {torn}");
            assert!(there == [1235] || torn == 0 && there == [1234, 1235], "torn after {torn}: {there:?}");
        }
    }

    #[test]
    fn what_was_added_is_read_once_and_a_line_when_it_has_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("log");
        let mut tail = Tail::default();
        assert!(tail.next(&file).is_empty(), "it is not there yet");
        let mut text = format!("count 1 {BOOT}\ncount 2 {BOOT}");
        fs::write(&file, &text).unwrap();
        assert_eq!(numbers(&tail.next(&file)), [1]);
        text.push_str(&format!("\ncount 3 {BOOT}\n"));
        fs::write(&file, &text).unwrap();
        assert_eq!(numbers(&tail.next(&file)), [2, 3]);
        assert!(tail.next(&file).is_empty());
    }
}
