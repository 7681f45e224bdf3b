//! A test host: a real libvirt and a real agent on a computer of the testbed.

use std::fs;
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::time::Duration;

use uuid::Uuid;

use crate::commands::{program, run_with};
use crate::computer::{Computer, Manner};
use crate::ground::{Ground, passable};
use crate::process::{Process, wait_for};
use crate::trouble::{Result, Trouble};
use crate::versions::Version;

/// libvirtd without systemd, with room for calls that hang in guests' agents.
const LIBVIRTD: &str = "min_workers = 20\nmax_workers = 64\nmax_client_requests = 20\n";
/// QEMU without what needs more than namespaces: no log daemon, no security driver, no control groups.
const QEMU: &str = "stdio_handler = \"file\"\nsecurity_driver = \"none\"\ncgroup_controllers = []\n";
/// What programs are called that run machines.
const QEMUS: &str = "qemu-system-";
/// How long libvirtd may take to answer: five times what it took on a busy computer, with capabilities to find out.
const ANSWERS: Duration = Duration::from_secs(40);

/// A test host. Dropped, its power is cut.
#[derive(Debug)]
pub struct Host {
    computer: Computer,
    /// Where its machines' folders are made, where that was set.
    vm_folder: Option<PathBuf>,
}

impl Host {
    /// Makes a host on this ground, powers it on and starts its libvirtd.
    ///
    /// # Errors
    /// A tool is missing or fails.
    pub fn start(ground: &Ground, name: &str, n: u8) -> Result<Self> {
        let mut host = Self::make(ground, name, n, Manner::default())?;
        host.boot()?;
        Ok(host)
    }

    /// The same; what the guests of its machines say at [`crate::counting::PORT`] is written down.
    ///
    /// # Errors
    /// A tool is missing or fails.
    pub fn start_observed(ground: &Ground, name: &str, n: u8) -> Result<Self> {
        let mut host = Self::make(ground, name, n, Manner { observed: true, ..Manner::default() })?;
        host.boot()?;
        Ok(host)
    }

    /// Makes a host whose power is off.
    ///
    /// # Errors
    /// Its folders cannot be made.
    pub(crate) fn make(ground: &Ground, name: &str, n: u8, manner: Manner) -> Result<Self> {
        let computer = Computer::make(ground, name, n, manner)?;
        let etc = computer.scratch("etc")?;
        for (file, text) in [
            ("libvirtd.conf", format!("{LIBVIRTD}host_uuid = \"{}\"\n", Uuid::new_v4())),
            ("qemu.conf", QEMU.into()),
        ] {
            let path = etc.join(file);
            fs::write(&path, text).map_err(Trouble::file(&path))?;
        }
        Ok(Self { computer, vm_folder: None })
    }

    /// Takes hold of a host that another program made, by its folder. Dropped, it is left as it is.
    ///
    /// # Errors
    /// There is none.
    pub fn at(folder: &Path) -> Result<Self> {
        Computer::at(folder).map(|computer| Self { computer, vm_folder: None })
    }

    /// Boots it: power, libvirtd, and the agent where one is enrolled.
    ///
    /// # Errors
    /// It is on, or something does not start.
    pub fn boot(&mut self) -> Result<()> {
        self.power_on()?;
        self.libvirtd_start()?;
        if !self.has_agent() {
            return Ok(());
        }
        self.agent_settings()?;
        self.agent_start()
    }

    /// Whether an agent is enrolled on it.
    pub(crate) fn has_agent(&self) -> bool {
        self.agent_state().join("identity").exists()
    }

    /// The state folder of its agent.
    pub fn agent_state(&self) -> PathBuf {
        self.folder().join("agent")
    }

    /// The folder in which machines' folders are made.
    pub fn vm_folder(&self) -> PathBuf {
        self.vm_folder.clone().unwrap_or_else(|| self.agent_state().join("vms"))
    }

    /// Has machines' folders made in this one, from the agent's next start.
    ///
    /// # Errors
    /// The agent's settings cannot be written.
    pub(crate) fn set_vm_folder(&mut self, folder: PathBuf) -> Result<()> {
        self.agent_set(&format!("vm_folder = \"{}\"", folder.display()))?;
        self.vm_folder = Some(folder);
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
        wait_for(ANSWERS, "libvirtd answers", || self.virsh(&["list", "--name"]).ok()).map(drop)
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
        self.agent_enrols(&["enrol", "--server", server, "--token-file", "-"], token)
    }

    /// The same where it is enrolled with another server, which it gives up.
    ///
    /// # Errors
    /// As the agent says.
    pub fn agent_enrol_again(&self, server: &str, token: &str) -> Result<()> {
        self.agent_enrols(&["enrol", "--again", "--server", server, "--token-file", "-"], token)
    }

    fn agent_enrols(&self, words: &[&str], token: &str) -> Result<()> {
        let state = self.agent_state();
        passable(&state)?;
        self.agent_settings()?;
        let agent = program("hostler-agent")?;
        let mut command = self.command(&[])?;
        command.arg(agent).arg("--state").arg(state);
        command.args(words);
        run_with(&mut command, token).map(drop)
    }

    /// Sets one of the agent's settings, by its line; it counts from the agent's next start.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn agent_set(&self, line: &str) -> Result<()> {
        let path = self.agent_state().join("agent.toml");
        let key = |line: &str| line.split('=').next().map(|key| key.trim().to_owned());
        let before = fs::read_to_string(&path).unwrap_or_default();
        let mut lines: Vec<&str> = before.lines().filter(|other| key(other) != key(line)).collect();
        lines.push(line);
        fs::write(&path, lines.join("\n") + "\n").map_err(Trouble::file(&path))
    }

    /// Writes into the agent's settings which boot this is: all test hosts share one kernel. And that it can neither restart
    /// nor shut down by itself, unless it was told how.
    fn agent_settings(&self) -> Result<()> {
        self.agent_set(&format!("name = \"{}\"", self.name()))?;
        let before = fs::read_to_string(self.agent_state().join("agent.toml")).unwrap_or_default();
        for (setting, what) in [("restart_command", "restart"), ("shut_down_command", "shut down")] {
            if !before.lines().any(|line| line.starts_with(setting)) {
                self.agent_set(&format!("{setting} = {}", cannot(what, self.name())))?;
            }
        }
        self.agent_set(&format!("host_boot = \"{}\"", Uuid::new_v4()))
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

    /// Starts an agent that speaks as another version does, in place of the one that is installed.
    ///
    /// # Errors
    /// One runs already, or it cannot be started.
    pub fn agent_start_as(&mut self, version: Version) -> Result<()> {
        let testbed = program("hostler-testbed")?;
        let (testbed, state) = (testbed.to_string_lossy(), self.agent_state());
        let state = state.to_string_lossy();
        self.launch("agent", &[&testbed, "agent-of", version.word(), "--", "--state", &state, "run"])
    }

    /// Kills the agent with `SIGKILL`. Machines run on.
    ///
    /// # Errors
    /// It does not go.
    pub fn agent_kill(&mut self) -> Result<()> {
        self.kill("agent")
    }

    /// Kills the processes of all its machines with `SIGKILL`. libvirtd and the agent run on.
    ///
    /// # Errors
    /// One does not go.
    pub fn qemus_kill(&mut self) -> Result<()> {
        self.kill_those(|name| name.starts_with(QEMUS))
    }

    /// Kills all that runs on it with `SIGKILL`: agent, libvirtd, machines. The host itself stays on.
    ///
    /// # Errors
    /// Something does not go.
    pub fn all_kill(&mut self) -> Result<()> {
        self.kill_those(|_| true)
    }

    /// The processes of its machines.
    pub fn qemus(&self) -> Vec<Process> {
        let all = self.processes().into_iter();
        all.filter(|(_, name)| name.starts_with(QEMUS)).map(|(process, _)| process).collect()
    }

    /// Runs `virsh` inside and answers what it wrote.
    ///
    /// # Errors
    /// As it says.
    pub fn virsh(&self, words: &[&str]) -> Result<String> {
        self.inside(&[&["virsh", "-q", "-c", "qemu:///system"], words].concat())
    }
}

/// The command of a test host that is to do this: no systemd runs on it, and what it is told to do goes to nobody else.
fn cannot(what: &str, host: &str) -> String {
    let by_hand =
        format!("hostler-testbed power off --host {host}, then hostler-testbed power on --host {host}");
    format!(
        r#"["sh", "-c", "echo 'a test host cannot {what} by itself, only by hand: {by_hand}' >&2; exit 1"]"#
    )
}

impl Deref for Host {
    type Target = Computer;
    fn deref(&self) -> &Computer {
        &self.computer
    }
}

impl DerefMut for Host {
    fn deref_mut(&mut self) -> &mut Computer {
        &mut self.computer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_test_host_cannot_do_is_said_with_what_can() {
        let words: Vec<String> = serde_json::from_str(&cannot("restart", "a")).unwrap();
        let ran = std::process::Command::new(&words[0]).args(&words[1..]).output().unwrap();
        let said = String::from_utf8_lossy(&ran.stderr).into_owned();
        assert!(!ran.status.success() && said.contains("cannot restart by itself"), "{said}");
        assert!(said.contains("hostler-testbed power off --host a"), "{said}");
    }
}
