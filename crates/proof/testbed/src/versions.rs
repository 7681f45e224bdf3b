//! Agents of other versions: the whole agent, which speaks as the one before did or as the next one may.

use clap::ValueEnum;
use hostler_wire::dialect::{Dialect, speak};
use serde_json::{Value, json};

use crate::trouble::{Result, Trouble};

/// What the first agents said of their host; whatever came later they do not say.
const FIRST_FACTS: [&str; 14] = [
    "host_name",
    "os",
    "kernel",
    "cpu_model",
    "cpus",
    "memory_mib",
    "kvm",
    "libvirt",
    "qemu",
    "libvirt_answers",
    "vm_folder",
    "base_folder",
    "networks",
    "boot_id",
];
/// The commands that they knew; whatever came later they do not understand.
const FIRST_COMMANDS: [&str; 22] = [
    "make-disk",
    "delete-disk",
    "bring-base",
    "define",
    "undefine",
    "start",
    "shut-down",
    "turn-off",
    "pause",
    "resume",
    "reset",
    "save",
    "discard-saved",
    "set-hardware",
    "retitle",
    "attach-disk",
    "detach-disk",
    "set-media",
    "adopt",
    "read-vm",
    "read-host",
    "scan-share",
];
/// The questions that they knew.
const FIRST_QUESTIONS: [&str; 3] = ["screenshot", "guest-file", "definition-xml"];

/// A version of the protocol, seen from this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Version {
    /// The first one: fewer fields, commands and questions.
    Before,
    /// One to come: more fields, and messages that nobody knows yet.
    Next,
}

impl Version {
    /// As the command line calls it.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::Next => "next",
        }
    }

    fn dialect(self) -> Dialect {
        match self {
            Self::Before => Dialect { says: says_before, hears: hears_before },
            Self::Next => Dialect { says: says_next, hears: add_fields },
        }
    }
}

/// An agent that speaks as another version does.
#[derive(Debug, clap::Args)]
pub struct AgentOf {
    /// Which.
    version: Version,
    /// What the agent is told.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<String>,
}

/// Runs it until it ends.
///
/// # Errors
/// It ended otherwise than well.
pub fn run_agent_of(agent: AgentOf) -> Result<()> {
    speak(agent.version.dialect());
    let words = std::iter::once("hostler-agent".to_owned()).chain(agent.words).map(Into::into);
    if hostler_agent::cli::told(words) == std::process::ExitCode::SUCCESS {
        return Ok(());
    }
    Err(Trouble::Answer("the agent ended otherwise than well".into()))
}

/// The facts of the host in a message, if it has some.
fn facts(message: &mut Value) -> Option<&mut serde_json::Map<String, Value>> {
    let at = if message["say"] == "report" { "/body/host" } else { "/host" };
    message.pointer_mut(at).and_then(Value::as_object_mut)
}

fn says_before(message: &mut Value) {
    if let Some(facts) = facts(message) {
        facts.retain(|field, _| FIRST_FACTS.contains(&field.as_str()));
    }
}

fn hears_before(message: &mut Value) {
    for (part, tag, first) in [("command", "do", &FIRST_COMMANDS[..]), ("query", "what", &FIRST_QUESTIONS)] {
        let Some(part) = message.get_mut(part) else { continue };
        if part[tag].as_str().is_some_and(|word| !first.contains(&word)) {
            // What it cannot have known is to it as any other word that it does not know.
            *part = json!({ tag: "of-a-later-version" });
        }
    }
}

fn says_next(message: &mut Value) {
    // That a step shows progress is nothing that anybody depends on.
    if message["say"] == "progress" {
        *message = json!({ "say": "of-a-later-version", "how": { "far": 0.5 } });
    }
    add_fields(message);
}

/// Adds a field to every object that is in a message, except around what says `Ok` or `Err`: that has no room for one.
fn add_fields(message: &mut Value) {
    match message {
        Value::Object(fields) => {
            fields.values_mut().for_each(add_fields);
            if !fields.contains_key("Ok") && !fields.contains_key("Err") {
                fields.insert("of_a_later_version".into(), json!({ "more": [1, 2] }));
            }
        }
        Value::Array(all) => all.iter_mut().for_each(add_fields),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_before_says_less_and_takes_what_came_later_for_unknown() {
        let mut report =
            json!({ "say": "report", "body": { "is": "host", "host": { "os": "x", "clock": 3 } } });
        says_before(&mut report);
        assert_eq!(report["body"]["host"], json!({ "os": "x" }));
        for later in ["upgrade", "leave", "import"] {
            let mut step = json!({ "say": "do", "no": 7, "command": { "do": later, "version": "2" } });
            hears_before(&mut step);
            assert_eq!(step, json!({ "say": "do", "no": 7, "command": { "do": "of-a-later-version" } }));
        }
        let known = json!({ "say": "do", "no": 8, "command": { "do": "start", "domain": "x" } });
        let mut step = known.clone();
        hears_before(&mut step);
        assert_eq!(step, known);
    }

    #[test]
    fn one_to_come_says_more_in_every_part() {
        let mut report = json!({ "say": "report", "facts": [{ "vm": 1 }] });
        says_next(&mut report);
        assert!(
            report["facts"][0]["of_a_later_version"].is_object() && report["of_a_later_version"].is_object()
        );
    }
}
