//! In which power states a command may act. The same table as the model's for people's actions, at the moment of
//! acting and at the machine itself: what the server knew when it decided may have changed since.

use hostler_model::command::Command;
use hostler_model::seen::Power;
use hostler_model::{Code, Refusal};
use uuid::Uuid;

/// The power states in which the command acts; none where power does not matter to it.
pub(crate) fn allowed_in(command: &Command) -> Option<&'static [Power]> {
    use Power::{
        Crashed, Off, Paused, PausedStorageFailing, PausedStorageFull, Running, Saved, ShuttingDown,
        Suspended,
    };
    Some(match command {
        Command::Start { .. } => &[Off, Saved, Crashed],
        Command::ShutDown { .. }
        | Command::Pause { .. }
        | Command::Leave { .. }
        | Command::Migrate { .. } => &[Running],
        Command::TurnOff { .. } => {
            &[Running, Paused, PausedStorageFull, PausedStorageFailing, ShuttingDown, Suspended, Saved]
        }
        Command::Resume { .. } => &[Paused, PausedStorageFull, PausedStorageFailing],
        Command::Reset { .. } => &[Running, Paused, PausedStorageFull, PausedStorageFailing, ShuttingDown],
        Command::Save { .. } => &[Running, Paused],
        Command::DiscardSaved { .. } => &[Saved],
        Command::Undefine { .. } | Command::TakeBackImport { .. } => &[Off, Saved, Crashed],
        Command::SetHardware { .. } => &[Off, Crashed],
        Command::AttachDisk { .. } | Command::DetachDisk { .. } => &[Running, Off, Crashed],
        Command::SetMedia { .. } => &[Running, Paused, Off, Crashed],
        Command::MakeDisk { .. }
        | Command::DeleteDisk { .. }
        | Command::BringBase { .. }
        | Command::Define { .. }
        | Command::Retitle { .. }
        | Command::Adopt { .. }
        | Command::ReadVm { .. }
        | Command::ReadHost
        | Command::MakeFolder { .. }
        | Command::Import { .. }
        | Command::ScanShare { .. }
        | Command::Stay { .. }
        | Command::Receive { .. }
        | Command::NotReceived { .. }
        | Command::SendBases { .. }
        | Command::SeeArrived { .. }
        | Command::ForgetMoved { .. }
        | Command::EndReceive { .. }
        | Command::RestartHost { .. }
        | Command::ShutDownHost { .. }
        | Command::SeeRestarted { .. }
        | Command::MakeNetwork { .. }
        | Command::ConfirmNetwork { .. }
        | Command::RemoveNetwork { .. }
        | Command::RestoreNetwork { .. }
        | Command::PrepareRemoval
        | Command::CancelRemoval
        | Command::BringProgram { .. }
        | Command::Upgrade { .. }
        | Command::Unknown => return None,
    })
}

/// Checks a machine's power against the command's table.
pub(crate) fn check(command: &Command, domain: Uuid, power: Power) -> Result<(), Refusal> {
    let Some(allowed) = allowed_in(command) else { return Ok(()) };
    if allowed.contains(&power) {
        return Ok(());
    }
    let words: Vec<&str> = allowed.iter().map(|power| power.words()).collect();
    let kept = if matches!(command, Command::Undefine { .. }) && power.is_on() { "kept: " } else { "" };
    Err(Refusal::new(
        Code::GuardRefused,
        format!("domain {domain}"),
        format!(
            "{kept}it is {}; \"{}\" acts only when it is: {}",
            power.words(),
            command.word(),
            words.join(", ")
        ),
    )
    .remedy("Look at the machine's present state and ask for what fits it"))
}

/// The host does not have the machine.
pub(crate) fn no_vm(domain: Uuid) -> Refusal {
    Refusal::new(Code::HypervisorNoVm, format!("domain {domain}"), "the host does not have this machine")
        .remedy("Refresh the host, or remove the machine from the record")
}

#[cfg(test)]
mod tests {
    use hostler_model::action::VmAction;

    use super::*;

    const POWERS: [Power; 11] = [
        Power::Running,
        Power::Paused,
        Power::PausedStorageFull,
        Power::PausedStorageFailing,
        Power::PausedBusy,
        Power::ShuttingDown,
        Power::Off,
        Power::Saved,
        Power::Crashed,
        Power::Suspended,
        Power::Unknown,
    ];

    /// The words of status and power are compared loosely: "Shut off" and "off" are one state under two names.
    fn model_allows(action: VmAction, power: Power) -> bool {
        let name = format!("{power:?}");
        action.allowed_in().iter().any(|status| format!("{status:?}") == name)
    }

    #[test]
    fn an_agent_acts_in_the_states_in_which_a_person_may_ask() {
        let domain = Uuid::nil();
        let pairs = [
            (VmAction::Start, Command::Start { domain }),
            (VmAction::ShutDown, Command::ShutDown { domain, limit_ms: 1 }),
            (VmAction::TurnOff, Command::TurnOff { domain }),
            (VmAction::Pause, Command::Pause { domain }),
            (VmAction::Resume, Command::Resume { domain }),
            (VmAction::Reset, Command::Reset { domain }),
            (VmAction::Save, Command::Save { domain }),
            (VmAction::DiscardSaved, Command::DiscardSaved { domain }),
            (VmAction::Migrate, Command::Leave { domain, ticket: String::new() }),
            (VmAction::Delete, Command::Undefine { domain }),
            (VmAction::SetHardware, Command::SetHardware { domain, cpus: 1, memory_mib: 64 }),
            (VmAction::SetMedia, Command::SetMedia { domain, file: None }),
            (
                VmAction::DetachDisk,
                Command::DetachDisk { domain, target: "vda".into(), file: String::new(), limit_ms: 1 },
            ),
        ];
        for (action, command) in pairs {
            for power in POWERS {
                assert_eq!(
                    check(&command, domain, power).is_ok(),
                    model_allows(action, power),
                    "{} in {power:?}",
                    command.word()
                );
            }
        }
    }

    #[test]
    fn an_unknown_power_state_satisfies_no_guard() {
        let domain = Uuid::nil();
        for command in [Command::Start { domain }, Command::TurnOff { domain }, Command::Undefine { domain }]
        {
            assert!(check(&command, domain, Power::Unknown).is_err());
        }
    }
}
