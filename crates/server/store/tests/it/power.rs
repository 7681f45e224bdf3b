//! Power is lost at any moment, a process is killed, a sync fails, the disk is full: what was acknowledged, and what a
//! server has loaded, is there afterwards, and nothing but a prefix of the commits.

use std::collections::BTreeMap;

use hostler_model::{Change, Key, Object};
use hostler_store::{Cursor, MemoryStore, Revision, SqliteStore, Store, StoreError};
use proptest::prelude::*;
use tempfile::TempDir;

use crate::platter::{Platter, Trouble};
use crate::things::*;

type Picture = BTreeMap<Key, Object>;

/// What should be, after each revision.
struct Expected {
    pictures: Vec<Picture>,
    /// No revision up to here may be lost: it was acknowledged, or a server has loaded it.
    certain: usize,
}

impl Expected {
    fn new() -> Self {
        Self { pictures: vec![Picture::new()], certain: 0 }
    }

    fn add(&mut self, changes: &[Change]) {
        let mut picture = self.pictures.last().unwrap().clone();
        for change in changes {
            match &change.object {
                Some(object) => picture.insert(change.key, object.clone()),
                None => picture.remove(&change.key),
            };
        }
        self.pictures.push(picture);
    }

    /// Takes what a server finds after a start; everything behind it never was.
    fn check(&mut self, store: &mut dyn Store) {
        let loaded = store.load().unwrap();
        let found = loaded.head.revision.0 as usize;
        assert!(found >= self.certain, "revision {} is lost: {found} is found", self.certain);
        assert!(found < self.pictures.len(), "revision {found} never was");
        let picture: Picture = loaded.objects.iter().map(|s| (s.object.key(), s.object.clone())).collect();
        assert_eq!(picture, self.pictures[found], "revision {found} is not what it was");
        self.pictures.truncate(found + 1);
        self.certain = found;
    }
}

/// The nth commit of a story: some puts, some of them large, some removals.
fn changes(story: u64, n: u64) -> Vec<Change> {
    let mix = |x: u64| (story ^ n.wrapping_mul(0x9e37_79b9_7f4a_7c15)).rotate_left(x as u32 * 7) >> 40;
    let put_one = |k: u64| {
        let which = u128::from(mix(k) % 6);
        if mix(k + 1) % 5 == 0 { gone(vm_key(which)) } else { put(large_vm(which, mix(k + 2), n)) }
    };
    (0..=mix(9) % 5).map(put_one).collect()
}

/// A machine with notes of up to 9 kB.
fn large_vm(n: u128, size: u64, memory_mib: u64) -> Object {
    let Object::Vm(vm) = vm(n, "web", memory_mib) else { unreachable!() };
    let mut vm = (*vm).clone();
    vm.spec.notes = "x".repeat((size % 9_000) as usize);
    Object::from(vm)
}

/// How a life of a server ends.
#[derive(Clone, Copy, Debug)]
enum End {
    Power,
    Kill,
}

fn lives() -> impl Strategy<Value = Vec<(u32, End)>> {
    let end = prop_oneof![2 => Just(End::Power), 1 => Just(End::Kill)];
    prop::collection::vec((0_u32..160, end), 1..6)
}

fn survive(chance: u64, story: u64, lives: &[(u32, End)]) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("store.db");
    let platter = Platter::new(chance);
    let open = || SqliteStore::open_through(&path, Some(platter.name()));
    let mut expected = Expected::new();
    let mut n = 0;
    for (after, end) in lives {
        platter.trouble_after(*after, Trouble::Stop);
        if let Ok(mut store) = open() {
            let loaded = store.load();
            if loaded.is_ok() {
                expected.check(&mut store);
            }
            for _ in 0..20 {
                n += 1;
                let changes = changes(story, n);
                expected.add(&changes);
                match store.commit(&commit(n as i64, changes)) {
                    Ok(revision) => {
                        expected.certain = revision.0 as usize;
                        assert_eq!(expected.certain, expected.pictures.len() - 1);
                    }
                    Err(_) => break,
                }
            }
            platter.stop();
        }
        platter.stop();
        match end {
            End::Power => platter.lose_power(),
            End::Kill => platter.survive_kill(),
        }
    }
    let mut store = open().unwrap();
    expected.check(&mut store);
    store.commit(&commit(n as i64, vec![put(vm(9, "after", 1))])).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whenever_power_is_lost_a_prefix_with_all_acknowledged_commits_is_found(
        chance: u64,
        story: u64,
        lives in lives(),
    ) {
        survive(chance, story, &lives);
    }

    #[test]
    fn memory_keeps_a_prefix_with_all_acknowledged_commits_too(
        story: u64,
        lives in prop::collection::vec((0_u64..6, 0_u64..6, 0_usize..8), 1..8),
    ) {
        let InMemoryStart(mut store) = InMemoryStart::new();
        let mut expected = Expected::new();
        let mut n = 0;
        for (acknowledged, unsynced, keep) in lives {
            for held in 0..acknowledged + unsynced {
                if held == acknowledged {
                    store.hold();
                }
                n += 1;
                let changes = changes(story, n);
                expected.add(&changes);
                let revision = store.commit(&commit(n as i64, changes)).unwrap();
                if held < acknowledged {
                    expected.certain = revision.0 as usize;
                }
            }
            let unsynced = store.unsynced();
            let mut dead = store.clone();
            store = store.crash(keep);
            let found = store.load().unwrap().head.revision.0 as usize;
            prop_assert_eq!(found, expected.certain + keep.min(unsynced));
            expected.check(&mut store);
            let start = Cursor { revision: Revision(0), ..store.load().unwrap().head };
            let page = store.reader().unwrap().feed(start, usize::MAX).unwrap();
            let told = page.events.last().map_or(0, |event| event.revision.0);
            prop_assert_eq!(told as usize, found, "the feed tells nothing that was lost");
            prop_assert!(dead.commit(&commit(1, vec![])).is_err(), "what has crashed writes no more");
        }
    }
}

struct InMemoryStart(MemoryStore);

impl InMemoryStart {
    fn new() -> Self {
        let installation = hostler_model::InstallationId(uuid::Uuid::from_u128(1));
        Self(MemoryStore::new(installation, hostler_store::HistoryId(1)))
    }
}

/// A store on a platter with three commits.
fn with_three() -> (TempDir, Platter, SqliteStore, Expected) {
    let folder = TempDir::new().unwrap();
    let platter = Platter::new(42);
    let path = folder.path().join("store.db");
    let mut store = SqliteStore::open_through(&path, Some(platter.name())).unwrap();
    let mut expected = Expected::new();
    for n in 1..=3 {
        let changes = changes(7, n);
        expected.add(&changes);
        expected.certain = store.commit(&commit(n as i64, changes)).unwrap().0 as usize;
    }
    (folder, platter, store, expected)
}

/// How many operations a commit like the next one takes.
fn operations_of_a_commit(large: bool) -> u32 {
    let (_folder, platter, mut store, _) = with_three();
    let before = platter.operations();
    store.commit(&commit(4, one_change(large))).unwrap();
    platter.operations() - before
}

fn one_change(large: bool) -> Vec<Change> {
    vec![put(large_vm(3, if large { 8_999 } else { 0 }, 4))]
}

#[test]
fn when_the_disk_is_full_the_commit_is_refused_clearly_and_nothing_is_lost() {
    for after in 0..operations_of_a_commit(true) {
        let (_folder, platter, mut store, mut expected) = with_three();
        platter.trouble_after(after, Trouble::Full);
        match store.commit(&commit(4, one_change(true))) {
            Err(StoreError::Full { .. }) => {}
            Ok(_) => {
                expected.add(&one_change(true));
                expected.certain = 4;
            }
            Err(error) => panic!("after {after}: {error}"),
        }
        expected.check(&mut store);
        platter.no_more_trouble();
        expected.add(&one_change(false));
        let revision = store.commit(&commit(5, one_change(false))).unwrap();
        expected.certain = revision.0 as usize;
        platter.stop();
        drop(store);
        platter.lose_power();
        let path = _folder.path().join("store.db");
        expected.check(&mut SqliteStore::open_through(&path, Some(platter.name())).unwrap());
    }
}

#[test]
fn when_a_sync_fails_the_next_load_tells_the_truth_and_it_is_durable() {
    let mut refused = 0;
    for after in 0..operations_of_a_commit(false) {
        let (folder, platter, mut store, mut expected) = with_three();
        platter.trouble_after(after, Trouble::SyncFails);
        expected.add(&one_change(false));
        match store.commit(&commit(4, one_change(false))) {
            Ok(revision) => expected.certain = revision.0 as usize,
            Err(StoreError::Unknown { .. }) => refused += 1,
            Err(_) => {
                refused += 1;
                expected.pictures.pop();
            }
        }
        platter.no_more_trouble();
        expected.check(&mut store);
        expected.add(&one_change(true));
        let revision = store.commit(&commit(5, one_change(true))).unwrap();
        assert_eq!(revision, Revision(expected.certain as u64 + 1));
        expected.certain = revision.0 as usize;
        platter.stop();
        drop(store);
        platter.lose_power();
        let path = folder.path().join("store.db");
        expected.check(&mut SqliteStore::open_through(&path, Some(platter.name())).unwrap());
    }
    assert!(refused > 0, "no sync was hit");
}

#[test]
fn while_the_result_of_a_commit_is_unknown_nothing_is_written() {
    let (_folder, platter, mut store, mut expected) = with_three();
    platter.stop();
    let error = store.commit(&commit(4, one_change(false))).unwrap_err();
    assert!(matches!(error, StoreError::Unknown { .. }), "{error}");
    assert!(matches!(store.commit(&commit(4, vec![])), Err(StoreError::Unknown { .. })));
    assert!(store.begin_epoch().is_err());
    assert!(store.load().is_err());
    platter.survive_kill();
    expected.add(&one_change(false));
    expected.check(&mut store);
    store.commit(&commit(5, vec![])).unwrap();
}
