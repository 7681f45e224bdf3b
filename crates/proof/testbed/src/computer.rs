//! A computer of the testbed: namespaces with folders, a cable and a power switch of their own, in which processes run
//! that can be killed. What runs on it is others' business.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::cage::Cage;
use crate::commands::{ip, program, run};
use crate::counting;
use crate::ground::{self, Ground, hardware_address, passable};
use crate::link::is_device;
use crate::process::{Process, wait_for};
use crate::trouble::{Result, Trouble};
use serde::{Deserialize, Serialize};

/// How long namespaces may take to stand.
const STANDS: Duration = Duration::from_secs(120);

/// A computer. Dropped, its power is cut; its folder goes with its ground.
#[derive(Debug)]
pub struct Computer {
    about: About,
    folder: PathBuf,
    /// Whether it outlives the program that holds it.
    stays: bool,
    /// Whether what Hostler keeps below `/var/lib` is its own.
    fresh: bool,
    /// The program that made the namespaces: its standard input is the power switch.
    switch: Option<Child>,
    /// Programs that wait for one process inside each, to be buried.
    waiting: Vec<Child>,
    /// The slow line that its cable leads to, to be buried.
    line: Mutex<Option<Child>>,
}

/// How a computer is made.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Manner {
    /// It outlives the program that makes it.
    pub stays: bool,
    /// What guests say at [`counting::PORT`] is written down.
    pub observed: bool,
}

/// What is written down of a computer, so that another program can take hold of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct About {
    name: String,
    /// The testbed's.
    number: u8,
    address: String,
    /// Whether what the guests of its machines say at a port of their own is written down.
    observed: bool,
}

/// What a computer is written down in, in its folder.
const ABOUT: &str = "computer.json";

impl Computer {
    /// Makes a computer's folders; its power is off.
    pub(crate) fn make(ground: &Ground, name: &str, n: u8, manner: Manner) -> Result<Self> {
        let folder = ground.folder().join(name);
        let about = About {
            name: name.into(),
            number: ground.number(),
            address: ground.address_of(n),
            observed: manner.observed,
        };
        passable(&folder)?;
        let path = folder.join(ABOUT);
        fs::write(&path, serde_json::to_string(&about).unwrap_or_default()).map_err(Trouble::file(&path))?;
        let mut computer = Self::at(&folder)?;
        computer.stays = manner.stays;
        Ok(computer)
    }

    /// Takes hold of a computer that another program made, by its folder. Dropped, it is left as it is.
    ///
    /// # Errors
    /// There is none.
    pub fn at(folder: &Path) -> Result<Self> {
        let path = folder.join(ABOUT);
        let text = fs::read(&path).map_err(Trouble::file(&path))?;
        let about = serde_json::from_slice(&text)
            .map_err(|why| Trouble::Answer(format!("{}: {why}", path.display())))?;
        Ok(Self {
            about,
            folder: folder.into(),
            stays: true,
            fresh: false,
            switch: None,
            waiting: Vec::new(),
            line: Mutex::new(None),
        })
    }

    /// The computers of a testbed, by its folder, in the order of their addresses.
    pub(crate) fn all_of(ground: &Path) -> Vec<Self> {
        let read = fs::read_dir(ground).into_iter().flatten().flatten();
        let mut all: Vec<Self> = read.filter_map(|entry| Self::at(&entry.path()).ok()).collect();
        all.sort_by_key(|computer| computer.address().parse::<std::net::Ipv4Addr>().ok());
        all
    }

    /// From its next boot, what Hostler keeps below `/var/lib` is its own, and none of it is there at first.
    pub(crate) fn be_fresh(&mut self) {
        self.fresh = true;
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.about.name
    }

    /// Its address on the testbed's network.
    pub fn address(&self) -> &str {
        &self.about.address
    }

    /// Its folder; the same path inside and outside of its namespaces.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A folder inside that only this host uses, for anything.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn scratch(&self, name: &str) -> Result<PathBuf> {
        let path = self.folder.join(name);
        passable(&path)?;
        Ok(path)
    }

    /// The folder that all computers of its testbed see, by the same path.
    pub fn shared(&self) -> PathBuf {
        self.folder.with_file_name(ground::SHARED)
    }

    /// Switches it on: namespaces, folders, network. No program runs on it then.
    ///
    /// # Errors
    /// It is on, not root, or a tool is missing.
    pub fn power_on(&mut self) -> Result<()> {
        if self.first().is_some() {
            return Err(self.is("on already"));
        }
        if let Some(cage) = self.cage() {
            cage.make();
        }
        let mut command = self.caged("unshare");
        command.args(["-m", "-n", "-p", "-u", "-i", "-f", "--mount-proc", "--kill-child=SIGKILL", "--"]);
        command.arg(program("hostler-testbed")?).arg("first-process");
        command.arg("--folder").arg(&self.folder);
        command.args(["--name", &self.about.name]);
        if self.fresh {
            command.arg("--fresh");
        }
        if self.about.observed {
            counting::prepare()?;
            command.arg("--observed");
        }
        if self.stays {
            command.arg("--stay").stdin(Stdio::null());
            std::os::unix::process::CommandExt::process_group(&mut command, 0);
        } else {
            command.stdin(Stdio::piped());
        }
        command.stdout(Stdio::piped()).stderr(self.log("first-process.log")?);
        let mut switch = command.spawn().map_err(Trouble::file("unshare"))?;
        let mut said = String::new();
        if let Some(out) = switch.stdout.take() {
            let _ = BufReader::new(out).read_line(&mut said);
        }
        if said != "ready\n" {
            let _ = switch.kill();
            let _ = switch.wait();
            let log = fs::read_to_string(self.folder.join("first-process.log")).unwrap_or_default();
            return Err(Trouble::Program { line: "unshare".into(), said: log.trim().into() });
        }
        let first = Process::child_of(switch.id(), "the first process")?;
        first.write(&self.pid_file("first"))?;
        self.switch = Some(switch);
        self.plug_in(first)
    }

    /// A pair of cables: one end in the host, one at the testbed's bridge. It vanishes with the host's namespace.
    fn plug_in(&self, first: Process) -> Result<()> {
        let cable = self.cable();
        // The kernel takes a namespace apart some time after its last process.
        wait_for(STANDS, "the old cable is gone", || (!is_device(&cable)).then_some(()))?;
        let mac = self.mac();
        ip(&format!("link add {cable} type veth peer name eth0 address {mac} netns {}", first.pid))?;
        self.inside(&["ip", "address", "add", &format!("{}/24", self.about.address), "dev", "eth0"])?;
        self.inside(&["ip", "link", "set", "eth0", "up"])?;
        self.link_up()
    }

    /// The address of its adapter: the same at each boot, or others would look for it at the one before.
    fn mac(&self) -> String {
        let n = self.about.address.rsplit('.').next().and_then(|n| n.parse::<u8>().ok());
        hardware_address(self.about.number, n.unwrap_or_default())
    }

    /// Cuts the power: everything in it is gone at once, what was not on disk is lost.
    ///
    /// # Errors
    /// It does not go off.
    pub fn power_off(&mut self) -> Result<()> {
        let Some(first) = self.first() else { return Ok(()) };
        if self.is_frozen() {
            // Whoever has to bury the dead is frozen as well. Nothing runs any more when it is thawed: all of it is dead.
            for (process, _) in self.processes() {
                process.kill();
            }
            self.cage().map_or(Ok(()), |cage| cage.freeze(false))?;
        }
        first.end("the host")?;
        if let Some(mut switch) = self.switch.take() {
            let _ = switch.wait();
        }
        self.bury();
        // What waited for something inside ends with that, a moment later.
        self.cage().map_or(Ok(()), |cage| cage.clear())
    }

    /// Freezes it: nothing in it runs from now on, its machines neither, and it says nothing on the network. What it has
    /// open stays open, and the time goes on without it.
    ///
    /// # Errors
    /// It is off, or this system has no control groups of version 2.
    pub fn freeze(&self) -> Result<()> {
        self.frozen(true)
    }

    /// Lets it go on where it was frozen.
    ///
    /// # Errors
    /// It is off.
    pub fn thaw(&self) -> Result<()> {
        self.frozen(false)
    }

    fn frozen(&self, frozen: bool) -> Result<()> {
        self.first().ok_or_else(|| self.is("off"))?;
        let cage = self
            .cage()
            .ok_or_else(|| self.is("not to be frozen: there are no control groups of version 2"))?;
        cage.freeze(frozen)
    }

    /// Whether it is frozen.
    pub fn is_frozen(&self) -> bool {
        self.cage().is_some_and(|cage| cage.is_frozen())
    }

    /// The processes that run on it, with their programs' names; none while it is off. Names have 15 letters at most.
    pub fn processes(&self) -> Vec<(Process, String)> {
        let Some(first) = self.first() else { return Vec::new() };
        let space = |pid: i32| fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
        let Some(own) = space(first.pid) else { return Vec::new() };
        let numbers = fs::read_dir("/proc").into_iter().flatten().flatten();
        let numbers = numbers.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let of_own = numbers.filter(|pid| space(*pid).as_ref() == Some(&own));
        let named = of_own.filter_map(|pid| {
            let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
            Some((Process::of(pid)?, name.trim().to_owned()))
        });
        named.collect()
    }

    /// Kills all that runs on it and has a name of which this is said, with `SIGKILL`, and waits until it is gone.
    ///
    /// # Errors
    /// It is frozen, or something does not go.
    pub fn kill_those(&mut self, which: impl Fn(&str) -> bool) -> Result<()> {
        self.is_not_frozen()?;
        let first = self.first();
        let mut all = self.processes();
        all.retain(|(process, name)| Some(*process) != first && which(name));
        for (process, _) in &all {
            process.kill();
        }
        for (process, name) in &all {
            process.end(name)?;
        }
        self.bury();
        Ok(())
    }

    /// Runs a shell script inside and answers what it wrote.
    ///
    /// # Errors
    /// As it says.
    pub fn shell(&self, script: &str) -> Result<String> {
        self.inside(&["sh", "-ec", script])
    }

    /// Runs a program inside and answers what it wrote.
    ///
    /// # Errors
    /// The host is off, or as it says.
    pub fn inside(&self, words: &[&str]) -> Result<String> {
        run(&mut self.command(words)?)
    }

    /// A program that will run inside.
    ///
    /// # Errors
    /// The host is off, or frozen: it would never end.
    pub fn command(&self, words: &[&str]) -> Result<Command> {
        let first = self.first().ok_or_else(|| self.is("off"))?;
        self.is_not_frozen()?;
        let mut command = self.caged("nsenter");
        command.args(["-t", &first.pid.to_string(), "-m", "-n", "-p", "-u", "-i", "--"]).args(words);
        Ok(command)
    }

    fn is_not_frozen(&self) -> Result<()> {
        if self.is_frozen() { Err(self.is("frozen")) } else { Ok(()) }
    }

    fn cage(&self) -> Option<Cage> {
        Cage::of(self.about.number, &self.about.name)
    }

    fn caged(&self, program: &str) -> Command {
        self.cage().map_or_else(|| Command::new(program), |cage| cage.entered_by(program))
    }

    fn is(&self, is: &'static str) -> Trouble {
        Trouble::Host { name: self.about.name.clone(), is }
    }

    /// The bridge of its testbed.
    pub(crate) fn bridge(&self) -> String {
        ground::bridge_of(self.about.number)
    }

    pub(crate) fn keep_line(&self, child: Child) {
        *self.line.lock().unwrap_or_else(PoisonError::into_inner) = Some(child);
    }

    pub(crate) fn bury_line(&self) {
        if let Some(mut line) = self.line.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let _ = line.wait();
        }
    }

    /// What the log of something that was launched holds.
    pub fn log_of(&self, what: &str) -> String {
        fs::read_to_string(self.folder.join(format!("{what}.log"))).unwrap_or_default()
    }

    /// The process of something that was launched, while it runs.
    pub fn process(&self, what: &str) -> Option<Process> {
        Process::read(&self.pid_file(what))
    }

    /// The first process, while the host is on.
    pub fn first(&self) -> Option<Process> {
        self.process("first")
    }

    /// Starts a program that is then known by a word of its own.
    ///
    /// # Errors
    /// It runs already, or cannot be started.
    pub fn launch(&mut self, what: &str, words: &[&str]) -> Result<()> {
        if self.process(what).is_some() {
            return Err(Trouble::Answer(format!("{what} runs on {} already", self.about.name)));
        }
        let mut command = self.command(words)?;
        command.stdin(Stdio::null()).stdout(self.log(&format!("{what}.log"))?);
        command.stderr(self.log(&format!("{what}.log"))?);
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let waiting = command.spawn().map_err(Trouble::file("nsenter"))?;
        let started = Process::child_of(waiting.id(), what);
        self.waiting.push(waiting);
        started?.write(&self.pid_file(what))
    }

    /// Kills it with `SIGKILL`, and waits until it is gone. One that is gone already is no error.
    ///
    /// # Errors
    /// The computer is frozen, so that nobody would bury it, or it does not go.
    pub fn kill(&mut self, what: &str) -> Result<()> {
        self.is_not_frozen()?;
        if let Some(process) = self.process(what) {
            process.end(what)?;
        }
        self.bury();
        Ok(())
    }

    fn bury(&mut self) {
        self.waiting.retain_mut(|child| matches!(child.try_wait(), Ok(None)));
    }

    pub(crate) fn pid_file(&self, what: &str) -> PathBuf {
        self.folder.join(format!("{what}.pid"))
    }

    pub(crate) fn log(&self, name: &str) -> Result<fs::File> {
        let path = self.folder.join(name);
        fs::OpenOptions::new().create(true).append(true).open(&path).map_err(Trouble::file(&path))
    }
}

impl Drop for Computer {
    fn drop(&mut self) {
        if !self.stays {
            let _ = self.power_off();
            let _ = self.line_end();
        }
    }
}
