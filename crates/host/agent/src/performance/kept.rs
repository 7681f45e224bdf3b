//! The file in which histories outlast the agent: a line, the SHA-256 of the rest, and the rest. It is for looking at
//! only, so what does not fit is left, and never repaired.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;

use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::history::{History, Ring, SERIES, Values};

const HEAD: &[u8] = b"HOSTLER PERFORMANCE 1\n";
/// No file of ours is larger.
const MOST_BYTES: u64 = 64 << 20;

/// The file's content. None is the host's.
pub(super) fn written<'a>(all: impl Iterator<Item = (Option<Uuid>, &'a History)>) -> Vec<u8> {
    let mut body = Vec::new();
    for (of, history) in all {
        // The host is told by the id that no machine has.
        body.extend_from_slice(of.unwrap_or(Uuid::nil()).as_bytes());
        for ring in [&history.fine, &history.coarse] {
            body.extend_from_slice(&ring.first.to_le_bytes());
            body.extend_from_slice(&u32::try_from(ring.slots.len()).unwrap_or(0).to_le_bytes());
            for value in ring.slots.iter().flatten() {
                body.extend_from_slice(&value.to_le_bytes());
            }
        }
    }
    let mut text = HEAD.to_vec();
    text.extend_from_slice(&Sha256::digest(&body));
    text.extend_from_slice(&body);
    text
}

/// Writes the file, whole or not at all, also when the power is lost.
pub(super) fn write(path: &Path, text: &[u8]) -> io::Result<()> {
    let beside = path.with_extension("new");
    let mut file = File::create(&beside)?;
    file.write_all(text)?;
    file.sync_all()?;
    fs::rename(&beside, path)
}

/// What the file remembers; nothing where there is none, or it is damaged.
pub(super) fn read(path: &Path) -> Vec<(Option<Uuid>, History)> {
    let mut text = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MOST_BYTES).read_to_end(&mut text));
    match read {
        Err(why) if why.kind() == io::ErrorKind::NotFound => return Vec::new(),
        Err(why) => tracing::warn!(%why, file = %path.display(), "the performance history cannot be read"),
        Ok(_) => {
            if let Some(all) = understood(&text) {
                return all;
            }
            tracing::warn!(file = %path.display(), "the performance history is damaged; it begins anew");
        }
    }
    Vec::new()
}

fn understood(text: &[u8]) -> Option<Vec<(Option<Uuid>, History)>> {
    let (sum, mut body) = text.strip_prefix(HEAD)?.split_at_checked(32)?;
    if Sha256::digest(body).as_slice() != sum {
        return None;
    }
    let mut all = Vec::new();
    while !body.is_empty() {
        let of = Uuid::from_bytes(*take(&mut body)?);
        let mut history = History::default();
        for ring in [&mut history.fine, &mut history.coarse] {
            fill(ring, &mut body)?;
        }
        all.push(((!of.is_nil()).then_some(of), history));
    }
    Some(all)
}

fn fill(ring: &mut Ring, body: &mut &[u8]) -> Option<()> {
    ring.first = i64::from_le_bytes(*take(body)?);
    let count = u32::from_le_bytes(*take(body)?);
    if count as usize > ring.room {
        return None;
    }
    for _ in 0..count {
        let mut values: Values = [0.0; SERIES];
        for value in &mut values {
            *value = f32::from_le_bytes(*take(body)?);
        }
        ring.slots.push_back(values);
    }
    Some(())
}

fn take<'a, const N: usize>(body: &mut &'a [u8]) -> Option<&'a [u8; N]> {
    let (taken, rest) = body.split_first_chunk()?;
    *body = rest;
    Some(taken)
}
