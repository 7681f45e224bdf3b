//! The binary's command line, as far as it needs neither server nor libvirt.

use std::process::{Command, Output};

fn agent(state: &std::path::Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_hostler-agent"))
        .args(arguments)
        .arg("--state")
        .arg(state)
        .output()
        .unwrap()
}

#[test]
fn an_agent_that_is_not_enrolled_says_so_and_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let run = agent(folder.path(), &["run"]);
    let words = String::from_utf8_lossy(&run.stderr).into_owned();
    assert!(!run.status.success());
    assert!(words.contains("not enrolled") && words.contains("hostler-agent enrol"), "{words}");
    assert_eq!(folder.path().read_dir().unwrap().count(), 0, "nothing is made before that");

    let status = agent(folder.path(), &["status", "-o", "json"]);
    let status: serde_json::Value = serde_json::from_slice(&status.stdout).unwrap();
    assert_eq!((status["enrolled"].is_null(), status["running"].as_bool()), (true, Some(false)));
}

#[test]
fn check_tells_what_would_be_reported_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("none");
    let check = agent(&state, &["check", "-o", "json"]);
    let check: serde_json::Value = serde_json::from_slice(&check.stdout).unwrap();
    assert!(check["host"]["cpus"].as_u64().unwrap() > 0, "{check}");
    assert_ne!(check["host"]["kvm"]["is"], "untried", "{check}");
    assert!(!state.exists());
}

#[test]
fn a_wrong_token_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let enrol = agent(folder.path(), &["enrol", "--server", "127.0.0.1:1", "--token-file", "/no/such/file"]);
    assert!(String::from_utf8_lossy(&enrol.stderr).contains("/no/such/file"));
    let shown = agent(folder.path(), &["enrol", "--help"]);
    assert!(String::from_utf8_lossy(&shown.stdout).contains("Examples"));
}
