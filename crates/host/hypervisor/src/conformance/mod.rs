//! What every driver of [`Machines`] must do, the simulated one and the real one alike: written from what libvirt was
//! seen to do, so that what the simulator proves is true of a computer.
//!
//! A driver's tests implement [`Subject`] and run every [`Case`] of [`suite`]; each case makes its own machine and
//! removes it. The guest is firmware without an operating system: it hears no ACPI button and lets go of no disk.

mod devices;
mod import;
mod power;

use hostler_model::command::{Command, Definition, Mark, Outcome};
use hostler_model::hardware::Disk;
use hostler_model::seen::{Power, Seen};
use hostler_model::time::Ms;
use hostler_model::{Code, JobId};
use uuid::Uuid;

use crate::simulated::Outside;
use crate::{Disks, Machines, NoWatch, Performing, Trouble, Turn, World};

/// A driver under test, with what is needed around it.
pub trait Subject {
    /// The driver.
    fn machines(&self) -> &dyn Machines;
    /// The disk files beside it.
    fn disks(&self) -> &dyn Disks;
    /// A machine to be defined, never the same twice: it has disk 0, whose empty file is there.
    fn fresh(&self) -> Definition;
    /// Another disk of this number for that machine; its empty file is there.
    fn fresh_disk(&self, of: &Definition, no: u32) -> Disk;
    /// The definition of a machine that the host has, as somebody leaves it on the storage; none when that cannot be had
    /// here.
    fn written(&self, domain: Uuid) -> Option<String>;
    /// A readable file that may lie in a DVD drive; none when there is none here.
    fn iso(&self) -> Option<String>;
    /// Lets something happen behind the driver's back. False when that cannot be done here.
    ///
    /// # Errors
    /// It could be done and was refused.
    fn outside(&self, what: &Outside) -> Result<bool, String>;
    /// Lets this much time pass, in milliseconds.
    fn pass(&self, ms: Ms);
    /// The machines that events named since the last time; none where the driver has no events.
    fn changed(&self) -> Option<Vec<Uuid>>;
}

/// One thing that must hold.
#[derive(Clone, Copy)]
pub struct Case {
    /// What must hold, as a sentence.
    pub name: &'static str,
    /// Tries it. An error says what was seen instead.
    pub run: fn(&dyn Subject) -> Result<Verdict, String>,
}

/// What came of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It holds.
    Holds,
    /// It could not be tried here. Whoever runs the suite counts these.
    NotHere,
}

/// Every case.
pub fn suite() -> Vec<Case> {
    let mut cases = power::cases();
    cases.extend(devices::cases());
    cases.extend(import::cases());
    cases
}

type Tried = Result<Verdict, String>;

/// A machine for one case; removed when the case is over, however it went.
struct Guest<'a> {
    subject: &'a dyn Subject,
    definition: Definition,
    domain: Uuid,
}

impl<'a> Guest<'a> {
    fn defined(subject: &'a dyn Subject) -> Result<Self, String> {
        let guest = Self::of(subject, subject.fresh());
        guest.did("define", subject.machines().define(&guest.definition))?;
        Ok(guest)
    }

    fn started(subject: &'a dyn Subject) -> Result<Self, String> {
        let guest = Self::defined(subject)?;
        guest.did("start", subject.machines().start(guest.domain))?;
        guest.is(Power::Running)?;
        Ok(guest)
    }

    fn of(subject: &'a dyn Subject, definition: Definition) -> Self {
        let domain = definition.identity.domain;
        Self { subject, definition, domain }
    }

    fn machines(&self) -> &'a dyn Machines {
        self.subject.machines()
    }

    fn did<T>(&self, what: &str, result: Result<T, Trouble>) -> Result<T, String> {
        result.map_err(|trouble| format!("{what}: {trouble}"))
    }

    fn did_not<T>(&self, what: &str, result: Result<T, Trouble>) -> Result<(), String> {
        match result {
            Err(Trouble::Failed(_) | Trouble::Refused(_)) => Ok(()),
            Err(other) => Err(format!("{what} should fail, and came to: {other}")),
            Ok(_) => Err(format!("{what} should fail, and did not")),
        }
    }

    fn failed_with<T>(&self, code: Code, what: &str, result: Result<T, Trouble>) -> Result<(), String> {
        match result {
            Err(Trouble::Failed(refusal) | Trouble::Refused(refusal)) if refusal.code == code => Ok(()),
            Err(other) => Err(format!("{what} should fail with {code}, and came to: {other}")),
            Ok(_) => Err(format!("{what} should fail with {code}, and did not")),
        }
    }

    fn read(&self) -> Result<Seen, String> {
        let seen = self.did("read", self.machines().read(self.domain))?;
        seen.ok_or_else(|| "the machine is gone".to_owned())
    }

    /// Waits a little for a state: a process that was killed is noticed a moment later.
    fn is(&self, power: Power) -> Result<(), String> {
        let mut seen = self.read()?.power;
        for _ in 0..50 {
            if seen == power {
                return Ok(());
            }
            self.subject.pass(100);
            seen = self.read()?.power;
        }
        Err(format!("it should be {} and is {}", power.words(), seen.words()))
    }

    fn is_gone(&self) -> Result<(), String> {
        for _ in 0..50 {
            if self.did("read", self.machines().read(self.domain))?.is_none() {
                return Ok(());
            }
            self.subject.pass(100);
        }
        Err("the machine should be gone".into())
    }

    fn holds(&self, target: &str) -> Result<Option<String>, String> {
        self.did("holds_disk", self.machines().holds_disk(self.domain, target))
    }

    /// Carries a command out, to its end.
    fn carry_out(&self, command: Command) -> Outcome {
        let mark = Mark { epoch: 1, job: JobId(1), step: "conformance".into() };
        let world = World {
            machines: self.machines(),
            disks: self.subject.disks(),
            moves: &crate::NoMoves,
            boots: &crate::NoBoots,
            networks: &crate::NoNetworks,
        };
        let mut performing = Performing::new(command, mark, false);
        let mut waited_ms = 0;
        loop {
            match performing.turn(&world, waited_ms, &NoWatch) {
                Turn::Ended(outcome) => return outcome,
                Turn::Wait { ms } => {
                    self.subject.pass(ms);
                    waited_ms += ms;
                }
            }
        }
    }
}

impl Drop for Guest<'_> {
    fn drop(&mut self) {
        // Each may fail, because the case has done it already.
        let _ = self.machines().turn_off(self.domain);
        let _ = self.machines().undefine(self.domain);
    }
}

fn holds_if(holds: bool, otherwise: impl FnOnce() -> String) -> Tried {
    if holds { Ok(Verdict::Holds) } else { Err(otherwise()) }
}

fn must(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    holds_if(holds, otherwise).map(drop)
}

fn code_of(outcome: &Outcome) -> Option<Code> {
    match outcome {
        Outcome::Failed { refusal } | Outcome::Refused { refusal } | Outcome::InDoubt { refusal } => {
            Some(refusal.code)
        }
        Outcome::Done { .. } | Outcome::Revoked | Outcome::Unknown => None,
    }
}
