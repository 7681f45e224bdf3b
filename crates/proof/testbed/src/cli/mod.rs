//! The command line of `hostler-testbed`: test hosts by hand, a simulated fleet, benches.

mod standing;

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};
use hostler_client::{Authority, Client, Config};

use crate::alone::Alone;
use crate::apart::run_apart;
use crate::bench::{Benches, measure};
use crate::carry::{Carry, run_carry};
use crate::clearing::{Warden, run_warden};
use crate::computer::Manner;
use crate::demo::{Demo, show};
use crate::first::{First, run_first};
use crate::fleet::{Fleet, Wanted, get_into_trouble, live, populate};
use crate::ground::Ground;
use crate::host::Host;
use crate::line::{Line, Slow, run_line};
use crate::overhear::{Overhear, run_overhear};
use crate::trouble::{Result, Trouble};
use crate::versions::{AgentOf, run_agent_of};

use standing::{Bed, Part, Up, Which, become_hostler, become_inside};

/// Test hosts in namespaces of this computer, and simulated fleets. As root.
///
/// A testbed is a server and hosts on a network of their own. Each host has network, mounts, name and processes of its
/// own, a libvirtd and an agent, a folder of its own and one that all share.
#[derive(Debug, Parser)]
#[command(
    name = "hostler-testbed",
    version,
    after_help = "Examples:
  hostler-testbed up --hosts 3
  hostler-testbed list
  hostler-testbed hostler vm list
  hostler-testbed cut --host b
  hostler-testbed heal --host b
  hostler-testbed power off --host c
  hostler-testbed down
  hostler-testbed run -- hostler up
  hostler-testbed apart -- cargo nextest run -p hostler-testbed --run-ignored only
  hostler-testbed simulate --hosts 200 --vms 20000 --alone /tmp/fleet --changes-per-s 20
  hostler-testbed simulate --hosts 20 --vms 1000 --server manager --agents manager:8471 --ca authority.crt"
)]
struct Cli {
    #[command(subcommand)]
    command: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Make a testbed: a server and hosts whose agents are enrolled with it. It stays until `down`.
    #[command(after_help = "Examples:
  hostler-testbed up --hosts 3
  hostler-testbed up --hosts 2 --bare --testbed other
  hostler-testbed up --server 198.51.100.7:8471 --token-file token")]
    Up(Up),
    /// Show the testbeds that are up: their computers, and what is the matter with each.
    List,
    /// Run Hostler's command line as the administrator of the testbed's server.
    #[command(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        after_help = "Examples:
  hostler-testbed hostler host list
  hostler-testbed hostler vm create web --disk-size 16MiB"
    )]
    Hostler {
        /// What it is told.
        words: Vec<String>,
        #[command(flatten)]
        bed: Bed,
    },
    /// Run virsh on a host.
    #[command(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        after_help = "Examples:
  hostler-testbed virsh --host a list --all"
    )]
    Virsh {
        #[command(flatten)]
        which: Which,
        /// What virsh is told.
        words: Vec<String>,
    },
    /// Run a shell on a host, or a script.
    #[command(after_help = "Examples:
  hostler-testbed shell --host a
  hostler-testbed shell --host a 'ip address'")]
    Shell {
        /// The script.
        script: Option<String>,
        #[command(flatten)]
        which: Which,
    },
    /// Pull a host's cable, or let nothing pass between it and one other.
    #[command(after_help = "Examples:
  hostler-testbed cut --host b
  hostler-testbed cut --host a --from b
  hostler-testbed cut --host a --from server")]
    Cut {
        #[command(flatten)]
        which: Which,
        /// From this computer only; both go on to reach everybody else.
        #[arg(long, value_name = "NAME")]
        from: Option<String>,
    },
    /// Plug a host's cable in again, whole and as fast as can be, or let packets pass between it and one other again.
    #[command(after_help = "Examples:
  hostler-testbed heal --host b
  hostler-testbed heal --host a --with server")]
    Heal {
        #[command(flatten)]
        which: Which,
        /// With this computer only; whatever else is wrong with the cable stays.
        #[arg(long, value_name = "NAME")]
        with: Option<String>,
    },
    /// Make a host's cable slow, each way, in place of how slow it was. `heal` makes it fast.
    #[command(after_help = "Examples:
  hostler-testbed slow --host b --delay-ms 50
  hostler-testbed slow --host b --delay-ms 20 --rate-kbit-s 10000 --loss-percent 1")]
    Slow {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        slow: Slow,
    },
    /// Freeze a host: nothing in it runs any more, its machines neither.
    #[command(after_help = "Examples:
  hostler-testbed freeze --host b")]
    Freeze {
        #[command(flatten)]
        which: Which,
    },
    /// Let a frozen host go on where it was.
    #[command(after_help = "Examples:
  hostler-testbed thaw --host b")]
    Thaw {
        #[command(flatten)]
        which: Which,
    },
    /// Kill something on a host with SIGKILL.
    #[command(after_help = "Examples:
  hostler-testbed kill libvirtd --host a
  hostler-testbed kill all --host a
  hostler-testbed kill agent --host server")]
    Kill {
        /// What.
        what: Part,
        #[command(flatten)]
        which: Which,
    },
    /// Start something on a host again.
    #[command(after_help = "Examples:
  hostler-testbed start libvirtd --host a
  hostler-testbed start all --host a")]
    Start {
        /// What.
        what: Part,
        #[command(flatten)]
        which: Which,
    },
    /// Cut a host's power, or boot it.
    #[command(after_help = "Examples:
  hostler-testbed power off --host c
  hostler-testbed power on --host c")]
    Power {
        /// Which of both.
        switch: Switch,
        #[command(flatten)]
        which: Which,
    },
    /// Say whether a machine ever ran on two hosts at once, by what the guests that count said on observed hosts
    /// (`up --observed`, and `count=/dev/ttyS3` in the seed of a tiny Linux). Fails where one did.
    #[command(after_help = "Examples:
  hostler-testbed up --hosts 3 --observed
  hostler-testbed hostler vm create web --template tiny-linux --seed count=/dev/ttyS3 --start
  hostler-testbed twice")]
    Twice {
        #[command(flatten)]
        bed: Bed,
    },
    /// Take a testbed down, with its machines and its folders.
    #[command(after_help = "Examples:
  hostler-testbed down
  hostler-testbed down --testbed other")]
    Down {
        #[command(flatten)]
        bed: Bed,
    },
    /// Run a program on a fresh computer that has nothing of Hostler and a libvirt of its own, and is gone when the
    /// program has ended, with all that it started. Its only network is its own.
    #[command(trailing_var_arg = true, allow_hyphen_values = true)]
    Run {
        /// The program and its arguments.
        #[arg(required = true)]
        words: Vec<String>,
    },
    /// Run a program in a network of its own, with loopback, what it makes itself, and no way out. Stories run so: they
    /// cannot reach an address that is none of theirs.
    #[command(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        after_help = "Examples:
  hostler-testbed apart -- cargo nextest run -p hostler-testbed --run-ignored only"
    )]
    Apart {
        /// The program and its arguments.
        #[arg(required = true)]
        words: Vec<String>,
    },
    /// Run agents on simulated hosts until Ctrl-C, with machines as large installations have them. The server's token is
    /// taken from HOSTLER_TOKEN.
    Simulate(Simulate),
    /// Measure the whole program; `cargo xtask bench` builds what it needs.
    Bench(Benches),
    /// Show what Hostler does, and how long each takes; `cargo xtask demo` builds what it needs.
    #[command(subcommand)]
    Demo(Demo),
    /// The first process of a test host.
    #[command(hide = true)]
    FirstProcess(First),
    /// A slow line.
    #[command(hide = true)]
    Line(Line),
    /// An end of a carried line.
    #[command(hide = true)]
    Carry(Carry),
    /// Says which texts go by on this computer's network; for tests.
    #[command(hide = true)]
    Overhear(Overhear),
    /// An agent that speaks as another version does.
    #[command(hide = true)]
    AgentOf(AgentOf),
    /// Clears a testbed when its owner is gone.
    #[command(hide = true)]
    Warden(Warden),
    /// Lives as long as a test host's ground is in use.
    #[command(hide = true)]
    Hold,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
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
        Verb::Line(line) => run_line(&line),
        Verb::Carry(carry) => run_carry(&carry),
        Verb::Overhear(overhear) => run_overhear(&overhear),
        Verb::AgentOf(agent) => run_agent_of(agent),
        Verb::Warden(warden) => run_warden(&warden),
        Verb::Hold => loop {
            std::thread::park();
        },
        Verb::Up(up) => standing::up(&up),
        Verb::List => {
            standing::list();
            Ok(())
        }
        Verb::Hostler { words, bed } => become_hostler(&bed, &words),
        Verb::Virsh { words, which } => {
            let words = words.iter().map(String::as_str);
            become_inside(
                &which,
                &["virsh", "-c", "qemu:///system"].into_iter().chain(words).collect::<Vec<_>>(),
            )
        }
        Verb::Shell { script: Some(script), which } => become_inside(&which, &["sh", "-ec", &script]),
        Verb::Shell { script: None, which } => become_inside(&which, &["bash"]),
        Verb::Cut { which, from } => standing::cut(&which, from.as_deref()),
        Verb::Heal { which, with } => standing::heal(&which, with.as_deref()),
        Verb::Slow { which, slow } => standing::slow(&which, slow),
        Verb::Freeze { which } => standing::freeze(&which, true),
        Verb::Thaw { which } => standing::freeze(&which, false),
        Verb::Kill { what, which } => standing::kill(&which, what),
        Verb::Start { what, which } => standing::start(&which, what),
        Verb::Power { switch, which } => standing::power(&which, switch == Switch::On),
        Verb::Twice { bed } => standing::twice(&bed),
        Verb::Down { bed } => standing::down(&bed),
        Verb::Run { words } => run_alone(&words),
        Verb::Apart { words } => run_apart(&words),
        Verb::Simulate(simulate) => run_fleet(&simulate),
        Verb::Bench(benches) => measure(&benches),
        Verb::Demo(demo) => show(&demo),
    }
}

/// Runs a program on a fresh computer; contexts of the command line are that computer's own, too.
fn run_alone(words: &[String]) -> Result<()> {
    let ground = Ground::claim()?;
    let mut host = Host::make(&ground, "host-a", 2, Manner::default())?;
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
        get_into_trouble(&fleet, &client).await?;
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

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_words_of_no_verb_contradict_each_other_and_each_verb_for_people_has_help() {
        let mut all = Cli::command();
        all.build();
        all.clone().debug_assert();
        for verb in all.get_subcommands().filter(|verb| !verb.is_hide_set()) {
            assert!(verb.get_about().is_some(), "{}", verb.get_name());
        }
    }
}
