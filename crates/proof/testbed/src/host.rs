//! A test host: a real libvirt and a real agent in namespaces of their own, whose power can be cut.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::commands::{ip, program, run, run_with};
use crate::ground::{Ground, passable};
use crate::process::{Process, wait_for};
use crate::trouble::{Result, Trouble};

/// libvirtd without systemd, with room for calls that hang in guests' agents.
const LIBVIRTD: &str = "min_workers = 20\nmax_workers = 64\nmax_client_requests = 20\n";
/// QEMU without what needs more than namespaces: no log daemon, no security driver, no control groups.
const QEMU: &str = "stdio_handler = \"file\"\nsecurity_driver = \"none\"\ncgroup_controllers = []\n";
/// How long libvirtd may take to answer: five times what it took on a busy computer, with capabilities to find out.
const ANSWERS: Duration = Duration::from_secs(40);
/// How long namespaces may take to stand.
const STANDS: Duration = Duration::from_secs(20);

/// A test host. Dropped, its power is cut and its folder goes with its ground.
#[derive(Debug)]
pub struct Host {
    about: About,
    folder: PathBuf,
    cache: PathBuf,
    bridge: String,
    /// Whether it outlives the program that holds it.
    stays: bool,
    /// The program that made the namespaces: its standard input is the power switch.
    switch: Option<Child>,
    /// Programs that wait for one process inside each, to be buried.
    waiting: Vec<Child>,
}

/// What is written down of a host, so that another program can take hold of it.
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

impl Host {
    /// Makes a host on this ground, powers it on and starts its libvirtd.
    ///
    /// # Errors
    /// A tool is missing or fails.
    pub fn start(ground: &Ground, name: &str, n: u8) -> Result<Self> {
        let mut host = Self::make(ground, name, n, false)?;
        host.power_on()?;
        host.libvirtd_start()?;
        Ok(host)
    }

    /// Makes a host's folders; its power is off.
    pub(crate) fn make(ground: &Ground, name: &str, n: u8, stays: bool) -> Result<Self> {
        let folder = ground.folder().join(name);
        let about = About {
            name: name.into(),
            number: ground.number(),
            n,
            address: ground.address_of(n),
            uuid: Uuid::new_v4(),
        };
        passable(&folder.join("etc"))?;
        let write = |file: &str, text: String| {
            let path = folder.join(file);
            fs::write(&path, text).map_err(Trouble::file(&path))
        };
        write("etc/libvirtd.conf", format!("{LIBVIRTD}host_uuid = \"{}\"\n", about.uuid))?;
        write("etc/qemu.conf", QEMU.into())?;
        write("host.json", serde_json::to_string(&about).unwrap_or_default())?;
        Ok(Self {
            about,
            folder,
            cache: ground.cache(),
            bridge: ground.bridge(),
            stays,
            switch: None,
            waiting: Vec::new(),
        })
    }

    /// Takes hold of a host that another program made to stay.
    ///
    /// # Errors
    /// There is none.
    pub(crate) fn find(ground: &Ground, name: &str) -> Result<Self> {
        let folder = ground.folder().join(name);
        let path = folder.join("host.json");
        let text = fs::read(&path).map_err(Trouble::file(&path))?;
        let about = serde_json::from_slice(&text)
            .map_err(|why| Trouble::Answer(format!("{}: {why}", path.display())))?;
        Ok(Self {
            about,
            folder,
            cache: ground.cache(),
            bridge: ground.bridge(),
            stays: true,
            switch: None,
            waiting: Vec::new(),
        })
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

    /// The state folder of its agent.
    pub fn agent_state(&self) -> PathBuf {
        self.folder.join("agent")
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

    /// Switches it on: namespaces, folders, network. Neither libvirtd nor agent runs then.
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
        for what in ["first", "agent", "libvirtd"] {
            let _ = fs::remove_file(self.pid_file(what));
        }
        Ok(())
    }

    /// Starts libvirtd and waits until it answers.
    ///
    /// # Errors
    /// It runs already, or does not answer.
    pub fn libvirtd_start(&mut self) -> Result<()> {
        self.libvirtd_launch()?;
        self.libvirtd_answers()
    }

    /// Starts libvirtd.
    ///
    /// # Errors
    /// It runs already, or cannot be started.
    pub fn libvirtd_launch(&mut self) -> Result<()> {
        self.launch("libvirtd", &["libvirtd"])
    }

    /// Waits until libvirtd answers.
    ///
    /// # Errors
    /// It does not.
    pub fn libvirtd_answers(&self) -> Result<()> {
        let why = "libvirtd answers";
        wait_for(ANSWERS, why, || self.virsh(&["list", "--all", "--name"]).ok()).map(drop)
    }

    /// Kills libvirtd with `SIGKILL`. Machines run on.
    ///
    /// # Errors
    /// It does not go.
    pub fn libvirtd_kill(&mut self) -> Result<()> {
        self.kill("libvirtd")
    }

    /// Enrols the agent with a server by a token, through the agent's own command.
    ///
    /// # Errors
    /// As the agent says.
    pub fn agent_enrol(&self, server: &str, token: &str) -> Result<()> {
        let state = self.agent_state();
        passable(&state)?;
        let config = state.join("agent.toml");
        let text = format!("name = \"{}\"\nhost_boot = \"{}\"\n", self.about.name, Uuid::new_v4());
        fs::write(&config, text).map_err(Trouble::file(&config))?;
        let agent = program("hostler-agent")?;
        let mut command = self.command(&[])?;
        command.arg(agent).arg("--state").arg(state);
        command.args(["enrol", "--server", server, "--token-file", "-"]);
        run_with(&mut command, token).map(drop)
    }

    /// Adds a line to the agent's settings; it counts from the agent's next start.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn agent_set(&self, line: &str) -> Result<()> {
        let path = self.agent_state().join("agent.toml");
        let text = fs::read_to_string(&path).map_err(Trouble::file(&path))?;
        fs::write(&path, format!("{text}{line}\n")).map_err(Trouble::file(&path))
    }

    /// Starts the agent.
    ///
    /// # Errors
    /// It runs already, or cannot be started.
    pub fn agent_start(&mut self) -> Result<()> {
        let agent = program("hostler-agent")?;
        let state = self.agent_state();
        self.launch("agent", &[&agent.to_string_lossy(), "--state", &state.to_string_lossy(), "run"])
    }

    /// Kills the agent with `SIGKILL`. Machines run on.
    ///
    /// # Errors
    /// It does not go.
    pub fn agent_kill(&mut self) -> Result<()> {
        self.kill("agent")
    }

    /// Runs `virsh` inside and answers what it wrote.
    ///
    /// # Errors
    /// As it says.
    pub fn virsh(&self, words: &[&str]) -> Result<String> {
        self.inside(&[&["virsh", "-q", "-c", "qemu:///system"], words].concat())
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

    /// What a log of the host holds: `agent.log`, `libvirtd.log`, `first-process.log`.
    pub fn log_of(&self, what: &str) -> String {
        fs::read_to_string(self.folder.join(format!("{what}.log"))).unwrap_or_default()
    }

    /// The process of the agent or libvirtd, while it runs.
    pub fn process(&self, what: &str) -> Option<Process> {
        Process::read(&self.pid_file(what))
    }

    /// The first process, while the host is on.
    pub fn first(&self) -> Option<Process> {
        self.process("first")
    }

    fn launch(&mut self, what: &str, words: &[&str]) -> Result<()> {
        if self.process(what).is_some() {
            return Err(Trouble::Answer(format!("{what} runs on host {} already", self.about.name)));
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

    fn kill(&mut self, what: &str) -> Result<()> {
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

impl Drop for Host {
    fn drop(&mut self) {
        if !self.stays {
            let _ = self.power_off();
        }
    }
}
