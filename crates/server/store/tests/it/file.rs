//! What only the file has to keep: who may open it, what versions mean, backup and restore.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use hostler_model::Timestamp;
use hostler_store::{Commit, Counters, Revision, SqliteStore, Store, StoreError, backup, restore};
use tempfile::TempDir;

use crate::things::*;

fn folder() -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("state/store.db");
    (folder, path)
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_second_server_is_refused_and_let_in_when_the_first_has_ended() {
    let (_folder, path) = folder();
    let first = SqliteStore::open(&path).unwrap();
    let error = SqliteStore::open(&path).unwrap_err();
    assert!(matches!(error, StoreError::Locked { .. }), "{error}");
    assert!(error.to_string().ends_with("store.db is in use by another server"), "{error}");
    assert!(matches!(restore(&path, &path), Err(StoreError::Locked { .. })));
    drop(first);
    SqliteStore::open(&path).unwrap();
}

#[test]
fn nobody_else_may_read_the_store_or_its_backup() {
    let (folder, path) = folder();
    let mut store = SqliteStore::open(&path).unwrap();
    store.commit(&commit(1, vec![put(vm(1, "a", 1))])).unwrap();
    let saved = folder.path().join("saved.db");
    backup(&path, &saved, &mut |_| ()).unwrap();
    assert_eq!(mode(path.parent().unwrap()), 0o700);
    for entry in fs::read_dir(path.parent().unwrap()).unwrap() {
        let entry = entry.unwrap().path();
        assert_eq!(mode(&entry), 0o600, "{}", entry.display());
    }
    assert_eq!(mode(&saved), 0o600);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    drop(store);
    SqliteStore::open(&path).unwrap();
    assert_eq!(mode(&path), 0o600, "mended at each start");
}

#[test]
fn a_newer_file_is_refused_and_left_alone() {
    let (folder, path) = folder();
    drop(SqliteStore::open(&path).unwrap());
    let db = rusqlite::Connection::open(&path).unwrap();
    db.pragma_update(None, "user_version", 99).unwrap();
    drop(db);
    for error in [
        SqliteStore::open(&path).unwrap_err(),
        backup(&path, &folder.path().join("saved"), &mut |_| ()).unwrap_err(),
        restore(&path, &folder.path().join("other.db")).unwrap_err(),
    ] {
        assert!(matches!(error, StoreError::Newer { found: 99, known: 1, .. }), "{error}");
        assert!(error.to_string().contains("written by a newer Hostler"), "{error}");
    }
    assert!(!folder.path().join("saved").exists());
    assert!(!folder.path().join("other.db").exists());
    let db = rusqlite::Connection::open(&path).unwrap();
    db.query_row("SELECT revision FROM meta", [], |_| Ok(())).unwrap();
}

#[test]
fn what_is_no_store_is_refused_and_left_alone() {
    let (_folder, path) = folder();
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, "a letter to somebody, long enough to be taken for a header of a database file or so")
        .unwrap();
    let before = fs::read(&path).unwrap();
    assert!(matches!(SqliteStore::open(&path), Err(StoreError::NotAStore { .. })));
    assert_eq!(fs::read(&path).unwrap(), before);
    fs::remove_file(&path).unwrap();
    rusqlite::Connection::open(&path).unwrap().execute_batch("CREATE TABLE recipes (soup TEXT)").unwrap();
    assert!(matches!(SqliteStore::open(&path), Err(StoreError::NotAStore { .. })));
}

#[test]
fn a_backup_made_while_commits_go_on_is_one_committed_state() {
    let (folder, path) = folder();
    let mut store = SqliteStore::open(&path).unwrap();
    // Two machines always change together; the padding makes the copy long enough for commits to fall into it.
    let padding: Vec<_> = (100..8_000).map(|n| put(vm(n, &"p".repeat(100), 1))).collect();
    store.commit(&commit(0, padding)).unwrap();
    let done = AtomicBool::new(false);
    let saved = folder.path().join("saved.db");
    let (cursor, bites, mut store) = thread::scope(|scope| {
        let done = &done;
        let writer = scope.spawn(move || {
            let mut n = 0;
            while !done.load(Ordering::Relaxed) {
                n += 1;
                store.commit(&commit(n, vec![put(vm(1, "a", n as u64)), put(vm(2, "b", n as u64))])).unwrap();
            }
            store
        });
        let mut bites = 0;
        let cursor = backup(&path, &saved, &mut |progress| {
            assert!(progress.done <= progress.of);
            bites += 1;
            thread::sleep(std::time::Duration::from_millis(20));
        });
        done.store(true, Ordering::Relaxed);
        (cursor.unwrap(), bites, writer.join().unwrap())
    });
    assert!(bites > 0);
    let head = store.load().unwrap().head;
    assert!(head.revision > cursor.revision, "commits went on");

    let restored = folder.path().join("restored/store.db");
    assert_eq!(restore(&saved, &restored).unwrap(), None);
    let mut other = SqliteStore::open(&restored).unwrap();
    let loaded = other.load().unwrap();
    assert_eq!(loaded.head.revision, cursor.revision);
    assert_ne!(loaded.head.history, cursor.history, "another history");
    assert!(loaded.restored);
    let mut was = store.reader().unwrap();
    for stored in loaded.objects {
        let key = stored.object.key();
        let then = was.as_of(key, hostler_store::As::Of(cursor.revision)).unwrap().unwrap();
        assert_eq!(stored, then, "as it was at revision {}", cursor.revision);
    }
}

#[test]
fn a_backup_does_not_replace_a_file() {
    let (folder, path) = folder();
    drop(SqliteStore::open(&path).unwrap());
    let there = folder.path().join("there");
    fs::write(&there, "precious").unwrap();
    assert!(backup(&path, &there, &mut |_| ()).is_err());
    assert_eq!(fs::read(&there).unwrap(), b"precious");
}

#[test]
fn a_restore_keeps_what_it_replaces_and_gives_no_number_twice() {
    let (folder, path) = folder();
    let saved = folder.path().join("saved.db");
    let mut store = SqliteStore::open(&path).unwrap();
    store.begin_epoch().unwrap();
    let counted = |next_job| Commit { counters: Counters { next_job }, ..commit(1, vec![put(job(1, 1))]) };
    store.commit(&counted(2)).unwrap();
    let installation = store.load().unwrap().installation;
    backup(&path, &saved, &mut |_| ()).unwrap();
    store.begin_epoch().unwrap();
    store.commit(&counted(50)).unwrap();
    drop(store);

    let kept = restore(&saved, &path).unwrap().unwrap();
    let mut store = SqliteStore::open(&path).unwrap();
    let loaded = store.load().unwrap();
    assert!(loaded.restored);
    assert_eq!((loaded.head.revision, loaded.at), (Revision(1), Timestamp(1)));
    assert_eq!(loaded.installation, installation);
    assert_eq!((loaded.epoch, loaded.counters.next_job), (3, 50), "above what the replaced store had given");
    assert_eq!(loaded.objects.len(), 1, "the unfinished job, for the engine to end");
    drop(store);
    let mut replaced = SqliteStore::open(&kept).unwrap();
    assert_eq!(replaced.load().unwrap().head.revision, Revision(2));
}

#[test]
fn a_damaged_backup_is_refused_and_the_store_stays() {
    let (folder, path) = folder();
    let mut store = SqliteStore::open(&path).unwrap();
    store.commit(&commit(1, vec![put(vm(1, "a", 1))])).unwrap();
    drop(store);
    let damaged = folder.path().join("damaged.db");
    fs::write(
        &damaged,
        "nothing of the kind, whatever the name of the file may say about what it holds inside it",
    )
    .unwrap();
    assert!(matches!(restore(&damaged, &path), Err(StoreError::NotAStore { .. })));
    assert_eq!(SqliteStore::open(&path).unwrap().load().unwrap().objects.len(), 1);
    let left: Vec<_> = fs::read_dir(path.parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains("restoring"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}
