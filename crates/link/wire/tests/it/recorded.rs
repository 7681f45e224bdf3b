//! Every message of protocol 1 as it was once sent. What is recorded must be understood for ever, and nothing of it
//! may be lost. A new variant without a recording fails here; a recording is never changed after its release.

use std::collections::BTreeSet;
use std::path::Path;

use hostler_model::channel::{FromAgent, Query, ReportBody, StreamKind, ToAgent};
use hostler_model::command::{Answer, Command, DiskContent, Outcome};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The word of each variant, and the list of all words: the compiler asks for the one, the test for the other.
macro_rules! words {
    ($kind:ident, $of:ident, $all:ident, $($variant:ident $word:literal),* $(,)?) => {
        const $all: &[&str] = &[$($word),*];
        fn $of(value: &$kind) -> &'static str {
            match value { $($kind::$variant { .. } => $word,)* $kind::Unknown => "unknown" }
        }
    };
}

words!(ToAgent, to_agent, TO_AGENT, Welcome "welcome", Do "do", Revoke "revoke", Picture "picture", Ask "ask",
    Open "open", Heartbeat "heartbeat", Bye "bye");
words!(FromAgent, from_agent, FROM_AGENT, Hello "hello", Report "report", Progress "progress",
    Heartbeat "heartbeat", Answer "answer", Bye "bye");
words!(Query, query, QUERY, Screenshot "screenshot", Performance "performance", GuestFile "guest-file",
    GuestAddresses "guest-addresses", DefinitionXml "definition-xml", Upload "upload",
    FileSystems "file-systems", Refresh "refresh", Leases "leases",
    Folder "folder", Importable "importable",
    Share "share");
words!(StreamKind, stream, STREAM, Graphics "graphics", Serial "serial", Upload "upload");
words!(ReportBody, body, BODY, Facts "facts", Ended "ended", Picture "picture", Host "host");
words!(Command, command, COMMAND, MakeDisk "make-disk", DeleteDisk "delete-disk", BringBase "bring-base",
    Define "define", Undefine "undefine", Start "start", ShutDown "shut-down", TurnOff "turn-off", Pause "pause",
    Resume "resume", Reset "reset", Save "save", DiscardSaved "discard-saved", SetHardware "set-hardware",
    Retitle "retitle", AttachDisk "attach-disk", DetachDisk "detach-disk", SetMedia "set-media", Adopt "adopt",
    ReadVm "read-vm", ReadHost "read-host", MakeFolder "make-folder",
    Import "import", TakeBackImport "take-back-import", ScanShare "scan-share", Leave "leave", Stay "stay",
    Receive "receive", NotReceived "not-received", SendBases "send-bases", Migrate "migrate",
    SeeArrived "see-arrived", ForgetMoved "forget-moved", EndReceive "end-receive",
    RestartHost "restart-host", ShutDownHost "shut-down-host", SeeRestarted "see-restarted",
    MakeNetwork "make-network", ConfirmNetwork "confirm-network", RemoveNetwork "remove-network",
    RestoreNetwork "restore-network",
    PrepareRemoval "prepare-removal", CancelRemoval "cancel-removal", BringProgram "bring-program",
    Upgrade "upgrade");
words!(Outcome, outcome, OUTCOME, Done "done", Failed "failed", Refused "refused", Revoked "revoked",
    InDoubt "in-doubt");
words!(Answer, answer, ANSWER, Nothing "nothing", Disk "disk", Base "base", Vm "vm", Share "share",
    Remains "remains", Leaving "leaving", Receiving "receiving", Moved "moved",
    Removal "removal");

const CONTENT: &[&str] = &["blank", "overlay", "copy", "seed"];
fn content(value: &DiskContent) -> &'static str {
    match value {
        DiskContent::Blank => "blank",
        DiskContent::Overlay { .. } => "overlay",
        DiskContent::Copy { .. } => "copy",
        DiskContent::Seed { .. } => "seed",
    }
}

fn read<M: DeserializeOwned + Serialize + PartialEq + std::fmt::Debug>(file: &str, recorded: &Value) -> M {
    let message: M = serde_json::from_value(recorded.clone()).unwrap_or_else(|e| panic!("{file}: {e}"));
    let written = serde_json::to_value(&message).unwrap();
    assert_kept(file, recorded, &written);
    assert_eq!(serde_json::from_value::<M>(written).unwrap(), message, "{file}: not stable");
    message
}

/// Whatever was recorded is still said; more may be.
fn assert_kept(at: &str, recorded: &Value, written: &Value) {
    match (recorded, written) {
        (Value::Object(recorded), Value::Object(written)) => {
            for (key, value) in recorded {
                let found = written.get(key).unwrap_or_else(|| panic!("{at}: {key} is lost"));
                assert_kept(&format!("{at}: {key}"), value, found);
            }
        }
        (Value::Array(recorded), Value::Array(written)) => {
            assert_eq!(recorded.len(), written.len(), "{at}");
            for (i, (recorded, written)) in recorded.iter().zip(written).enumerate() {
                assert_kept(&format!("{at}[{i}]"), recorded, written);
            }
        }
        _ => assert_eq!(recorded, written, "{at}"),
    }
}

#[test]
fn every_recorded_message_is_understood_whole_and_every_kind_of_message_is_recorded() {
    let mut met: BTreeSet<(&str, &str)> = BTreeSet::new();
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recorded/v1");
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let file = path.file_name().unwrap().to_str().unwrap();
        let recorded: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        if file.starts_with("to-agent.") {
            let message: ToAgent = read(file, &recorded);
            met.insert(("to agent", to_agent(&message)));
            match &message {
                ToAgent::Do { command: c, .. } => {
                    met.insert(("command", command(c)));
                    if let Command::MakeDisk { content: c, .. } = &**c {
                        met.insert(("disk content", content(c)));
                    }
                }
                ToAgent::Ask { query: q, .. } => {
                    met.insert(("query", query(q)));
                }
                ToAgent::Open { what, .. } => {
                    met.insert(("stream", stream(what)));
                }
                _ => {}
            }
        } else {
            assert!(file.starts_with("from-agent."), "{file}: from whom?");
            let message: FromAgent = read(file, &recorded);
            met.insert(("from agent", from_agent(&message)));
            if let FromAgent::Report(report) = &message {
                met.insert(("report", body(&report.body)));
                if let ReportBody::Ended { outcome: o, .. } = &report.body {
                    met.insert(("outcome", outcome(o)));
                    if let Outcome::Done { answer: a } = o {
                        met.insert(("answer", answer(a)));
                    }
                }
            }
        }
    }
    let all = [
        ("to agent", TO_AGENT),
        ("from agent", FROM_AGENT),
        ("query", QUERY),
        ("stream", STREAM),
        ("report", BODY),
        ("command", COMMAND),
        ("outcome", OUTCOME),
        ("answer", ANSWER),
        ("disk content", CONTENT),
    ];
    let wanted: BTreeSet<_> =
        all.into_iter().flat_map(|(kind, words)| words.iter().map(move |word| (kind, *word))).collect();
    assert_eq!(met, wanted, "left: recorded, right: there are");
}
