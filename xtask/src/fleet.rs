//! A server of one's own with a simulated fleet, on free ports, its state in a folder that goes with it. What such a fleet
//! looks like is the testbed's.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde::Deserialize;

use crate::trouble::Trouble;
use crate::{commands, tree};

/// How long a fleet may take to be there, and how much longer for each machine.
const THERE: Duration = Duration::from_secs(180);
const THERE_EACH: Duration = Duration::from_millis(40);

/// Which fleet.
pub struct Fleet {
    /// The programs of `debug` or of `release`.
    pub profile: &'static str,
    /// How many hosts.
    pub hosts: u32,
    /// How many machines on all of them together.
    pub vms: u32,
    /// How many changes a second.
    pub changes_per_s: u32,
}

/// Where its server is, as `hostler-testbed simulate --ready` writes it.
#[derive(Deserialize)]
pub struct About {
    pub server: String,
    pub authority: PathBuf,
    pub token: String,
    pub reader_token: String,
}

/// A server with its fleet, until it is dropped.
pub struct Running {
    child: Child,
    state: PathBuf,
    /// Where it is.
    pub about: About,
    /// The file that says so.
    pub ready: PathBuf,
}

impl Fleet {
    /// Starts it, with its state below this folder, and waits until all machines are there.
    ///
    /// # Errors
    /// It is not built, or does not come up.
    pub fn start(&self, folder: &Path) -> Result<Running, Trouble> {
        let (state, ready) = (folder.join("state"), folder.join("ready.json"));
        let _ = fs::remove_dir_all(&state);
        let _ = fs::remove_file(&ready);
        let mut command = Command::new(tree::target().join(self.profile).join("hostler-testbed"));
        command.args(["simulate", "--hosts", &self.hosts.to_string(), "--vms", &self.vms.to_string()]);
        command.args(["--changes-per-s", &self.changes_per_s.to_string()]);
        command.arg("--alone").arg(&state).arg("--ready").arg(&ready);
        let child = command.stdin(Stdio::null()).spawn();
        let mut child =
            child.map_err(|error| Trouble::file("started", Path::new("hostler-testbed"), &error))?;
        let until = Instant::now() + THERE + THERE_EACH * self.vms;
        let about = loop {
            if let Some(about) = fs::read(&ready).ok().and_then(|text| serde_json::from_slice(&text).ok()) {
                break about;
            }
            let ended = child.try_wait().ok().flatten();
            if ended.is_some() || Instant::now() > until {
                let _ = child.kill();
                let _ = child.wait();
                return Err(Trouble::new(
                    format!("`{}` did not come up.", commands::line_of(&command)),
                    format!("Read its words above and {}.", state.join("server.log").display()),
                ));
            }
            std::thread::sleep(Duration::from_millis(100));
        };
        Ok(Running { child, state, about, ready })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // The server itself goes with the process that started it.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.state);
    }
}
