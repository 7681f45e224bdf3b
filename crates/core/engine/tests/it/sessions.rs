//! Who may open a session, and what an epoch gives away.

use hostler_engine::{Effect, Input};
use hostler_model::channel::{PROTOCOL, Report, ReportBody};
use hostler_model::{Code, InstallationId, SessionId};
use uuid::Uuid;

use crate::world::{World, agent, hello};

fn rejected(world: &World) -> Option<Code> {
    world.effect(|effect| match effect {
        Effect::Reject { why, .. } => Some(why.code),
        _ => None,
    })
}

fn older_than(world: &World) -> Option<u32> {
    world.effect(|effect| match effect {
        Effect::OlderThanFleet { met } => Some(*met),
        _ => None,
    })
}

#[test]
fn strangers_are_told_why_they_may_not_come_in() {
    let mut world = World::new(1);
    world.greet(hostler_model::channel::Hello { agent: agent(9), ..hello(0) });
    assert_eq!(rejected(&world), Some(Code::ObjectNotFound));
    let other = InstallationId(Uuid::from_u128(4));
    world.greet(hostler_model::channel::Hello { installation: other, ..hello(0) });
    assert_eq!(rejected(&world), Some(Code::EnrolmentRefused));
    let newer = hostler_model::channel::Hello { protocol: PROTOCOL + 2, oldest: PROTOCOL + 1, ..hello(0) };
    world.greet(newer);
    assert_eq!(rejected(&world), Some(Code::AgentUnsupported));
}

#[test]
fn an_agent_that_is_newer_than_the_server_is_let_in_as_long_as_it_speaks_the_servers_protocol() {
    let mut world = World::new(1);
    world.greet(hostler_model::channel::Hello { protocol: PROTOCOL + 1, oldest: PROTOCOL, ..hello(0) });
    assert_eq!(rejected(&world), None);
    world.greet(hostler_model::channel::Hello { protocol: 0, oldest: 0, ..hello(0) });
    assert_eq!(rejected(&world), Some(Code::AgentUnsupported), "what is older than all that is spoken here");
}

#[test]
fn a_later_epoch_than_ours_says_that_our_store_is_older_than_the_fleet() {
    let mut world = World::new(1);
    world.greet(hostler_model::channel::Hello { epoch: 7, ..hello(0) });
    assert_eq!(older_than(&world), Some(7));
}

#[test]
fn our_own_epoch_from_one_whom_we_never_told_it_says_so_too() {
    let mut world = World::new(1);
    world.greet(hostler_model::channel::Hello { epoch: 1, ..hello(0) });
    assert_eq!(older_than(&world), None, "it was welcomed in this life");
    world.restart(false);
    world.greet(hostler_model::channel::Hello { epoch: 2, ..hello(0) });
    assert_eq!(older_than(&world), Some(2), "another life had this epoch");
}

#[test]
fn a_computer_that_was_enrolled_anew_gives_away_no_other_life_with_the_journal_that_it_had() {
    let mut world = World::new(2);
    world.restart(false);
    let journal = Uuid::from_u128(0x71);
    world.greet(hostler_model::channel::Hello { journal, epoch: 1, ..hello(0) });
    assert_eq!(older_than(&world), None);
    // Its first word as another agent: it met our epoch as the one that it was.
    world.greet(hostler_model::channel::Hello { journal, epoch: 2, ..hello(1) });
    assert_eq!(older_than(&world), None);
    world.restart(false);
    world.greet(hostler_model::channel::Hello { journal, epoch: 3, ..hello(1) });
    assert_eq!(older_than(&world), Some(3), "a journal that was told nothing since the start");
}

#[test]
fn words_of_another_session_are_not_heard() {
    let mut world = World::new(1);
    let report = Report {
        session: SessionId(1),
        journal: Uuid::from_u128(0x70),
        run: 1,
        facts: Vec::new(),
        body: ReportBody::Picture { as_of: 1 },
    };
    world.lose(0);
    world.connect(0);
    world.decide(Input::Report { agent: agent(0), report: Box::new(report) });
    assert!(!world.engine.sessions().answers(agent(0)));
}
