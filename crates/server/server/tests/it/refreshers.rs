//! Refreshers: what is asked of agents by the clock and by hand, and what becomes of the answers.

use std::collections::HashMap;

use base64::Engine;
use hostler_model::access::Actor;
use hostler_model::channel::{FromAgent, Query, ReportBody, ToAgent};
use hostler_model::command::{Answer, Command, Outcome};
use hostler_model::host::EditHost;
use hostler_model::job::JobKind;
use hostler_model::library::{ItemKind, SeenItem};
use hostler_model::performance::VmLoad;
use hostler_model::refresher::{MachineLoad, Refreshed, RefresherKind};
use hostler_model::request::Request;
use hostler_model::setting::Settings;
use hostler_model::{Code, Refusal, Timestamp};
use hostler_server::Ask;
use hostler_server::store::JobFilter;

use crate::support::{PATIENCE, Site, site};

#[tokio::test]
async fn hosts_and_shares_are_looked_at_by_the_clock_and_by_hand_and_what_is_in_maintenance_is_left_alone() {
    let site = site().await;
    let identity = site.enrolled("host-a").await;
    let mut agent = site.connect(&identity).await;
    let name = hostler_model::Name::new("images").unwrap();
    let add = Request::AddShare { name, agent: identity.about.agent, folder: "/srv/images".into() };
    let handle = site.handle().clone();
    let asked = tokio::spawn(async move { handle.ask(Ask::new(Actor::System, add)).await });
    let settings = Settings {
        vm_refresh_s: 1,
        vm_heavy_refresh_s: 1,
        host_refresh_s: 1,
        performance_refresh_s: 0,
        share_refresh_s: 1,
        ..Settings::default()
    };
    site.handle().ask(Ask::new(Actor::System, Request::SetSettings { settings })).await.unwrap();
    let (mut reads, mut pictures, mut looks) = (0, 0, HashMap::new());
    let file = SeenItem {
        path: "a.iso".into(),
        kind: ItemKind::Iso,
        size_bytes: 7,
        modified: hostler_model::Timestamp(5),
        image: None,
        problem: None,
    };
    // The share shows a file from its third look on; this agent does not know how to read everything of machines.
    let shown = |looks: usize| if looks < 3 { Vec::new() } else { vec![file.clone()] };
    let rounds = |looks: &HashMap<&'static str, usize>| looks.values().copied().min().unwrap_or(0);
    while looks.len() < 4 || rounds(&looks) < 6 || pictures < 2 {
        match agent.next().await.unwrap() {
            ToAgent::Picture => {
                pictures += 1;
                agent.picture();
            }
            ToAgent::Ask { question, query } => {
                let word = match &query {
                    Query::Refresh { refresher } => refresher.word(),
                    Query::Share { folder } => {
                        assert_eq!(folder, "/srv/images");
                        "library"
                    }
                    other => panic!("{other:?}"),
                };
                let count = looks.entry(word).or_default();
                *count += 1;
                let said = |text: String| Ok(base64::engine::general_purpose::STANDARD.encode(text));
                let answer = match word {
                    "library" => said(serde_json::to_string(&shown(*count)).unwrap()),
                    "vm-heavy" => Err(Refusal::new(Code::AgentUnsupported, "question", "it is not known")),
                    "host" => Err(Refusal::new(Code::HypervisorFailed, "libvirt", "it does not answer")),
                    _ => said("{}".into()),
                };
                agent.say(FromAgent::Answer { question, answer });
            }
            ToAgent::Do { no, command, .. } => {
                assert!(matches!(*command, Command::ScanShare { .. }), "{command:?}");
                reads += 1;
                let items = shown(looks.get("library").copied().unwrap_or(0));
                let answer = Answer::Share { items };
                agent.report(ReportBody::Ended { no, outcome: Outcome::Done { answer } });
            }
            _ => {}
        }
    }
    asked.await.unwrap().unwrap();
    assert_eq!(reads, 2, "when it was added, and when it showed something else: no change, no job");
    let filter = JobFilter { kinds: vec![JobKind::RefreshShare], ..JobFilter::default() };
    let jobs = site.handle().read(move |reader| reader.jobs(&filter, 10)).await.unwrap();
    assert!(jobs.len() == 1 && jobs.iter().all(|stored| stored.object.actor == Actor::Refresher));
    assert!(!looks.contains_key("performance"), "it is switched off");
    let at = site.handle().looks_at(identity.about.agent.into());
    let of = |kind| at.iter().find(|look| look.refresher == kind).unwrap();
    assert!(of(RefresherKind::VmLight).last.is_some() && of(RefresherKind::VmLight).error.is_none());
    assert!(of(RefresherKind::VmHeavy).error.is_none(), "an older agent sends a picture");
    assert_eq!(of(RefresherKind::Host).error.as_ref().unwrap().cause, "it does not answer");
    let performance = of(RefresherKind::Performance);
    assert!(performance.last.is_none() && performance.next.is_none());

    // One that is switched off has no next turn from that moment on.
    let off = Settings { host_refresh_s: 0, ..site.handle().settings() };
    assert!(next_turn(&site, RefresherKind::Host).is_some());
    site.handle().ask(Ask::new(Actor::System, Request::SetSettings { settings: off })).await.unwrap();
    assert!(next_turn(&site, RefresherKind::Host).is_none());

    // In maintenance it is left alone, unless somebody asks; so is the share on it.
    let host = identity.about.agent.into();
    let edit = EditHost { maintenance: Some(true), ..EditHost::default() };
    site.handle().ask(Ask::new(Actor::System, Request::EditHost { host, edit })).await.unwrap();
    let at = site.handle().looks_at(host);
    assert!(at.len() == 5 && at.iter().all(|look| look.is_left_alone && look.next.is_none()), "{at:?}");
    assert_eq!(site.handle().run_refresher(RefresherKind::Performance, None).left_alone, 1);
    assert_eq!(site.handle().run_refresher(RefresherKind::Performance, Some(host.0)).asked, 1);
    loop {
        if let ToAgent::Ask { question, query: Query::Refresh { refresher: RefresherKind::Performance } } =
            agent.next().await.unwrap()
        {
            let domain = uuid::Uuid::from_u128(9);
            let load = VmLoad { processor_percent: Some(12.5), ..VmLoad::default() };
            let answer = Refreshed { loads: vec![MachineLoad { domain, load }], ..Refreshed::default() };
            let text = serde_json::to_string(&answer).unwrap();
            let answer = Ok(base64::engine::general_purpose::STANDARD.encode(text));
            break agent.say(FromAgent::Answer { question, answer });
        }
    }
    let limit = tokio::time::Instant::now() + PATIENCE;
    while site.handle().looks_at(host)[3].last.is_none() {
        assert!(tokio::time::Instant::now() < limit);
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

fn next_turn(site: &Site, kind: RefresherKind) -> Option<Timestamp> {
    site.handle().refreshers().into_iter().find(|view| view.refresher == kind).unwrap().next
}
