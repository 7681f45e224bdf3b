//! Sessions, pictures, facts, time.

use hostler_agent_core::{
    Input, LIST_EVERY_MS, LIST_RETRY_MS, MOST_QUESTIONS, PICTURE_PATIENCE_MS, SILENCE_MS,
};
use hostler_model::channel::{HEARTBEAT_MS, Query, ToAgent};
use hostler_model::command::Outcome;
use hostler_model::host::HostFacts;
use hostler_model::refresher::RefresherKind;
use hostler_model::seen::Power;
use hostler_model::{SessionId, StepNo};

use crate::bench::{Bench, doing, domain, ended, observed, seen, start, welcome};

const NOTHING: [&str; 0] = [];

#[test]
fn hello_waits_until_the_number_of_the_run_is_durable() {
    let (bench, first) = Bench::loaded(Vec::new());
    assert_eq!(first, ["write journal", "write epoch 0", "write run 1"]);
    // A run whose number was lost would be counted twice, and its facts with it.
    let mut out = Vec::new();
    let me = crate::bench::me();
    let mut core = hostler_agent_core::Core::load(bench.journal, me, uuid::Uuid::nil(), 0, &mut out);
    out.clear();
    core.handle(0, Input::Connected, &mut out);
    assert!(out.is_empty(), "{out:?}");
    core.handle(0, Input::Synced(1), &mut out);
    let words: Vec<String> = out.iter().map(crate::bench::in_words).collect();
    assert_eq!(words, ["hello run 2 epoch 0"]);
}

#[test]
fn the_first_word_in_a_session_is_the_whole_picture() {
    let mut bench = Bench::new();
    bench.give(observed(1, Power::Off));
    assert_eq!(bench.give(Input::Connected), ["hello run 1 epoch 0"]);
    assert_eq!(bench.give(welcome(4, 3)), ["write epoch 3", "list"]);
    assert_eq!(bench.give(observed(1, Power::Running)), NOTHING, "facts wait for the picture");
    assert_eq!(
        bench.give(Input::Listed(vec![seen(1, Power::Running), seen(2, Power::Off)])),
        ["s4 picture as of 3 [1:running@2 2:off@3]"]
    );
    assert_eq!(bench.give(observed(2, Power::Running)), ["s4 facts [2:running@4]"]);
}

#[test]
fn nothing_is_said_in_a_session_before_its_epoch_is_durable() {
    let mut bench = Bench::new();
    bench.give(Input::Connected);
    bench.syncs = false;
    assert_eq!(bench.give(welcome(4, 3)), ["write epoch 3", "list"]);
    assert_eq!(bench.give(Input::Listed(Vec::new())), NOTHING);
    assert_eq!(bench.sync(), ["s4 picture as of 0 []"]);
}

#[test]
fn a_server_whose_epoch_is_behind_is_left() {
    let mut bench = Bench::new();
    bench.give(Input::Connected);
    bench.give(welcome(1, 7));
    let (mut bench, _) = bench.crashed();
    assert_eq!(bench.give(Input::Connected), ["hello run 2 epoch 7"]);
    assert_eq!(bench.give(welcome(2, 6)), ["bye", "disconnect"]);
    assert_eq!(bench.give(doing(5, start(1))), NOTHING, "nothing is taken from it");
    bench.give(Input::Cut);
    bench.give(Input::Connected);
    assert_eq!(bench.give(welcome(3, 7)), ["list"]);
}

#[test]
fn what_was_read_while_a_listing_was_under_way_is_read_again_instead_of_believed() {
    let mut bench = Bench::in_session();
    bench.give(observed(1, Power::Off));
    bench.give(observed(3, Power::Off));
    assert_eq!(bench.give(Input::FromServer(ToAgent::Picture)), ["list"]);
    bench.give(observed(1, Power::Running));
    bench.give(Input::Observed { domain: domain(3), seen: None });
    bench.give(observed(2, Power::Off));
    assert_eq!(
        bench.give(Input::Listed(vec![seen(1, Power::Off), seen(3, Power::Off)])),
        ["read 2", "read 1", "read 3", "s1 picture as of 5 [1:running@3 2:off@5]"]
    );
}

fn refreshing(question: u64, refresher: RefresherKind) -> Input {
    Input::FromServer(ToAgent::Ask { question, query: Query::Refresh { refresher } })
}

#[test]
fn a_refresher_is_answered_after_the_picture_that_it_is_about() {
    let mut bench = Bench::in_session();
    assert_eq!(bench.give(refreshing(7, RefresherKind::Host)), ["ask 7"], "nothing is listed for that");
    assert_eq!(bench.give(refreshing(8, RefresherKind::VmLight)), ["list"]);
    assert_eq!(bench.give(refreshing(9, RefresherKind::VmHeavy)), NOTHING, "the next listing is its own");
    let shown = bench.give(Input::Listed(vec![seen(1, Power::Off)]));
    assert_eq!(shown, ["list", "ask 8", "s1 facts [1:off@1]"]);
    let shown = bench.give(Input::Listed(vec![seen(1, Power::Off)]));
    assert_eq!(shown, ["ask 9", "s1 picture as of 1 [1:off@1]"]);
}

#[test]
fn a_refresher_is_told_that_the_machines_cannot_be_read_and_an_old_session_s_one_is_not() {
    let mut bench = Bench::in_session();
    assert_eq!(bench.give(refreshing(8, RefresherKind::VmHeavy)), ["list"]);
    assert_eq!(bench.give(Input::ListFailed), ["answer 8 no"]);
    assert_eq!(bench.give(refreshing(9, RefresherKind::VmHeavy)), ["list"]);
    bench.give(Input::Cut);
    bench.give(Input::Connected);
    bench.give(welcome(2, 1));
    assert_eq!(bench.give(Input::Listed(Vec::new())), ["list"]);
    assert_eq!(bench.give(Input::Listed(Vec::new())), ["s2 picture as of 0 []"]);
}

#[test]
fn a_machine_that_a_listing_does_not_show_is_gone() {
    let mut bench = Bench::in_session();
    bench.give(observed(1, Power::Off));
    bench.now = LIST_EVERY_MS;
    bench.give(Input::FromServer(ToAgent::Heartbeat));
    assert_eq!(bench.give(Input::Time)[0], "list");
    assert_eq!(bench.give(Input::Listed(Vec::new())), ["s1 facts [1:gone@2]"]);
}

#[test]
fn facts_of_one_machine_coalesce_and_their_order_only_grows() {
    let mut bench = Bench::in_session();
    bench.give(Input::Cut);
    for power in [Power::Off, Power::Running, Power::Paused] {
        bench.give(observed(1, power));
    }
    bench.give(observed(2, Power::Off));
    bench.give(Input::Connected);
    bench.give(welcome(2, 1));
    let words = bench.give(Input::Listed(vec![seen(1, Power::Paused), seen(2, Power::Off)]));
    assert_eq!(words, ["s2 picture as of 4 [1:paused@3 2:off@4]"]);
}

#[test]
fn an_ended_step_is_answered_without_a_picture_when_the_machines_cannot_be_read() {
    let mut bench = Bench::new();
    bench.give(Input::Connected);
    bench.give(welcome(1, 1));
    bench.give(doing(5, start(1)));
    assert_eq!(bench.give(ended(5, Outcome::done())), ["write outcome 5"]);
    assert_eq!(bench.give(Input::ListFailed), ["s1 ended 5 done []"]);
    bench.now = LIST_RETRY_MS;
    assert_eq!(bench.give(Input::Time)[0], "list");
    assert_eq!(bench.give(Input::Listed(Vec::new())), ["s1 picture as of 0 []"]);
}

#[test]
fn answers_do_not_wait_for_ever_for_a_hypervisor_that_hangs() {
    let mut bench = Bench::new();
    bench.give(Input::Connected);
    bench.give(welcome(1, 1));
    bench.give(doing(5, start(1)));
    bench.give(ended(5, Outcome::done()));
    while bench.now < PICTURE_PATIENCE_MS {
        bench.now = bench.core.next_time();
        bench.give(Input::FromServer(ToAgent::Heartbeat));
        let words = bench.give(Input::Time);
        if words.contains(&"s1 ended 5 done []".to_owned()) {
            assert_eq!(bench.now, PICTURE_PATIENCE_MS);
            return;
        }
    }
    panic!("it was never answered");
}

#[test]
fn an_agent_with_nothing_to_say_says_so() {
    let mut bench = Bench::in_session();
    assert!(bench.core.next_time() <= HEARTBEAT_MS);
    bench.now = HEARTBEAT_MS;
    assert_eq!(bench.give(Input::Time), ["heartbeat"]);
}

#[test]
fn a_silent_server_is_left() {
    let mut bench = Bench::in_session();
    let mut words = Vec::new();
    while bench.now < SILENCE_MS {
        bench.now = bench.core.next_time();
        words.extend(bench.give(Input::Time));
    }
    assert_eq!(words.last().unwrap(), "disconnect");
    assert_eq!(bench.now, SILENCE_MS);
    assert_eq!(bench.give(observed(1, Power::Off)), NOTHING);
}

#[test]
fn an_answer_to_a_question_of_an_old_session_is_not_given_in_a_new_one() {
    let mut bench = Bench::in_session();
    let ask = |question| {
        Input::FromServer(ToAgent::Ask {
            question,
            query: Query::Screenshot { domain: domain(1), width: None },
        })
    };
    let answered = |session, question| Input::Answered {
        session: SessionId(session),
        question,
        answer: Ok(String::new()),
    };
    assert_eq!(bench.give(ask(1)), ["ask 1"]);
    assert_eq!(bench.give(answered(1, 1)), ["answer 1 ok"]);
    assert_eq!(bench.give(ask(2)), ["ask 2"]);
    bench.give(Input::Cut);
    bench.enter(2);
    bench.give(ask(2));
    assert_eq!(bench.give(answered(1, 2)), NOTHING);
    assert_eq!(bench.give(answered(2, 2)), ["answer 2 ok"]);
    for question in 10..10 + MOST_QUESTIONS as u64 {
        bench.give(ask(question));
    }
    assert_eq!(bench.give(ask(100)), ["answer 100 no"]);
}

#[test]
fn progress_is_told_now_and_then_and_only_of_what_is_at_work() {
    let mut bench = Bench::in_session();
    bench.give(doing(5, start(1)));
    let progress = |no, done| Input::Progress { no: StepNo(no), done, of: 100 };
    assert_eq!(bench.give(progress(5, 1)), ["progress 5 1/100"]);
    assert_eq!(bench.give(progress(5, 2)), NOTHING);
    bench.now += 500;
    assert_eq!(bench.give(progress(5, 3)), ["progress 5 3/100"]);
    assert_eq!(bench.give(progress(6, 3)), NOTHING);
}

#[test]
fn a_computer_that_changed_is_told_once() {
    let mut bench = Bench::in_session();
    let facts = || Box::new(HostFacts { host_name: "a".into(), ..HostFacts::default() });
    assert_eq!(bench.give(Input::HostFacts(facts())), ["s1 host []"]);
    assert_eq!(bench.give(Input::HostFacts(facts())), NOTHING);
}

#[test]
fn what_the_host_became_between_hello_and_the_first_picture_is_told_after_the_picture() {
    let mut bench = Bench::new();
    bench.give(Input::Connected);
    let answers = HostFacts { libvirt_answers: true, ..HostFacts::default() };
    assert_eq!(bench.give(Input::HostFacts(Box::new(answers.clone()))), NOTHING, "there is no session yet");
    bench.give(welcome(4, 3));
    assert_eq!(bench.give(Input::Listed(Vec::new())), ["s4 picture as of 0 []", "s4 host []"]);
    assert_eq!(bench.give(Input::HostFacts(Box::new(answers))), NOTHING);
}
