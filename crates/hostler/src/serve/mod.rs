//! What starts and stops a server: `hostler server run` in the foreground, `hostler up` and `hostler down` for a server
//! and an agent on this computer. Nothing here is needed to use a server; the command line alone is built without it.

mod addresses;
mod caller;
mod checks;
mod down;
mod layout;
mod process;
mod run;
mod up;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use crate::cli::failure::Failure;

/// Where the server listens for browsers and the command line.
pub const LISTEN: &str = "127.0.0.1:8470";
/// Where the server listens for agents.
pub const AGENT_LISTEN: &str = "127.0.0.1:8471";

/// Runs the server in the foreground until it is told to stop (SIGTERM, Ctrl-C).
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  hostler server run
  hostler server run --state /srv/hostler --listen 0.0.0.0:8470 --agent-listen 0.0.0.0:8471 --name manager.example.org
  HOSTLER_LOG=debug hostler server run")]
pub struct RunArgs {
    /// The folder that holds the store, the authority and backups.
    #[arg(long, value_name = "DIR", default_value = layout::SERVER_STATE)]
    pub state: PathBuf,
    /// Where browsers and the command line connect.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = LISTEN)]
    pub listen: SocketAddr,
    /// Where agents connect.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = AGENT_LISTEN)]
    pub agent_listen: SocketAddr,
    /// A name or address by which this computer is reached; it stands in the server's certificate. May be repeated.
    #[arg(long = "name", value_name = "NAME")]
    pub names: Vec<String>,
    /// The agent program to install on managed computers; by default hostler-agent beside this program.
    #[arg(long, value_name = "FILE")]
    pub agent_program: Option<PathBuf>,
}

/// Starts a server and an agent on this computer, with nothing to configure. Run again, it finds what is there.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  sudo hostler up
  sudo hostler up --state /srv/hostler
  sudo hostler up --listen 0.0.0.0:8470 --agent-listen 0.0.0.0:8471")]
pub struct UpArgs {
    /// Put all state below this folder: server, agent, library. By default each has its place below /var/lib.
    #[arg(long, value_name = "DIR")]
    pub state: Option<PathBuf>,
    /// Where browsers and the command line connect; by default as the last time, at first 127.0.0.1:8470.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Option<SocketAddr>,
    /// Where agents connect; by default as the last time, at first 127.0.0.1:8471.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub agent_listen: Option<SocketAddr>,
    /// Say how long each phase took.
    #[arg(long)]
    pub times: bool,
}

/// Stops the server and the agent that `hostler up` started. Machines run on.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  sudo hostler down
  sudo hostler down --vms
  sudo hostler down --state /srv/hostler")]
pub struct DownArgs {
    /// The folder that was given to `hostler up`.
    #[arg(long, value_name = "DIR")]
    pub state: Option<PathBuf>,
    /// Shut the machines down first, and wait for their guests.
    #[arg(long)]
    pub vms: bool,
    /// How long guests may take with --vms, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 120, value_parser = clap::value_parser!(u32).range(5..=3600))]
    pub limit: u32,
}

/// Puts a backup in the place of a stopped server's store. What was there is kept beside it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  hostler server restore /var/backups/hostler-2026-11-20.db
  hostler server restore backup.db --state /srv/hostler/server")]
pub struct RestoreArgs {
    /// The backup, as `hostler server backup` wrote it.
    pub backup: PathBuf,
    /// The server's state folder.
    #[arg(long, value_name = "DIR", default_value = layout::SERVER_STATE)]
    pub state: PathBuf,
}

/// Restores a backup.
///
/// # Errors
/// When a server has the store, or the file is no backup; the store is then as it was.
pub fn restore(args: &RestoreArgs) -> Result<(), Failure> {
    let store = args.state.join("store.db");
    let kept = hostler_server::store::restore(&args.backup, &store).map_err(|cause| {
        here(args.backup.display(), cause, "Stop the server (hostler down), and name a backup that it wrote")
    })?;
    println!("Restored {} to {}.", args.backup.display(), store.display());
    if let Some(kept) = kept {
        println!("What was there is kept in {}.", kept.display());
    }
    println!(
        "Jobs that were unfinished then end at the next start; every host is looked at anew before it is touched."
    );
    Ok(())
}

/// Runs the server in the foreground.
///
/// # Errors
/// When it cannot start, in words.
pub fn run(args: RunArgs) -> Result<(), Failure> {
    run::run(args)
}

/// Starts server and agent.
///
/// # Errors
/// When something is in the way: said before anything is changed where it can be known before.
pub fn up(args: &UpArgs) -> Result<(), Failure> {
    up::up(args)
}

/// Stops server and agent.
///
/// # Errors
/// When one does not stop, or, with `--vms`, a guest does not shut down: then nothing else is stopped.
pub fn down(args: &DownArgs) -> Result<(), Failure> {
    down::down(args)
}

/// Something on this computer is in the way: the object, the cause, the remedy.
fn here(object: impl std::fmt::Display, cause: impl std::fmt::Display, remedy: &str) -> Failure {
    Failure::Here(format!("{object}: {cause}\nremedy: {remedy}"))
}
