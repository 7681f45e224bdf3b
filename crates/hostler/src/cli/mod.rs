//! The command line: nouns and verbs. Each noun's file holds its commands, their help, and what they do.

pub mod failure;
pub mod follow;
pub mod format;
pub mod here;
pub mod show;
pub mod values;

mod agent;
pub mod complete;
mod context;
mod folders;
mod host;
mod host_add;
mod host_group;
mod host_show;
mod job;
mod library;
pub mod list;
mod login;
pub mod man;
mod network;
mod performance;
mod refresher;
mod reserve;
mod server;
mod template;
mod token;
mod upload;
mod user;
mod view;
mod vm;
mod watch;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use failure::Failure;
use here::{Global, Here};
use show::note;

/// What is written below the help of the whole.
pub const EXAMPLES: &str = "Examples:
  hostler login https://manager:8470
  hostler vm create web-1 --template tiny-linux --start
  hostler vm list --filter 'status=running,name~web*'
  hostler job show 42

Exit codes: 0 done, 1 the job failed, 2 the command makes no sense, 3 refused by the state of things, 4 not found,
5 not allowed or not signed in, 6 the server cannot be reached, 130 interrupted (the job goes on).

Environment: HOSTLER_SERVER, HOSTLER_TOKEN, HOSTLER_CA stand for --server, the token, and --ca; with NO_COLOR nothing is
coloured.

Completions of commands and of the names of things: `hostler completions --help`. Man pages: `hostler man --help`.";

/// Manage virtual machines
#[derive(Parser)]
#[command(name = "hostler", version, about = "Manage hosts and the virtual machines that stay on them", after_help = EXAMPLES, max_term_width = 110, infer_subcommands = false)]
pub struct Cli {
    /// What can be said with every command.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Commands,
}

/// The nouns.
#[derive(Subcommand)]
pub enum Commands {
    /// Sign in to a server
    #[command(after_help = login::LOGIN_EXAMPLES)]
    Login(login::Login),
    /// Sign out, and forget the token
    #[command(after_help = "Examples:\n  hostler logout\n  hostler logout --context lab")]
    Logout,
    /// Contexts: the servers that you work with
    #[command(subcommand)]
    Context(context::Commands),
    /// Virtual machines
    #[command(subcommand)]
    Vm(vm::Commands),
    /// Hosts
    #[command(subcommand)]
    Host(host::Commands),
    /// Groups of hosts: a tree under All Hosts
    #[command(subcommand)]
    HostGroup(host_group::Commands),
    /// Networks: those of one name on several hosts are one
    #[command(subcommand)]
    Network(network::Commands),
    /// Library shares: folders with disks and ISO images
    #[command(subcommand)]
    LibraryShare(library::Shares),
    /// Library items: what lies in the shares
    #[command(subcommand)]
    LibraryItem(library::Items),
    /// Templates
    #[command(subcommand)]
    Template(template::Commands),
    /// Jobs: what was asked, and what became of it
    #[command(subcommand)]
    Job(job::Commands),
    /// Agents: the managed computers
    #[command(subcommand)]
    Agent(agent::Commands),
    /// Refreshers: what looks at hosts and library shares by the clock
    #[command(subcommand)]
    Refresher(refresher::Commands),
    /// Users
    #[command(subcommand)]
    User(user::Commands),
    /// Tokens: what scripts sign in with
    #[command(subcommand)]
    Token(token::Commands),
    /// Saved views: what a page of the console shows, under a name
    #[command(subcommand)]
    View(view::Commands),
    /// The server itself
    #[command(subcommand)]
    Server(server::Commands),
    /// Start a server and an agent on this computer, with nothing to configure
    #[cfg(feature = "server")]
    Up(crate::serve::UpArgs),
    /// Stop the server and the agent that `hostler up` started; machines run on
    #[cfg(feature = "server")]
    Down(crate::serve::DownArgs),
    /// Watch changes as they happen
    #[command(after_help = watch::EXAMPLES)]
    Watch(watch::Watch),
    /// Write what completes commands, options and the names of things in a shell
    #[command(after_help = complete::EXAMPLES)]
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
    /// Write the man pages, one for each command
    #[command(after_help = man::EXAMPLES)]
    Man {
        /// Into this folder; it is made where it is missing
        #[arg(long, value_name = "DIR")]
        out: std::path::PathBuf,
    },
}

/// The program: reads its arguments, does what they say, ends with the code that tells what became of it.
pub fn main() -> ExitCode {
    complete::answer();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { failure::USAGE } else { failure::DONE });
        }
    };
    match begin(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            for line in failure.lines() {
                note(line);
            }
            ExitCode::from(failure.exit_code())
        }
    }
}

/// What starts and stops servers is done by itself; all else asks one, which takes a runtime, and no more than one
/// thread.
fn begin(cli: Cli) -> Result<(), Failure> {
    #[cfg(feature = "server")]
    let cli = match cli.command {
        Commands::Server(server::Commands::Run(args)) => return crate::serve::run(args),
        Commands::Server(server::Commands::Restore(args)) => return crate::serve::restore(&args),
        Commands::Up(args) => return crate::serve::up(&args),
        Commands::Down(args) => return crate::serve::down(&args),
        command => Cli { command, ..cli },
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|cause| Failure::Here(format!("runtime: {cause}")))?.block_on(run(cli))
}

/// Does what a command line says, where that is asking a server.
///
/// # Errors
/// As the command fails.
pub async fn run(cli: Cli) -> Result<(), Failure> {
    let here = Here::new(cli.global);
    match cli.command {
        Commands::Login(login) => login::login(&here, login).await,
        Commands::Logout => login::logout(&here).await,
        Commands::Context(command) => context::run(&here, command),
        Commands::Vm(command) => vm::run(&here, command).await,
        Commands::Host(command) => host::run(&here, command).await,
        Commands::HostGroup(command) => host_group::run(&here, command).await,
        Commands::Network(command) => network::run(&here, command).await,
        Commands::LibraryShare(command) => library::run_shares(&here, command).await,
        Commands::LibraryItem(command) => library::run_items(&here, command).await,
        Commands::Template(command) => template::run(&here, command).await,
        Commands::Job(command) => job::run(&here, command).await,
        Commands::Agent(command) => agent::run(&here, command).await,
        Commands::Refresher(command) => refresher::run(&here, command).await,
        Commands::User(command) => user::run(&here, command).await,
        Commands::Token(command) => token::run(&here, command).await,
        Commands::Server(command) => server::run(&here, command).await,
        #[cfg(feature = "server")]
        Commands::Up(_) | Commands::Down(_) => Ok(()),
        Commands::Watch(command) => watch::run(&here, command).await,
        Commands::View(command) => view::run(&here, command).await,
        Commands::Completions { shell } => show::out(complete::script(shell)?),
        Commands::Man { out } => man::write(&here, &out),
    }
}
