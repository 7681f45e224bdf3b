//! What is asked of a guest through its agent, without letting silent agents stop everybody else.
//!
//! Each call to a silent agent holds one of libvirtd's workers until it times out; with two dozen of them libvirt
//! answers nobody's statistics for as long. So one call per machine, eight on the host, each with a limit, and after a
//! silence no further call for a while.

use std::collections::{HashMap, HashSet};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hostler_hypervisor::{Run, Trouble};
use hostler_model::view::GuestAddress;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::Driver;
use super::trouble::Subject;
use crate::raw::{Error, Kind};
use crate::xml::read::DomainView;

/// Guest-agent calls on the host at a time.
const MOST_CALLS: usize = 8;
/// How long an agent may take to answer, in seconds.
const LIMIT_S: u32 = 5;
/// How long a call waits for its turn.
const WAIT: Duration = Duration::from_secs(10);
/// How long an agent that was silent is left alone, doubled with each further silence up to the second figure.
const FIRST_BACK_OFF: Duration = Duration::from_secs(5);
const LAST_BACK_OFF: Duration = Duration::from_secs(60);
/// How much is read at a time: well below libvirt's limit for an agent's answer (10 MiB, base64).
const PART_BYTES: u64 = 1 << 20;

/// How many addresses of a guest are told.
const MOST_ADDRESSES: usize = 1_000;

/// Who may speak to a guest's agent now.
#[derive(Default)]
pub(super) struct Gate {
    state: Mutex<Calls>,
    ended: Condvar,
}

#[derive(Default)]
struct Calls {
    at_work: HashSet<Uuid>,
    silent: HashMap<Uuid, Silence>,
}

#[derive(Clone, Copy)]
struct Silence {
    until: Instant,
    back_off: Duration,
}

/// A turn; given back when dropped.
struct Turn<'g> {
    gate: &'g Gate,
    domain: Uuid,
}

impl Gate {
    /// An agent has opened its channel: it is not silent any more.
    pub(super) fn forgive(&self, domain: Uuid) {
        self.calls().silent.remove(&domain);
    }

    /// Waits for a turn; an error like a silent agent's where it was silent lately.
    fn turn(&self, domain: Uuid) -> Result<Turn<'_>, Error> {
        let silent = |message: &str| Error { code: 86, domain: 0, message: message.into() };
        let until = Instant::now() + WAIT;
        let mut calls = self.calls();
        loop {
            let now = Instant::now();
            if calls.silent.get(&domain).is_some_and(|silence| now < silence.until) {
                return Err(silent("the guest agent did not answer a moment ago"));
            }
            if calls.at_work.len() < MOST_CALLS && !calls.at_work.contains(&domain) {
                calls.at_work.insert(domain);
                return Ok(Turn { gate: self, domain });
            }
            let left = until.saturating_duration_since(now);
            if left.is_zero() {
                return Err(silent("the guest agent is still busy with earlier questions"));
            }
            calls = self.ended.wait_timeout(calls, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Calls in a turn and remembers a silence.
    fn call<T>(&self, domain: Uuid, call: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
        let turn = self.turn(domain)?;
        let result = call();
        match &result {
            Err(why) if why.kind() == Kind::AgentSilent => self.resent(domain),
            Err(_) => {}
            Ok(_) => self.forgive(domain),
        }
        drop(turn);
        result
    }

    fn resent(&self, domain: Uuid) {
        let mut calls = self.calls();
        let now = Instant::now();
        // Machines come and go: what is long past is forgotten.
        calls.silent.retain(|_, silence| now < silence.until + LAST_BACK_OFF);
        let back_off = calls.silent.get(&domain).map_or(FIRST_BACK_OFF, |silence| silence.back_off * 2);
        let back_off = back_off.min(LAST_BACK_OFF);
        calls.silent.insert(domain, Silence { until: now + back_off, back_off });
    }

    fn calls(&self) -> MutexGuard<'_, Calls> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.gate.calls().at_work.remove(&self.domain);
        self.gate.ended.notify_all();
    }
}

/// An agent's answer.
#[derive(Deserialize)]
struct Answer<T> {
    #[serde(rename = "return")]
    result: T,
}

#[derive(Deserialize)]
struct Part {
    #[serde(rename = "buf-b64", default)]
    content: String,
    #[serde(default)]
    eof: bool,
}

impl Driver {
    pub(super) fn ask_guest_to_shut_down(
        &self,
        domain: Uuid,
        only: Option<Run>,
    ) -> Result<Option<Run>, Trouble> {
        let (run, agent) = self.on_domain(domain, |_, domain| {
            Ok((domain.run().map(Run), DomainView::of(&domain.xml()?)?.guest_agent))
        })?;
        if only.is_some() && run.is_some() && run != only {
            return Ok(None);
        }
        if agent {
            let asked = self.agents.call(domain, || {
                self.pool.with(|connection| connection.domain(domain)?.shut_down_by_agent())
            });
            let why = match asked {
                Ok(()) => return Ok(run),
                Err(why) if why.is_lost() => return Err(Subject::Domain(domain).trouble(why)),
                Err(why) => why,
            };
            // A guest that is quick ends its machine before its agent has answered.
            if self.see_one(domain)?.is_none_or(|seen| !seen.power.is_on()) {
                return Ok(run);
            }
            tracing::info!(%domain, %why, "the guest agent does not shut down: the power button instead");
        }
        self.on_domain(domain, |_, domain| domain.press_power_button()).map(|()| run)
    }

    /// Reads a file inside the guest, through its agent.
    ///
    /// # Errors
    /// `guest.not.answering` when the agent is silent, or was so lately; `value.invalid` when the file is larger than
    /// `limit_bytes`; what the guest says when it has no such file.
    pub fn guest_read_file(&self, domain: Uuid, path: &str, limit_bytes: u64) -> Result<Vec<u8>, Trouble> {
        let read = self.agents.call(domain, || {
            self.pool.with(|connection| {
                let domain = connection.domain(domain)?;
                let ask = |command: &str, arguments: Value| {
                    domain.agent(&json!({ "execute": command, "arguments": arguments }).to_string(), LIMIT_S)
                };
                let opened = ask("guest-file-open", json!({ "path": path, "mode": "r" }))?;
                let handle = answer::<i64>(&opened)?;
                let content = read_all(limit_bytes, |count| {
                    answer::<Part>(&ask("guest-file-read", json!({ "handle": handle, "count": count }))?)
                });
                // A guest's handles are few; what was read counts also where closing fails.
                let closed = ask("guest-file-close", json!({ "handle": handle }));
                if let Err(why) = closed {
                    tracing::debug!(%why, "a file stays open in the guest");
                }
                content
            })
        });
        read.map_err(|why| Subject::Domain(domain).trouble(why))
    }

    /// The addresses that the guest has, as its agent tells, as far as they fit in one answer.
    ///
    /// # Errors
    /// `guest.not.answering` when the agent is silent, or was so lately.
    pub fn guest_addresses(&self, domain: Uuid) -> Result<Vec<GuestAddress>, Trouble> {
        let question = json!({ "execute": "guest-network-get-interfaces" }).to_string();
        let told = self.agents.call(domain, || {
            self.pool.with(|connection| {
                answer::<Vec<Interface>>(&connection.domain(domain)?.agent(&question, LIMIT_S)?)
            })
        });
        let told = told.map_err(|why| Subject::Domain(domain).trouble(why))?;
        Ok(told.into_iter().flat_map(Interface::addresses).take(MOST_ADDRESSES).collect())
    }
}

/// An interface as the guest's agent describes it.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Interface {
    name: String,
    #[serde(default)]
    hardware_address: Option<String>,
    #[serde(default)]
    ip_addresses: Vec<Address>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Address {
    ip_address: String,
    #[serde(default)]
    prefix: u8,
}

impl Interface {
    /// Its addresses. What is none is left out: a guest may say what it likes.
    fn addresses(self) -> impl Iterator<Item = GuestAddress> {
        let (interface, mac) = (self.name, self.hardware_address);
        self.ip_addresses.into_iter().filter_map(move |told| {
            let address = told.ip_address.parse().ok()?;
            Some(GuestAddress {
                interface: interface.clone(),
                mac: mac.clone(),
                address,
                prefix: told.prefix,
            })
        })
    }
}

fn read_all(limit_bytes: u64, mut part: impl FnMut(u64) -> Result<Part, Error>) -> Result<Vec<u8>, Error> {
    let mut content = Vec::new();
    loop {
        // One byte more than allowed, to tell a file that is larger.
        let left = limit_bytes.saturating_sub(content.len() as u64).saturating_add(1);
        let got = part(left.min(PART_BYTES))?;
        let bytes =
            STANDARD.decode(&got.content).map_err(|why| Error::own(format!("the agent's answer: {why}")))?;
        // An agent that answers nothing and no end would be asked for ever.
        let ended = got.eof || bytes.is_empty();
        content.extend_from_slice(&bytes);
        if content.len() as u64 > limit_bytes {
            return Err(Error::own(format!("the file is larger than {limit_bytes} bytes")));
        }
        if ended {
            return Ok(content);
        }
    }
}

fn answer<T: for<'de> Deserialize<'de>>(text: &str) -> Result<T, Error> {
    let answer: Answer<T> =
        serde_json::from_str(text).map_err(|why| Error::own(format!("the agent's answer: {why}")))?;
    Ok(answer.result)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn silent() -> Result<(), Error> {
        Err(Error { code: 86, domain: 10, message: String::new() })
    }

    #[test]
    fn an_agent_that_was_silent_is_left_alone_until_it_opens_its_channel() {
        let gate = Gate::default();
        let vm = Uuid::from_u128(1);
        assert!(gate.call(vm, silent).is_err());
        let again = gate.call(vm, || -> Result<(), Error> { panic!("asked although it is silent") });
        assert_eq!(again.unwrap_err().kind(), Kind::AgentSilent);
        gate.forgive(vm);
        assert!(gate.call(vm, || Ok(())).is_ok());
    }

    #[test]
    fn addresses_are_taken_from_what_an_agent_tells_and_what_is_none_is_left_out() {
        let told = r#"{"return":[
            {"name":"lo","ip-addresses":[{"ip-address-type":"ipv4","ip-address":"127.0.0.1","prefix":8}],"hardware-address":"00:00:00:00:00:00"},
            {"name":"sit0"},
            {"name":"eth0","ip-addresses":[{"ip-address":"10.0.0.5","prefix":24},{"ip-address":"-oProxyCommand=x"}],"statistics":{}}]}"#;
        let told: Vec<Interface> = answer(told).unwrap();
        let all: Vec<GuestAddress> = told.into_iter().flat_map(Interface::addresses).collect();
        let texts: Vec<String> =
            all.iter().map(|one| format!("{} {}/{}", one.interface, one.address, one.prefix)).collect();
        assert_eq!(texts, ["lo 127.0.0.1/8", "eth0 10.0.0.5/24"]);
    }

    #[test]
    fn a_machine_is_asked_one_thing_at_a_time_and_a_host_eight() {
        use std::sync::atomic::{AtomicUsize, Ordering};
        let gate = Gate::default();
        let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let per_vm: Vec<AtomicUsize> = (0..12).map(|_| AtomicUsize::new(0)).collect();
        std::thread::scope(|scope| {
            for call in 0..24 {
                let (gate, now, most, per_vm) = (&gate, &now, &most, &per_vm);
                scope.spawn(move || {
                    let vm = call % 12;
                    gate.call(Uuid::from_u128(vm as u128), || {
                        most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        assert_eq!(per_vm[vm].fetch_add(1, Ordering::SeqCst), 0, "two calls to one machine");
                        std::thread::sleep(Duration::from_millis(20));
                        per_vm[vm].fetch_sub(1, Ordering::SeqCst);
                        now.fetch_sub(1, Ordering::SeqCst);
                        Ok(())
                    })
                    .unwrap();
                });
            }
        });
        assert_eq!(most.load(Ordering::SeqCst), MOST_CALLS);
    }

    #[test]
    fn a_file_is_read_in_parts_and_only_up_to_the_limit() {
        let file = b"twelve bytes".to_vec();
        let read = |limit: u64| {
            let mut at = 0;
            read_all(limit, |count| {
                let end = file.len().min(at + (count as usize).min(5));
                let part = Part { content: STANDARD.encode(&file[at..end]), eof: end == file.len() };
                at = end;
                Ok(part)
            })
        };
        assert_eq!(read(12).unwrap(), file);
        assert!(read(11).is_err());
    }
}
