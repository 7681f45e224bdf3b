//! Passwords are checked slowly on purpose, and slower still for whoever guesses.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hostler_server::{hash_password, verify_password};
use tokio::sync::Semaphore;

use crate::problem::Problem;
use hostler_model::Refusal;

/// How many passwords are hashed at the same time. Each takes about 20 ms of a processor and 19 MiB: more would starve
/// everything else, fewer would let one slow hash hold everybody up.
const AT_ONCE: usize = 2;
/// How many may wait for that. More would wait longer than a person does.
const WAITING: usize = 64;
/// Failures in a row that cost an account nothing: people mistype. Fewer annoys, more helps guessing.
const FREE_FOR_ACCOUNT: u32 = 5;
/// Failures in a row that cost an address nothing: many people may share one.
const FREE_FOR_ADDRESS: u32 = 20;
/// The longest delay. Longer would let a stranger who knows a name keep its owner out; at this one a guess a minute is
/// all that anybody gets.
const LONGEST_DELAY_S: u64 = 60;
/// After how long without a try failures are forgotten.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(900);
/// How many accounts and addresses are remembered: 10,000 take about 1 MiB.
const REMEMBERED: usize = 10_000;

/// The checking of passwords.
pub(crate) struct Passwords {
    room: Arc<Semaphore>,
    queue: Semaphore,
    tries: Mutex<HashMap<Who, Tries>>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
enum Who {
    Account(String),
    Address(IpAddr),
}

struct Tries {
    failed: u32,
    last: Instant,
    not_before: Instant,
}

impl Default for Passwords {
    fn default() -> Self {
        Self {
            room: Arc::new(Semaphore::new(AT_ONCE)),
            queue: Semaphore::new(WAITING),
            tries: Mutex::new(HashMap::new()),
        }
    }
}

impl Passwords {
    /// Checks a password for somebody at an address. The try counts as failed until it has succeeded, so that a
    /// hundred at once are a hundred.
    pub(crate) async fn verify(
        &self,
        account: &str,
        address: IpAddr,
        password: String,
        hash: Option<String>,
    ) -> Result<bool, Problem> {
        let who = [Who::Account(account.to_lowercase()), Who::Address(network(address))];
        self.begin(&who, Instant::now())?;
        let good = self.work(move || verify_password(&password, hash.as_deref())).await?;
        if good {
            self.succeeded(&who);
        }
        Ok(good)
    }

    /// The hash of a new password.
    pub(crate) async fn hash(&self, password: String) -> Result<String, Problem> {
        let hashed = self.work(move || hash_password(&password)).await?;
        hashed.map_err(|refused| Refusal::invalid("password", refused.to_string()).into())
    }

    async fn work<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
        let crowded =
            || Problem::too_many("sign-in", "too many passwords are being checked at the moment", 1);
        let _queued = self.queue.try_acquire().map_err(|_| crowded())?;
        let room = self.room.clone().acquire_owned().await.map_err(|_| crowded())?;
        // The room is given back by the thread: who hangs up frees no processor.
        let done = tokio::task::spawn_blocking(move || {
            let result = work();
            drop(room);
            result
        });
        done.await.map_err(|cause| Problem::internal("password", cause))
    }

    fn begin(&self, who: &[Who], now: Instant) -> Result<(), Problem> {
        let mut tries = self.tries.lock().unwrap_or_else(PoisonError::into_inner);
        if tries.len() >= REMEMBERED {
            tries.retain(|_, known| now.duration_since(known.last) < FORGOTTEN_AFTER);
            if tries.len() >= REMEMBERED {
                // A flood of names: rather forget those who are not being slowed than grow.
                tries.retain(|_, known| known.not_before > now);
            }
        }
        let until = who.iter().filter_map(|who| tries.get(who)).map(|known| known.not_before).max();
        if let Some(left) =
            until.and_then(|until| until.checked_duration_since(now)).filter(|left| !left.is_zero())
        {
            let cause = "too many failed tries for this account or from this address";
            return Err(Problem::too_many("sign-in", cause, left.as_secs() + 1));
        }
        for who in who {
            let free = if matches!(who, Who::Account(_)) { FREE_FOR_ACCOUNT } else { FREE_FOR_ADDRESS };
            let fresh = Tries { failed: 0, last: now, not_before: now };
            let known = tries.entry(who.clone()).or_insert(fresh);
            if now.duration_since(known.last) >= FORGOTTEN_AFTER {
                known.failed = 0;
            }
            known.failed = known.failed.saturating_add(1);
            known.last = now;
            if known.failed > free {
                let doubled = 1_u64.checked_shl(known.failed - free - 1).unwrap_or(LONGEST_DELAY_S);
                known.not_before = now + Duration::from_secs(doubled.min(LONGEST_DELAY_S));
            }
        }
        Ok(())
    }

    fn succeeded(&self, who: &[Who]) {
        let mut tries = self.tries.lock().unwrap_or_else(PoisonError::into_inner);
        for who in who {
            match who {
                Who::Account(_) => drop(tries.remove(who)),
                // Only this try: an own account must not wash away guesses at others.
                Who::Address(_) => {
                    if let Some(known) = tries.get_mut(who) {
                        known.failed = known.failed.saturating_sub(1);
                        known.not_before = known.last;
                    }
                }
            }
        }
    }
}

/// What counts as one address: of IPv6 the network, which one customer has whole.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(name: &str) -> [Who; 1] {
        [Who::Account(name.to_owned())]
    }

    #[test]
    fn guesses_at_an_account_cost_more_and_more_up_to_a_minute() {
        let passwords = Passwords::default();
        let mut now = Instant::now();
        for _ in 0..=FREE_FOR_ACCOUNT {
            assert!(passwords.begin(&account("root"), now).is_ok());
        }
        assert!(passwords.begin(&account("root"), now).is_err(), "the delay has begun");
        assert!(passwords.begin(&account("bob"), now).is_ok(), "others are not slowed");
        for _ in 0..10 {
            now += Duration::from_secs(LONGEST_DELAY_S);
            assert!(passwords.begin(&account("root"), now).is_ok(), "never longer than a minute");
        }
        now += Duration::from_secs(LONGEST_DELAY_S - 1);
        assert!(passwords.begin(&account("root"), now).is_err());
    }

    #[test]
    fn success_forgives_the_account_and_not_the_address() {
        let passwords = Passwords::default();
        let now = Instant::now();
        let who = [Who::Account("bob".into()), Who::Address(IpAddr::from([10, 0, 0, 1]))];
        for _ in 0..3 {
            assert!(passwords.begin(&who, now).is_ok());
        }
        passwords.succeeded(&who);
        let tries = passwords.tries.lock().unwrap();
        assert!(!tries.contains_key(&who[0]));
        assert_eq!(tries[&who[1]].failed, 2);
    }

    #[test]
    fn a_flood_of_names_does_not_grow_the_memory() {
        let passwords = Passwords::default();
        let now = Instant::now();
        for n in 0..REMEMBERED * 2 {
            let _ = passwords.begin(&account(&n.to_string()), now);
        }
        assert!(passwords.tries.lock().unwrap().len() <= REMEMBERED);
    }
}
