//! The state folder: what is made, what is kept, who is refused.

use std::os::unix::fs::PermissionsExt;

use hostler_model::access::{Actor, Role};
use hostler_model::request::{Request, Secret};
use hostler_model::{Kind, Name, Object, UserId};
use hostler_server::{Ask, Handle, Server, hash_password, verify_password};

use crate::support::{PATIENCE, config, make_user, until};

fn administrator(handle: &Handle) -> (UserId, String) {
    let picture = handle.picture();
    let user = picture.of_kind(Kind::User).find_map(|stored| match &stored.object {
        Object::User(user) if user.role == Role::Administrator => Some(user.id),
        _ => None,
    });
    let user = user.unwrap();
    let hash = picture.of_kind(Kind::Credential).find_map(|stored| match &stored.object {
        Object::Credential(credential) if credential.user == user => Some(credential.hash.clone()),
        _ => None,
    });
    (user, hash.unwrap())
}

#[tokio::test]
async fn the_first_administrator_is_made_and_the_password_file_goes_at_its_first_change() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(config(&folder)).await.unwrap();
    let file = server.initial_password.clone().unwrap();
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&file), 0o600);
    assert_eq!(mode(&folder.path().join("state")), 0o700);
    let password = std::fs::read_to_string(&file).unwrap().trim().to_owned();
    assert!(password.len() >= 24);
    let (user, hash) = administrator(&server.handle);
    assert!(verify_password(&password, Some(&hash)));
    server.stop().await;

    let server = Server::start(config(&folder)).await.unwrap();
    assert_eq!(administrator(&server.handle), (user, hash), "made once");
    assert!(file.exists() && server.initial_password.is_some());
    server.handle.ask(make_user("bob")).await.unwrap();
    let edit = |hash| Request::EditUser { user, role: None, disabled: None, hash };
    let enabled = Request::EditUser { user, role: None, disabled: Some(false), hash: None };
    server.handle.ask(Ask::new(Actor::System, enabled)).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    assert!(file.exists(), "another change leaves it");
    let hash = Secret(hash_password("something else").unwrap());
    server.handle.ask(Ask::new(Actor::System, edit(Some(hash)))).await.unwrap();
    until("the file is gone", || !file.exists()).await;
    server.stop().await;

    std::fs::write(&file, "left behind\n").unwrap();
    let server = Server::start(config(&folder)).await.unwrap();
    assert!(!file.exists() && server.initial_password.is_none(), "a password that is none is not left lying");
    server.stop().await;
}

#[tokio::test]
async fn a_second_server_on_one_folder_is_refused_and_a_later_one_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let first = Server::start(config(&folder)).await.unwrap();
    let second = Server::start(config(&folder)).await.err().unwrap();
    assert!(second.to_string().contains("in use by another server"), "{second}");
    let (epoch, fingerprint) = (first.handle.epoch(), first.authority.fingerprint());
    let job = first.handle.ask(make_user("bob")).await.unwrap();
    let head = first.handle.picture().head;
    first.stop().await;
    let later = Server::start(config(&folder)).await.unwrap();
    assert_eq!((later.handle.epoch(), later.authority.fingerprint()), (epoch + 1, fingerprint));
    assert_eq!(later.handle.picture().head, head);
    assert!(later.handle.wait_for_job(job, PATIENCE).await.unwrap().state.is_success());
    later.stop().await;
}

#[tokio::test]
async fn a_backup_is_a_store_and_an_existing_file_is_never_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(config(&folder)).await.unwrap();
    server.handle.ask(make_user("bob")).await.unwrap();
    let to = folder.path().join("backup.db");
    server.handle.backup(to.clone()).await.unwrap();
    assert!(server.handle.backup(to.clone()).await.is_err());
    let mut copy = hostler_server::store::SqliteStore::open(&to).unwrap();
    let loaded = hostler_server::store::Store::load(&mut copy).unwrap();
    let bob = Name::new("bob").unwrap();
    assert!(
        loaded.objects.iter().any(|stored| matches!(&stored.object, Object::User(user) if user.name == bob))
    );
    server.stop().await;
}
