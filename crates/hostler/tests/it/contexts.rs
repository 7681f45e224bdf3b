//! The file of contexts.

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use hostler::contexts::{Context, Contexts, ContextsError, Owner, write_for};

fn context() -> Context {
    Context {
        server: "https://127.0.0.1:8470".into(),
        user: Some("bob".into()),
        token: Some("hsa1_x".into()),
        expires: None,
        authority: "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".into(),
    }
}

fn file_in(home: &Path) -> std::path::PathBuf {
    home.join(".config/hostler/contexts.toml")
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o777
}

#[test]
fn nobody_else_can_read_the_file_whatever_its_mode_was() {
    let home = tempfile::tempdir().unwrap();
    let path = file_in(home.path());
    write_for(&path, None, "lab", context()).unwrap();
    assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    std::fs::set_permissions(path.parent().unwrap(), std::fs::Permissions::from_mode(0o755)).unwrap();
    write_for(&path, None, "other", context()).unwrap();
    assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    let read = Contexts::load(&path).unwrap();
    assert!(read.contexts["lab"] == context() && read.contexts["other"] == context());
    assert_eq!(read.current.as_deref(), Some("other"));
    assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "nothing is left beside it");
}

#[test]
fn a_damaged_file_is_an_error_and_not_an_empty_one() {
    let home = tempfile::tempdir().unwrap();
    let path = file_in(home.path());
    write_for(&path, None, "lab", context()).unwrap();
    std::fs::write(&path, "contexts = 7").unwrap();
    assert!(matches!(Contexts::load(&path), Err(ContextsError::Damaged { .. })));
    assert!(write_for(&path, None, "lab", context()).is_err());
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "contexts = 7", "it is not written over");
}

#[test]
fn what_is_written_for_somebody_is_theirs_and_no_link_of_theirs_is_followed() {
    let home = tempfile::tempdir().unwrap();
    let own = home.path().metadata().unwrap();
    let is_root = own.uid() == 0;
    let owner =
        if is_root { Owner { uid: 12345, gid: 12345 } } else { Owner { uid: own.uid(), gid: own.gid() } };
    if is_root {
        std::os::unix::fs::chown(home.path(), Some(owner.uid), Some(owner.gid)).unwrap();
    }
    let path = file_in(home.path());
    write_for(&path, Some(owner), "lab", context()).unwrap();
    for part in [path.as_path(), path.parent().unwrap(), path.parent().unwrap().parent().unwrap()] {
        assert_eq!(part.metadata().unwrap().uid(), owner.uid, "{}", part.display());
    }
    let elsewhere = tempfile::tempdir().unwrap();
    let other = tempfile::tempdir_in(home.path()).unwrap();
    if is_root {
        std::os::unix::fs::chown(other.path(), Some(owner.uid), Some(owner.gid)).unwrap();
    }
    // The link itself is theirs, and so is what it leads to: it is refused for being one.
    symlink(elsewhere.path(), other.path().join(".config")).unwrap();
    std::os::unix::fs::lchown(other.path().join(".config"), Some(owner.uid), Some(owner.gid)).unwrap();
    let refused = write_for(&file_in(other.path()), Some(owner), "lab", context());
    assert!(matches!(refused, Err(ContextsError::NotTheirs { .. })));
    assert_eq!(std::fs::read_dir(elsewhere.path()).unwrap().count(), 0);
}
