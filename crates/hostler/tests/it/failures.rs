//! How failures end and read.

use hostler::cli::failure::Failure;
use hostler_client::ClientError;
use hostler_model::view::JobView;
use hostler_model::{Code, JobId, Refusal};

fn of(code: Code) -> Failure {
    Refusal::new(code, "vm web-1", "it cannot be").into()
}

#[test]
fn scripts_can_tell_failures_apart_by_their_codes() {
    for (code, exit) in [
        (Code::VmStateForbids, 3),
        (Code::VmBusy, 3),
        (Code::RevisionStale, 3),
        (Code::StoreUnavailable, 3),
        (Code::PlacementNoHost, 3),
        (Code::ObjectNotFound, 4),
        (Code::AccessNotSignedIn, 5),
        (Code::AccessSignInFailed, 5),
        (Code::AccessForbidden, 5),
        (Code::ValueInvalid, 2),
        (Code::RequestMalformed, 2),
        (Code::Internal, 1),
        (Code::Unknown, 3),
    ] {
        assert_eq!(of(code).exit_code(), exit, "{code}");
    }
    let unreachable =
        ClientError::Unreachable { server: "https://x:8470".into(), cause: "connection refused".into() };
    assert_eq!(Failure::from(unreachable).exit_code(), 6);
    assert_eq!(Failure::Interrupted(vec![JobId(7)]).exit_code(), 130);
    assert_eq!(Failure::usage("x", "y").exit_code(), 2);
    assert_eq!(Failure::NotSignedIn("x".into()).exit_code(), 5);
}

#[test]
fn an_error_says_object_cause_remedy_and_code_in_lines() {
    let failure: Failure =
        Refusal::new(Code::VmStateForbids, "vm web-1", "it cannot be started while it is \"Running\"")
            .remedy("Wait until it is off")
            .into();
    assert_eq!(
        failure.lines().join("\n"),
        "error: vm web-1: it cannot be started while it is \"Running\"\nremedy: Wait until it is off\ncode: vm.state.forbids"
    );
    let interrupted = Failure::Interrupted(vec![JobId(7)]).lines().join("\n");
    assert_eq!(interrupted, "interrupted: job 7 goes on; see `hostler job show 7`");
    let lines = of(Code::AccessNotSignedIn).lines();
    assert_eq!(lines.iter().filter(|line| line.starts_with("remedy:")).count(), 1);
}

#[test]
fn a_failed_job_says_why_and_what_is_left_of_it() {
    let text = include_str!("job.json");
    let view: JobView = serde_json::from_str(text).unwrap();
    let failure = Failure::Job(Box::new(view));
    assert_eq!(failure.exit_code(), 1);
    assert_eq!(
        failure.lines().join("\n"),
        "error: host host-a: the file system is full\nremedy: Free some space\ncode: disk.full\n\
         job: 42 (failed, undone; everything was taken back)"
    );
}
