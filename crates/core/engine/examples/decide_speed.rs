//! No work per input grows with hosts or machines: figures, by hand.
//! `cargo run --release -p hostler-engine --example decide_speed`

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
// The clock is what is measured here; what decides has none.
#![allow(clippy::disallowed_types)]

#[allow(dead_code, unused_imports)]
#[path = "../tests/it/world.rs"]
mod world;

use std::time::Instant;

use hostler_engine::{Asked, Effect, Engine, Input, Loaded};
use hostler_model::access::Actor;
use hostler_model::channel::{Fact, Hello, Report, ReportBody};
use hostler_model::host::{Host, HostSpec};
use hostler_model::request::Request;
use hostler_model::seen::Power;
use hostler_model::{AgentId, Name, Object, SessionId, Timestamp};
use uuid::Uuid;

use world::{Counted, INSTALLATION, agent, create, facts, hello, machine, ours, vm_id};

fn fleet(hosts: u128, vms: u128) -> (Engine, Vec<SessionId>, Counted) {
    let mut objects = Vec::new();
    let at = Timestamp(1_000_000);
    for n in 0..hosts {
        let name = Name::new(&format!("host-{n}")).unwrap();
        objects.push(Object::from(hostler_model::agent::Agent {
            id: agent(n),
            name: name.clone(),
            roles: hostler_model::agent::Roles { host: true, library: true },
            version: "1".into(),
            certificate: "aa".into(),
            certificate_until: Timestamp(i64::MAX),
            renewed: None,
            enrolled: at,
        }));
        objects.push(Object::from(Host {
            id: agent(n).into(),
            name,
            group: hostler_model::host_group::ALL_HOSTS,
            spec: HostSpec::default(),
            facts: hostler_model::host::HostFacts { memory_mib: 1 << 20, cpus: 128, ..facts(n) },
            dead_since: None,
            created: at,
        }));
    }
    for n in 0..vms {
        objects.push(Object::from(machine(0x10_0000 + n, n % hosts, Power::Off)));
    }
    let loaded = Loaded {
        installation: INSTALLATION,
        objects,
        keys: Vec::new(),
        epoch: 1,
        next_job: 1,
        restored: false,
    };
    let mut engine = Engine::load(loaded, at);
    let mut ids = Counted(0x1_0000_0000);
    let mut sessions = Vec::new();
    for n in 0..hosts {
        let host = hostler_model::host::HostFacts { memory_mib: 1 << 20, cpus: 128, ..facts(n) };
        let hello = Hello { host, ..hello(n) };
        let decision =
            engine.decide(at, Input::Connected { connection: 1, hello: Box::new(hello) }, &mut ids);
        let session = decision.effects.iter().find_map(|effect| match effect {
            Effect::Welcome { session, .. } => Some(*session),
            _ => None,
        });
        let session = session.unwrap();
        sessions.push(session);
        // As of before everything that is known, so that nothing counts as missing.
        let body = ReportBody::Picture { as_of: 0 };
        engine.decide(at, report(agent(n), session, Vec::new(), body), &mut ids);
    }
    (engine, sessions, ids)
}

fn report(agent: AgentId, session: SessionId, facts: Vec<Fact>, body: ReportBody) -> Input {
    let report = Report { session, journal: Uuid::from_u128(0x70), run: 1, facts, body };
    Input::Report { agent, report: Box::new(report) }
}

/// Microseconds per input, as the loop gives them: a fact, a start with its answer, a creation, and a look at the
/// alarm after each.
fn measure(hosts: u128, vms: u128) -> [(&'static str, f64); 3] {
    let (mut engine, sessions, mut ids) = fleet(hosts, vms);
    let at = Timestamp(2_000_000);
    let turn = |engine: &mut Engine, ids: &mut Counted, input: Input| {
        let decision = engine.decide(at, input, ids);
        while engine.next_alarm().is_some_and(|due| due <= at) {
            engine.decide(at, Input::Time, ids);
        }
        decision
    };
    let rounds = 2_000_u128.min(vms);
    let on = |n: u128| (agent(n % hosts), sessions[(n % hosts) as usize]);
    let began = Instant::now();
    for n in 0..rounds {
        let (agent, session) = on(n);
        let seen = ours(vm_id(0x10_0000 + n), Power::Crashed);
        let fact = Fact { domain: seen.domain, seq: 10, seen: Some(Box::new(seen)) };
        turn(&mut engine, &mut ids, report(agent, session, vec![fact], ReportBody::Facts));
    }
    let facts = began.elapsed().as_secs_f64() * 1e6 / rounds as f64;
    let ask = |request: Request, n: u128| {
        let (actor, key) = (Actor::System, Some(format!("{}-{n}", request.kind().word())));
        let (wait, unchanged, again_of) = (false, None, None);
        Input::Ask(Box::new(Asked { ask: 1, actor, key, wait, unchanged, again_of, request }))
    };
    let began = Instant::now();
    for n in 0..rounds {
        let (agent, session) = on(n);
        let asked = turn(&mut engine, &mut ids, ask(Request::StartVm { vm: vm_id(0x10_0000 + n) }, n));
        let no = asked.effects.iter().find_map(|effect| match effect {
            Effect::Send { message, .. } => match &**message {
                hostler_model::channel::ToAgent::Do { no, .. } => Some(*no),
                _ => None,
            },
            _ => None,
        });
        let body = ReportBody::Ended {
            no: no.expect("it leaves"),
            outcome: hostler_model::command::Outcome::done(),
        };
        turn(&mut engine, &mut ids, report(agent, session, Vec::new(), body));
    }
    let starts = began.elapsed().as_secs_f64() * 1e6 / (2 * rounds) as f64;
    let began = Instant::now();
    for n in 0..rounds {
        turn(&mut engine, &mut ids, ask(create(&format!("new-{n}")), n));
    }
    let creations = began.elapsed().as_secs_f64() * 1e6 / rounds as f64;
    [("fact", facts), ("start and its answer", starts), ("creation", creations)]
}

fn main() {
    for (hosts, vms) in [(50, 2_000), (10_000, 250_000)] {
        for (what, us) in measure(hosts, vms) {
            println!("{hosts} hosts, {vms} machines: {us:.1} µs per input ({what})");
        }
    }
}
