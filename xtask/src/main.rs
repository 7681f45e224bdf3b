//! Developer commands: `cargo xtask <command>`. It depends on nothing of libvirt and on little else, so that it
//! builds on a fresh Debian with only Rust and a C compiler, and can install the rest. It is no part of Hostler;
//! nothing depends on it.

mod bench;
mod commands;
mod demo;
mod docs;
mod fleet;
mod fuzz_api;
mod packages;
#[cfg(test)]
mod rules;
mod site;
mod soak;
mod test;
mod tiny_linux;
mod tree;
mod trouble;
mod up;
mod web;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::packages::{Group, Manners};
use crate::trouble::Trouble;

/// Developer commands of Hostler.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Developer,
}

#[derive(Subcommand)]
enum Developer {
    /// Say which system packages Hostler needs, and install the missing ones.
    ///
    /// Plain names go first, without recommended packages. Where an installed package is newer than what the
    /// release offers and the others do not fit beside it, it is named, and replaced only with --allow-downgrades.
    Packages {
        /// List what is missing and stop.
        #[arg(long)]
        no_install: bool,
        /// Let an installed package be replaced by the release's older one where nothing else fits.
        #[arg(long)]
        allow_downgrades: bool,
    },
    /// Measure the whole program against what one would do without it, in a release build; needs root.
    ///
    /// The table is printed and kept in target/bench.md.
    Bench {
        /// Which: start, deploy, list, memory, jobs, size; all of them when absent. Or console: figures of the
        /// console over 20,000 machines, in Chromium.
        names: Vec<String>,
        /// How many pairs, or runs.
        #[arg(long, default_value_t = 20)]
        runs: u32,
    },
    /// Show on this computer what Hostler does, and how long each takes; needs root.
    Demo {
        /// Which: fleet makes three test hosts, ten machines over two host groups, moves one while it runs, cuts a host
        /// off and heals it.
        #[arg(value_parser = ["fleet"])]
        name: String,
    },
    /// Tell the long stories of faults; needs root.
    ///
    /// First libvirtd, agent and server are killed at moments spread over creating, starting and deleting machines;
    /// then a fleet of three hosts with mixed work is struck by one fault after another from a seed.
    Soak {
        /// At how many moments each is killed; 20 where nothing is said, none with --faults.
        #[arg(long)]
        kills: Option<u32>,
        /// How many faults strike the fleet; 50 where nothing is said, none with --kills.
        #[arg(long)]
        faults: Option<u32>,
        /// The seed of the faults and of the work; one by the clock, which is printed, where nothing is said.
        #[arg(long)]
        seed: Option<u64>,
    },
    /// Ask a real server, with a simulated host, whatever its OpenAPI document lets one ask: as administrator, as a
    /// reader, and as nobody. Installs schemathesis below target/ at first.
    FuzzApi {
        /// About how long; a short run where nothing is said.
        #[arg(long)]
        minutes: Option<u32>,
    },
    /// Build a tiny bootable Linux disk (qcow2), or find the one built before, and print its path.
    TinyLinux {
        /// Put a copy of the disk here.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// From nothing to a running machine: packages, console, build, server and agent, a tiny Linux, a template, a machine.
    Up {
        /// List the system packages that are missing and stop.
        #[arg(long)]
        no_install: bool,
        /// Let an installed package be replaced by the release's older one where nothing else fits.
        #[arg(long)]
        allow_downgrades: bool,
        /// Put all state below this folder rather than below /var/lib.
        #[arg(long, value_name = "DIR")]
        state: Option<PathBuf>,
        /// Where browsers and the command line connect.
        #[arg(long, value_name = "ADDRESS:PORT")]
        listen: Option<String>,
        /// Where agents connect.
        #[arg(long, value_name = "ADDRESS:PORT")]
        agent_listen: Option<String>,
    },
    /// Take pictures of every page of the console into docs/screenshots, wide and narrow, light and dark; needs root.
    Shots,
    /// Build the documentation as a site, with search, to be read from disk: target/site/index.html.
    Site,
    /// Write anew what in docs/ is made from the code: reference pages, OpenAPI, rights, and the console's types.
    Docs,
    /// Tell stories of a simulated fleet from seeds, and see that its invariants hold.
    #[command(disable_help_flag = true, allow_hyphen_values = true)]
    Sim {
        /// What the simulator is told: --seeds N, --from S, --story S, --mutants.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Run everything that CI runs: packages, format, lints, rules, and all tests.
    Test {
        /// Run these phases alone (repeat the flag or part the names by commas).
        #[arg(long, value_name = "PHASE", value_delimiter = ',')]
        only: Vec<String>,
        /// List the phases and stop.
        #[arg(long)]
        list: bool,
        /// Let an installed package be replaced by the release's older one where nothing else fits.
        #[arg(long)]
        allow_downgrades: bool,
    },
    /// What a phase does on a computer of the testbed.
    #[command(hide = true)]
    OnComputer {
        /// The phase.
        what: OnComputer,
    },
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum OnComputer {
    /// Browser stories.
    Browser,
    /// Pictures of the console's pages.
    Shots,
    /// The commands of the documentation.
    Pages,
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(trouble) => {
            eprintln!("{trouble}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Developer) -> Result<(), Trouble> {
    match command {
        Developer::Packages { no_install, allow_downgrades } => {
            packages::ensure(&Group::ALL, Manners { only_list: no_install, allow_downgrades })?;
        }
        Developer::Up { no_install, allow_downgrades, state, listen, agent_listen } => {
            let manners = Manners { only_list: no_install, allow_downgrades };
            up::up(&up::Wishes { manners, state, listen, agent_listen })?;
        }
        Developer::Docs => docs::write()?,
        Developer::Sim { arguments } => sim(&arguments)?,
        Developer::Test { list: true, .. } => test::list(),
        Developer::Test { only, allow_downgrades, .. } => {
            test::run(&only, Manners { only_list: false, allow_downgrades })?;
        }
        Developer::OnComputer { what: OnComputer::Browser } => test::browser::inside("e2e")?,
        Developer::OnComputer { what: OnComputer::Shots } => test::browser::inside("shots")?,
        Developer::Shots => test::browser::pictures()?,
        Developer::OnComputer { what: OnComputer::Pages } => test::pages::inside()?,
        Developer::Site => println!("{}", site::build()?.display()),
        Developer::Bench { names, runs } => bench::run(&names, runs)?,
        Developer::Demo { name } => demo::run(&name)?,
        Developer::Soak { kills, faults, seed } => soak::run(kills, faults, seed)?,
        Developer::FuzzApi { minutes } => fuzz_api::run(minutes, &mut std::io::stdout())?,
        Developer::TinyLinux { out: Some(out) } => tiny_linux::build_to(&out)?,
        Developer::TinyLinux { out: None } => println!("{}", tiny_linux::build()?.display()),
    }
    Ok(())
}

/// The simulator, built to be quick, in the place of this process's own output.
fn sim(arguments: &[String]) -> Result<(), Trouble> {
    let mut cargo = commands::command(&["cargo", "run", "--quiet", "--release", "-p", "hostler-sim", "--"]);
    cargo.args(arguments);
    let ended = cargo.current_dir(tree::top()).status();
    match ended {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => {
            Err(Trouble::new("The simulator found something, or could not run.", "Read what it said above."))
        }
        Err(error) => Err(Trouble::new(format!("cargo could not be started: {error}."), "Install Rust.")),
    }
}
