//! The command line of `hostler-testbed`: a test host by hand, a simulated fleet, benches.

use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use clap::{Parser, Subcommand, ValueEnum};
use hostler_client::{Authority, Client, Config};

use crate::bench::{Benches, measure};
use crate::commands::program;
use crate::first::{First, run_first};
use crate::fleet::Fleet;
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
    /// Run agents on simulated hosts until Ctrl-C. The server's token is taken from HOSTLER_TOKEN.
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
    #[arg(long, value_name = "HOST[:PORT]")]
    server: String,
    /// The server's address for agents.
    #[arg(long, value_name = "HOST:PORT")]
    agents: String,
    /// The file with the authority's certificate.
    #[arg(long, value_name = "FILE")]
    ca: PathBuf,
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
    let pem = std::fs::read_to_string(&simulate.ca).map_err(Trouble::file(&simulate.ca))?;
    let config = Config {
        server: simulate.server.clone(),
        authority: Authority::from_pem(&pem)?,
        token: std::env::var("HOSTLER_TOKEN").ok(),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(Trouble::file("runtime"))?.block_on(async {
        let client = Client::new(config)?;
        let mut fleet = Fleet::default();
        fleet.join(&client, &simulate.agents, simulate.hosts, simulate.vms).await?;
        println!("{} hosts with {} machines are connected. Ctrl-C ends them.", simulate.hosts, simulate.vms);
        tokio::signal::ctrl_c().await.map_err(Trouble::file("signals"))
    })
}
