//! Carries out one command over [`Machines`] and [`Disks`]: guard, act, and where a guest is involved, look until it
//! is done or its time is over. It never sleeps: [`Performing::turn`] says after how long it wants to be called again.
//!
//! A guard is checked at the moment of acting, and *already so* counts as done where that is safe. What a step makes
//! bears its mark; what an undo removes must bear it. A call that was interrupted is never repeated: it is looked up
//! ([`crate::probe`]).

use hostler_model::command::{Answer, Command, Mark, Outcome};
use hostler_model::hardware::Disk;
use hostler_model::seen::{Power, Seen};
use hostler_model::time::Ms;
use hostler_model::{Code, Refusal, VmId};
use uuid::Uuid;

use crate::moving::Moves;
use crate::networks::Networks;
use crate::probe::{Probed, probe};
use crate::{Boots, Disks, Machines, NewDisk, Run, Trouble, Watch, guard};

/// How often a guest is asked again to let go of a disk: one that is booting ignores the first asking *(tried)*.
pub const ASK_AGAIN_MS: Ms = 5_000;
/// How often a guest is asked again to shut down: its firmware, and a system that is booting, do not hear the button.
pub const PRESS_AGAIN_MS: Ms = 15_000;
/// How long an interrupted call is looked up before its outcome is called unknown: a daemon that restarts is back
/// within seconds, one that is being upgraded within a minute.
pub const LOOK_UP_LIMIT_MS: Ms = 120_000;
/// How often it is looked up while the hypervisor does not answer.
const LOOK_UP_EVERY_MS: Ms = 1_000;

/// What a command acts on.
#[derive(Clone, Copy)]
pub struct World<'a> {
    /// The host's machines.
    pub machines: &'a dyn Machines,
    /// The computer's disk files.
    pub disks: &'a dyn Disks,
    /// What it can do for machines that come and go.
    pub moves: &'a dyn Moves,
    /// What it can do about the computer's own power.
    pub boots: &'a dyn Boots,
    /// The host's networks.
    pub networks: &'a dyn Networks,
}

/// What comes of one turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turn {
    /// The command has ended.
    Ended(Outcome),
    /// Nothing to do for now: call again.
    Wait {
        /// After this long, in milliseconds.
        ms: Ms,
    },
}

/// A command under way.
#[derive(Clone, Debug)]
pub struct Performing {
    command: Command,
    mark: Mark,
    undo: bool,
    phase: Phase,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Phase {
    /// Nothing was done yet.
    New,
    /// The guest was asked, last at this time since the beginning; to shut down, in this run.
    Asked { at_ms: Ms, run: Option<Run> },
    /// A call was interrupted, or the agent was, at this time since the beginning: only looks.
    Looking { since_ms: Ms },
}

impl Performing {
    /// A command that is to begin now.
    pub fn new(command: Command, mark: Mark, undo: bool) -> Self {
        Self { command, mark, undo, phase: Phase::New }
    }

    /// A command that an earlier run of the agent may have begun: its turns look and never act, except that they
    /// remove unfinished files that bear the mark.
    pub fn looking(command: Command, mark: Mark, undo: bool) -> Self {
        Self { command, mark, undo, phase: Phase::Looking { since_ms: 0 } }
    }

    /// The command.
    pub fn command(&self) -> &Command {
        &self.command
    }

    /// Does what can be done now. `waited_ms` is the time since the first turn, which is given 0.
    pub fn turn(&mut self, world: &World<'_>, waited_ms: Ms, watch: &dyn Watch) -> Turn {
        let step = Step { command: &self.command, mark: &self.mark, undo: self.undo, world, watch };
        let next = match self.phase {
            Phase::New if watch.aborted() => Ok(Next::End(Outcome::Revoked)),
            Phase::New => step.begin(),
            Phase::Asked { at_ms, run } => step.look_after(waited_ms, at_ms, run),
            Phase::Looking { since_ms } => return step.look_up(waited_ms.saturating_sub(since_ms)),
        };
        match next {
            Ok(Next::End(outcome)) => Turn::Ended(outcome),
            Ok(Next::Asked { again_in_ms, run }) => {
                self.phase = Phase::Asked { at_ms: waited_ms, run };
                Turn::Wait { ms: again_in_ms }
            }
            Ok(Next::Wait { ms }) => Turn::Wait { ms },
            Err(Trouble::Failed(refusal)) => Turn::Ended(Outcome::Failed { refusal }),
            Err(Trouble::Refused(refusal)) => Turn::Ended(Outcome::Refused { refusal }),
            Err(Trouble::Aborted) => Turn::Ended(step.taken_back()),
            Err(Trouble::Interrupted(_)) => {
                self.phase = Phase::Looking { since_ms: waited_ms };
                step.look_up(0)
            }
        }
    }
}

/// What a part of a turn comes to.
pub(crate) enum Next {
    End(Outcome),
    /// The guest was asked just now.
    Asked {
        again_in_ms: Ms,
        run: Option<Run>,
    },
    Wait {
        ms: Ms,
    },
}

pub(crate) type Part = Result<Next, Trouble>;

pub(crate) fn done() -> Part {
    Ok(Next::End(Outcome::done()))
}

pub(crate) fn refused(refusal: Refusal) -> Part {
    Ok(Next::End(Outcome::Refused { refusal }))
}

/// How long to wait before the next look: short at first, an eighth of the time passed later on.
fn pause_after(waited_ms: Ms) -> Ms {
    (waited_ms / 8).clamp(250, 2_000)
}

/// One turn's view of a command.
pub(crate) struct Step<'a> {
    pub(crate) command: &'a Command,
    mark: &'a Mark,
    pub(crate) undo: bool,
    pub(crate) world: &'a World<'a>,
    pub(crate) watch: &'a dyn Watch,
}

impl Step<'_> {
    fn begin(&self) -> Part {
        let machines = self.world.machines;
        match self.command {
            Command::MakeDisk { file, owner, format, size_bytes, content } => {
                let mark = self.mark.to_string();
                self.make_disk(&NewDisk {
                    file,
                    mark: &mark,
                    owner: *owner,
                    format: *format,
                    size_bytes: *size_bytes,
                    content,
                })
            }
            Command::DeleteDisk { file, owner } => self.delete_disk(file, *owner),
            Command::BringBase { folder, path, format } => {
                let base = self.world.disks.bring_base(folder, path, *format, self.watch)?;
                Ok(Next::End(Outcome::Done { answer: Answer::Base { base } }))
            }
            Command::Define { definition } => {
                let domain = definition.identity.domain;
                match machines.read(domain)? {
                    None => machines.define(definition).and_then(|()| done()),
                    // The domain's id was drawn for this job: what bears it and our identity, an earlier attempt made.
                    Some(seen) if seen.identity == Some(definition.identity) => done(),
                    Some(_) => refused(
                        Refusal::new(
                            Code::GuardRefused,
                            format!("domain {domain}"),
                            "another machine with this id exists on the host",
                        )
                        .remedy("Refresh the host and look at the machine that bears the id"),
                    ),
                }
            }
            Command::Undefine { domain } => match machines.read(*domain)? {
                None => {
                    machines.sweep(*domain);
                    done()
                }
                Some(seen) => self.guarded(&seen, || machines.undefine(*domain)),
            },
            // What is taken back is a stop, and this one did not come about.
            Command::Start { domain } if self.undo && self.there(*domain)?.power.is_on() => done(),
            Command::Start { domain } => self.acting(*domain, || machines.start(*domain)),
            Command::ShutDown { domain, .. } => {
                let seen = self.there(*domain)?;
                guard::check(self.command, *domain, seen.power).map_err(Trouble::Refused)?;
                let run = machines.ask_to_shut_down(*domain, None)?;
                Ok(Next::Asked { again_in_ms: pause_after(0), run })
            }
            Command::TurnOff { domain } => {
                let seen = self.there(*domain)?;
                self.guarded(&seen, || match seen.power {
                    Power::Saved => machines.discard_saved(*domain),
                    _ => machines.turn_off(*domain),
                })
            }
            Command::Pause { domain } => self.acting(*domain, || machines.pause(*domain)),
            Command::Resume { domain } => self.acting(*domain, || machines.resume(*domain)),
            Command::Reset { domain } => self.acting(*domain, || machines.reset(*domain)),
            Command::Save { domain } => self.acting(*domain, || machines.save(*domain, self.watch)),
            Command::DiscardSaved { domain } => self.acting(*domain, || machines.discard_saved(*domain)),
            Command::SetHardware { domain, cpus, memory_mib } => {
                let seen = self.there(*domain)?;
                if (seen.cpus, seen.memory_mib) == (*cpus, *memory_mib) {
                    return done();
                }
                self.guarded(&seen, || machines.set_hardware(*domain, *cpus, *memory_mib))
            }
            Command::Retitle { domain, title } => {
                let seen = self.there(*domain)?;
                if seen.title.as_deref() == Some(title) {
                    return done();
                }
                self.guarded(&seen, || machines.retitle(*domain, title))
            }
            Command::AttachDisk { domain, disk } => self.attach(*domain, disk),
            Command::DetachDisk { domain, target, file, limit_ms } => {
                self.detach(*domain, target, file, *limit_ms)
            }
            Command::SetMedia { domain, file } => {
                let seen = self.there(*domain)?;
                if seen.disks.iter().any(|disk| disk.dvd && disk.file == *file) {
                    return done();
                }
                self.guarded(&seen, || machines.set_media(*domain, file.as_deref()))
            }
            Command::Adopt { identity } => {
                let seen = self.there(identity.domain)?;
                if seen.identity == Some(*identity) {
                    return done();
                }
                self.guarded(&seen, || machines.adopt(identity))
            }
            Command::ReadVm { domain } => {
                let seen = machines.read(*domain)?.map(Box::new);
                Ok(Next::End(Outcome::Done { answer: Answer::Vm { seen } }))
            }
            // The caller reads all machines and the computer and hands that to the agent's core before this end.
            Command::ReadHost => done(),
            Command::MakeFolder { path } => self.world.disks.make_folder(path).and_then(|()| done()),
            // The agent's own affairs, to which the caller sees: no machine and no disk is touched.
            Command::PrepareRemoval => Ok(Next::End(Outcome::Done {
                answer: Answer::Removal { removes: Vec::new(), stays: Vec::new() },
            })),
            Command::CancelRemoval | Command::BringProgram { .. } | Command::Upgrade { .. } => done(),
            Command::ScanShare { folder, .. } => {
                let items = self.world.disks.scan(folder)?;
                Ok(Next::End(Outcome::Done { answer: Answer::Share { items } }))
            }
            Command::Import { .. } | Command::TakeBackImport { .. } => self.begin_import(),
            Command::Leave { .. }
            | Command::Stay { .. }
            | Command::Receive { .. }
            | Command::NotReceived { .. }
            | Command::SendBases { .. }
            | Command::Migrate { .. }
            | Command::SeeArrived { .. }
            | Command::ForgetMoved { .. }
            | Command::EndReceive { .. } => self.begin_move(),
            Command::RestartHost { .. } | Command::ShutDownHost { .. } | Command::SeeRestarted { .. } => {
                self.begin_boot()
            }
            Command::MakeNetwork { .. }
            | Command::ConfirmNetwork { .. }
            | Command::RemoveNetwork { .. }
            | Command::RestoreNetwork { .. } => self.begin_network(),
            Command::Unknown => refused(
                Refusal::new(Code::AgentUnsupported, "command", "this agent does not know the command")
                    .remedy("Upgrade the agent"),
            ),
        }
    }

    pub(crate) fn there(&self, domain: Uuid) -> Result<Seen, Trouble> {
        self.world.machines.read(domain)?.ok_or_else(|| Trouble::Refused(guard::no_vm(domain)))
    }

    fn guarded(&self, seen: &Seen, act: impl FnOnce() -> Result<(), Trouble>) -> Part {
        guard::check(self.command, seen.domain, seen.power).map_err(Trouble::Refused)?;
        act()?;
        done()
    }

    fn acting(&self, domain: Uuid, act: impl FnOnce() -> Result<(), Trouble>) -> Part {
        self.guarded(&self.there(domain)?, act)
    }

    fn make_disk(&self, wanted: &NewDisk<'_>) -> Part {
        let disks = self.world.disks;
        let size_bytes = match disks.look(wanted.file)? {
            Some(there) if there.mark.as_deref() == Some(wanted.mark) => there.size_bytes,
            Some(_) => {
                return refused(
                    Refusal::new(
                        Code::GuardRefused,
                        wanted.file,
                        "a file that this step did not make is there",
                    )
                    .remedy("Move the file away, or delete it if nothing needs it"),
                );
            }
            None => {
                disks.sweep(wanted.file, wanted.mark)?;
                disks.make(wanted, self.watch)?
            }
        };
        Ok(Next::End(Outcome::Done { answer: Answer::Disk { size_bytes } }))
    }

    fn delete_disk(&self, file: &str, owner: VmId) -> Part {
        let disks = self.world.disks;
        let mark = self.mark.to_string();
        if self.undo {
            disks.sweep(file, &mark)?;
        }
        let Some(there) = disks.look(file)? else {
            // An earlier attempt may have been killed before it removed the folder.
            disks.sweep(file, &mark)?;
            return done();
        };
        if self.undo {
            // What bears another mark is not what the step made: as far as this undo goes, nothing is there.
            if there.mark.as_deref() != Some(mark.as_str()) {
                return done();
            }
        } else if there.owner != Some(owner) {
            return refused(
                Refusal::new(
                    Code::GuardRefused,
                    file,
                    format!("the file does not belong to machine {owner}"),
                )
                .remedy("Delete the file by hand if nothing needs it"),
            );
        }
        if let Some(user) = self.world.machines.users_of(file)?.first() {
            let kept = if self.undo { "kept: " } else { "" };
            return refused(
                Refusal::new(Code::DiskInUse, file, format!("{kept}domain {user} has it as a disk"))
                    .remedy("Detach the disk from that machine first"),
            );
        }
        disks.delete(file)?;
        done()
    }

    fn attach(&self, domain: Uuid, disk: &Disk) -> Part {
        let machines = self.world.machines;
        let seen = self.there(domain)?;
        let target = disk.target();
        match machines.holds_disk(domain, &target)? {
            Some(file) if file == disk.file => return done(),
            Some(file) => {
                return refused(
                    Refusal::new(
                        Code::GuardRefused,
                        format!("domain {domain}"),
                        format!("its disk {target} is {file}"),
                    )
                    .remedy("Choose another disk number"),
                );
            }
            None => {}
        }
        if let Some(user) = machines.users_of(&disk.file)?.into_iter().find(|user| *user != domain) {
            return refused(
                Refusal::new(Code::DiskInUse, &disk.file, format!("domain {user} has it as a disk"))
                    .remedy("Detach the disk from that machine first"),
            );
        }
        self.guarded(&seen, || machines.attach_disk(domain, disk))
    }

    fn detach(&self, domain: Uuid, target: &str, file: &str, limit_ms: Ms) -> Part {
        let machines = self.world.machines;
        let seen = self.there(domain)?;
        match machines.holds_disk(domain, target)? {
            None => return done(),
            Some(held) if held != file => {
                return refused(
                    Refusal::new(
                        Code::GuardRefused,
                        format!("domain {domain}"),
                        format!("its disk {target} is {held}, not {file}"),
                    )
                    .remedy("Refresh the machine and look at its disks"),
                );
            }
            Some(_) => {}
        }
        guard::check(self.command, domain, seen.power).map_err(Trouble::Refused)?;
        machines.ask_to_detach_disk(domain, target)?;
        self.is_detached(domain, target, 0, limit_ms).map(|next| match next {
            Next::Wait { ms } => Next::Asked { again_in_ms: ms, run: None },
            next => next,
        })
    }

    /// The turns after a guest was asked for something.
    fn look_after(&self, waited_ms: Ms, asked_at_ms: Ms, run: Option<Run>) -> Part {
        let unanswered_ms = waited_ms.saturating_sub(asked_at_ms);
        match self.command {
            Command::ShutDown { domain, limit_ms } => {
                let next = self.is_shut_down(*domain, waited_ms, *limit_ms)?;
                // A guest that is still booting does not hear the button.
                if let (Next::Wait { ms }, true, Some(_)) = (&next, unanswered_ms >= PRESS_AGAIN_MS, run) {
                    match self.world.machines.ask_to_shut_down(*domain, run) {
                        // It has shut down, and somebody has started it again.
                        Ok(None) => return done(),
                        Err(Trouble::Interrupted(why)) => return Err(Trouble::Interrupted(why)),
                        // The guest was asked all the same, the first time.
                        Ok(Some(_)) | Err(_) => return Ok(Next::Asked { again_in_ms: *ms, run }),
                    }
                }
                Ok(next)
            }
            Command::DetachDisk { domain, target, limit_ms, .. } => {
                let next = self.is_detached(*domain, target, waited_ms, *limit_ms)?;
                if let (Next::Wait { ms }, true) = (&next, unanswered_ms >= ASK_AGAIN_MS) {
                    // libvirt refuses while the first asking is still pending; the guest was asked all the same.
                    match self.world.machines.ask_to_detach_disk(*domain, target) {
                        Err(Trouble::Interrupted(why)) => return Err(Trouble::Interrupted(why)),
                        Ok(()) | Err(_) => return Ok(Next::Asked { again_in_ms: *ms, run }),
                    }
                }
                Ok(next)
            }
            // No other command waits for a guest, but some of a move wait for the hypervisor.
            _ => self.go_on_moving(waited_ms),
        }
    }

    fn is_shut_down(&self, domain: Uuid, waited_ms: Ms, limit_ms: Ms) -> Part {
        let object = format!("domain {domain}");
        // A machine without a definition is gone once it is off.
        let Some(seen) = self.world.machines.read(domain)? else { return done() };
        match seen.power {
            Power::Off | Power::Crashed => return done(),
            Power::Saved => {
                let refusal =
                    Refusal::new(Code::HypervisorFailed, object, "it was saved instead of shut down")
                        .remedy("Start it again, or discard its saved state");
                return Ok(Next::End(Outcome::Failed { refusal }));
            }
            _ => {}
        }
        if self.watch.aborted() {
            let cause = "cancelled; the guest was asked and may still shut down";
            let refusal = Refusal::new(Code::JobCancelled, object, cause)
                .remedy("Start it again if it shuts down and should run");
            return Ok(Next::End(Outcome::Failed { refusal }));
        }
        if waited_ms >= limit_ms {
            let refusal = Refusal::new(
                Code::GuestIgnored,
                object,
                format!(
                    "the guest did not shut down within {} s; it is {}",
                    limit_ms / 1_000,
                    seen.power.words()
                ),
            )
            .remedy("Turn it off, or shut it down from inside");
            return Ok(Next::End(Outcome::Failed { refusal }));
        }
        Ok(Next::Wait { ms: pause_after(waited_ms) })
    }

    fn is_detached(&self, domain: Uuid, target: &str, waited_ms: Ms, limit_ms: Ms) -> Part {
        let gone = match self.world.machines.holds_disk(domain, target) {
            Ok(held) => held.is_none(),
            Err(Trouble::Refused(refusal) | Trouble::Failed(refusal))
                if refusal.code == Code::HypervisorNoVm =>
            {
                true
            }
            Err(trouble) => return Err(trouble),
        };
        if gone {
            return done();
        }
        let object = format!("domain {domain}");
        if self.watch.aborted() {
            let cause = format!("cancelled; the guest was asked to let go of {target} and may still do so");
            return Ok(Next::End(Outcome::Failed {
                refusal: Refusal::new(Code::JobCancelled, object, cause),
            }));
        }
        if waited_ms >= limit_ms {
            let refusal = Refusal::new(
                Code::GuestIgnored,
                object,
                format!("the guest did not let go of {target} within {} s", limit_ms / 1_000),
            )
            .remedy("Release the disk in the guest, or shut the machine down: the disk goes when it is off");
            return Ok(Next::End(Outcome::Failed { refusal }));
        }
        Ok(Next::Wait { ms: pause_after(waited_ms) })
    }

    /// A call was stopped on request and says that it took back what it had begun; unfinished files are looked for
    /// all the same.
    fn taken_back(&self) -> Outcome {
        if let Command::MakeDisk { file, .. } = self.command
            && let Err(trouble) = self.world.disks.sweep(file, &self.mark.to_string())
        {
            return Outcome::Failed { refusal: trouble.into_refusal(file) };
        }
        Outcome::Revoked
    }

    fn look_up(&self, looked_ms: Ms) -> Turn {
        let refusal = match probe(self.command, self.mark, self.undo, self.world) {
            Probed::Done(answer) => return Turn::Ended(Outcome::Done { answer }),
            Probed::NotDone => {
                let word = self.command.word();
                let cause =
                    format!("the agent or the hypervisor was interrupted before \"{word}\" took effect");
                let object = self.command.domain().map_or_else(|| word.to_owned(), |d| format!("domain {d}"));
                let refusal =
                    Refusal::new(Code::AgentInterrupted, object, cause).remedy("Ask for the job again");
                return Turn::Ended(Outcome::Failed { refusal });
            }
            Probed::Unknown(refusal) => refusal,
            // Where a machine is that was on its way is worth every wait.
            Probed::Blind(_)
                if looked_ms < LOOK_UP_LIMIT_MS
                    && (!self.watch.aborted() || matches!(self.command, Command::Migrate { .. })) =>
            {
                return Turn::Wait { ms: LOOK_UP_EVERY_MS };
            }
            Probed::Blind(refusal) => refusal,
        };
        let cause = format!("whether it took effect cannot be found out: {}", refusal.cause);
        let refusal = Refusal::new(Code::AgentOutcomeUnknown, refusal.object, cause)
            .remedy("Look at the machine itself before asking again");
        Turn::Ended(Outcome::InDoubt { refusal })
    }
}
