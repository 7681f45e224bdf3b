//! Testbeds made by hand: they stay until they are taken down, and each command takes hold of them anew.

use std::fmt::Write;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use hostler_client::{Changed, How};
use hostler_model::agent::Roles;
use hostler_model::body::NewEnrolment;

use crate::commands::program;
use crate::computer::{Computer, Manner};
use crate::counting::{Evidence, Said, check};
use crate::ground::Ground;
use crate::host::Host;
use crate::line::Slow;
use crate::process::{Process, wait_for};
use crate::server::{ANSWERS, NAME as SERVER, PROCESS, Server, answers};
use crate::site::{FIRST_HOST, FOLLOWS, SERVER as SERVER_NUMBER, enrolled, names};
use crate::trouble::{Result, Trouble};

/// Which testbed.
#[derive(Debug, clap::Args)]
pub(super) struct Bed {
    /// What the testbed is called, where there are several.
    #[arg(long, value_name = "NAME", default_value = "testbed")]
    testbed: String,
}

/// Which computer of which testbed.
#[derive(Debug, clap::Args)]
pub(super) struct Which {
    /// The host's name, or `server`; not needed where there is one host.
    #[arg(short = 'H', long = "host", value_name = "NAME")]
    name: Option<String>,
    #[command(flatten)]
    bed: Bed,
}

/// What is to be made.
#[derive(Debug, clap::Args)]
pub(super) struct Up {
    /// How many hosts; they are called a, b, c and so on.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=200))]
    hosts: u8,
    #[command(flatten)]
    bed: Bed,
    /// Hosts with their libvirtd only: neither a server nor agents.
    #[arg(long, conflicts_with = "server")]
    bare: bool,
    /// Write down what guests say at /dev/ttyS3, so that `twice` can tell whether a machine ever ran on two hosts at once.
    #[arg(long)]
    observed: bool,
    /// Enrol the agents with this server in place of one of the testbed's own. It must listen where the hosts reach it.
    #[arg(long, value_name = "HOST:PORT", requires = "token_file")]
    server: Option<String>,
    /// The file with the enrolment tokens, one in a line for each host.
    #[arg(long, value_name = "FILE", requires = "server")]
    token_file: Option<PathBuf>,
}

/// What can be killed and started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Part {
    /// The agent; the server's process where the computer is the server.
    Agent,
    /// libvirtd.
    Libvirtd,
    /// The processes of all machines.
    Qemu,
    /// All of it; the host itself stays on.
    All,
}

/// A standing testbed.
fn standing(bed: &Bed) -> Result<(Ground, Process)> {
    let found = Ground::standing().into_iter().find(|(name, ..)| *name == bed.testbed);
    let (_, ground, holder) = found.ok_or_else(|| {
        Trouble::Answer(format!("no testbed {} is up; hostler-testbed up makes it", bed.testbed))
    })?;
    Ok((ground, holder))
}

impl Which {
    /// Its folder.
    fn folder(&self) -> Result<PathBuf> {
        let (ground, _) = standing(&self.bed)?;
        let all = Computer::all_of(ground.folder());
        let hosts: Vec<&str> = all.iter().map(Computer::name).filter(|name| *name != SERVER).collect();
        let name = match (&self.name, hosts.as_slice()) {
            (Some(name), _) if all.iter().any(|computer| computer.name() == name) => name,
            (None, [only]) => *only,
            _ => {
                return Err(Trouble::Answer(format!(
                    "say --host and one of: {}, {SERVER}",
                    hosts.join(", ")
                )));
            }
        };
        Ok(ground.folder().join(name))
    }

    fn host(&self) -> Result<Host> {
        Host::at(&self.folder()?)
    }

    fn peer(&self, name: &str) -> Result<Computer> {
        Computer::at(&self.folder()?.with_file_name(name))
            .map_err(|_| Trouble::Answer(format!("there is no computer {name} in this testbed")))
    }
}

pub(super) fn up(up: &Up) -> Result<()> {
    if standing(&up.bed).is_ok() {
        return Err(Trouble::Answer(format!(
            "testbed {} is up; hostler-testbed down removes it",
            up.bed.testbed
        )));
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
    ground.leave_to(holder, &up.bed.testbed)?;
    let made = make(&ground, up);
    if made.is_err() {
        holder.kill();
        ground.give_up();
    }
    made
}

fn make(ground: &Ground, up: &Up) -> Result<()> {
    let names: Vec<String> = names(up.hosts.into()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let manner = Manner { stays: true, observed: up.observed };
    if up.bare {
        for (name, n) in names.iter().zip(FIRST_HOST..) {
            Host::make(ground, name, u8::try_from(n).unwrap_or(u8::MAX), manner)?.boot()?;
        }
    } else if let Some((server, file)) = up.server.as_ref().zip(up.token_file.as_ref()) {
        let text = fs::read_to_string(file).map_err(Trouble::file(file))?;
        let tokens: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        if tokens.len() < names.len() {
            return Err(Trouble::Answer(format!(
                "{}: {} hosts need as many tokens",
                file.display(),
                up.hosts
            )));
        }
        enrolled(ground, server, FIRST_HOST, &names, &tokens, manner)?;
    } else {
        let server = Server::make(ground, SERVER_NUMBER, manner)?;
        let tokens = runtime()?.block_on(tokens(&server, names.len()))?;
        enrolled(ground, &server.agent_address(), FIRST_HOST, &names, &tokens, manner)?;
        runtime()?.block_on(hosts_answer(&server, &names))?;
        println!(
            "Server: https://{}:8470, password in {}",
            server.address(),
            server.password_file().display()
        );
        println!("Its authority: {}", server.state().join("pki/authority.crt").display());
    }
    for computer in Computer::all_of(ground.folder()) {
        println!("{:<8} {:<14} {}", computer.name(), computer.address(), computer.folder().display());
    }
    println!("Shared by all: {}; this computer is {}.", ground.shared().display(), ground.address());
    println!("Next: hostler-testbed list, hostler-testbed virsh --host a list --all");
    Ok(())
}

/// A token for each of so many hosts, as soon as the server answers.
async fn tokens(server: &Server, count: usize) -> Result<Vec<String>> {
    let client = server.sign_in().await?;
    answers(&client).await?;
    let body = NewEnrolment {
        roles: Roles { host: true, library: true },
        host_name: None,
        group: None,
        valid_s: None,
    };
    let mut tokens = Vec::new();
    for _ in 0..count {
        match client.create_enrolment(&body, &How::default()).await? {
            Changed::Taken(made) => tokens.push(made.token),
            Changed::Planned(_) => return Err(Trouble::Answer("a plan in place of a token".into())),
        }
    }
    Ok(tokens)
}

/// Waits until all hosts answer the server.
async fn hosts_answer(server: &Server, names: &[&str]) -> Result<()> {
    server.kept_token().await?;
    let client = server.sign_in().await?;
    let begun = Instant::now();
    for name in names {
        while !client.host(name).await.is_ok_and(|host| host.answers && host.host.facts.libvirt_answers) {
            if begun.elapsed() > FOLLOWS {
                return Err(Trouble::Late { what: format!("host {name} answers"), limit: FOLLOWS });
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    Ok(())
}

pub(super) fn down(bed: &Bed) -> Result<()> {
    let (mut ground, holder) = standing(bed)?;
    ground.give_up();
    drop(ground);
    holder.kill();
    Ok(())
}

pub(super) fn list() {
    let standing = Ground::standing();
    if standing.is_empty() {
        println!("No testbed is up. hostler-testbed up --hosts 3 makes one.");
    }
    for (name, ground, _) in standing {
        println!("{name}: {}, shared by all: {}", ground.address(), ground.shared().display());
        for computer in Computer::all_of(ground.folder()) {
            println!("  {:<8} {:<14} {}", computer.name(), computer.address(), state_of(&computer));
        }
    }
}

fn state_of(computer: &Computer) -> String {
    let mut said = String::from(match (computer.first(), computer.is_frozen()) {
        (None, _) => "off",
        (Some(_), true) => "frozen",
        (Some(_), false) => "on",
    });
    let link = computer.link();
    if link.cut {
        said.push_str(", cut");
    }
    for peer in link.cut_from.keys() {
        let _ = write!(said, ", cut from {peer}");
    }
    if let Some(Slow { delay_ms, rate_kbit_s, loss_percent }) = link.slow {
        let _ = write!(said, ", slow ({delay_ms} ms, ");
        let _ = match rate_kbit_s {
            0 => write!(said, "any rate, "),
            rate => write!(said, "{rate} kbit/s, "),
        };
        let _ = write!(said, "{loss_percent} % lost)");
    }
    for what in [PROCESS, "agent", "libvirtd"].into_iter().filter(|what| computer.process(what).is_some()) {
        let _ = write!(said, ", {what}");
    }
    let machines = computer.processes().iter().filter(|(_, name)| name.starts_with("qemu-system-")).count();
    match machines {
        0 => said,
        1 => said + ", 1 machine",
        n => format!("{said}, {n} machines"),
    }
}

/// Says of each machine that counts how far it came on which host, and which of them ran twice.
pub(super) fn twice(bed: &Bed) -> Result<()> {
    let (ground, _) = standing(bed)?;
    let said = Said::of(ground.folder());
    for (machine, hosts) in &said.0 {
        for (host, counts) in hosts {
            let last = counts.last().map_or(0, |count| count.number);
            println!("{machine} said {} numbers on {host}, the last of them {last}", counts.len());
        }
    }
    let found = check(&Evidence { said, ..Evidence::default() });
    if let Some(first) = found.first() {
        for each in &found {
            println!("{each}");
        }
        return Err(Trouble::Answer(format!(
            "{} of the machines ran twice, among them {}",
            found.len(),
            first.machine
        )));
    }
    println!("None ran on two hosts at once.");
    Ok(())
}

pub(super) fn cut(which: &Which, from: Option<&str>) -> Result<()> {
    let host = which.host()?;
    from.map_or_else(|| host.cut(), |peer| host.cut_from(&which.peer(peer)?))
}

pub(super) fn heal(which: &Which, with: Option<&str>) -> Result<()> {
    let host = which.host()?;
    with.map_or_else(|| host.heal(), |peer| host.heal_with(&which.peer(peer)?))
}

pub(super) fn slow(which: &Which, slow: Slow) -> Result<()> {
    which.host()?.slow(slow)
}

pub(super) fn freeze(which: &Which, frozen: bool) -> Result<()> {
    let host = which.host()?;
    if frozen { host.freeze() } else { host.thaw() }
}

pub(super) fn kill(which: &Which, what: Part) -> Result<()> {
    let mut host = which.host()?;
    match what {
        Part::Agent if host.name() == SERVER => host.kill(PROCESS),
        Part::Agent => host.agent_kill(),
        Part::Libvirtd => host.libvirtd_kill(),
        Part::Qemu => host.qemus_kill(),
        Part::All => host.all_kill(),
    }
}

pub(super) fn start(which: &Which, what: Part) -> Result<()> {
    let mut host = which.host()?;
    match what {
        _ if host.name() == SERVER => start_server(which),
        Part::Agent => host.agent_start(),
        Part::Libvirtd => host.libvirtd_start(),
        Part::All => {
            host.libvirtd_start()?;
            if host.has_agent() { host.agent_start() } else { Ok(()) }
        }
        Part::Qemu => Err(Trouble::Answer("machines are started by Hostler or by virsh".into())),
    }
}

fn start_server(which: &Which) -> Result<()> {
    let (ground, _) = standing(&which.bed)?;
    let mut server = Server::on(&ground)?;
    server.launch_it()?;
    let client = runtime()?.block_on(server.sign_in());
    client.map(drop)
}

pub(super) fn power(which: &Which, on: bool) -> Result<()> {
    let mut host = which.host()?;
    match on {
        false => host.power_off(),
        true if host.name() == SERVER => {
            host.power_on()?;
            start_server(which)
        }
        true => host.boot(),
    }
}

/// Becomes a program inside: its terminal and its exit code are that program's.
pub(super) fn become_inside(which: &Which, words: &[&str]) -> Result<()> {
    let why = which.host()?.command(words)?.exec();
    Err(Trouble::File { path: "nsenter".into(), cause: why })
}

/// Becomes Hostler's command line as the administrator of the testbed's server.
pub(super) fn become_hostler(bed: &Bed, words: &[String]) -> Result<()> {
    let (ground, _) = standing(bed)?;
    let server = Server::on(&ground)?;
    wait_for(ANSWERS, "the server runs", || server.process(PROCESS))?;
    let token = runtime()?.block_on(server.kept_token())?;
    let mut command = Command::new(program("hostler")?);
    command.args(words).env("HOSTLER_SERVER", format!("https://{}:8470", server.address()));
    command.env("HOSTLER_TOKEN", token).env("HOSTLER_CA", server.state().join("pki/authority.crt"));
    Err(Trouble::File { path: "hostler".into(), cause: command.exec() })
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Trouble::file("runtime"))
}
