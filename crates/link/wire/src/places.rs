//! Who of those that dial shakes hands now. Anybody can dial, and say nothing then: so a place is not kept by whoever came
//! first. While nobody else asks, one address may hold every place, as all agents behind one router do; an address that holds
//! fewer is let in before it, and takes a place from it where none is free.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::session::Kill;

/// How many files a process may have open where the system does not say.
const OPEN_FILES: usize = 1024;

/// The places, and who waits for one.
pub(crate) struct Places {
    state: Mutex<State>,
    /// How many there are.
    places: usize,
    /// How many may wait for one.
    waiting: usize,
}

#[derive(Default)]
struct State {
    counted: u64,
    /// Who has a place, in the order in which they were given.
    held: Vec<Held>,
    /// Who waits, by address; those of one address in the order in which they came.
    waiting: HashMap<IpAddr, VecDeque<Waiter>>,
    /// How many wait.
    waiters: usize,
    /// The addresses of those who wait, each once: whose turn it is stands first.
    turns: VecDeque<IpAddr>,
}

struct Held {
    number: u64,
    from: IpAddr,
    kill: Kill,
}

struct Waiter {
    number: u64,
    kill: Kill,
    granted: oneshot::Sender<()>,
}

/// A place, or the wait for it. Dropped, it is another's.
pub(crate) struct Place {
    places: Arc<Places>,
    number: u64,
    from: IpAddr,
    kill: Kill,
}

/// One who has come, and may have to wait.
pub(crate) struct Asked {
    place: Place,
    granted: Option<oneshot::Receiver<()>>,
}

impl Asked {
    /// The place, once it is there; none where too many wait.
    pub(crate) async fn granted(self) -> Option<Place> {
        match self.granted {
            None => Some(self.place),
            Some(granted) => granted.await.ok().map(|()| self.place),
        }
    }
}

impl Place {
    /// Another address's connection has been given this place.
    pub(crate) async fn taken(&self) {
        self.kill.pulled().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.leave(self.number, self.from);
    }
}

impl Places {
    pub(crate) fn new(places: usize, waiting: usize) -> Arc<Self> {
        Arc::new(Self { state: Mutex::default(), places: places.max(1), waiting: waiting.max(1) })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Somebody comes from this address. Never waits.
    pub(crate) fn ask(self: &Arc<Self>, address: IpAddr) -> Asked {
        let (from, kill) = (network(address), Kill::default());
        let mut state = self.state();
        state.counted += 1;
        let number = state.counted;
        let free = state.held.len() < self.places || state.give_way(from);
        let granted = if free {
            state.held.push(Held { number, from, kill: kill.clone() });
            None
        } else {
            if state.waiters >= self.waiting {
                state.turn_away();
            }
            let (granted, waits) = oneshot::channel();
            state.wait(from, Waiter { number, kill: kill.clone(), granted });
            Some(waits)
        };
        Asked { place: Place { places: self.clone(), number, from, kill }, granted }
    }

    fn leave(&self, number: u64, from: IpAddr) {
        let mut state = self.state();
        match state.held.iter().position(|held| held.number == number) {
            Some(at) => {
                state.held.remove(at);
                state.next();
            }
            // It has waited in vain, or another has its place already.
            None => {
                let of = state.waiting.get(&from);
                let at = of.and_then(|of| of.iter().position(|waiter| waiter.number == number));
                at.and_then(|at| state.take(from, at));
            }
        }
    }
}

impl State {
    fn holds(&self, from: IpAddr) -> usize {
        self.held.iter().filter(|held| held.from == from).count()
    }

    /// Cuts the oldest connection of the address that holds most, if that still holds no fewer than this one afterwards.
    fn give_way(&mut self, to: IpAddr) -> bool {
        let most = self.held.iter().map(|held| (self.holds(held.from), held.from)).max_by_key(|(n, _)| *n);
        let Some((_, from)) = most.filter(|(n, _)| *n > self.holds(to) + 1) else { return false };
        let Some(at) = self.held.iter().position(|held| held.from == from) else { return false };
        self.held.remove(at).kill.cut("another address had no place");
        true
    }

    fn wait(&mut self, from: IpAddr, waiter: Waiter) {
        let of = self.waiting.entry(from).or_default();
        if of.is_empty() {
            self.turns.push_back(from);
        }
        of.push_back(waiter);
        self.waiters += 1;
    }

    /// Takes out one who waits: of this address, the one at this position.
    fn take(&mut self, from: IpAddr, at: usize) -> Option<Waiter> {
        let of = self.waiting.get_mut(&from)?;
        let waiter = of.remove(at)?;
        self.waiters -= 1;
        if of.is_empty() {
            self.waiting.remove(&from);
            let turn = self.turns.iter().position(|turn| *turn == from);
            turn.and_then(|turn| self.turns.remove(turn));
        }
        Some(waiter)
    }

    /// The oldest of the address of which most wait waits no longer.
    fn turn_away(&mut self) {
        let most = self.waiting.iter().max_by_key(|(_, of)| of.len()).map(|(from, _)| *from);
        most.and_then(|from| self.take(from, 0));
    }

    /// Gives a place that is free to one of the address that holds fewest, in turn. Among more addresses than there are
    /// places one holds none, so few are looked at.
    fn next(&mut self) {
        loop {
            let mut least: Option<(usize, usize)> = None;
            for (at, from) in self.turns.iter().enumerate() {
                let holds = self.holds(*from);
                if least.is_none_or(|(_, fewest)| holds < fewest) {
                    least = Some((at, holds));
                }
                if holds == 0 {
                    break;
                }
            }
            let Some((at, from)) = least.and_then(|(at, _)| Some((at, *self.turns.get(at)?))) else { return };
            let Some(waiter) = self.take(from, 0) else { return };
            if self.waiting.contains_key(&from) {
                self.turns.remove(at);
                self.turns.push_back(from);
            }
            if waiter.granted.send(()).is_ok() {
                self.held.push(Held { number: waiter.number, from, kill: waiter.kill });
                return;
            }
        }
    }
}

/// What counts as one address: with IPv6, the network that one computer draws its addresses from.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into(),
        v4 => v4,
    }
}

/// How many files this process may have open.
pub(crate) fn open_files() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    match line.and_then(|line| line.split_whitespace().next()) {
        Some("unlimited") => usize::MAX,
        soft => soft.and_then(|soft| soft.parse().ok()).unwrap_or(OPEN_FILES),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn from(n: u8) -> IpAddr {
        [192, 0, 2, n].into()
    }

    /// Whether it has its place now.
    fn has(asked: &mut Asked) -> bool {
        if asked.granted.as_mut().is_some_and(|granted| granted.try_recv().is_ok()) {
            asked.granted = None;
        }
        asked.granted.is_none()
    }

    fn is_cut(asked: &Asked) -> bool {
        asked.place.kill.why().is_some()
    }

    #[test]
    fn one_address_may_hold_every_place_and_is_never_cut_for_its_own() {
        let places = Places::new(4, 100);
        let mut all: Vec<Asked> = (0..10).map(|_| places.ask(from(1))).collect();
        for left in 0..10 {
            let now: Vec<bool> = all.iter_mut().map(has).collect();
            let first: Vec<bool> = (0..10 - left).map(|n| n < 4).collect();
            assert_eq!(now, first, "in the order in which they came");
            assert!(!is_cut(&all.remove(0)));
        }
    }

    #[test]
    fn an_address_that_holds_fewer_takes_a_place_from_the_one_that_holds_most_until_they_are_alike() {
        let places = Places::new(4, 100);
        let silent: Vec<Asked> = (0..50).map(|_| places.ask(from(1))).collect();
        let mut others: Vec<Asked> = (0..3).map(|_| places.ask(from(2))).collect();
        assert_eq!(silent.iter().map(is_cut).collect::<Vec<_>>()[..5], [true, true, false, false, false]);
        assert_eq!(others.iter_mut().map(has).collect::<Vec<_>>(), [true, true, false]);
        // Whoever waits before it, the address that holds fewer is next.
        drop(others.remove(0));
        assert!(has(&mut others[1]));
        drop(silent);
        assert!(others.iter().all(|other| !is_cut(other)));
    }

    #[test]
    fn addresses_that_hold_one_each_wait_for_each_other_in_turn() {
        let places = Places::new(2, 100);
        let first: Vec<Asked> = (1..3).map(|n| places.ask(from(n))).collect();
        let mut waiting: Vec<Asked> = [3, 3, 4].map(|n| places.ask(from(n))).into();
        assert!(!first.iter().any(is_cut) && !waiting.iter_mut().any(has));
        drop(first);
        assert_eq!(waiting.iter_mut().map(has).collect::<Vec<_>>(), [true, false, true]);
    }

    #[test]
    fn where_too_many_wait_the_oldest_of_the_address_with_most_goes_and_nobody_who_gave_up_is_counted() {
        let places = Places::new(1, 3);
        let holder = places.ask(from(1));
        let mut silent: Vec<Asked> = (0..3).map(|_| places.ask(from(1))).collect();
        let mut other = places.ask(from(2));
        let away = silent.remove(0).granted.unwrap().try_recv();
        assert_eq!(away, Err(oneshot::error::TryRecvError::Closed));
        drop(silent);
        assert_eq!(places.state().waiters, 1);
        drop(holder);
        assert!(has(&mut other));
        drop(other);
        let state = places.state();
        assert!(state.held.is_empty() && state.waiting.is_empty() && state.turns.is_empty());
        assert_eq!(state.waiters, 0);
    }

    #[test]
    fn one_computer_is_one_address_however_many_of_ipv6_it_draws() {
        let same = |a: &str, b: &str| network(a.parse().unwrap()) == network(b.parse().unwrap());
        assert!(same("2001:db8::1", "2001:db8::ffff:1") && !same("2001:db8::1", "2001:db8:0:1::1"));
        assert!(same("::ffff:192.0.2.1", "192.0.2.1") && !same("192.0.2.1", "192.0.2.2"));
        assert!(open_files() > 0);
    }
}
