//! What is stored, loaded, followed and listed: the same in memory and in a file.

use hostler_model::access::Actor;
use hostler_model::job::{JobKind, JobState};
use hostler_model::{JobId, Key, Object, Timestamp, UserId};
use hostler_store::{Commit, Counters, Cursor, HistoryId, JobFilter, Op, Revision, StoreError};
use uuid::Uuid;

use crate::things::*;

macro_rules! on_both {
    ($($name:ident;)*) => {
        mod in_memory { $(#[test] fn $name() { super::$name(&crate::things::InMemory::new()); })* }
        mod in_a_file { $(#[test] fn $name() { super::$name(&crate::things::InFile::new()); })* }
    };
}
pub(crate) use on_both;

on_both! {
    what_was_committed_is_there_after_reopening;
    revisions_have_no_gaps_and_an_object_has_that_of_its_last_change;
    an_object_that_is_gone_is_not_loaded;
    each_start_has_a_higher_epoch_also_after_reopening;
    an_epoch_seen_by_an_agent_is_passed_and_counts_as_a_restore;
    counters_are_kept_with_the_commit;
    the_feed_tells_all_changes_in_order_by_whole_commits;
    a_cursor_of_another_history_or_from_the_future_cannot_be_resumed;
    a_secret_is_kept_and_never_shown_in_feed_or_history;
    ended_jobs_are_listed_and_not_loaded_but_for_their_keys;
    keys_of_jobs_that_ended_a_day_ago_are_forgotten;
    jobs_are_found_by_what_they_are;
    jobs_are_listed_page_by_page;
    a_reader_sees_each_commit_at_once;
}

fn what_was_committed_is_there_after_reopening(disk: &dyn Disk) {
    let mut store = disk.open();
    store.commit(&commit(5, vec![put(vm(2, "web", 512)), put(user(1, "bob")), put(job(1, 2))])).unwrap();
    let before = store.load().unwrap();
    drop(store);
    let after = disk.open().load().unwrap();
    assert_eq!(after, before);
    let objects: Vec<Object> = after.objects.into_iter().map(|stored| stored.object).collect();
    assert_eq!(objects, [vm(2, "web", 512), user(1, "bob"), job(1, 2).into()], "by key");
    assert_eq!(after.at, Timestamp(5));
}

fn revisions_have_no_gaps_and_an_object_has_that_of_its_last_change(disk: &dyn Disk) {
    let mut store = disk.open();
    assert_eq!(store.load().unwrap().head.revision, Revision(0));
    assert_eq!(store.commit(&commit(1, vec![put(vm(1, "a", 1)), put(vm(2, "b", 1))])).unwrap(), Revision(1));
    assert_eq!(store.commit(&commit(2, vec![put(vm(2, "b", 2))])).unwrap(), Revision(2));
    assert_eq!(store.commit(&commit(3, vec![])).unwrap(), Revision(3));
    drop(store);
    let mut store = disk.open();
    let loaded = store.load().unwrap();
    assert_eq!(loaded.objects.iter().map(|stored| stored.revision.0).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(loaded.head.revision, Revision(3));
    assert_eq!(store.commit(&commit(4, vec![])).unwrap(), Revision(4));
}

fn an_object_that_is_gone_is_not_loaded(disk: &dyn Disk) {
    let mut store = disk.open();
    store.commit(&commit(1, vec![put(vm(1, "a", 1)), put(job(1, 1))])).unwrap();
    store.commit(&commit(2, vec![gone(vm_key(1)), gone(Key::Job(JobId(1)))])).unwrap();
    assert!(store.load().unwrap().objects.is_empty());
    let mut reader = store.reader().unwrap();
    assert_eq!(reader.object(vm_key(1)).unwrap(), None);
    assert!(reader.jobs(&JobFilter::default(), 10).unwrap().is_empty());
    let about = JobFilter { about: Some(vm_key(1)), ..JobFilter::default() };
    assert!(reader.jobs(&about, 10).unwrap().is_empty());
}

fn each_start_has_a_higher_epoch_also_after_reopening(disk: &dyn Disk) {
    let mut store = disk.open();
    assert_eq!((store.begin_epoch().unwrap(), store.begin_epoch().unwrap()), (1, 2));
    drop(store);
    let mut store = disk.open();
    assert_eq!(store.load().unwrap().epoch, 2);
    assert_eq!(store.begin_epoch().unwrap(), 3);
}

fn an_epoch_seen_by_an_agent_is_passed_and_counts_as_a_restore(disk: &dyn Disk) {
    let mut store = disk.open();
    store.commit(&commit(1, vec![put(vm(1, "a", 1))])).unwrap();
    let before = store.load().unwrap();
    assert!(!before.restored);
    assert_eq!(store.raise_epoch_above(7).unwrap(), 8);
    let after = store.load().unwrap();
    assert!(after.restored);
    assert_eq!(after.installation, before.installation);
    assert_eq!(after.head.revision, before.head.revision);
    assert_ne!(after.head.history, before.head.history, "no watcher goes on across it");
    store.commit(&commit(2, vec![])).unwrap();
    drop(store);
    let mut store = disk.open();
    assert!(store.load().unwrap().restored, "until a commit settles it");
    store.commit(&Commit { settles_restore: true, ..commit(3, vec![]) }).unwrap();
    drop(store);
    assert!(!disk.open().load().unwrap().restored);
}

fn counters_are_kept_with_the_commit(disk: &dyn Disk) {
    let mut store = disk.open();
    assert_eq!(store.load().unwrap().counters.next_job, 1);
    store.commit(&Commit { counters: Counters { next_job: 42 }, ..commit(1, vec![]) }).unwrap();
    drop(store);
    assert_eq!(disk.open().load().unwrap().counters.next_job, 42);
}

fn the_feed_tells_all_changes_in_order_by_whole_commits(disk: &dyn Disk) {
    let mut store = disk.open();
    let start = store.load().unwrap().head;
    store.commit(&commit(1, vec![put(vm(1, "a", 1)), under(9, put(vm(1, "a", 2)))])).unwrap();
    store.commit(&commit(2, vec![])).unwrap();
    store.commit(&commit(3, vec![gone(vm_key(1)), put(user(3, "eve"))])).unwrap();
    let mut reader = store.reader().unwrap();

    let first = reader.feed(start, 1).unwrap();
    assert_eq!(first.events.len(), 2, "a commit is not torn apart");
    assert_eq!(first.next.revision, Revision(1));
    assert_eq!(first.head, Revision(3));
    let places: Vec<_> = first.events.iter().map(|e| (e.revision.0, e.ordinal, e.job)).collect();
    assert_eq!(places, [(1, 0, None), (1, 1, Some(JobId(9)))]);
    assert_eq!(first.events[1].object, Some(vm(1, "a", 2)));
    assert_eq!(first.events[1].actor, bob());

    let second = reader.feed(first.next, 100).unwrap();
    let told: Vec<_> = second.events.iter().map(|e| (e.key, e.op, e.at.0)).collect();
    assert_eq!(told, [(vm_key(1), Op::Gone, 3), (user(3, "eve").key(), Op::Put, 3)]);
    assert_eq!(second.next, reader.head().unwrap());
    let nothing = reader.feed(second.next, 100).unwrap();
    assert_eq!((nothing.events.len(), nothing.next), (0, second.next));
}

fn a_cursor_of_another_history_or_from_the_future_cannot_be_resumed(disk: &dyn Disk) {
    let mut store = disk.open();
    store.commit(&commit(1, vec![put(vm(1, "a", 1))])).unwrap();
    let mut reader = store.reader().unwrap();
    let head = reader.head().unwrap();
    let other = Cursor { history: HistoryId(head.history.0 ^ 1), ..head };
    let future = Cursor { revision: Revision(2), ..head };
    for cursor in [other, future] {
        let error = reader.feed(cursor, 10).unwrap_err();
        assert!(
            matches!(error, StoreError::FeedGone { oldest } if oldest.history == head.history),
            "{error}"
        );
    }
    assert_eq!(head.to_string().parse::<Cursor>().unwrap(), head, "as an ETag");
}

fn a_secret_is_kept_and_never_shown_in_feed_or_history(disk: &dyn Disk) {
    let mut store = disk.open();
    let start = store.load().unwrap().head;
    store.commit(&commit(1, vec![under(4, put(credential(1, "hush")))])).unwrap();
    let key = credential(1, "").key();
    let mut reader = store.reader().unwrap();
    assert_eq!(reader.object(key).unwrap().unwrap().object, credential(1, "hush"));
    let feed = reader.feed(start, 10).unwrap();
    assert_eq!((feed.events[0].op, feed.events[0].object.clone()), (Op::Put, None));
    let history = reader.history(key, None, 10).unwrap();
    assert_eq!((history.len(), history[0].object.clone()), (1, None));
    assert_eq!(reader.as_of(key, hostler_store::As::Of(Revision(1))).unwrap(), None);
    assert_eq!(reader.changes_of_job(JobId(4)).unwrap(), []);
    drop(store);
    assert_eq!(disk.open().load().unwrap().objects[0].object, credential(1, "hush"));
}

fn ended_jobs_are_listed_and_not_loaded_but_for_their_keys(disk: &dyn Disk) {
    let mut store = disk.open();
    let no_key = hostler_model::job::Job { key: None, ..ended(job(3, 1), 60) };
    store.commit(&commit(50, vec![put(job(1, 1)), put(job(2, 1)), put(no_key)])).unwrap();
    store.commit(&commit(60, vec![put(ended(job(1, 1), 60))])).unwrap();
    let loaded = store.load().unwrap();
    assert_eq!(loaded.objects.iter().map(|s| s.object.key()).collect::<Vec<_>>(), [Key::Job(JobId(2))]);
    assert_eq!(loaded.ended.len(), 1);
    let remembered = &loaded.ended[0];
    assert_eq!((remembered.id, remembered.key.as_str()), (JobId(1), "key-1"));
    assert_eq!((&remembered.actor, remembered.ended), (&bob(), Timestamp(60)));
    let mut reader = store.reader().unwrap();
    let jobs = reader.jobs(&JobFilter::default(), 10).unwrap();
    assert_eq!(
        jobs.iter().map(|j| (j.object.id.0, j.revision.0)).collect::<Vec<_>>(),
        [(3, 1), (2, 1), (1, 2)]
    );
    assert_eq!(*reader.job(JobId(1)).unwrap().unwrap().object, ended(job(1, 1), 60));
    assert_eq!(reader.job(JobId(4)).unwrap(), None);
}

fn keys_of_jobs_that_ended_a_day_ago_are_forgotten(disk: &dyn Disk) {
    let day = 24 * 3600 * 1000;
    let mut store = disk.open();
    let jobs = vec![put(ended(job(1, 1), 1_000)), put(ended(job(2, 1), 1_001))];
    store.commit(&commit(1_001, jobs)).unwrap();
    assert_eq!(store.load().unwrap().ended.len(), 2);
    store.commit(&commit(1_000 + day, vec![])).unwrap();
    let kept: Vec<_> = store.load().unwrap().ended.iter().map(|job| job.id.0).collect();
    assert_eq!(kept, [2]);
}

fn jobs_are_found_by_what_they_are(disk: &dyn Disk) {
    let mut store = disk.open();
    let mut refresher = job(3, 8);
    refresher.kind = JobKind::Refresher;
    refresher.actor = Actor::Refresher;
    refresher.about.push(vm_key(7));
    refresher.title = "Ärmel % db".to_owned();
    let jobs = vec![put(ended(job(1, 7), 5)), put(job(2, 8)), put(refresher)];
    store.commit(&commit(50, jobs)).unwrap();
    let mut reader = store.reader().unwrap();
    let mut found = |filter: JobFilter| -> Vec<u64> {
        reader.jobs(&filter, 10).unwrap().iter().map(|job| job.object.id.0).collect()
    };
    let all = JobFilter::default;
    assert_eq!(found(JobFilter { states: vec![JobState::Completed, JobState::Queued], ..all() }), [1]);
    assert_eq!(found(JobFilter { kinds: vec![JobKind::Refresher], ..all() }), [3]);
    assert_eq!(found(JobFilter { about: Some(vm_key(7)), ..all() }), [3, 1]);
    assert_eq!(found(JobFilter { about: Some(vm_key(7)), states: vec![JobState::Running], ..all() }), [3]);
    assert_eq!(found(JobFilter { actor: Some(Actor::Refresher), ..all() }), [3]);
    let renamed = hostler_model::Name::new("robert").unwrap();
    let robert = Actor::User { id: UserId(Uuid::from_u128(0xb0b)), name: renamed };
    assert_eq!(found(JobFilter { actor: Some(robert), ..all() }), [2, 1], "whatever bob is called now");
    assert_eq!(found(JobFilter { text: Some("WEB-".to_owned()), ..all() }), [2, 1]);
    assert_eq!(found(JobFilter { text: Some("ärm".to_owned()), ..all() }), [3]);
    assert_eq!(found(JobFilter { text: Some("%".to_owned()), ..all() }), [3], "not a pattern");
    let between = JobFilter { from: Some(Timestamp(20)), until: Some(Timestamp(30)), ..all() };
    assert_eq!(found(between), [2]);
}

fn jobs_are_listed_page_by_page(disk: &dyn Disk) {
    let mut store = disk.open();
    store.commit(&commit(50, (1..=7).map(|id| put(job(id, 1))).collect())).unwrap();
    let mut reader = store.reader().unwrap();
    let mut filter = JobFilter { about: Some(vm_key(1)), ..JobFilter::default() };
    let mut pages = Vec::new();
    loop {
        let page = reader.jobs(&filter, 3).unwrap();
        let Some(last) = page.last() else { break };
        filter.before = Some(last.object.id);
        pages.push(page.iter().map(|job| job.object.id.0).collect::<Vec<_>>());
    }
    assert_eq!(pages, [vec![7, 6, 5], vec![4, 3, 2], vec![1]]);
}

fn a_reader_sees_each_commit_at_once(disk: &dyn Disk) {
    let mut store = disk.open();
    let mut reader = store.reader().unwrap();
    for n in 1..=3 {
        store.commit(&commit(n, vec![put(vm(1, "a", n as u64))])).unwrap();
        assert_eq!(reader.head().unwrap().revision, Revision(n as u64));
        assert_eq!(reader.object(vm_key(1)).unwrap().unwrap().object, vm(1, "a", n as u64));
    }
}
