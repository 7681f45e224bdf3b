//! A slow line: two ends in the computer's network, and a process that carries each frame from one to the other after a
//! while, not faster than a rate, and loses some. The kernel's own means (netem) are missing in many kernels, also in
//! those of cloud computers; this needs nothing but TAP devices.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use rustix::ioctl::{Setter, ioctl};
use serde::{Deserialize, Serialize};

use crate::commands::ip;
use crate::fleet::Dice;
use crate::trouble::{Result, Trouble};

/// How a link is slow, each way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, clap::Args)]
#[group(skip)]
pub struct Slow {
    /// How many milliseconds later each packet arrives, each way.
    #[arg(long, value_name = "MS", default_value_t = 0)]
    pub delay_ms: u64,
    /// How many kilobits a second go through at most, each way; 0 is as many as can.
    #[arg(long, value_name = "KBIT", default_value_t = 0)]
    pub rate_kbit_s: u64,
    /// How many of a hundred packets are lost, each way.
    #[arg(long, value_name = "PERCENT", default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=100))]
    pub loss_percent: u8,
}

/// What the process that is a slow line is told.
#[derive(Debug, clap::Args)]
pub struct Line {
    /// What one end will be called.
    #[arg(long)]
    near: String,
    /// What the other end will be called.
    #[arg(long)]
    far: String,
    #[command(flatten)]
    slow: Slow,
}

/// A frame that waits stands here no longer than this: then the line is full, and what comes is lost, as in a router.
const FULL: Duration = Duration::from_millis(250);
/// As many frames as wait at most, whatever the delay.
const FRAMES: usize = 20_000;
/// As large as a frame can be.
const FRAME_BYTES: usize = 65_550;

/// Carries frames until the ends are taken away, or it is killed. Says `ready` once the ends are there and up.
///
/// # Errors
/// The ends cannot be made.
pub fn run_line(line: &Line) -> Result<()> {
    let near = Arc::new(open_tap(&line.near)?);
    let far = Arc::new(open_tap(&line.far)?);
    for end in [&line.near, &line.far] {
        ip(&format!("link set {end} up"))?;
    }
    println!("ready");
    let mut threads = Vec::new();
    for (from, to, seed) in [(&near, &far, 1), (&far, &near, 2)] {
        let (send, receive) = sync_channel(FRAMES);
        let (from, to, slow) = (Arc::clone(from), Arc::clone(to), line.slow);
        threads.push(std::thread::spawn(move || take_in(&from, slow, Dice::new(seed), &send)));
        threads.push(std::thread::spawn(move || let_out(&to, &receive)));
    }
    for thread in threads {
        let _ = thread.join();
    }
    Ok(())
}

fn take_in(mut from: &File, slow: Slow, mut dice: Dice, waiting: &SyncSender<(Instant, Vec<u8>)>) {
    let mut pace = Pace::new(slow, Instant::now());
    let mut frame = vec![0; FRAME_BYTES];
    while let Ok(length) = from.read(&mut frame) {
        let lost = dice.below(100) < usize::from(slow.loss_percent);
        if let Some(due) = pace.due(Instant::now(), length).filter(|_| !lost) {
            // One that finds no room is lost.
            let _ = waiting.try_send((due, frame.get(..length).unwrap_or_default().to_vec()));
        }
    }
}

fn let_out(mut to: &File, waiting: &Receiver<(Instant, Vec<u8>)>) {
    while let Ok((due, frame)) = waiting.recv() {
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        // An end that is down takes nothing; so does a cable that is pulled.
        let _ = to.write(&frame);
    }
}

/// When a frame arrives, after those before it.
struct Pace {
    slow: Slow,
    /// When the last bit of the frame before has gone onto the line.
    free: Instant,
}

impl Pace {
    fn new(slow: Slow, now: Instant) -> Self {
        Self { slow, free: now }
    }

    /// When a frame of so many bytes arrives that came now; none where the line is full.
    fn due(&mut self, now: Instant, bytes: usize) -> Option<Instant> {
        let begins = self.free.max(now);
        if begins.duration_since(now) > FULL {
            return None;
        }
        let bits = u64::try_from(bytes).unwrap_or(u64::MAX).saturating_mul(8);
        // A bit of a thousand a second takes a thousandth, that is a million nanoseconds.
        let takes = bits.saturating_mul(1_000_000).checked_div(self.slow.rate_kbit_s).unwrap_or(0);
        self.free = begins + Duration::from_nanos(takes);
        Some(self.free + Duration::from_millis(self.slow.delay_ms))
    }
}

/// `TUNSETIFF`: makes a device of this file.
const TUNSETIFF: rustix::ioctl::Opcode = 0x4004_54ca;
/// Frames as they are on a wire, with nothing before them.
const IFF_TAP_NO_PI: u16 = 0x0002 | 0x1000;

/// A new device of this name, which goes when the file is closed.
#[expect(unsafe_code, reason = "no safe call makes a TAP device of a file")]
fn open_tap(name: &str) -> Result<File> {
    let path = "/dev/net/tun";
    let file = OpenOptions::new().read(true).write(true).open(path).map_err(Trouble::file(path))?;
    // What the kernel calls `ifreq`: 16 bytes of name, which end with a zero, then the kind.
    let mut request = [0_u8; 40];
    for (to, from) in request.iter_mut().zip(name.bytes().take(15)) {
        *to = from;
    }
    request[16..18].copy_from_slice(&IFF_TAP_NO_PI.to_ne_bytes());
    // SAFETY: TUNSETIFF reads and writes one `ifreq`, which has 40 bytes; `request` has as many and outlives the call.
    let made = unsafe { ioctl(&file, Setter::<TUNSETIFF, [u8; 40]>::new(request)) };
    made.map_err(|why| Trouble::File { path: name.into(), cause: why.into() })?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_frame_is_late_by_the_delay_and_waits_for_those_before_it() {
        let now = Instant::now();
        let mut pace = Pace::new(Slow { delay_ms: 30, rate_kbit_s: 8_000, loss_percent: 0 }, now);
        let after = |ms| Some(now + Duration::from_millis(ms));
        assert_eq!(pace.due(now, 1_000), after(31), "a thousand bytes take a millisecond");
        assert_eq!(pace.due(now, 1_000), after(32));
        assert_eq!(pace.due(now + Duration::from_millis(500), 1_000), after(531), "nobody is before it");
    }

    #[test]
    fn what_comes_to_a_full_line_is_lost_and_without_a_rate_none_is_full() {
        let now = Instant::now();
        let mut pace = Pace::new(Slow { rate_kbit_s: 8, ..Slow::default() }, now);
        assert!(pace.due(now, 1_000).is_some());
        assert!(pace.due(now, 1_000).is_none(), "the one before takes a second");
        let mut free = Pace::new(Slow { delay_ms: 400, ..Slow::default() }, now);
        assert!((0..10_000).all(|_| free.due(now, 1_500) == Some(now + Duration::from_millis(400))));
    }
}
