//! Restarts and shuts down this computer by the command that its settings name.

use std::process::{Command, Stdio};

use hostler_hypervisor::{Boots, Trouble};
use hostler_model::{Code, Refusal};

use crate::computer::kernel_boot_id;
use crate::config::Config;

/// The commands of one computer. They come from its own settings and from nowhere else.
pub(crate) struct OwnBoots {
    boot: Option<String>,
    restart: Vec<String>,
    shut_down: Vec<String>,
}

impl OwnBoots {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            boot: config.host_boot.clone(),
            restart: config.restart_command.clone(),
            shut_down: config.shut_down_command.clone(),
        }
    }
}

impl Boots for OwnBoots {
    fn boot(&self) -> String {
        self.boot.clone().unwrap_or_else(kernel_boot_id)
    }

    fn restart(&self) -> Result<(), Trouble> {
        run("restart_command", &self.restart)
    }

    fn shut_down(&self) -> Result<(), Trouble> {
        run("shut_down_command", &self.shut_down)
    }
}

fn run(setting: &str, words: &[String]) -> Result<(), Trouble> {
    let refused = |cause: String| {
        let remedy = format!("Look at {setting} in the agent's agent.toml, and run it by hand on the host");
        Trouble::Failed(Refusal::new(Code::HypervisorFailed, "computer", cause).remedy(remedy))
    };
    let Some((program, rest)) = words.split_first() else {
        return Err(refused(format!("{setting} is empty: this computer is not to be restarted from here")));
    };
    let mut command = Command::new(program);
    command.args(rest).stdin(Stdio::null());
    let ran = command.output().map_err(|why| refused(format!("{program}: {why}")))?;
    if ran.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&ran.stderr);
    let said: String = said.trim().chars().take(500).collect();
    Err(refused(format!("{program} ended with {}: {said}", ran.status)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_fails_says_which_setting_names_it() {
        let boots = OwnBoots {
            boot: None,
            restart: vec!["sh".into(), "-c".into(), "echo no rights >&2; exit 3".into()],
            shut_down: Vec::new(),
        };
        let Err(Trouble::Failed(why)) = boots.restart() else { panic!("it did not fail") };
        assert!(why.cause.contains("no rights") && why.remedy.contains("restart_command"), "{why}");
        let Err(Trouble::Failed(why)) = boots.shut_down() else { panic!("it did not fail") };
        assert!(why.cause.contains("is empty"), "{why}");
    }
}
