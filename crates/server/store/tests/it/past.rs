//! History, states in the past, what a job changed, and what remains when old things are dropped.

use hostler_model::{JobId, Key, Timestamp};
use hostler_store::{As, JobFilter, Op, Retention, Revision, StoreError};
use serde_json::{Value, json};

use crate::promises::on_both;
use crate::things::*;

on_both! {
    the_history_of_an_object_is_its_versions_newest_first;
    an_object_can_be_seen_as_it_was;
    what_a_job_changed_is_told_property_by_property;
    old_versions_are_dropped_and_every_later_state_can_still_be_told;
    pruning_in_small_bites_ends_where_one_large_bite_does;
    ended_jobs_are_dropped_with_their_history_and_open_ones_are_not;
    the_feed_cannot_be_resumed_from_before_what_is_kept;
}

fn names(events: &[hostler_store::Event]) -> Vec<(u64, Op)> {
    events.iter().map(|event| (event.revision.0, event.op)).collect()
}

fn the_history_of_an_object_is_its_versions_newest_first(disk: &dyn Disk) {
    let mut store = disk.open();
    for n in 1..=4 {
        store.commit(&commit(n * 10, vec![put(vm(1, "a", n as u64)), put(vm(2, "b", 1))])).unwrap();
    }
    store.commit(&commit(50, vec![gone(vm_key(1))])).unwrap();
    let mut reader = store.reader().unwrap();
    let newest = reader.history(vm_key(1), None, 2).unwrap();
    assert_eq!(names(&newest), [(5, Op::Gone), (4, Op::Put)]);
    assert_eq!(newest[1].object, Some(vm(1, "a", 4)));
    let older = reader.history(vm_key(1), Some(Revision(4)), 10).unwrap();
    assert_eq!(names(&older), [(3, Op::Put), (2, Op::Put), (1, Op::Put)]);
    assert_eq!(older[2].at, Timestamp(10));
}

fn an_object_can_be_seen_as_it_was(disk: &dyn Disk) {
    let mut store = disk.open();
    store.commit(&commit(10, vec![put(vm(2, "other", 1))])).unwrap();
    store.commit(&commit(20, vec![put(vm(1, "a", 1)), under(1, put(vm(1, "a", 2)))])).unwrap();
    store.commit(&commit(30, vec![put(vm(2, "other", 2))])).unwrap();
    store.commit(&commit(40, vec![gone(vm_key(1))])).unwrap();
    let mut reader = store.reader().unwrap();
    let mut memory = |when| {
        let stored = reader.as_of(vm_key(1), when).unwrap();
        stored.map(|stored| (stored.revision.0, stored.object))
    };
    assert_eq!(memory(As::Of(Revision(1))), None);
    assert_eq!(memory(As::Of(Revision(2))), Some((2, vm(1, "a", 2))), "after the whole commit");
    assert_eq!(memory(As::Of(Revision(3))), Some((2, vm(1, "a", 2))));
    assert_eq!(memory(As::Of(Revision(4))), None);
    assert_eq!(memory(As::At(Timestamp(19))), None);
    assert_eq!(memory(As::At(Timestamp(39))), Some((2, vm(1, "a", 2))));
    assert_eq!(memory(As::At(Timestamp(40))), None);
}

fn what_a_job_changed_is_told_property_by_property(disk: &dyn Disk) {
    let mut store = disk.open();
    store.commit(&commit(1, vec![put(vm(1, "a", 1)), put(vm(3, "c", 1))])).unwrap();
    store.commit(&commit(2, vec![put(job(7, 1)), under(7, put(vm(1, "a", 2)))])).unwrap();
    store.commit(&commit(3, vec![under(8, put(vm(1, "b", 2)))])).unwrap();
    let last = vec![under(7, put(vm(1, "b", 3))), under(7, put(vm(2, "n", 1))), under(7, gone(vm_key(3)))];
    store.commit(&commit(4, last)).unwrap();
    let changes = store.reader().unwrap().changes_of_job(JobId(7)).unwrap();
    let told: Vec<_> = changes
        .iter()
        .map(|change| (change.key, change.property.as_str(), change.before.is_null(), change.after.is_null()))
        .collect();
    let memory = "spec.hardware.memory_mib";
    assert_eq!(
        told,
        [
            (vm_key(1), memory, false, false),
            (vm_key(1), memory, false, false),
            (vm_key(2), "", true, false),
            (vm_key(3), "", false, true)
        ]
    );
    let values: Vec<(&Value, &Value)> = changes[..2].iter().map(|c| (&c.before, &c.after)).collect();
    assert_eq!(values, [(&json!(1), &json!(2)), (&json!(2), &json!(3))]);
}

fn keep(from: i64) -> Retention {
    Retention { feed_from: Timestamp(from), history_from: Timestamp(from), rows: 1_000 }
}

fn old_versions_are_dropped_and_every_later_state_can_still_be_told(disk: &dyn Disk) {
    let mut store = disk.open();
    store.commit(&commit(10, vec![put(vm(1, "a", 1)), put(vm(2, "b", 1)), put(vm(3, "c", 1))])).unwrap();
    store.commit(&commit(20, vec![put(vm(1, "a", 2)), gone(vm_key(3))])).unwrap();
    store.commit(&commit(30, vec![under(5, put(vm(1, "a", 3))), gone(vm_key(2))])).unwrap();
    let pruned = store.prune(&keep(25)).unwrap();
    assert_eq!((pruned.dropped, pruned.more), (3, false), "a at 10, c at 10 and 20");
    drop(store);
    let store = disk.open();
    let mut reader = store.reader().unwrap();
    assert_eq!(names(&reader.history(vm_key(1), None, 9).unwrap()), [(3, Op::Put), (2, Op::Put)]);
    assert_eq!(names(&reader.history(vm_key(3), None, 9).unwrap()), []);
    assert_eq!(reader.as_of(vm_key(1), As::At(Timestamp(25))).unwrap().unwrap().object, vm(1, "a", 2));
    assert_eq!(reader.as_of(vm_key(2), As::Of(Revision(2))).unwrap().unwrap().object, vm(2, "b", 1));
    let error = reader.as_of(vm_key(1), As::At(Timestamp(24))).unwrap_err();
    assert!(matches!(error, StoreError::HistoryGone { from: Timestamp(25) }), "{error}");
    assert!(matches!(reader.as_of(vm_key(1), As::Of(Revision(1))), Err(StoreError::HistoryGone { .. })));
    let changes = reader.changes_of_job(JobId(5)).unwrap();
    assert_eq!((&changes[0].before, &changes[0].after), (&json!(2), &json!(3)), "what was before is kept");
}

fn pruning_in_small_bites_ends_where_one_large_bite_does(disk: &dyn Disk) {
    let mut store = disk.open();
    for n in 1..=20 {
        store.commit(&commit(n * 10, vec![put(vm(1, "a", n as u64)), put(vm(2, "b", n as u64))])).unwrap();
    }
    let (mut dropped, mut bites) = (0, 0);
    loop {
        let pruned = store.prune(&Retention { rows: 3, ..keep(151) }).unwrap();
        (dropped, bites) = (dropped + pruned.dropped, bites + 1);
        if !pruned.more {
            break;
        }
    }
    assert_eq!(dropped, 28);
    assert!(bites >= 10, "{bites}");
    let mut reader = store.reader().unwrap();
    assert_eq!(reader.history(vm_key(1), None, 99).unwrap().len(), 6);
    assert_eq!(reader.as_of(vm_key(1), As::At(Timestamp(151))).unwrap().unwrap().object, vm(1, "a", 15));
    assert_eq!(store.prune(&keep(151)).unwrap().dropped, 0);
}

fn ended_jobs_are_dropped_with_their_history_and_open_ones_are_not(disk: &dyn Disk) {
    let mut store = disk.open();
    store.commit(&commit(10, vec![put(job(1, 1)), put(job(2, 1)), put(job(3, 1))])).unwrap();
    store.commit(&commit(20, vec![put(ended(job(1, 1), 20))])).unwrap();
    store.commit(&commit(40, vec![put(ended(job(3, 1), 40))])).unwrap();
    store.prune(&keep(30)).unwrap();
    let mut reader = store.reader().unwrap();
    let jobs = reader.jobs(&JobFilter { about: Some(vm_key(1)), ..JobFilter::default() }, 9).unwrap();
    assert_eq!(jobs.iter().map(|job| job.object.id.0).collect::<Vec<_>>(), [3, 2]);
    assert_eq!(reader.history(Key::Job(JobId(1)), None, 9).unwrap(), []);
    assert_eq!(reader.history(Key::Job(JobId(2)), None, 9).unwrap().len(), 1);
    assert_eq!(reader.history(Key::Job(JobId(3)), None, 9).unwrap().len(), 2);
}

fn the_feed_cannot_be_resumed_from_before_what_is_kept(disk: &dyn Disk) {
    let mut store = disk.open();
    let start = store.load().unwrap().head;
    for n in 1..=6 {
        store.commit(&commit(n * 10, vec![put(vm(1, "a", n as u64))])).unwrap();
    }
    let retention = Retention { history_from: Timestamp(0), ..keep(35) };
    while store.prune(&Retention { rows: 1, ..retention }).unwrap().more {}
    let mut reader = store.reader().unwrap();
    let Err(StoreError::FeedGone { oldest }) = reader.feed(start, 10) else { panic!("resumed") };
    assert_eq!(oldest.revision, Revision(3));
    assert_eq!(names(&reader.feed(oldest, 10).unwrap().events), [(4, Op::Put), (5, Op::Put), (6, Op::Put)]);
    assert_eq!(reader.history(vm_key(1), None, 9).unwrap().len(), 6, "history is kept for longer");
}
