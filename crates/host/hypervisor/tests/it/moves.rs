//! A machine moves between two hosts, and the move is broken at its worst moment: its processors never run on both, and
//! it never stays stopped on both.

use hostler_hypervisor::simulated::{CrashWhen, Doors, SimulatedHost, What};
use hostler_hypervisor::{Machines, NoWatch, Performing};
use hostler_model::command::{Answer, Command, Leaving, Outcome, Peer, Way};
use hostler_model::hardware::GIB;
use hostler_model::seen::Power;
use hostler_model::{AgentId, Code};
use uuid::Uuid;

use crate::bench::{Bench, FOLDER, definition, domain, mark};

const TICKET: &str = "0123456789abcdef";
const N: u128 = 5;

/// A host on which a machine runs, and one that sees its disks.
struct Two {
    old: Bench,
    new: Bench,
}

impl Two {
    fn new() -> Self {
        let old = Bench::with_running(N);
        let new = Bench { host: SimulatedHost::new(2, FOLDER, GIB), now: Default::default() };
        new.host.mount(FOLDER, old.host.folder(&format!("{FOLDER}/x")).unwrap());
        Self { old, new }.joined()
    }

    fn joined(self) -> Self {
        let doors = Doors::default();
        doors.join(agent(1), &self.old.host);
        doors.join(agent(2), &self.new.host);
        self
    }

    fn powers(&self) -> (Option<Power>, Option<Power>) {
        let of = |bench: &Bench| bench.host.truth_of(domain(N)).map(|seen| seen.power);
        (of(&self.old), of(&self.new))
    }

    fn leave(&self) -> Leaving {
        match self.old.run(Command::Leave { domain: domain(N), ticket: TICKET.into() }) {
            Outcome::Done { answer: Answer::Leaving { leaving } } => *leaving,
            other => panic!("{other:?}"),
        }
    }

    fn receive(&self) -> Outcome {
        let leaving = Box::new(self.leave());
        let from = Peer { agent: agent(1), serials: Vec::new(), unencrypted: false };
        self.new.run(Command::Receive { domain: domain(N), ticket: TICKET.into(), from, leaving })
    }

    fn prepared() -> Self {
        let two = Self::new();
        let received = two.receive();
        assert!(matches!(received, Outcome::Done { answer: Answer::Receiving { .. } }), "{received:?}");
        two
    }

    /// With a machine that starts with its host.
    fn starting_with_host() -> Self {
        let two = Self::new();
        two.old.host.start_with_host(domain(N));
        let received = two.receive();
        assert!(matches!(received, Outcome::Done { answer: Answer::Receiving { .. } }), "{received:?}");
        two
    }

    fn broken(arrived: bool) -> Self {
        let two = Self::prepared();
        two.break_off(arrived);
        two
    }

    /// Broken at the hand-over: after the other side let it run, or before.
    fn break_off(&self, arrived: bool) {
        // Which of the two it is, the simulated host takes from its clock.
        self.old.pass(if arrived { 2 } else { 1 });
        self.old.host.interrupt_at(1, CrashWhen::Halfway);
        let moved = self.old.run(migrate());
        assert!(matches!(moved, Outcome::Done { answer: Answer::Moved { sure: false, .. } }), "{moved:?}");
    }

    /// Where it starts with the host.
    fn starts(&self) -> (Option<bool>, Option<bool>) {
        let of = |bench: &Bench| bench.host.truth_of(domain(N)).map(|seen| seen.autostart);
        (of(&self.old), of(&self.new))
    }
}

fn agent(n: u128) -> AgentId {
    AgentId(Uuid::from_u128(n))
}

fn migrate() -> Command {
    let to = Peer { agent: agent(2), serials: Vec::new(), unencrypted: false };
    let way = Box::new(Way { to, address: "192.0.2.2".into(), port: 49_300, ticket: TICKET.into() });
    Command::Migrate { domain: domain(N), way, limit_ms: 60_000, most_rounds: 10 }
}

fn see_arrived() -> Command {
    Command::SeeArrived { domain: domain(N), limit_ms: 5_000 }
}

fn ticketed(command: fn(Uuid, String) -> Command) -> Command {
    command(domain(N), TICKET.into())
}

fn arrived(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Done { answer: Answer::Vm { seen } } => seen.is_some(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_running_machine_moves_with_its_definition_and_leaves_nothing() {
    let two = Two::prepared();
    let moved = two.old.run(migrate());
    assert_eq!(moved, Outcome::Done { answer: Answer::Moved { sure: true, why: String::new() } });
    assert_eq!(two.powers(), (None, Some(Power::Running)));
    assert!(two.new.host.truth_of(domain(N)).unwrap().persistent);
    assert_eq!(
        two.old.run(ticketed(|domain, ticket| Command::ForgetMoved { domain, ticket })),
        Outcome::done()
    );
    assert!(two.old.host.folder(&format!("{FOLDER}/x")).unwrap().marks().is_empty());
}

#[test]
fn the_marks_of_a_move_are_gone_before_it_can_end_in_doubt() {
    let two = Two::prepared();
    let marks = || two.old.host.folder(&format!("{FOLDER}/x")).unwrap().marks().len();
    assert!(marks() > 0, "the other host has to see them");
    let Command::Migrate { domain, way, .. } = migrate() else { panic!("a move") };
    let sent = two.old.run(Command::SendBases { domain, way, bases: Vec::new() });
    assert_eq!((sent, marks()), (Outcome::done(), 0));
}

#[test]
fn a_departure_that_a_loss_of_power_cut_short_leaves_no_marks_when_it_is_refused() {
    let two = Two::new();
    two.leave();
    two.old.host.power_off();
    two.old.host.power_on();
    let again = two.old.run(Command::Leave { domain: domain(N), ticket: TICKET.into() });
    assert!(matches!(again, Outcome::Refused { .. }), "{again:?}");
    assert!(two.old.host.folder(&format!("{FOLDER}/x")).unwrap().marks().is_empty());
}

#[test]
fn a_host_that_does_not_see_the_same_files_or_has_the_machine_already_does_not_receive_it() {
    let two = Two::new();
    let own = SimulatedHost::new(3, FOLDER, GIB);
    let apart = Two { old: two.old, new: Bench { host: own, now: Default::default() } }.joined();
    match apart.receive() {
        Outcome::Refused { refusal } => assert_eq!(refusal.code, Code::MigrationUnsuitable),
        other => panic!("{other:?}"),
    }
    let two = Two::new();
    two.new.host.define(&definition(N)).unwrap();
    assert!(matches!(two.receive(), Outcome::Refused { .. }));
}

#[test]
fn a_move_to_a_host_that_no_longer_waits_fails_and_the_machine_runs_on() {
    let two = Two::prepared();
    let ended = two.new.run(ticketed(|domain, ticket| Command::NotReceived { domain, ticket }));
    assert_eq!(ended, Outcome::done());
    assert!(matches!(two.old.run(migrate()), Outcome::Failed { .. }));
    assert_eq!(two.powers(), (Some(Power::Running), None));
}

#[test]
fn a_machine_that_had_arrived_when_the_connection_broke_is_found_there_and_its_stopped_copy_is_removed() {
    let two = Two::broken(true);
    assert_eq!(two.powers(), (Some(Power::PausedBusy), Some(Power::Running)));
    assert!(arrived(&two.new.run(see_arrived())));
    // Whoever would let the stopped copy run all the same is stopped by the image's lock.
    let stay = two.old.run(ticketed(|domain, ticket| Command::Stay { domain, ticket }));
    assert!(matches!(stay, Outcome::Failed { .. }), "{stay:?}");
    assert_eq!(
        two.old.run(ticketed(|domain, ticket| Command::ForgetMoved { domain, ticket })),
        Outcome::done()
    );
    assert_eq!(two.powers(), (None, Some(Power::Running)));
}

#[test]
fn a_machine_that_had_not_arrived_is_taken_away_there_before_it_runs_again_where_it_was() {
    let two = Two::broken(false);
    assert_eq!(two.powers(), (Some(Power::PausedBusy), Some(Power::PausedBusy)));
    assert!(!arrived(&two.new.run(see_arrived())));
    let ended = two.new.run(ticketed(|domain, ticket| Command::NotReceived { domain, ticket }));
    assert_eq!(ended, Outcome::done());
    assert_eq!(two.powers(), (Some(Power::PausedBusy), None));
    assert_eq!(two.old.run(ticketed(|domain, ticket| Command::Stay { domain, ticket })), Outcome::done());
    assert_eq!(two.powers(), (Some(Power::Running), None));
}

#[test]
fn a_machine_that_starts_with_its_host_does_so_where_it_arrived() {
    let two = Two::starting_with_host();
    assert_eq!(two.starts(), (Some(true), None), "as long as it only waits for its turn nothing changes");
    two.old.run(migrate());
    assert_eq!(two.starts(), (None, Some(false)));
    let end = ticketed(|domain, ticket| Command::EndReceive { domain, ticket });
    assert_eq!(two.new.run(end.clone()), Outcome::done());
    assert_eq!(two.starts(), (None, Some(true)));
    // One that did not start with its host does not where it arrives.
    let two = Two::prepared();
    two.old.run(migrate());
    two.new.run(end);
    assert_eq!(two.starts(), (None, Some(false)));
}

#[test]
fn what_a_broken_move_leaves_starts_with_neither_host_before_it_is_known_where_the_machine_is() {
    let two = Two::starting_with_host();
    two.break_off(true);
    assert_eq!(two.starts(), (Some(false), Some(false)));
    two.old.host.power_off();
    two.old.host.power_on();
    assert_eq!(two.old.undo(ticketed(|domain, ticket| Command::Stay { domain, ticket })), Outcome::done());
    assert_eq!(two.starts(), (Some(false), Some(false)), "it does not run here: nobody knows that it stays");
    two.old.run(ticketed(|domain, ticket| Command::ForgetMoved { domain, ticket }));
    two.new.run(ticketed(|domain, ticket| Command::EndReceive { domain, ticket }));
    assert_eq!(two.starts(), (None, Some(true)));

    let two = Two::starting_with_host();
    two.break_off(false);
    assert_eq!(two.starts(), (Some(false), Some(false)));
    two.new.run(ticketed(|domain, ticket| Command::NotReceived { domain, ticket }));
    assert_eq!(two.old.run(ticketed(|domain, ticket| Command::Stay { domain, ticket })), Outcome::done());
    assert_eq!(two.starts(), (Some(true), None));
}

#[test]
fn a_machine_whose_move_failed_starts_with_its_host_again() {
    let two = Two::starting_with_host();
    two.new.host.define(&definition(N)).unwrap();
    assert!(matches!(two.old.run(migrate()), Outcome::Failed { .. }));
    assert_eq!(two.starts().0, Some(false));
    assert_eq!(two.old.undo(ticketed(|domain, ticket| Command::Stay { domain, ticket })), Outcome::done());
    assert_eq!(two.starts().0, Some(true));
}

#[test]
fn what_runs_is_never_removed_as_a_leftover_nor_turned_off_as_not_received() {
    let two = Two::prepared();
    let forget = two.old.run(ticketed(|domain, ticket| Command::ForgetMoved { domain, ticket }));
    assert!(matches!(forget, Outcome::Refused { .. }), "{forget:?}");
    assert_eq!(two.powers(), (Some(Power::Running), None));
    let two = Two::broken(true);
    let not = two.new.run(ticketed(|domain, ticket| Command::NotReceived { domain, ticket }));
    assert!(matches!(not, Outcome::Refused { .. }), "{not:?}");
    assert_eq!(
        two.new.undo(ticketed(|domain, ticket| Command::NotReceived { domain, ticket })),
        Outcome::done()
    );
    assert_eq!(two.powers(), (Some(Power::PausedBusy), Some(Power::Running)));
}

#[test]
fn a_definition_that_a_broken_move_left_on_its_new_host_is_taken_back_and_its_disks_stay() {
    let two = Two::prepared();
    two.new.host.define(&definition(N)).unwrap();
    let files = two.new.host.folder(&format!("{FOLDER}/x")).unwrap().files();
    let not = two.new.run(ticketed(|domain, ticket| Command::NotReceived { domain, ticket }));
    assert!(matches!(not, Outcome::Refused { .. }), "nobody said that it runs where it was: {not:?}");
    assert_eq!(
        two.new.undo(ticketed(|domain, ticket| Command::NotReceived { domain, ticket })),
        Outcome::done()
    );
    assert_eq!(two.powers(), (Some(Power::Running), None));
    assert_eq!(two.new.host.folder(&format!("{FOLDER}/x")).unwrap().files(), files);
}

#[test]
fn taking_back_what_was_only_prepared_lets_nothing_run() {
    let two = Two::broken(true);
    assert_eq!(two.old.undo(ticketed(|domain, ticket| Command::Stay { domain, ticket })), Outcome::done());
    assert_eq!(two.powers(), (Some(Power::PausedBusy), Some(Power::Running)));
}

#[test]
fn what_is_said_of_a_move_that_did_not_return_is_true() {
    for when in [CrashWhen::Before, CrashWhen::Halfway, CrashWhen::After] {
        for dies in [false, true] {
            for tick in [1, 2] {
                let case = format!("{when:?}, dies {dies}, tick {tick}");
                let two = Two::prepared();
                two.old.pass(tick);
                if dies {
                    two.old.host.crash_at(1, when);
                } else {
                    two.old.host.interrupt_at(1, when);
                }
                let mut performing = Performing::new(migrate(), mark("step"), false);
                if dies {
                    performing.turn(&two.old.world(), 0, &NoWatch);
                    assert!(two.old.host.crashed(), "{case}");
                    two.old.host.agent_restarted();
                    performing = Performing::looking(migrate(), mark("step"), false);
                }
                let outcome = two.old.run_to_end(performing, &NoWatch);
                let mut times = 0;
                two.old.host.each_effect(|effect, n| times += n * u32::from(effect.what == What::Migrated));
                assert!(times <= 1, "{case}: moved {times} times");
                match (&outcome, two.powers()) {
                    (Outcome::Failed { refusal }, (Some(Power::Running), None)) => {
                        assert!(!refusal.remedy.is_empty(), "{case}: {refusal:?}");
                    }
                    // Whether it arrived is the other host's to say; here at least it does not run.
                    (Outcome::Done { answer: Answer::Moved { .. } }, (here, there)) => {
                        assert_ne!(here, Some(Power::Running), "{case}");
                        assert!(here.is_some() || there == Some(Power::Running), "{case}: it is lost");
                    }
                    other => panic!("{case}: {other:?}"),
                }
            }
        }
    }
}
