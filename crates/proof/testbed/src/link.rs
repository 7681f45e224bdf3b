//! The cable between a computer and its testbed's network: pulled and plugged in again, made slow, shut between two
//! computers. What a cable is like is written down, so that it is so again after a power cut, and other programs know.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::commands::{ip, program, run};
use crate::computer::Computer;
use crate::line::Slow;
use crate::process::{Process, wait_for};
use crate::trouble::{Result, Trouble};

/// How long a line may take to be there or to be gone.
const STANDS: Duration = Duration::from_secs(20);

/// What is wrong with a computer's cable.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Link {
    /// It is pulled.
    pub cut: bool,
    /// Whom nothing is exchanged with, with their addresses; said of both.
    pub cut_from: BTreeMap<String, String>,
    /// It is slow.
    pub slow: Option<Slow>,
}

impl Computer {
    /// What is wrong with its cable.
    pub fn link(&self) -> Link {
        let text = fs::read(self.folder().join("link.json")).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    /// Pulls its cable out: nothing comes in or goes out, and its adapter knows. Also while its power is off.
    ///
    /// # Errors
    /// The cable cannot be pulled.
    pub fn cut(&self) -> Result<()> {
        self.write_link(&Link { cut: true, ..self.link() })?;
        self.applied(Self::plug)
    }

    /// Lets no packet pass between the two any more; both go on to reach everybody else, and see no cable pulled.
    ///
    /// # Errors
    /// The two are one, or the kernel does not do it.
    pub fn cut_from(&self, other: &Computer) -> Result<()> {
        if self.name() == other.name() {
            return Err(Trouble::Host { name: self.name().into(), is: "not to be cut from itself" });
        }
        for (one, peer) in [(self, other), (other, self)] {
            let mut link = one.link();
            link.cut_from.insert(peer.name().into(), peer.address().into());
            one.write_link(&link)?;
            one.applied(|one| one.shut_out(peer.address()))?;
        }
        Ok(())
    }

    /// Lets packets pass between the two again.
    ///
    /// # Errors
    /// The kernel does not do it.
    pub fn heal_with(&self, other: &Computer) -> Result<()> {
        for (one, peer) in [(self, other), (other, self)] {
            let mut link = one.link();
            if link.cut_from.remove(peer.name()).is_some() {
                one.write_link(&link)?;
                one.applied(|one| one.let_in(peer.address()))?;
            }
        }
        Ok(())
    }

    /// Makes its cable slow, in place of how slow it was.
    ///
    /// # Errors
    /// The line cannot be made.
    pub fn slow(&self, slow: Slow) -> Result<()> {
        self.write_link(&Link { slow: Some(slow), ..self.link() })?;
        self.applied(|one| one.line_start(slow).and_then(|()| one.plug()))
    }

    /// Makes its cable whole: plugged in, as fast as can be, to everybody.
    ///
    /// # Errors
    /// The kernel does not do it.
    pub fn heal(&self) -> Result<()> {
        let link = self.link();
        for peer in link.cut_from.keys() {
            let folder = self.folder().with_file_name(peer);
            self.heal_with(&Self::at(&folder)?)?;
        }
        self.write_link(&Link::default())?;
        self.applied(Self::plug)?;
        self.line_end()
    }

    /// Makes a new cable like what is written down of it.
    pub(crate) fn link_up(&self) -> Result<()> {
        let link = self.link();
        for address in link.cut_from.values() {
            self.shut_out(address)?;
        }
        if let Some(slow) = link.slow {
            self.line_start(slow)?;
        }
        self.plug()
    }

    fn applied(&self, how: impl FnOnce(&Self) -> Result<()>) -> Result<()> {
        if self.first().is_some() { how(self) } else { Ok(()) }
    }

    /// Puts the cable where it belongs.
    fn plug(&self) -> Result<()> {
        let (cable, link) = (self.cable(), self.link());
        let into = if link.slow.is_some() { self.part('s') } else { self.bridge() };
        ip(&format!("link set {cable} master {into}"))?;
        ip(&format!("link set {cable} {}", if link.cut { "down" } else { "up" })).map(drop)
    }

    /// Drops what goes to that address and what comes from it, at this computer's cable.
    fn shut_out(&self, address: &str) -> Result<()> {
        let (cable, n) = (self.cable(), last_of(address));
        // There may be others already.
        let _ = tc(&format!("qdisc add dev {cable} clsact"));
        for (way, at) in [("ingress", TO), ("egress", FROM)] {
            let words =
                format!("filter replace dev {cable} {way} pref {n} protocol all handle 1 bpf da bytecode");
            let mut command = Command::new("tc");
            run(command.args(words.split(' ')).arg(drops(at, number_of(address))))?;
        }
        Ok(())
    }

    fn let_in(&self, address: &str) -> Result<()> {
        let (cable, n) = (self.cable(), last_of(address));
        for way in ["ingress", "egress"] {
            tc(&format!("filter del dev {cable} {way} pref {n}"))?;
        }
        Ok(())
    }

    /// Stretches a slow line between the testbed's bridge and a bridge of its own, in place of one before.
    fn line_start(&self, slow: Slow) -> Result<()> {
        self.line_end()?;
        let (own, near, far) = (self.part('s'), self.part('n'), self.part('f'));
        ip(&format!("link add {own} type bridge"))?;
        let mut command = Command::new(program("hostler-testbed")?);
        command.args(["line", "--near", &near, "--far", &far]);
        command.args(["--delay-ms", &slow.delay_ms.to_string()]);
        command.args(["--rate-kbit-s", &slow.rate_kbit_s.to_string()]);
        command.args(["--loss-percent", &slow.loss_percent.to_string()]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(self.log("line.log")?).process_group(0);
        let mut line = command.spawn().map_err(Trouble::file("hostler-testbed"))?;
        let process = i32::try_from(line.id()).ok().and_then(Process::of);
        let mut said = String::new();
        if let Some(out) = line.stdout.take() {
            let _ = BufReader::new(out).read_line(&mut said);
        }
        let (Some(process), "ready\n") = (process, said.as_str()) else {
            let _ = line.kill();
            let _ = line.wait();
            let said = self.log_of("line").trim().to_owned();
            return Err(Trouble::Program { line: "hostler-testbed line".into(), said });
        };
        process.write(&self.pid_file("line"))?;
        self.keep_line(line);
        ip(&format!("link set {near} master {own}"))?;
        ip(&format!("link set {far} master {}", self.bridge()))?;
        ip(&format!("link set {own} up")).map(drop)
    }

    /// Takes the slow line away, where there is one. What was plugged into it is plugged into nothing.
    pub(crate) fn line_end(&self) -> Result<()> {
        if let Some(process) = self.process("line") {
            process.kill();
            self.bury_line();
            wait_for(STANDS, "the slow line is gone", || (!process.lives()).then_some(()))?;
        }
        let own = self.part('s');
        if is_device(&own) {
            ip(&format!("link delete {own}"))?;
        }
        Ok(())
    }

    /// Its cable's end at the testbed's bridge.
    pub(crate) fn cable(&self) -> String {
        self.part('-')
    }

    /// A device of the testbed's network that is there for this computer.
    fn part(&self, what: char) -> String {
        format!("{}{what}{}", self.bridge(), last_of(self.address()))
    }

    fn write_link(&self, link: &Link) -> Result<()> {
        let path = self.folder().join("link.json");
        fs::write(&path, serde_json::to_vec(link).unwrap_or_default()).map_err(Trouble::file(path))
    }
}

/// Whether there is a device of this name in this process's network. `/sys` shows that of whoever mounted it.
pub(crate) fn is_device(name: &str) -> bool {
    let devices = fs::read_to_string("/proc/self/net/dev").unwrap_or_default();
    devices.lines().any(|line| line.trim_start().split(':').next() == Some(name))
}

fn tc(words: &str) -> Result<String> {
    run(Command::new("tc").args(words.split(' ')))
}

/// Where in a frame the receiver's address stands, and where the sender's.
const TO: u32 = 30;
const FROM: u32 = 26;

/// A program of the kernel's packet filter that drops IPv4 with that address at this place, and nothing else.
fn drops(at: u32, address: u32) -> String {
    // Load the protocol, is it IPv4; load the address, is it that one; drop; or let others decide.
    format!("6,40 0 0 12,21 0 3 2048,32 0 0 {at},21 0 1 {address},6 0 0 2,6 0 0 4294967295")
}

fn number_of(address: &str) -> u32 {
    address.parse::<std::net::Ipv4Addr>().map(std::net::Ipv4Addr::to_bits).unwrap_or_default()
}

fn last_of(address: &str) -> &str {
    address.rsplit_once('.').map_or(address, |(_, last)| last)
}
