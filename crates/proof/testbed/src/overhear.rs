//! What goes by on a host's network, for whoever wants to know whether it could be read there.

use std::io::Write;

use rustix::net::sockopt::set_socket_recv_buffer_size_force;
use rustix::net::{AddressFamily, RecvFlags, SocketType, eth, recv, socket};

use crate::trouble::{Result, Trouble};

/// The longest frame that is taken whole: what the kernel puts together of many.
const LONGEST: usize = 128 << 10;

/// What may wait to be heard, in bytes: a whole machine's memory goes by faster than it is looked through.
const WAITING: usize = 1 << 30;

/// Texts that are listened for.
#[derive(Debug, clap::Args)]
pub struct Overhear {
    /// Each is written down when it goes by for the first time.
    #[arg(required = true)]
    texts: Vec<String>,
}

/// Listens to all adapters of the network namespace, until it is killed.
///
/// # Errors
/// It may not listen.
pub(crate) fn run_overhear(overhear: &Overhear) -> Result<()> {
    let said = |why: rustix::io::Errno| Trouble::Answer(format!("it cannot listen: {why}"));
    let ear = socket(AddressFamily::PACKET, SocketType::RAW, Some(eth::ALL)).map_err(said)?;
    set_socket_recv_buffer_size_force(&ear, WAITING).map_err(said)?;
    say("listens");
    let mut left: Vec<&str> = overhear.texts.iter().map(String::as_str).collect();
    let mut frame = vec![0; LONGEST];
    loop {
        let (length, _) = recv(&ear, frame.as_mut_slice(), RecvFlags::empty()).map_err(said)?;
        left.retain(|text| {
            let heard = memchr::memmem::find(&frame[..length], text.as_bytes()).is_some();
            if heard {
                say(text);
            }
            !heard
        });
    }
}

/// At once, since it is killed in the end.
fn say(what: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{what}").and_then(|()| out.flush());
}
