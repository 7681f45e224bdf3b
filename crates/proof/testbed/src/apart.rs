//! A network of its own for a program and all that it starts: loopback, what it makes itself, and no way out.

use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::trouble::{Result, Trouble};

/// Becomes a program in a network of its own. What it must not find is what it could reach by mistake; files, processes
/// and users are as they were.
///
/// # Errors
/// Not root, or the program cannot be started.
pub(crate) fn run_apart(words: &[String]) -> Result<()> {
    let mut command = Command::new("unshare");
    command.args(["-n", "--", "sh", "-c", r#"ip link set lo up && exec "$@""#, "apart"]).args(words);
    // Cargo would else wait for a registry that it cannot reach.
    command.env("CARGO_NET_OFFLINE", "true");
    Err(Trouble::File { path: "unshare".into(), cause: command.exec() })
}
