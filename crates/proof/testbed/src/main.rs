//! The binary `hostler-testbed`.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use hostler_testbed::First;

#[derive(Debug, Parser)]
#[command(name = "hostler-testbed", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The first process of a test host.
    #[command(hide = true)]
    FirstProcess(First),
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::FirstProcess(first) => hostler_testbed::run_first(&first),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("hostler-testbed: {why}");
            ExitCode::FAILURE
        }
    }
}
