//! Computers are added by SSH, as far as that can be seen without one: who is refused, and that nothing of a secret stays.

use hostler_model::access::Actor;
use hostler_model::agent::Roles;
use hostler_model::job::JobState;
use hostler_model::push::{AddHost, AskHostKeys, SshSecrets, SshTarget};
use hostler_model::request::{Request, Secret};
use hostler_model::{Code, Kind};
use hostler_server::{Ask, Server};
use uuid::Uuid;

use crate::support::{PATIENCE, code, config, site};

const PASSWORD: &str = "correct horse battery staple";

/// A computer of which nobody answers at the port.
fn add() -> Ask {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let on = SshTarget {
        address: "127.0.0.1".into(),
        port,
        user: "root".into(),
        host_key: format!("SHA256:{}", "a".repeat(43)),
        secrets: Uuid::nil(),
    };
    let roles = Roles { host: true, library: false };
    let sha256 = Secret::default();
    let add = AddHost { on, sha256, roles, name: None, group: None, server: None };
    Ask::new(Actor::System, Request::AddHost(Box::new(add)))
}

fn password() -> SshSecrets {
    SshSecrets { password: Some(PASSWORD.into()), ..SshSecrets::default() }
}

#[tokio::test]
async fn a_computer_is_not_asked_for_in_vain_nor_by_what_could_be_an_option() {
    let site = site().await;
    assert_eq!(
        code(site.handle().add_host(add(), password()).await),
        Code::ObjectNotFound,
        "no program to bring"
    );
    assert_eq!(code(site.handle().add_host(add(), SshSecrets::default()).await), Code::ValueInvalid);
    let asked = AskHostKeys { address: "-oProxyCommand=x".into(), port: 22 };
    assert_eq!(code(site.handle().host_keys(&asked).await), Code::ValueInvalid);
}

#[tokio::test]
async fn a_computer_that_does_not_answer_fails_the_job_and_no_secret_stays() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("hostler-agent");
    std::fs::write(&program, "hostler-agent-version=1.0.0\n").unwrap();
    let config = hostler_server::Config { agent_program: Some(program), ..config(&folder) };
    let state = config.state_dir.clone();
    // What a server that was killed has left.
    let left = state.join("ssh/1");
    std::fs::create_dir_all(&left).unwrap();
    std::fs::write(left.join("password"), PASSWORD).unwrap();
    let server = Server::start(config).await.unwrap();
    assert!(!left.exists());

    let keyed = Ask { key: Some("one".into()), ..add() };
    let job = server.handle.add_host(keyed.clone(), password()).await.unwrap();
    let ended = server.handle.wait_for_job(job, PATIENCE).await.unwrap();
    let error = ended.error.clone().unwrap();
    assert_eq!((ended.state, error.code), (JobState::FailedUndone, Code::SshUnreachable), "{error}");
    assert!(error.object.contains("127.0.0.1") && !error.remedy.is_empty());
    assert_eq!(server.handle.add_host(keyed, password()).await, Ok(job), "one key is one job");
    assert_eq!(server.handle.picture().of_kind(Kind::Enrolment).count(), 0);
    assert_eq!(code(server.handle.again(job, Actor::System, None, false).await), Code::ValueInvalid);
    server.stop().await;
    for file in ["store.db", "store.db-wal"] {
        let bytes = std::fs::read(state.join(file)).unwrap_or_default();
        assert!(!bytes.windows(PASSWORD.len()).any(|window| window == PASSWORD.as_bytes()), "{file}");
    }
    assert_eq!(std::fs::read_dir(state.join("ssh")).unwrap().count(), 0);
}
