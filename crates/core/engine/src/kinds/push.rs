//! A computer is added by SSH. The server does it itself, since there is no agent yet: it signs in, installs the agent, lets
//! it enrol with a token that is good for this job alone, starts it, and waits until it has connected. Whatever fails, what
//! was installed is removed there, and whoever was let in with the token is in the record no more.

use hostler_model::agent::Enrolment;
use hostler_model::job::{Lock, LockOn, Record};
use hostler_model::push::{AddHost, Work};
use hostler_model::{AgentId, Code, Key, Kind, Ms, Object, Refusal, TokenId};

use crate::plan::{Planned, Planner, View};

/// How long the token is good: the longest that the steps up to the enrolment may take, twice.
const TOKEN_LIFE_MS: Ms = 3_600_000;
/// How long bringing the program may take: 30 MiB over a line of 1 Mbit/s take four minutes.
const INSTALL_MS: Ms = 900_000;

pub(super) fn admit_add(view: View<'_>, ask: &AddHost) -> Result<(), Refusal> {
    ask.check()?;
    if let Some(group) = ask.group {
        super::host_group::group(view, group)?;
    }
    match &ask.name {
        Some(name) => super::name_free(view, Kind::Agent, name, None),
        None => Ok(()),
    }
}

pub(super) fn add(ask: &AddHost, p: &mut Planner<'_>) -> Planned {
    let token: TokenId = p.choose("enrolment", |_, ids| Ok(TokenId::draw(ids)))?;
    p.about(Key::Enrolment(token), ask.title());
    // Two at once would install over each other.
    let skeleton = format!("{}:{}", ask.on.address.to_lowercase(), ask.on.port);
    p.lock(Lock { on: LockOn::Name { kind: Kind::Agent, skeleton }, shared: false });
    let on = || ask.on.clone();
    p.work("check", Work::CheckComputer { on: on() });
    p.work("install", Work::InstallAgent { on: on() })
        .undo_work(Work::RemoveAgent { on: on() })
        .limit(INSTALL_MS);
    let created = p.asked();
    let enrolment = Enrolment {
        id: token,
        sha256: ask.sha256.0.clone(),
        roles: ask.roles,
        host_name: None,
        group: ask.group,
        // Not from when it was asked: it may have waited for another job.
        expires: p.now().plus(INSTALL_MS + TOKEN_LIFE_MS),
        used_by: None,
        created,
    };
    p.record("token", vec![Record::Put { object: Object::from(enrolment) }])
        .undo_record(vec![Record::Withdraw { token }]);
    p.work(
        "enrol",
        Work::EnrolComputer { on: on(), name: ask.name.clone(), server: ask.server.clone(), token },
    );
    if p.answer("enrol").is_none() {
        return p.later(&["start", "connect"]);
    }
    let agent: AgentId = p.choose("agent", |view, _| {
        let known = view.inv.enrolments.get(&token).and_then(|enrolment| enrolment.used_by);
        known.ok_or_else(|| {
            let cause =
                "its agent says that it has enrolled, and this server has let in none with that token";
            Refusal::new(Code::AgentNotConnecting, ask.on.label(), cause)
                .remedy("See that --server names this server, as that computer reaches it")
        })
    })?;
    p.work("start", Work::StartAgent { on: on() });
    p.work("connect", Work::AwaitAgent { agent });
    Ok(())
}
