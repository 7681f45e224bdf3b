//! One step, whatever happens to its messages and to the agent.

use hostler_agent_core::{COMPACT_ABOVE, Core, Input, MOST_AT_WORK};
use hostler_model::StepNo;
use hostler_model::channel::ToAgent;
use hostler_model::command::{Command, Outcome};
use hostler_model::seen::Power;
use uuid::Uuid;

use crate::bench::{Bench, doing, doing_above, domain, ended, me, observed, revoking, start, welcome};

fn done() -> Outcome {
    Outcome::done()
}

#[test]
fn a_step_begins_after_its_intent_is_durable_and_answers_after_its_outcome_is() {
    let mut bench = Bench::in_session();
    bench.syncs = false;
    assert_eq!(bench.give(doing(5, start(1))), ["write intent 5"]);
    assert_eq!(bench.sync(), ["begin 5"]);
    assert_eq!(bench.give(ended(5, done())), ["write outcome 5"]);
    assert_eq!(bench.sync(), ["s1 ended 5 done []"]);
}

/// What is said to an agent after a step has come this far, and what it must answer.
#[test]
fn however_often_a_step_is_sent_it_begins_once_and_is_answered_each_time() {
    let mut bench = Bench::in_session();
    assert_eq!(bench.give(doing(5, start(1))), ["write intent 5", "begin 5"]);
    assert_eq!(bench.give(doing(5, start(1))), Vec::<String>::new(), "at work: its end is the answer");
    assert_eq!(bench.give(ended(5, done())), ["write outcome 5", "s1 ended 5 done []"]);
    assert_eq!(bench.give(ended(5, done())), Vec::<String>::new());
    assert_eq!(bench.give(doing(5, start(1))), ["s1 ended 5 done []"]);
    assert_eq!(bench.give(revoking(5)), ["s1 ended 5 done []"], "revoked too late");
}

#[test]
fn an_unknown_step_that_is_revoked_never_runs_also_after_a_crash() {
    let mut bench = Bench::in_session();
    assert_eq!(bench.give(revoking(5)), ["write tombstone 5", "s1 ended 5 revoked []"]);
    assert_eq!(bench.give(doing(5, start(1))), ["s1 ended 5 revoked []"]);
    let (mut bench, _) = bench.crashed();
    bench.enter(2);
    assert_eq!(bench.give(doing(5, start(1))), ["s2 ended 5 revoked []"]);
}

#[test]
fn revoked_is_not_said_before_it_is_durable() {
    let mut bench = Bench::in_session();
    bench.syncs = false;
    assert_eq!(bench.give(revoking(5)), ["write tombstone 5"]);
    assert_eq!(bench.give(doing(5, start(1))), Vec::<String>::new());
    assert_eq!(bench.sync(), ["s1 ended 5 revoked []"]);
}

#[test]
fn a_step_whose_intent_is_not_durable_yet_is_buried_by_a_revocation() {
    let mut bench = Bench::in_session();
    bench.syncs = false;
    assert_eq!(bench.give(doing(5, start(1))), ["write intent 5"]);
    assert_eq!(bench.give(revoking(5)), ["write tombstone 5"]);
    assert_eq!(bench.sync(), ["s1 ended 5 revoked []"], "it does not begin");
}

#[test]
fn a_step_at_work_is_asked_to_stop_once_and_its_own_end_is_the_answer() {
    let mut bench = Bench::in_session();
    bench.give(doing(5, start(1)));
    assert_eq!(bench.give(revoking(5)), ["abort 5"]);
    assert_eq!(bench.give(revoking(5)), Vec::<String>::new());
    assert_eq!(bench.give(ended(5, done())), ["write outcome 5", "s1 ended 5 done []"]);
}

#[test]
fn an_intent_without_outcome_is_looked_up_after_a_crash_and_not_repeated() {
    let mut bench = Bench::in_session();
    bench.give(doing(5, start(1)));
    let (mut bench, first) = bench.crashed();
    assert_eq!(first, ["write run 2", "probe 5"]);
    bench.enter(2);
    assert_eq!(bench.give(doing(5, start(1))), Vec::<String>::new(), "the look-up is its answer");
    assert_eq!(bench.give(doing(6, start(1))), Vec::<String>::new(), "its machine is busy until then");
    assert_eq!(
        bench.give(ended(5, done())),
        ["write outcome 5", "write intent 6", "begin 6", "s2 ended 5 done []"]
    );
}

#[test]
fn an_intent_that_was_not_durable_is_forgotten_with_its_step() {
    let mut bench = Bench::in_session();
    bench.syncs = false;
    bench.give(doing(5, start(1)));
    let (mut bench, first) = bench.crashed();
    assert_eq!(first, ["write run 2"]);
    bench.enter(2);
    assert_eq!(bench.give(doing(5, start(1))), ["write intent 5", "begin 5"]);
}

#[test]
fn an_outcome_is_answered_from_the_journal_after_a_crash() {
    let mut bench = Bench::in_session();
    bench.give(doing(5, start(1)));
    bench.give(ended(5, done()));
    let (mut bench, first) = bench.crashed();
    assert_eq!(first, ["write run 2"]);
    bench.enter(2);
    assert_eq!(bench.give(doing(5, start(1))), ["s2 ended 5 done []"]);
}

#[test]
fn a_latecomer_from_below_the_floor_is_refused_in_words_and_does_not_begin() {
    let mut bench = Bench::in_session();
    bench.give(doing(5, start(1)));
    bench.give(ended(5, done()));
    assert_eq!(bench.give(doing_above(8, 8, start(2))), ["write floor 8", "write intent 8", "begin 8"]);
    assert_eq!(bench.give(doing(5, start(1))), ["s1 ended 5 refused []"]);
    assert_eq!(bench.give(doing(3, start(1))), ["s1 ended 3 refused []"]);
    assert_eq!(bench.give(revoking(3)), ["s1 ended 3 refused []"]);
}

#[test]
fn a_step_that_waits_when_the_floor_passes_it_never_begins() {
    let mut bench = Bench::in_session();
    bench.give(doing(5, start(1)));
    bench.give(doing(6, start(1)));
    let words = bench.give(doing_above(9, 9, start(2)));
    assert!(words.contains(&"write tombstone 6".to_owned()), "{words:?}");
    let words = bench.give(ended(5, done()));
    assert!(!words.contains(&"begin 6".to_owned()), "{words:?}");
}

#[test]
fn commands_about_one_machine_run_in_the_order_of_their_numbers_and_others_beside_them() {
    let mut bench = Bench::in_session();
    bench.give(doing(5, start(1)));
    assert_eq!(bench.give(doing(8, start(1))), Vec::<String>::new());
    assert_eq!(bench.give(doing(7, start(1))), Vec::<String>::new());
    assert_eq!(bench.give(doing(9, start(2))), ["write intent 9", "begin 9"]);
    let words = bench.give(ended(5, done()));
    assert!(words.contains(&"begin 7".to_owned()), "{words:?}");
    assert!(!words.contains(&"begin 8".to_owned()), "{words:?}");
}

#[test]
fn only_so_many_commands_are_at_work_together() {
    let mut bench = Bench::in_session();
    for n in 0..=MOST_AT_WORK as u64 {
        bench.give(doing(10 + n, start(u128::from(n))));
    }
    assert_eq!(bench.core.at_work(), MOST_AT_WORK);
    let words = bench.give(ended(10, done()));
    assert!(words.contains(&format!("begin {}", 10 + MOST_AT_WORK)), "{words:?}");
}

#[test]
fn an_answer_comes_with_the_newest_word_about_the_machine_it_touched() {
    let mut bench = Bench::in_session();
    bench.give(doing(5, start(1)));
    assert_eq!(bench.give(observed(1, Power::Running)), ["s1 facts [1:running@1]"]);
    assert_eq!(bench.give(observed(1, Power::Running)), Vec::<String>::new(), "nothing new");
    bench.give(observed(2, Power::Off));
    assert_eq!(bench.give(ended(5, done())), ["write outcome 5", "s1 ended 5 done [1:running@1]"]);
}

#[test]
fn reading_the_host_ends_after_a_listing_that_began_with_it() {
    let mut bench = Bench::in_session();
    bench.now = 60_000;
    assert_eq!(bench.give(Input::FromServer(ToAgent::Picture)), ["list"]);
    assert_eq!(bench.give(doing(5, Command::ReadHost)), ["write intent 5", "begin 5"]);
    assert_eq!(bench.give(ended(5, done())), Vec::<String>::new());
    assert_eq!(
        bench.give(Input::Listed(Vec::new())),
        ["list", "s1 picture as of 0 []"],
        "a listing that began before the step says nothing for it"
    );
    assert_eq!(bench.give(Input::Listed(Vec::new())), ["write outcome 5", "s1 ended 5 done []"]);
}

#[test]
fn reading_the_host_fails_when_the_machines_cannot_be_read() {
    let mut bench = Bench::in_session();
    assert_eq!(bench.give(doing(5, Command::ReadHost)), ["write intent 5", "begin 5", "list"]);
    bench.give(Input::ListFailed);
    assert_eq!(bench.give(ended(5, done())), ["write outcome 5", "s1 ended 5 failed []"]);
}

#[test]
fn a_compacted_journal_says_the_same() {
    let mut bench = Bench::in_session();
    for no in 10..3_000 {
        bench.give(doing_above(no, no, start(1)));
        bench.give(ended(no, done()));
    }
    bench.give(doing(5_000, start(2)));
    bench.give(revoking(5_001));
    assert!(bench.core.wants_compacting());
    let entries = bench.core.compact();
    assert!(entries.len() < COMPACT_ABOVE);
    assert!(!bench.core.wants_compacting());
    let (mut after, first) = Bench::loaded(entries);
    assert_eq!(first, ["write run 2", "probe 5000"]);
    assert_eq!(after.core.journal(), bench.core.journal());
    after.enter(2);
    assert_eq!(after.give(doing(2_999, start(1))), ["s2 ended 2999 done []"]);
    assert_eq!(after.give(doing(2_998, start(1))), ["s2 ended 2998 refused []"]);
    assert_eq!(after.give(doing(5_001, start(1))), ["s2 ended 5001 revoked []"]);
}

#[test]
fn another_installation_s_steps_are_of_no_concern() {
    let mut bench = Bench::in_session();
    bench.give(doing_above(5, 5, start(1)));
    let mut other = me();
    other.installation = hostler_model::InstallationId(Uuid::from_u128(77));
    let mut out = Vec::new();
    let core = Core::load(bench.journal.clone(), other, Uuid::from_u128(9), 0, &mut out);
    let words: Vec<String> = out.iter().map(crate::bench::in_words).collect();
    assert_eq!(words, ["write epoch 0", "write run 2"], "no look-up");
    assert_eq!((core.epoch(), core.at_work()), (0, 0));
}

#[test]
fn an_answer_that_the_cut_swallowed_is_given_when_it_is_asked_again() {
    let mut bench = Bench::in_session();
    bench.give(doing(5, start(1)));
    bench.give(Input::Cut);
    assert_eq!(bench.give(ended(5, done())), ["write outcome 5"]);
    bench.give(Input::Connected);
    bench.give(welcome(2, 1));
    assert_eq!(
        bench.give(Input::Listed(vec![crate::bench::seen(1, Power::Running)])),
        ["s2 picture as of 1 [1:running@1]", "s2 ended 5 done [1:running@1]"]
    );
    assert_eq!(bench.give(doing(5, start(1))), ["s2 ended 5 done [1:running@1]"]);
    assert_eq!(domain(1).as_u128(), 1_001);
    assert_eq!(StepNo(5).0, 5);
}
