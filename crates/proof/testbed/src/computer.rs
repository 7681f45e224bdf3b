//! A computer of the testbed: namespaces with folders, a cable and a power switch of their own, in which processes run
//! that can be killed. What runs on it is others' business.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::commands::{ip, program, run};
use crate::ground::{Ground, passable};
use crate::process::{Process, wait_for};
use crate::trouble::{Result, Trouble};

/// How long namespaces may take to stand.
const STANDS: Duration = Duration::from_secs(20);

/// A computer. Dropped, its power is cut; its folder goes with its ground.
#[derive(Debug)]
pub struct Computer {
    about: About,
    folder: PathBuf,
    cache: PathBuf,
    bridge: String,
    /// Whether it outlives the program that holds it.
    stays: bool,
    /// Whether what Hostler keeps below `/var/lib` is its own.
    fresh: bool,
    /// The program that made the namespaces: its standard input is the power switch.
    switch: Option<Child>,
    /// Programs that wait for one process inside each, to be buried.
    waiting: Vec<Child>,
}

/// What is written down of a computer, so that another program can take hold of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct About {
    name: String,
    /// The testbed's.
    number: u8,
    /// Its own within the testbed, 2 and up.
    n: u8,
    address: String,
    uuid: Uuid,
}

impl Computer {
    /// Makes a computer's folders; its power is off.
    pub(crate) fn make(ground: &Ground, name: &str, n: u8, stays: bool) -> Result<Self> {
        let folder = ground.folder().join(name);
        let about = About {
            name: name.into(),
            number: ground.number(),
            n,
            address: ground.address_of(n),
            uuid: Uuid::new_v4(),
        };
        passable(&folder)?;
        if stays {
            let path = folder.join("stays");
            fs::write(&path, "").map_err(Trouble::file(&path))?;
        }
        let path = folder.join("computer.json");
        fs::write(&path, serde_json::to_string(&about).unwrap_or_default()).map_err(Trouble::file(&path))?;
        Ok(Self {
            about,
            folder,
            cache: ground.cache(),
            bridge: ground.bridge(),
            stays,
            fresh: false,
            switch: None,
            waiting: Vec::new(),
        })
    }

    /// Takes hold of a computer that another program made to stay.
    ///
    /// # Errors
    /// There is none.
    pub(crate) fn find(ground: &Ground, name: &str) -> Result<Self> {
        let folder = ground.folder().join(name);
        let path = folder.join("computer.json");
        let text = fs::read(&path).map_err(Trouble::file(&path))?;
        let about = serde_json::from_slice(&text)
            .map_err(|why| Trouble::Answer(format!("{}: {why}", path.display())))?;
        Ok(Self {
            about,
            folder,
            cache: ground.cache(),
            bridge: ground.bridge(),
            stays: true,
            fresh: false,
            switch: None,
            waiting: Vec::new(),
        })
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

    /// Switches it on: namespaces, folders, network. No program runs on it then.
    ///
    /// # Errors
    /// It is on, not root, or a tool is missing.
    pub fn power_on(&mut self) -> Result<()> {
        if self.first().is_some() {
            return Err(Trouble::Host { name: self.about.name.clone(), is: "on already" });
        }
        let mut command = Command::new("unshare");
        command.args(["-m", "-n", "-p", "-u", "-i", "-f", "--mount-proc", "--kill-child=SIGKILL", "--"]);
        command.arg(program("hostler-testbed")?).arg("first-process");
        command.arg("--folder").arg(&self.folder).arg("--cache").arg(&self.cache);
        command.args(["--name", &self.about.name]);
        if self.fresh {
            command.arg("--fresh");
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
        let cable = format!("{}-{}", self.bridge, self.about.n);
        // The kernel takes a namespace apart some time after its last process.
        wait_for(STANDS, "the old cable is gone", || {
            (!Path::new("/sys/class/net").join(&cable).exists()).then_some(())
        })?;
        ip(&format!("link add {cable} type veth peer name eth0 netns {}", first.pid))?;
        ip(&format!("link set {cable} master {} up", self.bridge))?;
        self.inside(&["ip", "address", "add", &format!("{}/24", self.about.address), "dev", "eth0"])?;
        self.inside(&["ip", "link", "set", "eth0", "up"]).map(drop)
    }

    /// Cuts the power: everything in it is gone at once, what was not on disk is lost.
    ///
    /// # Errors
    /// It does not go off.
    pub fn power_off(&mut self) -> Result<()> {
        let Some(first) = self.first() else { return Ok(()) };
        first.end("the host")?;
        if let Some(mut switch) = self.switch.take() {
            let _ = switch.wait();
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
    /// The host is off.
    pub fn command(&self, words: &[&str]) -> Result<Command> {
        let first = self.first();
        let first = first.ok_or_else(|| Trouble::Host { name: self.about.name.clone(), is: "off" })?;
        let mut command = Command::new("nsenter");
        command.args(["-t", &first.pid.to_string(), "-m", "-n", "-p", "-u", "-i", "--"]).args(words);
        Ok(command)
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
    /// It does not go.
    pub fn kill(&mut self, what: &str) -> Result<()> {
        if let Some(process) = self.process(what) {
            process.end(what)?;
        }
        self.bury();
        Ok(())
    }

    fn bury(&mut self) {
        self.waiting.retain_mut(|child| matches!(child.try_wait(), Ok(None)));
    }

    fn pid_file(&self, what: &str) -> PathBuf {
        self.folder.join(format!("{what}.pid"))
    }

    fn log(&self, name: &str) -> Result<fs::File> {
        let path = self.folder.join(name);
        fs::OpenOptions::new().create(true).append(true).open(&path).map_err(Trouble::file(&path))
    }
}

impl Drop for Computer {
    fn drop(&mut self) {
        if !self.stays {
            let _ = self.power_off();
        }
    }
}
