//! The command line of `hostler-testbed`: a test host by hand, a simulated fleet, benches.

use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use clap::{Parser, Subcommand, ValueEnum};
use hostler_client::{Authority, Client, Config};

use crate::alone::Alone;
use crate::bench::{Benches, measure};
use crate::commands::program;
use crate::first::{First, run_first};
use crate::fleet::{Fleet, Wanted, live, populate};
use crate::ground::Ground;
use crate::host::Host;
use crate::process::Process;
use crate::trouble::{Result, Trouble};

/// Test hosts in namespaces of this computer, and simulated fleets. As root.
#[derive(Debug, Parser)]
#[command(
    name = "hostler-testbed",
    version,
    after_help = "Examples:
  hostler-testbed up
  hostler-testbed virsh list --all
  hostler-testbed kill libvirtd
  hostler-testbed power off
  hostler-testbed down
  hostler-testbed run -- hostler up
  hostler-testbed simulate --hosts 200 --vms 20000 --alone /tmp/fleet --changes-per-s 20
  hostler-testbed simulate --hosts 20 --vms 1000 --server manager --agents manager:8471 --ca authority.crt"
)]
struct Cli {
    #[command(subcommand)]
    command: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Make a test host with a libvirt of its own; it stays until `down`.
    Up {
        #[command(flatten)]
        which: Which,
        /// Enrol an agent on it with this server, and start it. The server must listen where the host reaches it.
        #[arg(long, value_name = "HOST:PORT", requires = "token_file")]
        server: Option<String>,
        /// The file with the enrolment token.
        #[arg(long, value_name = "FILE")]
        token_file: Option<PathBuf>,
    },
    /// Run virsh on it.
    #[command(trailing_var_arg = true, allow_hyphen_values = true)]
    Virsh {
        /// What virsh is told.
        words: Vec<String>,
        #[command(flatten)]
        which: Which,
    },
    /// Run a shell on it, or a script.
    Shell {
        /// The script.
        script: Option<String>,
        #[command(flatten)]
        which: Which,
    },
    /// Kill something on it with SIGKILL.
    Kill {
        /// What.
        what: Part,
        #[command(flatten)]
        which: Which,
    },
    /// Start something on it again.
    Start {
        /// What.
        what: Part,
        #[command(flatten)]
        which: Which,
    },
    /// Cut its power, or boot it.
    Power {
        /// Which of both.
        switch: Switch,
        #[command(flatten)]
        which: Which,
    },
    /// Take it down, with its machines and its folder.
    Down {
        #[command(flatten)]
        which: Which,
    },
    /// Run a program on a fresh computer that has nothing of Hostler and a libvirt of its own, and is gone when the
    /// program has ended, with all that it started. Its only network is its own.
    #[command(trailing_var_arg = true, allow_hyphen_values = true)]
    Run {
        /// The program and its arguments.
        #[arg(required = true)]
        words: Vec<String>,
    },
    /// Run agents on simulated hosts until Ctrl-C, with machines as large installations have them. The server's token is
    /// taken from HOSTLER_TOKEN.
    Simulate(Simulate),
    /// Measure the whole program; `cargo xtask bench` builds what it needs.
    Bench(Benches),
    /// The first process of a test host.
    #[command(hide = true)]
    FirstProcess(First),
    /// Lives as long as a test host's ground is in use.
    #[command(hide = true)]
    Hold,
}

/// Which test host.
#[derive(Debug, clap::Args)]
struct Which {
    /// Its name.
    #[arg(long = "host", value_name = "NAME", default_value = "test-host")]
    name: String,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Part {
    /// The agent.
    Agent,
    /// libvirtd.
    Libvirtd,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Switch {
    /// As a plug that is pulled.
    Off,
    /// Boot: libvirtd, and the agent where there is one.
    On,
}

/// A simulated fleet.
#[derive(Debug, clap::Args)]
struct Simulate {
    /// How many hosts.
    #[arg(long)]
    hosts: usize,
    /// How many machines on all of them together.
    #[arg(long)]
    vms: usize,
    /// The server's address for users.
    #[arg(long, value_name = "HOST[:PORT]", required_unless_present = "alone", requires = "agents")]
    server: Option<String>,
    /// The server's address for agents.
    #[arg(long, value_name = "HOST:PORT", requires = "ca")]
    agents: Option<String>,
    /// The file with the authority's certificate.
    #[arg(long, value_name = "FILE", requires = "server")]
    ca: Option<PathBuf>,
    /// Start a server of its own on free ports of this computer, with all of its state in this folder; it ends with the
    /// fleet.
    #[arg(long, value_name = "DIR", conflicts_with = "server")]
    alone: Option<PathBuf>,
    /// How many changes a second happen once all machines are there, most of them on the hosts.
    #[arg(long, value_name = "N", default_value_t = 0.0)]
    changes_per_s: f64,
    /// What the fleet follows from: the same number is the same fleet.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Write where the server is, and a token, into this file once all machines are there.
    #[arg(long, value_name = "FILE", requires = "alone")]
    ready: Option<PathBuf>,
}

/// Runs the command line of this process.
///
/// # Errors
/// In words.
pub fn main() -> Result<()> {
    match Cli::parse().command {
        Verb::FirstProcess(first) => run_first(&first),
        Verb::Hold => loop {
            std::thread::park();
        },
        Verb::Up { which, server, token_file } => up(&which.name, server.zip(token_file)),
        Verb::Virsh { words, which } => become_inside(
            &which,
            &[
                &["virsh", "-c", "qemu:///system"],
                words.iter().map(String::as_str).collect::<Vec<_>>().as_slice(),
            ]
            .concat(),
        ),
        Verb::Shell { script: Some(script), which } => become_inside(&which, &["sh", "-ec", &script]),
        Verb::Shell { script: None, which } => become_inside(&which, &["bash"]),
        Verb::Kill { what, which } => on(&which, |host| match what {
            Part::Agent => host.agent_kill(),
            Part::Libvirtd => host.libvirtd_kill(),
        }),
        Verb::Start { what, which } => on(&which, |host| match what {
            Part::Agent => host.agent_start(),
            Part::Libvirtd => host.libvirtd_start(),
        }),
        Verb::Power { switch, which } => on(&which, |host| match switch {
            Switch::Off => host.power_off(),
            Switch::On => host.boot(),
        }),
        Verb::Down { which } => down(&which.name),
        Verb::Run { words } => run_alone(&words),
        Verb::Simulate(simulate) => run_fleet(&simulate),
        Verb::Bench(benches) => measure(&benches),
    }
}

fn up(name: &str, agent: Option<(String, PathBuf)>) -> Result<()> {
    if Ground::with(name).is_ok() {
        return Err(Trouble::Host {
            name: name.into(),
            is: "there already; hostler-testbed down removes it",
        });
    }
    let mut ground = Ground::claim()?;
    let holder = Command::new(program("hostler-testbed")?)
        .arg("hold")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .map_err(Trouble::file("hostler-testbed"))?;
    let gone = || Trouble::Answer("the process that holds the ground has ended".into());
    let holder = i32::try_from(holder.id()).ok().and_then(Process::of).ok_or_else(gone)?;
    ground.leave_to(holder)?;
    let made = make(&ground, name, agent);
    if made.is_err() {
        holder.kill();
        ground.give_up();
    }
    made
}

fn make(ground: &Ground, name: &str, agent: Option<(String, PathBuf)>) -> Result<()> {
    let mut host = Host::make(ground, name, 2, true)?;
    let begun = host.boot().and_then(|()| match agent {
        None => Ok(()),
        Some((server, file)) => {
            let token = std::fs::read_to_string(&file).map_err(Trouble::file(&file))?;
            host.agent_enrol(&server, token.trim())?;
            host.agent_start()
        }
    });
    if let Err(why) = begun {
        let _ = host.power_off();
        return Err(why);
    }
    println!("Host {name} is up at {}; this computer is {} for it.", host.address(), ground.address());
    println!("Its folder is {}. Next: hostler-testbed virsh list --all", host.folder().display());
    Ok(())
}

fn down(name: &str) -> Result<()> {
    let (mut ground, holder) = Ground::with(name)?;
    Host::find(&ground, name)?.power_off()?;
    ground.give_up();
    drop(ground);
    holder.kill();
    Ok(())
}

fn on(which: &Which, what: impl FnOnce(&mut Host) -> Result<()>) -> Result<()> {
    let (ground, _) = Ground::with(&which.name)?;
    what(&mut Host::find(&ground, &which.name)?)
}

/// Becomes a program inside: its terminal and its exit code are that program's.
fn become_inside(which: &Which, words: &[&str]) -> Result<()> {
    let (ground, _) = Ground::with(&which.name)?;
    let why = Host::find(&ground, &which.name)?.command(words)?.exec();
    Err(Trouble::File { path: "nsenter".into(), cause: why })
}

/// Runs a program on a fresh computer; contexts of the command line are that computer's own, too.
fn run_alone(words: &[String]) -> Result<()> {
    let ground = Ground::claim()?;
    let mut host = Host::make(&ground, "host-a", 2, false)?;
    host.be_fresh();
    host.power_on()?;
    let here = std::env::current_dir().map_err(Trouble::file("."))?;
    // To enter another's view of files is to leave one's folder.
    let chdir = format!("--chdir={}", here.display());
    let config = format!("XDG_CONFIG_HOME={}", host.scratch("config")?.display());
    let mut command = host.command(&["env", &chdir, &config])?;
    let ended = command.args(words).status().map_err(Trouble::file("nsenter"))?;
    if ended.success() {
        return Ok(());
    }
    Err(Trouble::Program { line: words.join(" "), said: ended.to_string() })
}

fn run_fleet(simulate: &Simulate) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(Trouble::file("runtime"))?.block_on(async {
        let alone = match &simulate.alone {
            Some(state) => Some(Alone::start(state).await?),
            None => None,
        };
        let (client, agents) = match &alone {
            Some(alone) => (alone.client()?, alone.about.agents.clone()),
            None => (client(simulate)?, simulate.agents.clone().unwrap_or_default()),
        };
        let wanted = Wanted { hosts: simulate.hosts, vms: simulate.vms, seed: simulate.seed };
        let mut fleet = Fleet::default();
        populate(&mut fleet, &client, &agents, wanted, |said| println!("{said}")).await?;
        if let Some(alone) = &alone {
            let about = serde_json::to_string(&alone.about).unwrap_or_default();
            println!("The server is {}, its state {}.", alone.about.server, alone.about.state.display());
            if let Some(ready) = &simulate.ready {
                // Whoever waits for the file finds it whole.
                let part = ready.with_extension("part");
                std::fs::write(&part, about).map_err(Trouble::file(&part))?;
                std::fs::rename(&part, ready).map_err(Trouble::file(ready))?;
            }
        }
        println!("{} hosts with {} machines are connected. Ctrl-C ends them.", simulate.hosts, simulate.vms);
        let living = async {
            if simulate.changes_per_s > 0.0 {
                live(&fleet, &client, simulate.changes_per_s, simulate.seed).await;
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = living => Ok(()),
            ended = tokio::signal::ctrl_c() => ended.map_err(Trouble::file("signals")),
        }
    })
}

fn client(simulate: &Simulate) -> Result<Client> {
    let ca = simulate.ca.clone().unwrap_or_default();
    let pem = std::fs::read_to_string(&ca).map_err(Trouble::file(&ca))?;
    let server = simulate.server.clone().unwrap_or_default();
    let token = std::env::var("HOSTLER_TOKEN").ok();
    Ok(Client::new(Config { server, authority: Authority::from_pem(&pem)?, token })?)
}
