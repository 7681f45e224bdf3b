//! A fleet that lives: so many changes a second, most of them on the hosts, some asked for by users.

use std::time::Duration;

use hostler_client::{Client, How};
use hostler_hypervisor::simulated::Outside;
use hostler_model::action::VmAction;
use hostler_model::request::EditVm;
use hostler_model::seen::Power;
use tokio::time::{MissedTickBehavior, interval};
use uuid::Uuid;

use super::Fleet;
use super::dice::Dice;

/// How often the next few changes are made.
const EVERY: Duration = Duration::from_millis(20);
/// How many of a thousand changes are asked for by users.
const ASKED: usize = 300;
/// How many machines are known at most for a host until they are looked at anew.
const LOOK_AGAIN_AFTER: usize = 500;

/// Changes something `per_s` times a second, for ever.
pub async fn live(fleet: &Fleet, client: &Client, per_s: f64, seed: u64) {
    let mut dice = Dice::new(seed);
    let mut tick = interval(EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let (mut owed, mut counted) = (0.0, 0);
    let mut known: Vec<(usize, Uuid)> = Vec::new();
    loop {
        tick.tick().await;
        owed += per_s * EVERY.as_secs_f64();
        while owed >= 1.0 {
            owed -= 1.0;
            if counted % LOOK_AGAIN_AFTER == 0 {
                known = all(fleet);
            }
            counted += 1;
            let Some((host, domain)) = known.get(dice.below(known.len())).copied() else { continue };
            if dice.of_a_thousand(ASKED) {
                ask(client, domain, counted, &mut dice);
            } else if let Some(joined) = fleet.hosts.get(host) {
                let power = joined.host.powers().get(&domain).copied();
                // What is not possible at this moment happens to another one.
                let _ = power.map(|power| joined.host.outside(&next(domain, power, &mut dice)));
            }
        }
    }
}

fn all(fleet: &Fleet) -> Vec<(usize, Uuid)> {
    let hosts = fleet.hosts.iter().enumerate().filter(|(_, joined)| !joined.agent_runs.is_finished());
    let all = hosts.flat_map(|(n, joined)| joined.host.powers().into_keys().map(move |domain| (n, domain)));
    all.filter(|(_, domain)| Some(*domain) != fleet.apart).collect()
}

/// What happens next to a machine: so that about three of four run, whatever the start.
fn next(domain: Uuid, power: Power, dice: &mut Dice) -> Outside {
    match power {
        Power::Running => dice
            .one(&[(55, 0), (20, 1), (12, 2), (6, 3), (4, 4), (3, 5)])
            .map(|what| match what {
                0 => Outside::GuestAgent(domain, dice.of_a_thousand(800)),
                1 => Outside::TurnOff(domain),
                2 => Outside::Pause(domain),
                3 => Outside::Save(domain),
                4 => Outside::GuestSuspends(domain),
                _ => Outside::Crash(domain),
            })
            .unwrap_or(Outside::TurnOff(domain)),
        Power::Off | Power::Saved | Power::Crashed => Outside::Start(domain),
        _ => Outside::Resume(domain),
    }
}

/// What users ask for. A machine is named by its domain, which is its id unless it was found.
fn ask(client: &Client, domain: Uuid, counted: usize, dice: &mut Dice) {
    let (client, what) = (client.clone(), dice.below(4));
    tokio::spawn(async move {
        let vm = domain.to_string();
        // Refused is an answer as well: it is on, it is busy, it is gone.
        let _ = match what {
            0 => client.act_on_vm(&vm, VmAction::Start, &How::default()).await,
            1 => client.act_on_vm(&vm, VmAction::Pause, &How::default()).await,
            2 => client.act_on_vm(&vm, VmAction::Resume, &How::default()).await,
            _ => {
                let edit = EditVm { notes: Some(format!("Looked at {counted} times.")), ..EditVm::default() };
                client.edit_vm(&vm, &edit, &How::default()).await
            }
        };
    });
}
