//! What refreshers know: when each host and share was last looked at, what went wrong, and when its turn comes again.
//! All of it is volatile, and begins anew with the server.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use hostler_model::performance::VmLoad;
use hostler_model::refresher::{Refreshed, RefresherKind};
use hostler_model::seen::Power;
use hostler_model::{AgentId, Ms, Refusal, Timestamp, VmId};
use uuid::Uuid;

/// How many looks are begun within a second of those that somebody asked for at once.
const BEGUN_AT_ONCE: usize = 50;
/// By when a place that is new has had its first turn, however long the interval is: a server that is started anew every week
/// would else hardly ever look at what is looked at every two.
const FIRST_TURN_MS: Ms = 3_600_000;
/// How long after a machine was turned on or off its host is asked how loaded it is: two of the agent's measurements.
const SETTLED_MS: Ms = 12_000;

/// What is looked at, by which refresher.
pub(crate) type Place = (RefresherKind, Uuid);

/// What refreshers know.
#[derive(Default)]
pub(crate) struct Looks(Mutex<State>);

#[derive(Default)]
struct State {
    places: HashMap<Place, Look>,
    /// What was wrong with machines when their host was read as a whole.
    troubles: HashMap<AgentId, HashMap<Uuid, String>>,
    /// How loaded machines were when their host was asked.
    loads: HashMap<AgentId, HashMap<Uuid, VmLoad>>,
    /// Machines that somebody had read after that.
    by_hand: HashMap<VmId, Last>,
    /// Whether machines were on, as far as they were seen to change.
    powers: HashMap<VmId, Power>,
}

/// How far it is with one place.
#[derive(Clone, Debug, Default)]
pub(crate) struct Look {
    /// When its turn comes by the clock.
    pub(crate) next: Option<Timestamp>,
    /// Somebody wants it now.
    pub(crate) wanted: bool,
    /// It is under way.
    pub(crate) under_way: bool,
    /// How it ended last.
    pub(crate) last: Option<Last>,
}

/// How a look ended.
#[derive(Clone, Debug)]
pub(crate) struct Last {
    /// When.
    pub(crate) at: Timestamp,
    /// How long it took.
    pub(crate) took_ms: Ms,
    /// Why it failed.
    pub(crate) error: Option<Refusal>,
}

impl Looks {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is to be begun now, of places that may be looked at; those begun count as under way until they
    /// [ended](Self::ended). A place that is new gets its turn somewhere in the interval, or in its first hour, wherever its id
    /// says, and keeps it: a fleet that connects at once is not looked at at once.
    pub(crate) fn due(&self, kind: RefresherKind, places: &[Uuid], every_ms: Ms, at: Timestamp) -> Vec<Uuid> {
        let mut state = self.state();
        let mut due = Vec::new();
        let mut wanted = 0;
        for id in places.iter().copied() {
            let look = state.places.entry((kind, id)).or_default();
            look.next = match (every_ms, look.next) {
                (0, _) => None,
                (_, None) => Some(at.plus(part(kind, id, every_ms.min(FIRST_TURN_MS)))),
                // An interval that was made shorter counts at once, as does a clock that was set back.
                (_, Some(next)) => Some(next.min(at.plus(every_ms))),
            };
            if look.under_way {
                continue;
            }
            let by_hand = look.wanted && wanted < BEGUN_AT_ONCE;
            let by_the_clock = look.next.is_some_and(|next| next <= at);
            if by_the_clock || by_hand {
                wanted += usize::from(by_hand);
                (look.wanted, look.under_way) = (false, true);
                if every_ms > 0 {
                    look.next = Some(at.plus(every_ms));
                }
                due.push(id);
            }
        }
        due
    }

    /// Forgets places that are no longer there.
    pub(crate) fn keep(&self, there: impl Fn(Place) -> bool) {
        let mut state = self.state();
        state.places.retain(|place, _| there(*place));
        let host = |agent: &AgentId| there((RefresherKind::Host, agent.0));
        state.troubles.retain(|agent, _| host(agent));
        state.loads.retain(|agent, _| host(agent));
    }

    /// Wants a place looked at as soon as there is room.
    pub(crate) fn want(&self, place: Place) {
        self.state().places.entry(place).or_default().wanted = true;
    }

    /// A look is over.
    pub(crate) fn ended(&self, place: Place, at: Timestamp, took_ms: Ms, error: Option<Refusal>) {
        let mut state = self.state();
        let look = state.places.entry(place).or_default();
        look.under_way = false;
        look.last = Some(Last { at, took_ms, error });
    }

    /// It was looked at otherwise.
    pub(crate) fn told(&self, place: Place, at: Timestamp, took_ms: Ms, error: Option<Refusal>) {
        self.state().places.entry(place).or_default().last = Some(Last { at, took_ms, error });
    }

    /// What an agent answered beside its reports.
    pub(crate) fn answered(&self, kind: RefresherKind, agent: AgentId, answer: Refreshed, at: Timestamp) {
        let mut state = self.state();
        match kind {
            RefresherKind::VmHeavy => {
                let troubles = answer.troubles.into_iter().map(|of| (of.domain, of.cause)).collect();
                state.troubles.insert(agent, troubles);
            }
            RefresherKind::Performance => {
                let stamped = |load: VmLoad| VmLoad { at, ..load };
                let loads = answer.loads.into_iter().map(|of| (of.domain, stamped(of.load))).collect();
                state.loads.insert(agent, loads);
            }
            _ => {}
        }
    }

    /// Somebody had a machine read.
    pub(crate) fn read_by_hand(&self, vm: VmId, at: Timestamp, error: Option<Refusal>) {
        self.state().by_hand.insert(vm, Last { at, took_ms: 0, error });
    }

    /// A machine is now in this state; where that is news, its host will be asked soon how loaded its machines are.
    pub(crate) fn power(&self, vm: VmId, host: Option<AgentId>, power: Power, at: Timestamp) {
        let mut state = self.state();
        let before = state.powers.insert(vm, power);
        if before.is_some_and(|before| before.is_on() != power.is_on())
            && let Some(host) = host
            && let Some(look) = state.places.get_mut(&(RefresherKind::Performance, host.0))
            // Switched off, it stays off.
            && let Some(next) = look.next
        {
            look.next = Some(next.min(at.plus(SETTLED_MS)));
        }
    }

    /// A machine is gone.
    pub(crate) fn gone(&self, vm: VmId) {
        let mut state = self.state();
        state.powers.remove(&vm);
        state.by_hand.remove(&vm);
    }

    /// How far it is with a place.
    pub(crate) fn look(&self, place: Place) -> Look {
        self.state().places.get(&place).cloned().unwrap_or_default()
    }

    /// What is known of a machine on a host: how it was read last as a whole, and how loaded it was.
    pub(crate) fn of_vm(
        &self,
        vm: VmId,
        domain: Uuid,
        host: AgentId,
    ) -> (Option<Last>, Option<String>, Option<VmLoad>) {
        let state = self.state();
        let load = state.loads.get(&host).and_then(|of| of.get(&domain)).cloned();
        let heavy = state.places.get(&(RefresherKind::VmHeavy, host.0)).and_then(|look| look.last.clone());
        let by_hand = state.by_hand.get(&vm);
        if let Some(last) = by_hand
            && heavy.as_ref().is_none_or(|heavy| heavy.at < last.at)
        {
            return (Some(last.clone()), None, load);
        }
        let trouble = state.troubles.get(&host).and_then(|of| of.get(&domain)).cloned();
        (heavy, trouble, load)
    }
}

/// A part of a whole, the same each time for one place, and another for another refresher. The last digits of an id are
/// its random ones.
fn part(kind: RefresherKind, id: Uuid, whole: Ms) -> Ms {
    let mixed = (id.as_u128() as u64 ^ (kind as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15))
        .wrapping_mul(0xd6e8_feb8_6659_fd93);
    (mixed >> 32) * whole / 0xffff_ffff
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIGHT: RefresherKind = RefresherKind::VmLight;

    fn ended(looks: &Looks, kind: RefresherKind, due: &[Uuid], at: Timestamp) {
        due.iter().for_each(|id| looks.ended((kind, *id), at, 1, None));
    }

    #[test]
    fn a_fleet_that_connects_at_once_is_looked_at_spread_over_time_and_each_once_an_interval() {
        let hosts: Vec<Uuid> = (0..100u128).map(|n| Uuid::from_u128(n * 0x9e37_79b9_7f4a_7c15)).collect();
        let looks = Looks::default();
        let mut counts: HashMap<Uuid, u32> = HashMap::new();
        let mut most = 0;
        for second in 0..600 {
            let at = Timestamp(second * 1000);
            let now = looks.due(LIGHT, &hosts, 120_000, at);
            most = most.max(now.len());
            ended(&looks, LIGHT, &now, at);
            now.into_iter().for_each(|id| *counts.entry(id).or_default() += 1);
        }
        assert!(most < 10, "{most} in one second");
        assert!(hosts.iter().all(|id| (4..=5).contains(&counts[id])), "{counts:?}");
        let both = |kind| part(kind, hosts[7], 1_000_000);
        assert_ne!(
            both(LIGHT),
            both(RefresherKind::VmHeavy),
            "a host is not looked at by all at once either"
        );
    }

    #[test]
    fn a_long_interval_begins_within_an_hour_of_each_start_and_spread_over_it() {
        const FORTNIGHT_MS: Ms = 336 * 3_600_000;
        let share = RefresherKind::Library;
        let shares: Vec<Uuid> = (0..60u128).map(|n| Uuid::from_u128(n * 0x9e37_79b9_7f4a_7c15)).collect();
        let looks = Looks::default();
        let mut seen = 0;
        for minute in 0..=60 {
            let at = Timestamp(minute * 60_000);
            let now = looks.due(share, &shares, FORTNIGHT_MS, at);
            assert!(now.len() < 10, "{} at once", now.len());
            ended(&looks, share, &now, at);
            seen += now.len();
        }
        assert_eq!(seen, shares.len(), "each once");
        assert!(
            looks.due(share, &shares, FORTNIGHT_MS, Timestamp(300 * 3_600_000)).is_empty(),
            "then as it is set"
        );
    }

    #[test]
    fn an_interval_of_nought_is_never_unless_somebody_asks_and_a_shorter_one_counts_at_once() {
        let id = Uuid::from_u128(7);
        let looks = Looks::default();
        let due = |every_ms, at| looks.due(LIGHT, &[id], every_ms, Timestamp(at));
        assert!(due(3_600_000, 0).is_empty());
        assert!(due(10_000, 1_000).is_empty());
        assert_eq!(due(10_000, 11_000), [id]);
        assert!(due(10_000, 60_000).is_empty(), "it is looked at still");
        ended(&looks, LIGHT, &[id], Timestamp(60_000));
        assert!(due(0, i64::MAX).is_empty());
        assert_eq!(looks.look((LIGHT, id)).next, None);
        looks.want((LIGHT, id));
        assert_eq!(due(0, 70_000), [id], "by hand it looks all the same");
    }

    #[test]
    fn what_is_asked_for_all_at_once_begins_as_there_is_room() {
        let hosts: Vec<Uuid> = (0..120u128).map(Uuid::from_u128).collect();
        let looks = Looks::default();
        hosts.iter().for_each(|id| looks.want((LIGHT, *id)));
        let begun: Vec<usize> = (0..4).map(|_| looks.due(LIGHT, &hosts, 0, Timestamp(0)).len()).collect();
        assert_eq!(begun, [50, 50, 20, 0]);
    }

    #[test]
    fn a_machine_that_is_turned_on_brings_its_hosts_figures_soon_and_one_that_is_first_seen_does_not() {
        let (vm, host) = (VmId(Uuid::from_u128(1)), AgentId(Uuid::from_u128(2)));
        let looks = Looks::default();
        let place = (RefresherKind::Performance, host.0);
        looks.due(place.0, &[host.0], 540_000, Timestamp(0));
        let first = looks.look(place).next;
        looks.power(vm, Some(host), Power::Off, Timestamp(1_000));
        looks.power(vm, Some(host), Power::Off, Timestamp(2_000));
        assert_eq!(looks.look(place).next, first);
        looks.power(vm, Some(host), Power::Running, Timestamp(3_000));
        assert_eq!(looks.look(place).next, Some(Timestamp(15_000)));
    }
}
