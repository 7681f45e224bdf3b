//! libvirt's states and reasons, in Hostler's words.

use hostler_model::seen::Power;
use virt_sys as s;

use crate::raw::{Domain, Error, State};

/// Whether a domain runs.
pub(crate) fn of(domain: &Domain<'_>) -> Result<Power, Error> {
    let state = domain.state()?;
    Ok(match plain(state) {
        Power::PausedStorageFailing => match domain.disk_trouble() {
            // libvirt says that a disk is full until it is started anew, also when another reason follows.
            Ok(Some(true)) => Power::PausedStorageFull,
            Err(why) if why.is_lost() => return Err(why),
            Ok(_) | Err(_) => Power::PausedStorageFailing,
        },
        Power::Off | Power::Crashed if domain.has_saved_state()? => Power::Saved,
        Power::Crashed if domain.is_active()? => Power::Paused,
        power => power,
    })
}

/// As far as state and reason alone tell.
fn plain(state: State) -> Power {
    match state.state {
        s::VIR_DOMAIN_RUNNING | s::VIR_DOMAIN_BLOCKED => Power::Running,
        s::VIR_DOMAIN_PAUSED => match state.reason {
            s::VIR_DOMAIN_PAUSED_IOERROR => Power::PausedStorageFailing,
            s::VIR_DOMAIN_PAUSED_MIGRATION
            | s::VIR_DOMAIN_PAUSED_SAVE
            | s::VIR_DOMAIN_PAUSED_DUMP
            | s::VIR_DOMAIN_PAUSED_SNAPSHOT
            | s::VIR_DOMAIN_PAUSED_STARTING_UP
            | s::VIR_DOMAIN_PAUSED_POSTCOPY
            | s::VIR_DOMAIN_PAUSED_POSTCOPY_FAILED => Power::PausedBusy,
            s::VIR_DOMAIN_PAUSED_SHUTTING_DOWN => Power::ShuttingDown,
            _ => Power::Paused,
        },
        s::VIR_DOMAIN_SHUTDOWN => Power::ShuttingDown,
        s::VIR_DOMAIN_SHUTOFF => match state.reason {
            s::VIR_DOMAIN_SHUTOFF_CRASHED => Power::Crashed,
            // Also the reason *failed*: it did not start, so nothing of it has crashed.
            _ => Power::Off,
        },
        s::VIR_DOMAIN_CRASHED => Power::Crashed,
        s::VIR_DOMAIN_PMSUSPENDED => Power::Suspended,
        _ => Power::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_state_and_reason_has_its_word() {
        for (state, reason, power) in [
            (1, 1, Power::Running),
            (1, 7, Power::Running),
            (2, 0, Power::Running),
            (3, 1, Power::Paused),
            (3, 0, Power::Paused),
            (3, 2, Power::PausedBusy),
            (3, 3, Power::PausedBusy),
            (3, 5, Power::PausedStorageFailing),
            (3, 11, Power::PausedBusy),
            (4, 1, Power::ShuttingDown),
            (5, 0, Power::Off),
            (5, 1, Power::Off),
            (5, 2, Power::Off),
            (5, 3, Power::Crashed),
            (5, 4, Power::Off),
            (5, 5, Power::Off),
            (5, 6, Power::Off),
            (6, 1, Power::Crashed),
            (7, 0, Power::Suspended),
            (99, 0, Power::Unknown),
        ] {
            assert_eq!(plain(State { state, reason }), power, "state {state}, reason {reason}");
        }
    }
}
