//! Restarting and shutting down the computer itself, once no machine runs on it.

use hostler_model::command::Command;
use hostler_model::{Code, Refusal};

use crate::Trouble;
use crate::perform::{Next, Part, Step, World, done, refused};

/// How often is looked whether the computer has started anew.
const LOOK_EVERY_MS: u64 = 1_000;

/// What a computer can do about its own power. Calls return once the computer has begun, or said that it will not.
pub trait Boots: Send + Sync {
    /// Which start of the computer this is.
    fn boot(&self) -> String;
    /// Restarts.
    fn restart(&self) -> Result<(), Trouble>;
    /// Shuts down.
    fn shut_down(&self) -> Result<(), Trouble>;
}

/// A computer that does neither.
pub struct NoBoots;

impl NoBoots {
    fn no() -> Result<(), Trouble> {
        let cause = "this agent does not restart its computer";
        Err(Trouble::Refused(
            Refusal::new(Code::AgentUnsupported, "computer", cause).remedy("Restart it by hand"),
        ))
    }
}

impl Boots for NoBoots {
    fn boot(&self) -> String {
        String::new()
    }
    fn restart(&self) -> Result<(), Trouble> {
        Self::no()
    }
    fn shut_down(&self) -> Result<(), Trouble> {
        Self::no()
    }
}

impl Step<'_> {
    /// The commands about the computer's power.
    pub(crate) fn begin_boot(&self) -> Part {
        let boots = self.world.boots;
        match self.command {
            Command::SeeRestarted { boot } if boots.boot() == *boot => Ok(Next::Wait { ms: LOOK_EVERY_MS }),
            Command::RestartHost { boot } if boots.boot() == *boot => self.once_empty(|| boots.restart()),
            Command::ShutDownHost { boot } if boots.boot() == *boot => self.once_empty(|| boots.shut_down()),
            _ => done(),
        }
    }

    // Whoever asked has stopped the machines; one that was started since by hand is not to lose its power.
    fn once_empty(&self, act: impl FnOnce() -> Result<(), Trouble>) -> Part {
        let machines = self.world.machines.list()?;
        if let Some(runs) = machines.iter().find(|seen| seen.power.is_on()) {
            let named = runs.title.as_deref().unwrap_or(&runs.name);
            let cause = format!("machine {named} is {} on it", runs.power.words());
            return refused(
                Refusal::new(Code::GuardRefused, "computer", cause)
                    .remedy("Stop the machine, then try again"),
            );
        }
        act()?;
        done()
    }
}

/// Whether the boot that was to end has ended.
pub(crate) fn has_ended(boot: &str, world: &World<'_>) -> bool {
    world.boots.boot() != boot
}
