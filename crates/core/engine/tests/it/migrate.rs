//! Live migration: who is asked what, in which order, and what each answer comes to.

use hostler_engine::Effect;
use hostler_model::channel::ToAgent;
use hostler_model::command::{Answer, Command, Leaving, Outcome};
use hostler_model::hardware::{Adapter, Mac};
use hostler_model::host::HostFacts;
use hostler_model::host_group::{ALL_HOSTS, HostGroup};
use hostler_model::job::JobState;
use hostler_model::network::{HostNetwork, NetworkKind};
use hostler_model::request::Request;
use hostler_model::reserve::OwnReserve;
use hostler_model::seen::Power;
use hostler_model::setting::Settings;
use hostler_model::vm::Presence;
use hostler_model::{Code, JobId, Key, Object, Timestamp};

use crate::world::{World, agent, facts, machine, name, ours, trouble, vm_id};

fn migration() -> Request {
    Request::MigrateVm { vm: vm_id(1), to: None }
}

fn done(answer: Answer) -> Outcome {
    Outcome::Done { answer }
}

fn moved(sure: bool) -> Outcome {
    done(Answer::Moved { sure, why: if sure { String::new() } else { "the connection broke".into() } })
}

/// A machine that runs on host 0, and the job that moves it to host 1, with its step `migrate` on the way.
fn leaving() -> (World, JobId) {
    let mut world = World::with_vms(2, &[Power::Running]);
    world.sent();
    let job = world.ask(migration()).unwrap();
    assert_eq!(world.sent(), ["prepare to leave"]);
    world.answer(job, "leave", done(Answer::Leaving { leaving: Box::new(Leaving::default()) }));
    assert_eq!(world.sent(), ["prepare to receive"]);
    world.answer(job, "receive", done(Answer::Receiving { port: 49_300, lacking: Vec::new() }));
    assert_eq!(world.sent(), ["send bases"]);
    world.done(job, "send-bases");
    assert_eq!(world.sent(), ["migrate"]);
    (world, job)
}

fn arrives(world: &mut World, job: JobId) {
    let seen = Some(Box::new(ours(vm_id(1), Power::Running)));
    world.answer(job, "look", done(Answer::Vm { seen }));
    assert_eq!(world.sent(), ["read machine", "forget moved machine", "close the way"]);
    for step in ["forget", "close"] {
        world.done(job, step);
    }
    world.answer_with(job, "read", Outcome::done(), Some(ours(vm_id(1), Power::Running)));
    assert_eq!(world.state(job), JobState::Completed);
    assert_eq!(world.vm(vm_id(1)).host, Some(agent(1).into()));
}

#[test]
fn a_machine_moves_and_its_record_follows_once_the_new_host_has_said_so() {
    let (mut world, job) = leaving();
    world.answer(job, "migrate", moved(true));
    assert_eq!(world.sent(), ["see whether it arrived"]);
    assert_eq!(world.vm(vm_id(1)).host, Some(agent(0).into()));
    arrives(&mut world, job);
}

#[test]
fn where_the_old_host_cannot_tell_the_new_one_is_asked_and_a_machine_that_runs_there_is_there() {
    let (mut world, job) = leaving();
    world.answer(job, "migrate", moved(false));
    assert_eq!(world.sent(), ["see whether it arrived"], "nothing is let run before the new host was asked");
    arrives(&mut world, job);
}

#[test]
fn a_machine_that_has_not_arrived_is_removed_there_before_it_runs_again_where_it_was() {
    let (mut world, job) = leaving();
    world.answer(job, "migrate", moved(false));
    world.sent();
    world.answer(job, "look", done(Answer::Vm { seen: None }));
    assert_eq!(world.sent(), ["do not receive"]);
    world.done(job, "not-received");
    assert_eq!(world.sent(), ["stay"]);
    world.done(job, "stay");
    assert_eq!(world.state(job), JobState::FailedUndone);
    assert_eq!(world.vm(vm_id(1)).host, Some(agent(0).into()));
}

#[test]
fn while_the_new_host_is_silent_nothing_runs_again_and_nobody_may_start_it() {
    let (mut world, job) = leaving();
    world.lose(1);
    world.answer(job, "migrate", moved(false));
    world.pass(3_600_000);
    assert!(!world.sent().iter().any(|sent| sent == "stay"));
    assert_eq!(world.state(job), JobState::Running);
    let start = world.ask(Request::StartVm { vm: vm_id(1) }).unwrap_err();
    assert_eq!(start.code, Code::VmBusy);
}

fn declared_dead(world: &mut World) {
    world.lose(0);
    world.ask(Request::DeclareHostDead { host: agent(0).into(), confirm: "host-0".into() }).unwrap();
}

#[test]
fn of_an_old_host_that_is_declared_dead_meanwhile_the_new_one_is_asked_and_a_machine_that_arrived_stays() {
    let (mut world, job) = leaving();
    declared_dead(&mut world);
    assert_eq!(world.sent(), ["see whether it arrived"]);
    let seen = ours(vm_id(1), Power::Running);
    world.answer_with(
        job,
        "look",
        done(Answer::Vm { seen: Some(Box::new(seen.clone())) }),
        Some(seen.clone()),
    );
    assert_eq!(world.sent(), ["read machine", "close the way"]);
    world.done(job, "close");
    world.answer_with(job, "read", Outcome::done(), Some(seen));
    assert_eq!(world.state(job), JobState::CompletedWithWarnings);
    let vm = world.vm(vm_id(1));
    assert_eq!((vm.host, vm.presence), (Some(agent(1).into()), Presence::Here));
}

#[test]
fn a_machine_that_had_not_left_an_old_host_that_is_declared_dead_is_missing_with_it() {
    let (mut world, job) = leaving();
    declared_dead(&mut world);
    world.sent();
    world.answer(job, "look", done(Answer::Vm { seen: None }));
    assert_eq!(world.sent(), ["do not receive"]);
    world.done(job, "not-received");
    assert_eq!(world.sent(), [""; 0]);
    assert_eq!(world.state(job), JobState::FailedUndone, "{:?}", world.jobs[&job]);
    let error = world.jobs[&job].error.clone().unwrap();
    assert_eq!(error.code, Code::HostNotResponding);
    assert!(error.cause.contains("host-0: it was declared dead"), "{error}");
    let vm = world.vm(vm_id(1));
    assert_eq!(vm.host, Some(agent(0).into()));
    assert!(matches!(vm.presence, Presence::Missing { .. }), "{:?}", vm.presence);
}

#[test]
fn a_move_of_which_both_hosts_are_declared_dead_ends_and_so_does_one_that_was_cancelled_before() {
    for cancelled in [false, true] {
        let (mut world, job) = leaving();
        if cancelled {
            world.cancel(job).unwrap();
        }
        declared_dead(&mut world);
        world.sent();
        world.lose(1);
        world.ask(Request::DeclareHostDead { host: agent(1).into(), confirm: "host-1".into() }).unwrap();
        assert!(world.state(job).is_ended(), "{:?}", world.jobs[&job]);
        assert_eq!(world.vm(vm_id(1)).host, Some(agent(0).into()));
    }
}

#[test]
fn a_new_host_that_cannot_say_leaves_the_decision_to_people() {
    let (mut world, job) = leaving();
    world.answer(job, "migrate", moved(false));
    world.answer(job, "look", Outcome::Failed { refusal: trouble() });
    world.sent();
    assert_eq!(world.state(job), JobState::FailedUndone);
    assert_eq!(world.jobs[&job].error.as_ref().unwrap().code, Code::MigrationUndecided);
    // Nobody starts or resumes it; it is settled.
    assert_eq!(world.vm(vm_id(1)).presence, Presence::Conflict { other: agent(1).into() });
    assert_eq!(world.ask(Request::ResumeVm { vm: vm_id(1) }).unwrap_err().code, Code::VmStateForbids);
}

/// What the old host says of a move when its libvirt is silent for longer than its agent looks; and a newer agent.
fn in_doubt() -> [Outcome; 3] {
    [Outcome::InDoubt { refusal: trouble() }, Outcome::Unknown, done(Answer::Unknown)]
}

fn shown(power: Option<Power>) -> Outcome {
    done(Answer::Vm { seen: power.map(|power| Box::new(ours(vm_id(1), power))) })
}

/// Whether anything was taken back, or let run again.
fn lets_run(sent: &[String]) -> bool {
    sent.iter().any(|sent| sent == "stay" || sent.starts_with("undo"))
}

/// How a move ends.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Ends {
    There,
    Here,
    Undecided,
}

#[test]
fn of_a_move_in_doubt_the_new_host_is_asked_before_anything_is_taken_back() {
    let broke = || Outcome::Failed { refusal: trouble() };
    let refused = || Outcome::Refused { refusal: trouble() };
    let (running, off) = (|| shown(Some(Power::Running)), || shown(Some(Power::Off)));
    // What the new host says, what it says when it is told to receive nothing, what the old host says when it is looked at
    // once more; and how it ends.
    let cases: [(Outcome, Option<Outcome>, Option<Outcome>, Ends); 10] = [
        (running(), None, None, Ends::There),
        (shown(Some(Power::Paused)), None, None, Ends::There),
        (shown(None), Some(Outcome::done()), None, Ends::Here),
        (shown(None), Some(refused()), None, Ends::Undecided),
        (shown(None), Some(broke()), None, Ends::Undecided),
        (broke(), None, None, Ends::Undecided),
        // It has ended there, or only its definition came: the old host says which.
        (off(), None, Some(shown(None)), Ends::There),
        (off(), None, Some(shown(Some(Power::PausedBusy))), Ends::There),
        (off(), None, Some(running()), Ends::Undecided),
        (off(), None, Some(broke()), Ends::Undecided),
    ];
    for (n, case) in cases.into_iter().enumerate() {
        for doubt in in_doubt() {
            let (there, not_received, here, ends) = case.clone();
            let (mut world, job) = leaving();
            world.answer(job, "migrate", doubt);
            assert_eq!(world.sent(), ["see whether it arrived"], "case {n}: nothing else before");
            world.answer(job, "look", there);
            if let Some(here) = here {
                assert_eq!(world.sent(), ["read machine"], "case {n}");
                world.answer(job, "look-back", here);
            }
            if let Some(not_received) = not_received {
                assert_eq!(world.sent(), ["do not receive"], "case {n}: before it runs again where it was");
                world.answer(job, "not-received", not_received);
            }
            let sent = world.sent();
            let vm = world.vm(vm_id(1));
            match ends {
                Ends::There => {
                    assert_eq!(sent, ["read machine", "forget moved machine", "close the way"], "case {n}");
                    assert_eq!(vm.host, Some(agent(1).into()), "case {n}");
                }
                Ends::Here => {
                    assert_eq!(sent, ["stay"], "case {n}");
                    world.done(job, "stay");
                    assert_eq!(world.state(job), JobState::FailedUndone, "case {n}");
                    assert_eq!(world.jobs[&job].error.as_ref().unwrap().code, Code::MigrationFailed);
                    assert_eq!(world.vm(vm_id(1)).host, Some(agent(0).into()), "case {n}");
                }
                Ends::Undecided => {
                    assert!(!lets_run(&sent), "case {n}: {sent:?}");
                    assert_eq!(world.state(job), JobState::FailedUndone, "case {n}");
                    assert_eq!(world.jobs[&job].error.as_ref().unwrap().code, Code::MigrationUndecided);
                    assert_eq!(vm.presence, Presence::Conflict { other: agent(1).into() }, "case {n}");
                }
            }
        }
    }
}

#[test]
fn a_move_in_doubt_waits_for_a_new_host_that_is_silent_also_when_it_was_cancelled() {
    for cancelled in [false, true] {
        let (mut world, job) = leaving();
        if cancelled {
            world.cancel(job).unwrap();
            assert_eq!(world.sent(), ["revoke"]);
        }
        world.lose(1);
        world.answer(job, "migrate", Outcome::InDoubt { refusal: trouble() });
        world.pass(3_600_000);
        assert!(!lets_run(&world.sent()));
        assert_eq!(world.state(job), JobState::Running);
        assert_eq!(world.ask(Request::StartVm { vm: vm_id(1) }).unwrap_err().code, Code::VmBusy);
    }
}

#[test]
fn where_the_new_host_has_it_off_and_the_old_one_is_lost_it_is_on_the_new_one() {
    let (mut world, job) = leaving();
    declared_dead(&mut world);
    assert_eq!(world.sent(), ["see whether it arrived"]);
    world.answer(job, "look", shown(Some(Power::Off)));
    assert_eq!(world.sent(), ["read machine", "close the way"], "who is lost is not asked");
    assert_eq!(world.vm(vm_id(1)).host, Some(agent(1).into()));
}

/// A machine whose move was not decided, which stands still on host 0.
fn undecided() -> World {
    let (mut world, job) = leaving();
    world.answer_with(job, "migrate", moved(false), Some(ours(vm_id(1), Power::PausedBusy)));
    world.answer(job, "look", Outcome::Failed { refusal: trouble() });
    world.sent();
    world
}

fn settle(world: &mut World, keep: Option<u128>) -> JobId {
    let keep = keep.map(|n| agent(n).into());
    let job = world.ask(Request::SettleVm { vm: vm_id(1), keep }).unwrap();
    assert_eq!(world.sent(), ["read machine", "read machine"]);
    job
}

fn looked(world: &mut World, job: JobId, here: Option<Power>, there: Option<Power>) {
    for (step, power) in [("look-here", here), ("look-there", there)] {
        let seen = power.map(|power| Box::new(ours(vm_id(1), power)));
        world.answer(job, step, done(Answer::Vm { seen }));
    }
}

#[test]
fn a_machine_whose_move_was_not_decided_stays_on_the_new_host_if_it_runs_there() {
    let mut world = undecided();
    let job = settle(&mut world, None);
    looked(&mut world, job, Some(Power::PausedBusy), Some(Power::Running));
    assert_eq!(world.sent(), ["forget moved machine"]);
    world.done(job, "remove");
    assert_eq!(world.sent(), ["read machine"]);
    world.answer_with(job, "read", Outcome::done(), Some(ours(vm_id(1), Power::Running)));
    assert_eq!(world.state(job), JobState::Completed);
    assert_eq!(world.vm(vm_id(1)).host, Some(agent(1).into()));
    assert_eq!(world.vm(vm_id(1)).presence, Presence::Here);
}

#[test]
fn a_machine_whose_move_was_not_decided_runs_again_where_it_was_once_the_new_host_does_not_have_it() {
    let mut world = undecided();
    // That the new host's picture does not show it is noted and not acted on.
    world.picture(1, Vec::new());
    assert!(matches!(world.vm(vm_id(1)).presence, Presence::Conflict { .. }));
    let job = settle(&mut world, None);
    looked(&mut world, job, Some(Power::PausedBusy), None);
    assert_eq!(world.sent(), ["stay"]);
    world.done(job, "stay");
    world.answer_with(job, "read", Outcome::done(), Some(ours(vm_id(1), Power::Running)));
    assert_eq!(world.state(job), JobState::Completed);
    assert_eq!(world.vm(vm_id(1)).host, Some(agent(0).into()));
}

#[test]
fn what_stands_still_on_both_is_removed_on_the_new_host_first() {
    let mut world = undecided();
    let job = settle(&mut world, None);
    looked(&mut world, job, Some(Power::PausedBusy), Some(Power::PausedBusy));
    assert_eq!(world.sent(), ["do not receive"]);
    world.done(job, "remove");
    assert_eq!(world.sent(), ["stay"]);
}

#[test]
fn a_machine_that_runs_on_both_is_turned_off_on_the_one_that_is_not_named() {
    let mut world = undecided();
    let job = settle(&mut world, None);
    looked(&mut world, job, Some(Power::Running), Some(Power::Running));
    assert_eq!(world.state(job), JobState::FailedUndone, "nobody said which");
    let job = settle(&mut world, Some(1));
    looked(&mut world, job, Some(Power::Running), Some(Power::Running));
    assert_eq!(world.sent(), ["turn off"]);
    world.done(job, "turn-off");
    assert_eq!(world.sent(), ["forget moved machine"]);
}

#[test]
fn a_machine_that_is_on_one_host_alone_is_not_settled_on_another() {
    let mut world = undecided();
    let job = settle(&mut world, Some(0));
    looked(&mut world, job, Some(Power::PausedBusy), Some(Power::Running));
    assert_eq!(world.state(job), JobState::FailedUndone);
    assert_eq!(world.sent(), Vec::<String>::new());
}

#[test]
fn a_host_takes_part_in_no_more_migrations_than_it_may_whichever_way_they_go() {
    let mut world = World::with(
        3,
        vec![Object::from(machine(1, 0, Power::Running)), Object::from(machine(2, 1, Power::Running))],
    );
    let settings = Settings { migrations_per_host: 1, ..Settings::default() };
    let set = world.ask(Request::SetSettings { settings }).unwrap();
    assert_eq!(world.state(set), JobState::Completed);
    world.sent();
    let jobs = [1, 2].map(|n| {
        let job = world.ask(Request::MigrateVm { vm: vm_id(n), to: Some(agent(2).into()) }).unwrap();
        world.answer(job, "leave", done(Answer::Leaving { leaving: Box::new(Leaving::default()) }));
        world.answer(job, "receive", done(Answer::Receiving { port: 49_300, lacking: Vec::new() }));
        world.done(job, "send-bases");
        job
    });
    let migrating = |sent: Vec<String>| sent.iter().filter(|sent| *sent == "migrate").count();
    assert_eq!(migrating(world.sent()), 1, "the new host is the same");
    world.answer(jobs[0], "migrate", Outcome::Failed { refusal: trouble() });
    assert_eq!(migrating(world.sent()), 1);
}

#[test]
fn a_migration_that_failed_while_the_machine_runs_on_is_taken_back_on_both_hosts() {
    let (mut world, job) = leaving();
    world.answer(job, "migrate", Outcome::Failed { refusal: trouble() });
    assert_eq!(world.sent(), ["undo do not receive"]);
    world.done(job, "receive");
    assert_eq!(world.sent(), ["undo stay"]);
    world.done(job, "leave");
    assert_eq!(world.state(job), JobState::FailedUndone);
}

#[test]
fn a_migration_that_is_cancelled_is_stopped_and_taken_back() {
    let (mut world, job) = leaving();
    world.cancel(job).unwrap();
    assert_eq!(world.sent(), ["revoke"]);
    world.answer(job, "migrate", Outcome::Revoked);
    world.done(job, "receive");
    world.done(job, "leave");
    assert_eq!(world.state(job), JobState::Cancelled);
}

#[test]
fn room_is_kept_on_the_new_host_while_the_machine_is_on_its_way() {
    let (world, _) = leaving();
    let memory = world.vm(vm_id(1)).spec.hardware.memory_mib;
    assert_eq!(world.engine.inventory().usage(agent(1).into()).memory_mib, memory);
}

#[test]
fn the_host_that_is_chosen_sees_the_folder_of_the_machine() {
    let mut world = World::with_vms(2, &[Power::Running]);
    let mut apart = crate::world::facts(1);
    apart.vm_folder_id = "another".into();
    world.computer(1, apart);
    let refused = world.ask(migration()).unwrap_err();
    assert_eq!(refused.code, Code::PlacementNoHost);
    assert!(refused.cause.contains("does not share"), "{}", refused.cause);
    // Who names it may know better; the agents prove it.
    world.ask(Request::MigrateVm { vm: vm_id(1), to: Some(agent(1).into()) }).unwrap();
}

#[test]
fn a_host_on_which_the_network_of_that_name_is_another_one_does_not_suit() {
    use NetworkKind::{External, Internal, Nat, Private};
    let lan = |n: u128, kind: NetworkKind, vlan: Option<u16>| HostFacts {
        networks: vec!["lan".into()],
        host_networks: vec![HostNetwork {
            name: "lan".into(),
            kind,
            vlan,
            active: true,
            ..HostNetwork::default()
        }],
        ..facts(n)
    };
    // What it is on the old host and on the new one; and what is said.
    let cases = [
        ((External, None), (External, None), None),
        ((External, Some(7)), (External, Some(7)), None),
        ((Private, None), (Private, None), None),
        ((Nat, None), (Nat, None), None),
        ((Nat, None), (Internal, None), Some("its network lan is internal, and on host-0 nat")),
        ((Private, None), (External, None), Some("its network lan is external, and on host-0 private")),
        (
            (External, Some(7)),
            (External, Some(8)),
            Some("its network lan is in VLAN 8, and on host-0 in VLAN 7"),
        ),
        (
            (External, Some(7)),
            (External, None),
            Some("its network lan is in no VLAN, and on host-0 in VLAN 7"),
        ),
    ];
    for (old, new, said) in cases {
        let mut vm = machine(1, 0, Power::Running);
        // Two adapters on one network: what differs is said once.
        vm.spec.hardware.adapters = (0..2)
            .map(|no| Adapter {
                no,
                mac: Mac([0x52, 0x54, 0, 0, 0, no as u8]),
                network: "lan".into(),
                vlan: None,
                spoofing_filter: false,
            })
            .collect();
        let mut world = World::with(2, vec![vm.into()]);
        world.computer(0, lan(0, old.0, old.1));
        world.computer(1, lan(1, new.0, new.1));
        let named = world.ask(Request::MigrateVm { vm: vm_id(1), to: Some(agent(1).into()) });
        match said {
            None => _ = named.unwrap(),
            Some(said) => {
                assert_eq!(named.unwrap_err().cause, said);
                let refused = world.ask(migration()).unwrap_err();
                assert_eq!(refused.code, Code::PlacementNoHost);
                assert!(refused.cause.contains(said), "{}", refused.cause);
            }
        }
    }
}

#[test]
fn a_machine_that_does_not_run_is_not_migrated() {
    for power in [Power::Off, Power::Saved, Power::Paused] {
        let mut world = World::with_vms(2, &[power]);
        assert_eq!(world.ask(migration()).unwrap_err().code, Code::VmStateForbids);
    }
}

#[test]
fn commands_of_a_move_are_repeated_where_that_can_do_no_harm() {
    let domain = vm_id(1).0;
    assert!(Command::Stay { domain, ticket: String::new() }.may_be_repeated());
    let to = hostler_model::command::Peer { agent: agent(1), serials: Vec::new(), unencrypted: false };
    let way = hostler_model::command::Way { to, address: String::new(), port: 1, ticket: String::new() };
    let migrate = Command::Migrate { domain, way: Box::new(way), limit_ms: 1, most_rounds: 1 };
    assert!(!migrate.may_be_repeated());
}

#[test]
fn what_is_large_goes_without_encryption_only_where_a_group_that_both_hosts_are_in_says_so_and_none_denies_it()
 {
    let (yes, no) = (Some(true), Some(false));
    // What all hosts say, what two groups say, in which of them the hosts are; whether it goes so.
    let cases = [
        (None, [None, None], [0, 1], false),
        (None, [yes, None], [0, 0], true),
        (None, [yes, None], [0, 1], false),
        // Each trusts its own network, and nobody the one between them.
        (None, [yes, yes], [0, 1], false),
        (yes, [None, None], [0, 1], true),
        (yes, [yes, None], [0, 1], true),
        (yes, [no, None], [0, 1], false),
        (yes, [None, no], [0, 1], false),
        (no, [yes, yes], [0, 1], false),
        (no, [yes, None], [0, 0], true),
    ];
    for case @ (all, says, places, wanted) in cases {
        let top = HostGroup { unencrypted_transfers: all, ..HostGroup::all_hosts(Timestamp(0)) };
        let mut world = World::with(2, vec![top.into(), machine(1, 0, Power::Running).into()]);
        let groups = [0, 1].map(|n: usize| {
            let group = Request::CreateHostGroup {
                parent: Some(ALL_HOSTS),
                name: name(&format!("group-{n}")),
                notes: String::new(),
                reserve: OwnReserve::default(),
                unencrypted_transfers: says[n],
            };
            let made = world.ask(group).unwrap();
            let Key::HostGroup(made) = world.jobs[&made].about[0] else { panic!("no group") };
            made
        });
        for (n, place) in (0..).zip(places) {
            world.ask(Request::MoveHost { host: agent(n).into(), to: groups[place] }).unwrap();
        }
        let job = world.ask(migration()).unwrap();
        world.answer(job, "leave", done(Answer::Leaving { leaving: Box::new(Leaving::default()) }));
        world.answer(job, "receive", done(Answer::Receiving { port: 49_300, lacking: Vec::new() }));
        world.done(job, "send-bases");
        let told = world.effects.iter().filter_map(|effect| match effect {
            Effect::Send { message, .. } => match &**message {
                ToAgent::Do { command, .. } => match &**command {
                    Command::Receive { from, .. } => Some(from.unencrypted),
                    Command::SendBases { way, .. } | Command::Migrate { way, .. } => Some(way.to.unencrypted),
                    _ => None,
                },
                _ => None,
            },
            _ => None,
        });
        assert_eq!(told.collect::<Vec<_>>(), [wanted; 3], "{case:?}");
    }
}
