//! Finds out by looking whether a command took effect whose end nobody saw. It acts on nothing, except that it
//! removes unfinished files that bear the step's mark, and what an undefined machine left.

use hostler_model::command::{Answer, Command, Mark};
use hostler_model::seen::{Power, Seen};
use hostler_model::{Code, Refusal};

use crate::boots::has_ended;
use crate::moving::probe_migration;
use crate::networks::probe_network;
use crate::perform::World;
use crate::{Trouble, guard};

/// What looking found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probed {
    /// It took effect (or somebody else brought the same about).
    Done(Answer),
    /// It did not take effect.
    NotDone,
    /// Looking cannot tell.
    Unknown(Refusal),
    /// It could not be looked: the hypervisor or the disks do not answer now. Ask again later.
    Blind(Refusal),
}

/// Looks whether the command took effect. `undo` and `mark` as in the command's sending.
pub fn probe(command: &Command, mark: &Mark, undo: bool, world: &World<'_>) -> Probed {
    match look(command, mark, undo, world) {
        Ok(probed) => probed,
        Err(trouble) => Probed::Blind(trouble.into_refusal(command.word())),
    }
}

fn look(command: &Command, mark: &Mark, undo: bool, world: &World<'_>) -> Result<Probed, Trouble> {
    let machines = world.machines;
    let seen = |domain| machines.read(domain);
    let found =
        match command {
            Command::MakeDisk { file, .. } => {
                let mark = mark.to_string();
                match world.disks.look(file)? {
                    Some(there) if there.mark.as_deref() == Some(mark.as_str()) => {
                        return Ok(Probed::Done(Answer::Disk { size_bytes: there.size_bytes }));
                    }
                    _ => world.disks.sweep(file, &mark)?,
                }
                false
            }
            Command::DeleteDisk { file, .. } => match world.disks.look(file)? {
                None => {
                    world.disks.sweep(file, &mark.to_string())?;
                    true
                }
                Some(there) => undo && there.mark != Some(mark.to_string()),
            },
            Command::Define { definition } => seen(definition.identity.domain)?
                .is_some_and(|seen| seen.identity == Some(definition.identity)),
            Command::MakeFolder { path } => world.disks.has_folder(path)?,
            Command::Undefine { domain } => {
                let is_gone = seen(*domain)?.is_none();
                if is_gone {
                    machines.sweep(*domain);
                }
                is_gone
            }
            Command::Start { domain } => power(seen(*domain)?).is_some_and(is_started),
            Command::ShutDown { domain, .. } | Command::TurnOff { domain } => match power(seen(*domain)?) {
                None | Some(Power::Off | Power::Crashed) => true,
                Some(Power::Unknown) => return Ok(unknown(command)),
                Some(_) => false,
            },
            Command::Pause { domain } => power(seen(*domain)?).is_some_and(Power::is_paused),
            Command::Resume { domain } => power(seen(*domain)?) == Some(Power::Running),
            Command::Save { domain } => power(seen(*domain)?) == Some(Power::Saved),
            Command::DiscardSaved { domain } => power(seen(*domain)?) != Some(Power::Saved),
            Command::Reset { .. } => return Ok(unknown(command)),
            Command::SetHardware { domain, cpus, memory_mib } => {
                seen(*domain)?.is_some_and(|seen| (seen.cpus, seen.memory_mib) == (*cpus, *memory_mib))
            }
            Command::Retitle { domain, title } => {
                seen(*domain)?.is_some_and(|seen| seen.title.as_deref() == Some(title))
            }
            Command::AttachDisk { domain, disk } => {
                held(world, *domain, &disk.target())?.as_deref() == Some(disk.file.as_str())
            }
            Command::DetachDisk { domain, target, .. } => held(world, *domain, target)?.is_none(),
            Command::SetMedia { domain, file } => seen(*domain)?
                .is_some_and(|seen| seen.disks.iter().any(|disk| disk.dvd && disk.file == *file)),
            Command::Adopt { identity } => {
                seen(identity.domain)?.is_some_and(|seen| seen.identity == Some(*identity))
            }
            Command::Import { identity, .. } => {
                seen(identity.domain)?.is_some_and(|seen| seen.identity == Some(*identity))
            }
            Command::TakeBackImport { identity } => {
                seen(identity.domain)?.is_none_or(|seen| seen.identity != Some(*identity))
            }
            Command::Migrate { domain, .. } => return probe_migration(*domain, world),
            Command::RestartHost { boot }
            | Command::ShutDownHost { boot }
            | Command::SeeRestarted { boot } => has_ended(boot, world),
            Command::MakeNetwork { .. }
            | Command::ConfirmNetwork { .. }
            | Command::RemoveNetwork { .. }
            | Command::RestoreNetwork { .. } => probe_network(command, world)?,
            // Nothing to find: what they bring is brought again by the next attempt.
            Command::BringBase { .. }
            | Command::ReadVm { .. }
            | Command::ReadHost
            | Command::ScanShare { .. }
            | Command::Leave { .. }
            | Command::Stay { .. }
            | Command::Receive { .. }
            | Command::NotReceived { .. }
            | Command::SendBases { .. }
            | Command::SeeArrived { .. }
            | Command::ForgetMoved { .. }
            | Command::EndReceive { .. }
            | Command::PrepareRemoval
            | Command::CancelRemoval
            | Command::BringProgram { .. }
            | Command::Upgrade { .. }
            | Command::Unknown => false,
        };
    Ok(if found { Probed::Done(Answer::Nothing) } else { Probed::NotDone })
}

fn power(seen: Option<Seen>) -> Option<Power> {
    seen.map(|seen| seen.power)
}

/// A start has taken effect once a process holds the machine, whatever its guest did since.
fn is_started(power: Power) -> bool {
    power.is_on() && power != Power::Unknown
}

fn held(world: &World<'_>, domain: uuid::Uuid, target: &str) -> Result<Option<String>, Trouble> {
    match world.machines.holds_disk(domain, target) {
        Err(Trouble::Refused(refusal) | Trouble::Failed(refusal)) if refusal.code == Code::HypervisorNoVm => {
            Ok(None)
        }
        other => other,
    }
}

fn unknown(command: &Command) -> Probed {
    let object =
        command.domain().map_or_else(|| command.word().to_owned(), |domain| format!("domain {domain}"));
    Probed::Unknown(Refusal::new(
        Code::AgentOutcomeUnknown,
        object,
        format!("\"{}\" leaves no trace that could be looked for", command.word()),
    ))
}

impl Trouble {
    /// The trouble as people read it.
    pub fn into_refusal(self, object: &str) -> Refusal {
        match self {
            Trouble::Failed(refusal) | Trouble::Refused(refusal) => refusal,
            Trouble::Aborted => Refusal::new(Code::JobCancelled, object, "stopped on request"),
            Trouble::Interrupted(why) => {
                Refusal::new(Code::AgentInterrupted, object, format!("the call was interrupted: {why}"))
                    .remedy("See whether libvirt runs on the host, then ask again")
            }
        }
    }
}

/// What every driver answers for a domain that the host does not have.
pub fn no_vm(domain: uuid::Uuid) -> Trouble {
    Trouble::Failed(guard::no_vm(domain))
}
