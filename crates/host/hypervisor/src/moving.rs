//! A machine moves to another host: what a driver can do for that ([`Moves`]), and how the commands of a move are
//! carried out over it.
//!
//! The processors of at most one copy run at any moment. From the hand-over on, the side where the machine was cannot
//! know by itself what has become of it: so [`Command::Migrate`] ends in one of three ways only (it runs over there; it
//! runs here and never left; it does not run here, ask there), and nothing here lets a machine run again that may have
//! left, unless the other side was asked first.

use hostler_model::command::{Answer, Command, Leaving, Outcome, Peer, Way};
use hostler_model::seen::Power;
use hostler_model::time::Ms;
use hostler_model::{Code, Refusal};
use uuid::Uuid;

use crate::perform::{Next, Part, Step, done, refused};
use crate::probe::Probed;
use crate::{Trouble, Watch, guard};

/// How long libvirt has to take away what was on its way when the other side was lost: it does so after some thirty
/// seconds by itself *(tried)*.
pub const FADE_MS: Ms = 60_000;
/// How often is looked whether it has.
const FADE_EVERY_MS: Ms = 2_000;

/// How long a move may last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MoveLimits {
    /// In all, in milliseconds.
    pub whole_ms: Ms,
    /// How often the memory may be gone through.
    pub rounds: u32,
}

/// What a host can do for machines that come and go. Calls block until they have ended.
pub trait Moves: Send + Sync {
    /// Says what a running machine needs elsewhere, and lays a mark of this ticket beside each of its disks. Bases are
    /// left out: the record knows them.
    fn leaving(&self, domain: Uuid, ticket: &str) -> Result<Leaving, Trouble>;
    /// Takes the marks of this ticket away, and what any earlier move of the machine left. The machine may be gone.
    fn unmark(&self, domain: Uuid, ticket: &str) -> Result<(), Trouble>;
    /// Checks whether a machine can run here (its disks are the same files, its processor and machine type are offered,
    /// its networks are there), and opens the door for it. Answers the port and the bases that are lacking. A door of
    /// the same ticket is closed first.
    fn receive(
        &self,
        domain: Uuid,
        ticket: &str,
        from: &Peer,
        leaving: &Leaving,
    ) -> Result<(u16, Vec<String>), Trouble>;
    /// Closes the door of this ticket, or the way through it, and any other door of the machine. Nothing that is on its
    /// way arrives any more.
    fn close(&self, domain: Uuid, ticket: &str);
    /// Sends bases through the door.
    fn send_bases(&self, way: &Way, bases: &[String], watch: &dyn Watch) -> Result<(), Trouble>;
    /// Moves a running machine, and takes its definition away here. That it returns well means that the machine runs
    /// over there; any trouble says nothing about where it is.
    fn migrate(&self, domain: Uuid, way: &Way, limits: MoveLimits, watch: &dyn Watch) -> Result<(), Trouble>;
    /// Whether the hypervisor is still moving a machine away, perhaps for an agent that has died since: then it is asked
    /// to stop that.
    fn still_leaving(&self, domain: Uuid) -> Result<bool, Trouble>;
    /// Removes the definition of a machine that is off, and touches none of its files: another host uses them.
    fn forget(&self, domain: Uuid) -> Result<(), Trouble>;
    /// Whether a machine was to start with the host and a move has taken that away ([`Moves::keep_autostart`]).
    fn holds_autostart(&self, domain: Uuid) -> bool;
    /// From the beginning of [`Moves::migrate`] on the hypervisor starts the machine with neither host: what a lost power
    /// leaves of it at the old one must not begin by itself. It does so again where the machine is `here` now, if it did
    /// before; where it is not, that is forgotten.
    fn keep_autostart(&self, domain: Uuid, here: bool) -> Result<(), Trouble>;
}

impl Step<'_> {
    /// The commands of a move.
    pub(crate) fn begin_move(&self) -> Part {
        let moves = self.world.moves;
        match self.command {
            Command::Leave { domain, ticket } => {
                // Of a move that was given up, or of an attempt that a loss of power cut short: now that the machine is
                // off this one is refused, and a step that was refused is not taken back.
                moves.unmark(*domain, ticket)?;
                let seen = self.there(*domain)?;
                guard::check(self.command, *domain, seen.power).map_err(Trouble::Refused)?;
                // What an earlier move left undone: it runs here.
                moves.keep_autostart(*domain, true)?;
                let leaving = Box::new(moves.leaving(*domain, ticket)?);
                Ok(Next::End(Outcome::Done { answer: Answer::Leaving { leaving } }))
            }
            Command::Stay { domain, ticket } => again(self.stay(*domain, ticket)),
            Command::Receive { domain, ticket, from, leaving } => {
                if let Some(seen) = self.world.machines.read(*domain)? {
                    let cause = format!(
                        "this host has a machine with its id already, which is {}",
                        seen.power.words()
                    );
                    return refused(
                        Refusal::new(Code::MigrationUnsuitable, format!("domain {domain}"), cause).remedy(
                            "Remove that machine from this host if it is a leftover, or choose another host",
                        ),
                    );
                }
                let (port, lacking) = moves.receive(*domain, ticket, from, leaving)?;
                Ok(Next::End(Outcome::Done { answer: Answer::Receiving { port, lacking } }))
            }
            Command::NotReceived { domain, ticket } => {
                moves.close(*domain, ticket);
                moves.keep_autostart(*domain, false)?;
                again(self.fades(*domain, 0))
            }
            Command::SendBases { domain, way, bases } => {
                // The other side has seen the marks, and answered. From here on a move may end so that nobody knows on
                // which host the machine is, and then nobody would come back for them.
                moves.unmark(*domain, &way.ticket)?;
                if !bases.is_empty() {
                    moves.send_bases(way, bases, self.watch)?;
                }
                done()
            }
            Command::Migrate { domain, way, limit_ms, most_rounds } => {
                let seen = self.there(*domain)?;
                guard::check(self.command, *domain, seen.power).map_err(Trouble::Refused)?;
                let limits = MoveLimits { whole_ms: *limit_ms, rounds: *most_rounds };
                match moves.migrate(*domain, way, limits, self.watch) {
                    Ok(()) => moved(true, String::new()),
                    Err(trouble) => self.not_moved(*domain, trouble),
                }
            }
            Command::SeeArrived { domain, limit_ms } => again(self.arrived(*domain, 0, *limit_ms)),
            Command::ForgetMoved { domain, ticket } => again(self.forget_moved(*domain, ticket)),
            Command::EndReceive { domain, ticket } => {
                moves.close(*domain, ticket);
                moves.keep_autostart(*domain, true)?;
                done()
            }
            _ => done(),
        }
    }

    /// The later turns of those that wait.
    pub(crate) fn go_on_moving(&self, waited_ms: Ms) -> Part {
        match self.command {
            Command::NotReceived { domain, .. } => again(self.fades(*domain, waited_ms)),
            Command::SeeArrived { domain, limit_ms } => again(self.arrived(*domain, waited_ms, *limit_ms)),
            _ => done(),
        }
    }

    /// The hypervisor says that it did not move the machine, or says nothing. Only a machine that runs here has surely not
    /// left.
    fn not_moved(&self, domain: Uuid, trouble: Trouble) -> Part {
        let why = match &trouble {
            Trouble::Interrupted(_) => return Err(trouble),
            Trouble::Failed(refusal) | Trouble::Refused(refusal) => refusal.cause.clone(),
            Trouble::Aborted => "it was stopped on request".to_owned(),
        };
        let lost = |_| Trouble::Interrupted(why.clone());
        let seen = self.world.machines.read(domain).map_err(lost)?;
        if self.world.moves.still_leaving(domain).map_err(lost)? {
            return Err(Trouble::Interrupted(why));
        }
        match seen.map(|seen| seen.power) {
            Some(power) if runs_here(power) => Err(trouble),
            power => moved(false, format!("{why}; here it is {}", in_words(power))),
        }
    }

    fn stay(&self, domain: Uuid, ticket: &str) -> Part {
        self.world.moves.close(domain, ticket);
        self.world.moves.unmark(domain, ticket)?;
        if self.undo && !self.world.moves.holds_autostart(domain) {
            return done();
        }
        let power = self.world.machines.read(domain)?.map(|seen| seen.power);
        // Taking back what only looked and marked lets nothing run, neither now nor with the host.
        if self.undo && !power.is_some_and(runs_here) {
            return done();
        }
        if power == Some(Power::PausedBusy) {
            self.world.machines.resume(domain)?;
        }
        self.world.moves.keep_autostart(domain, true)?;
        done()
    }

    /// What is on its way fades once the way is closed; what does not is turned off: its processors never ran.
    fn fades(&self, domain: Uuid, waited_ms: Ms) -> Part {
        match self.world.machines.read(domain)?.map(|seen| seen.power) {
            None => done(),
            Some(Power::PausedBusy) if waited_ms < FADE_MS => {
                Ok(Next::Asked { again_in_ms: FADE_EVERY_MS, run: None })
            }
            Some(Power::PausedBusy) => self.world.machines.turn_off(domain).and_then(|()| done()),
            // Defined here by the move just before its hypervisor died: the step found no machine with this id, and the one
            // that moves is known to run where it was.
            Some(Power::Off | Power::Crashed) if self.undo => {
                self.world.moves.forget(domain).and_then(|()| done())
            }
            // Whatever else it is, it is none of what this step began.
            Some(_) if self.undo => done(),
            Some(power) => refused(
                Refusal::new(
                    Code::MigrationUndecided,
                    format!("domain {domain}"),
                    format!("kept: here it is {}", power.words()),
                )
                .remedy(
                    "Look at the machine on both hosts, and remove it from the one where it does not run",
                ),
            ),
        }
    }

    fn arrived(&self, domain: Uuid, waited_ms: Ms, limit_ms: Ms) -> Part {
        let seen = self.world.machines.read(domain)?;
        let on_its_way = seen.as_ref().is_some_and(|seen| seen.power == Power::PausedBusy);
        if on_its_way && waited_ms < limit_ms {
            return Ok(Next::Asked { again_in_ms: FADE_EVERY_MS, run: None });
        }
        let seen = seen.filter(|_| !on_its_way).map(Box::new);
        Ok(Next::End(Outcome::Done { answer: Answer::Vm { seen } }))
    }

    fn forget_moved(&self, domain: Uuid, ticket: &str) -> Part {
        let (machines, moves) = (self.world.machines, self.world.moves);
        moves.close(domain, ticket);
        moves.unmark(domain, ticket)?;
        match machines.read(domain)?.map(|seen| seen.power) {
            None => {}
            Some(Power::PausedBusy) => {
                machines.turn_off(domain)?;
                if machines.read(domain)?.is_some() {
                    moves.forget(domain)?;
                }
            }
            Some(Power::Off | Power::Crashed) => moves.forget(domain)?,
            Some(power) => {
                return refused(
                    Refusal::new(
                        Code::MigrationUndecided,
                        format!("domain {domain}"),
                        format!("kept: it was moved to another host, and here it is {}", power.words()),
                    )
                    .remedy(
                        "Look at the machine on both hosts, and remove it from the one where it does not run",
                    ),
                );
            }
        }
        moves.keep_autostart(domain, false)?;
        done()
    }
}

/// Looks what became of a move whose end nobody saw.
pub(crate) fn probe_migration(domain: Uuid, step: &crate::World<'_>) -> Result<Probed, Trouble> {
    if step.moves.still_leaving(domain)? {
        let cause = "the hypervisor is still moving it away, and was asked to stop";
        return Ok(Probed::Blind(Refusal::new(Code::AgentInterrupted, format!("domain {domain}"), cause)));
    }
    let power = step.machines.read(domain)?.map(|seen| seen.power);
    if power.is_some_and(runs_here) {
        return Ok(Probed::NotDone);
    }
    let why = format!("the agent or the hypervisor was interrupted; here it is {}", in_words(power));
    Ok(Probed::Done(Answer::Moved { sure: false, why }))
}

/// What puts a move in order can be done again, and is worth it: a libvirt that does not answer just now did not refuse.
fn again(part: Part) -> Part {
    part.map_err(|trouble| match trouble {
        Trouble::Failed(refusal) => Trouble::Interrupted(refusal.cause),
        other => other,
    })
}

fn moved(sure: bool, why: String) -> Part {
    Ok(Next::End(Outcome::Done { answer: Answer::Moved { sure, why } }))
}

/// Whether a machine in this state has surely not been handed over: its processors run, or were stopped by somebody else
/// than the hand-over.
fn runs_here(power: Power) -> bool {
    power.is_on() && !matches!(power, Power::PausedBusy | Power::Unknown)
}

fn in_words(power: Option<Power>) -> &'static str {
    power.map_or("gone", Power::words)
}

/// A host that no machine comes to or leaves: one without a data channel.
pub struct NoMoves;

impl NoMoves {
    fn no<T>() -> Result<T, Trouble> {
        let cause = "this agent has no data channel";
        Err(Trouble::Refused(
            Refusal::new(Code::AgentUnsupported, "migration", cause).remedy("Upgrade the agent"),
        ))
    }
}

impl Moves for NoMoves {
    fn leaving(&self, _: Uuid, _: &str) -> Result<Leaving, Trouble> {
        Self::no()
    }
    fn unmark(&self, _: Uuid, _: &str) -> Result<(), Trouble> {
        Ok(())
    }
    fn receive(&self, _: Uuid, _: &str, _: &Peer, _: &Leaving) -> Result<(u16, Vec<String>), Trouble> {
        Self::no()
    }
    fn close(&self, _: Uuid, _: &str) {}
    fn send_bases(&self, _: &Way, _: &[String], _: &dyn Watch) -> Result<(), Trouble> {
        Self::no()
    }
    fn migrate(&self, _: Uuid, _: &Way, _: MoveLimits, _: &dyn Watch) -> Result<(), Trouble> {
        Self::no()
    }
    fn still_leaving(&self, _: Uuid) -> Result<bool, Trouble> {
        Ok(false)
    }
    fn forget(&self, _: Uuid) -> Result<(), Trouble> {
        Self::no()
    }
    fn holds_autostart(&self, _: Uuid) -> bool {
        false
    }
    fn keep_autostart(&self, _: Uuid, _: bool) -> Result<(), Trouble> {
        Ok(())
    }
}
