//! The command line of `hostler-agent`.

use std::ffi::OsString;
use std::io::{IsTerminal, Read};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::{Parser, Subcommand, ValueEnum};
use hostler_model::host::{HostFacts, Kvm};
use hostler_wire::{AgentConfig, EnrolmentToken, Identity};
use serde_json::json;

use crate::computer::Computer;
use crate::config::{Config, STATE, State};
use crate::hands::Host;
use crate::journal::Keep;
use crate::libvirt::LibvirtHost;
use crate::line::Dial;
use crate::own::Upgrade;
use crate::program;
use crate::qemu_account::QemuAccount;
use crate::removal;
use crate::run::{Ending, Setup, run};
use crate::stamp::version;
use crate::status::{Connection, Status};
use crate::storage::Look;

type Failure = Box<dyn std::error::Error>;

/// Blocking calls at the same time: commands, readings, questions, and some room.
const BLOCKING: usize = 64;

/// How long the storage of machines is waited for before the agent comes up, and by `check`.
const STORAGE_LIMIT: Duration = Duration::from_secs(10);

/// The Hostler agent: carries out what the server asks on this computer, and reports what is seen.
#[derive(Debug, Parser)]
#[command(
    name = "hostler-agent",
    version = version(),
    after_help = "Examples:
  hostler-agent enrol --server manager:8471 --token-file token
  hostler agent enrolment-token --host | hostler-agent enrol --server manager:8471 --token-file -
  hostler-agent run
  hostler-agent check"
)]
struct Cli {
    /// The folder in which the agent keeps its identity, its journal and machines' disks.
    #[arg(long, global = true, value_name = "DIR", default_value = STATE, env = "HOSTLER_AGENT_STATE")]
    state: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make this computer known to a server, with a token that the server issued.
    #[command(after_help = "Examples:
  hostler-agent enrol --server manager:8471 --token-file /root/token
  hostler-agent enrol --server manager:8471 --token-file - --name host-a < /root/token
  hostler-agent enrol --again --server new-manager:8471 --token-file /root/token

With --again the computer belongs to the new server alone: the key, the certificate and the trust of before are dropped.
Machines run on, and the new server finds them. The agent must not run meanwhile.

The token is used up by it. It is never an argument: whoever may list processes would see it.")]
    Enrol {
        /// Where the server is.
        #[arg(long, value_name = "HOST:PORT")]
        server: String,
        /// The file with the token; - for standard input.
        #[arg(long, value_name = "FILE")]
        token_file: PathBuf,
        /// What to call this computer. Default: its host name.
        #[arg(long)]
        name: Option<String>,
        /// Give up an earlier enrolment for this one.
        #[arg(long)]
        again: bool,
    },
    /// Run the agent until it is told to stop (SIGTERM, Ctrl-C). Machines run on.
    #[command(after_help = "Examples:
  hostler-agent run
  HOSTLER_LOG=debug hostler-agent run --state /srv/hostler-agent")]
    Run {
        /// End as soon as the server has let the agent in: what a new program is tried with.
        #[arg(long, hide = true)]
        trial: bool,
    },
    /// Remove what is the agent's own from this computer: for one that the server has removed without it. Machines stay.
    #[command(after_help = "Examples:
  hostler-agent leave

The agent must not run. Machines with their disks, and shares, stay as they are.")]
    Leave,
    /// Say who this agent is, whether it runs, and whether it is connected.
    Status {
        /// How to print it.
        #[arg(short, long, value_enum, default_value_t)]
        output: Print,
    },
    /// Look at this computer and print what the agent would report: also before it is enrolled. Changes nothing.
    Check {
        /// How to print it.
        #[arg(short, long, value_enum, default_value_t)]
        output: Print,
    },
}

/// How something is printed.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Print {
    /// For people.
    #[default]
    Table,
    /// For programs.
    Json,
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    told(std::env::args_os())
}

/// The same with these words, the first of which is the program's name.
pub fn told(words: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = Cli::parse_from(words);
    match carry_out(&cli) {
        Ok(code) => code,
        Err(why) => {
            eprintln!("hostler-agent: {why}");
            ExitCode::FAILURE
        }
    }
}

fn carry_out(cli: &Cli) -> Result<ExitCode, Failure> {
    let state = State::at(&cli.state)?;
    let config = state.read_config()?;
    match &cli.command {
        Command::Enrol { server, token_file, name, again } => {
            let token = read_token(token_file)?;
            enrol(&state, config, server, &token, name.clone(), *again)
        }
        Command::Run { trial } => serve(&state, &config, *trial),
        Command::Leave => leave(&state),
        Command::Status { output } => status(&state, *output),
        Command::Check { output } => check(&state, &config, *output),
    }
}

fn log() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("HOSTLER_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
}

/// The secret token, without the line's end.
fn read_token(file: &std::path::Path) -> Result<EnrolmentToken, Failure> {
    let mut text = String::new();
    let read = if file == std::path::Path::new("-") {
        std::io::stdin().lock().take(4_096).read_to_string(&mut text)
    } else {
        std::fs::File::open(file).and_then(|file| file.take(4_096).read_to_string(&mut text))
    };
    read.map_err(|why| format!("{}: {why}", file.display()))?;
    Ok(EnrolmentToken::parse(text.trim()).map_err(|why| format!("the token: {why}"))?)
}

/// Folders in which QEMU could not open a disk are refused before anything is made.
fn check_folders(state: &State, config: &Config) -> Result<(), Failure> {
    if let Some(account) = QemuAccount::read(&config.qemu_conf)? {
        for folder in config.folders(state).all() {
            account.can_reach(folder)?;
        }
        account.can_reach(&config.bases(state))?;
    }
    Ok(())
}

/// Makes the folders of machines ready, as far as their storage answers: where it does not, the agent comes up all the same, and
/// its server hears from it.
fn make_folders(state: &State, config: &Config) -> Result<(), Failure> {
    let (of, by) = (state.clone(), config.clone());
    let made: Look<Result<(), String>> = Look::default();
    made.begin(move || {
        check_folders(&of, &by).map_err(|why| why.to_string())?;
        by.make_vms(&of).map_err(|why| why.to_string())?;
        for why in by.unwritable(&of) {
            tracing::warn!(%why, "what needs this folder fails until that is mended");
        }
        Ok(())
    });
    made.wait(Instant::now() + STORAGE_LIMIT);
    match made.last() {
        Some(made) => Ok(made?),
        None => {
            let folders = config.folders(state).words();
            tracing::error!(
                folders,
                "the storage of a folder of machines does not answer; the agent goes on without it"
            );
            Ok(())
        }
    }
}

/// Whether QEMU can use the folders of machines, and why the agent cannot write into some; nothing is changed.
fn looked_at_folders(state: &State, config: &Config) -> (Result<(), String>, Vec<String>) {
    let (of, by) = (state.clone(), config.clone());
    let looked = Look::default();
    looked.begin(move || {
        let unwritable = by.unwritable(&of).iter().map(ToString::to_string).collect();
        (check_folders(&of, &by).map_err(|why| why.to_string()), unwritable)
    });
    looked.wait(Instant::now() + STORAGE_LIMIT);
    let silent = || {
        let folders = config.folders(state).words();
        let why =
            format!("{folders}: the storage of one of these does not answer; look whether its server runs");
        (Err(why), Vec::new())
    };
    looked.last().unwrap_or_else(silent)
}

fn enrol(
    state: &State,
    config: Config,
    server: &str,
    token: &EnrolmentToken,
    name: Option<String>,
    again: bool,
) -> Result<ExitCode, Failure> {
    if Identity::exists(&state.identity()) && !again {
        let about = Identity::load(&state.identity())?.about;
        return Err(format!(
            "this computer is enrolled as {} with {}; --again gives that up for a new enrolment",
            about.agent, about.server
        )
        .into());
    }
    // Before the token is used up: what the settings say would win over where it enrols.
    if let Some(set) = config.server.as_deref().filter(|set| *set != server) {
        let path = state.config();
        return Err(
            format!("{}: it says server = \"{set}\"; take that line out first", path.display()).into()
        );
    }
    check_folders(state, &config)?;
    state.make()?;
    config.make_vms(state)?;
    let _lock = state.lock()?;
    if let Some(name) = &name
        && config.name.as_ref() != Some(name)
    {
        keep_name(state, name)?;
    }
    let name = name.or_else(|| config.name.clone());
    let facts =
        Computer::new(name, config.folders(state), config.bases(state), config.host_boot.clone()).facts();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let limits = AgentConfig::default();
    let enrolling = hostler_wire::enrol(server, token, version(), facts, &limits);
    let mut identity = match runtime.block_on(enrolling) {
        Ok(identity) => identity,
        Err(hostler_wire::ConnectError::Refused(refusal)) => {
            let remedy =
                if refusal.remedy.is_empty() { String::new() } else { format!(". {}", refusal.remedy) };
            return Err(format!("{refusal}{remedy}").into());
        }
        Err(why) => return Err(why.into()),
    };
    identity.save(&state.identity())?;
    println!("Enrolled as {} with {}. Next: hostler-agent run", identity.about.agent, identity.about.server);
    Ok(ExitCode::SUCCESS)
}

/// Writes the name into the settings, so that the running agent says the same.
fn keep_name(state: &State, name: &str) -> Result<(), Failure> {
    let path = state.config();
    let line = format!("name = {}\n", toml::Value::String(name.into()));
    if path.exists() {
        return Err(
            format!("{}: write {} into it, then enrol without --name", path.display(), line.trim()).into()
        );
    }
    std::fs::write(&path, line).map_err(|why| format!("{}: {why}", path.display()).into())
}

fn leave(state: &State) -> Result<ExitCode, Failure> {
    if !state.folder().exists() {
        println!("Nothing of an agent is in {}.", state.folder().display());
        return Ok(ExitCode::SUCCESS);
    }
    let lock = state.lock()?;
    let said = removal::leave(state);
    drop(lock);
    for what in &said.removes {
        println!("removed  {what}");
    }
    for what in &said.stays {
        println!("stays    {what}");
    }
    Ok(ExitCode::SUCCESS)
}

fn serve(state: &State, config: &Config, trial: bool) -> Result<ExitCode, Failure> {
    log();
    if trial {
        // Whoever tries this program has it ended with itself.
        rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::TERM))?;
    } else if let Some(other) = program::in_place(state) {
        let why = program::become_it(&other);
        tracing::error!(%why, program = %other.display(), "the program that the server sent cannot be started; this one runs");
    }
    let identity = Identity::load(&state.identity())
        .map_err(|why| format!("{why}. Enrol it first: hostler-agent enrol --help"))?;
    state.make()?;
    make_folders(state, config)?;
    if !may_change_networks(&std::fs::read_to_string("/proc/self/status").unwrap_or_default()) {
        tracing::warn!(
            "external networks cannot be made: this process has no CAP_NET_ADMIN. An upgrade leaves hostler-agent.service as it is: \
             bring the newest, as deploy/README.md says"
        );
    }
    let lock = state.lock()?;
    let server = config.server.clone().unwrap_or_else(|| identity.about.server.clone());
    let config = &Config { server: Some(server.clone()), ..config.clone() };
    let host = LibvirtHost::new(config, state)?;
    let setup = Setup {
        me: hostler_agent_core::Identity {
            agent: identity.about.agent,
            installation: identity.about.installation,
            version: version().into(),
            host_boot: host.boot_id(),
        },
        journal: Keep::File(state.journal()),
        dial: Dial { identity, server, config: AgentConfig::default(), status: Some(state.status()) },
        trial,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(BLOCKING)
        .enable_all()
        .build()?;
    let ran = runtime.block_on(async {
        let hands = host.hands(config, state)?;
        let stop = told_to_stop()?;
        run(setup, hands, stop).await.map_err(Failure::from)
    });
    // What is still blocked in a call dies with the process; the next run looks it up.
    runtime.shutdown_background();
    drop(host);
    drop(lock);
    match ran? {
        Ending::Stopped => Ok(ExitCode::SUCCESS),
        Ending::Dismissed => leave(state),
        Ending::Upgrade(upgrade) => hand_over(state, &upgrade),
    }
}

/// Whether a process may make bridges, by what the kernel says of it; where it does not say, it may.
fn may_change_networks(status: &str) -> bool {
    const NET_ADMIN: u32 = 12;
    let held =
        status.lines().find_map(|line| u64::from_str_radix(line.strip_prefix("CapEff:")?.trim(), 16).ok());
    held.is_none_or(|held| held >> NET_ADMIN & 1 == 1)
}

/// Lets a new program try to come up, then becomes it, or itself anew.
fn hand_over(state: &State, upgrade: &Upgrade) -> Result<ExitCode, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let next = runtime.block_on(async {
        let stop = told_to_stop()?;
        program::tried(state, upgrade, stop).await
    })?;
    match next {
        Some(next) => Err(format!("{}: {}", next.display(), program::become_it(&next)).into()),
        None => Ok(ExitCode::SUCCESS),
    }
}

/// Ready when the process is told to end. Listens from now on.
fn told_to_stop() -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

fn status(state: &State, output: Print) -> Result<ExitCode, Failure> {
    let identity = match Identity::load(&state.identity()) {
        Ok(identity) => Some(identity.about),
        Err(hostler_wire::IdentityError::None(_)) => None,
        Err(why) => return Err(why.into()),
    };
    // Only to look: where there is no state folder nothing runs with it.
    let runs = state.lock_file().exists() && matches!(state.lock(), Err(crate::ConfigError::Running { .. }));
    let status = Status::read(&state.status()).filter(|_| runs);
    if matches!(output, Print::Json) {
        println!("{}", json!({ "enrolled": identity, "running": runs, "status": status }));
    } else {
        match &identity {
            Some(about) => {
                println!("Enrolled   as {} with {}", about.agent, about.server);
                println!("           in installation {}", about.installation);
                println!("           certificate until {}", about.certificate_until);
            }
            None => println!("Enrolled   no"),
        }
        println!("Running    {}", if runs { "yes" } else { "no" });
        match status {
            Some(Status { connection: Connection::Open, server, since, pid, renewal }) => {
                println!("Connected  to {server} since {since} (process {pid})");
                if let Some(why) = renewal {
                    println!("           the certificate is not renewed: {why}");
                }
            }
            Some(Status { connection: Connection::Closed { why }, since, .. }) => {
                println!("Connected  no, since {since}: {why}");
            }
            None => {}
        }
    }
    let well = identity.is_some() && runs;
    Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn check(state: &State, config: &Config, output: Print) -> Result<ExitCode, Failure> {
    let (folders, unwritable) = looked_at_folders(state, config);
    let host: Arc<LibvirtHost> = LibvirtHost::new(config, state)?;
    host.look_again_at_failures();
    let facts = host.facts();
    let well = folders.is_ok() && unwritable.is_empty() && facts.libvirt_answers && !facts.qemu.is_empty();
    if matches!(output, Print::Json) {
        println!(
            "{}",
            json!({ "host": facts, "folders": folders.as_ref().err(), "unwritable": unwritable, "well": well })
        );
    } else {
        print_facts(&facts);
        match &folders {
            Ok(()) => println!("Folders    {} can be used by QEMU", config.folders(state).words()),
            Err(why) => println!("Folders    {why}"),
        }
        for why in &unwritable {
            println!("Folders    {why}");
        }
    }
    Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print_facts(facts: &HostFacts) {
    println!("Host       {}, {}, kernel {}", facts.host_name, facts.os, facts.kernel);
    println!("Processor  {} × {}", facts.cpus, facts.cpu_model);
    println!("Memory     {} MiB", facts.memory_mib);
    match &facts.kvm {
        Kvm::Works => println!("KVM        works"),
        Kvm::Fails { why } => println!("KVM        no: {why}; machines run under emulation, slowly"),
        Kvm::Untried => println!("KVM        not tried"),
    }
    match (facts.libvirt_answers, facts.libvirt.as_str()) {
        (true, version) => println!("libvirt    {version}"),
        (false, _) => {
            println!("libvirt    does not answer: install libvirt-daemon-system, or start libvirtd")
        }
    }
    match facts.qemu.as_str() {
        "" => println!("QEMU       not known: install qemu-system-x86"),
        version => println!("QEMU       {version}"),
    }
    println!(
        "Networks   {}",
        if facts.networks.is_empty() { "none".into() } else { facts.networks.join(", ") }
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_under_a_unit_of_before_is_known_by_the_right_that_it_lacks() {
        // What the unit of before left to it, what this one leaves, and all.
        for (held, may) in
            [("00000000000000ef", false), ("00000000000030ef", true), ("000001ffffffffff", true)]
        {
            let status = format!("Name:\thostler-agent\nCapPrm:\t{held}\nCapEff:\t{held}\nSeccomp:\t2\n");
            assert_eq!(may_change_networks(&status), may, "{held}");
        }
        assert!(may_change_networks(""));
    }
}
