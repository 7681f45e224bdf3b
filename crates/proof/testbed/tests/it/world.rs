//! What several stories begin with.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use hostler_client::ClientError;
use hostler_model::request::CreateVm;
use hostler_model::{Code, TemplateId};
use hostler_testbed::{Site, Trouble, wait_for};
use serde_json::json;

/// What the guest is to read back.
pub const TOKEN: &str = "8c1f0b5e";
/// How long a guest may take to boot, under emulation on a busy computer.
pub const BOOTS: Duration = Duration::from_secs(300);

/// The tiny Linux disk.
pub fn tiny_linux() -> PathBuf {
    let named = std::env::var_os("HOSTLER_TINY_LINUX");
    PathBuf::from(named.expect("HOSTLER_TINY_LINUX names the disk that `cargo xtask tiny-linux` prints"))
}

/// A library share with the tiny Linux disk on the first host, and a template of it.
pub fn library(site: &mut Site) -> TemplateId {
    let host = site.host().name().to_owned();
    site.template_of(&host, "main", &tiny_linux(), "tiny-linux").unwrap()
}

/// The token in the guest's seed, as soon as the guest can say it.
pub fn read_token(site: &Site, vm: &str) -> String {
    let seed = site.until(&format!("the guest of {vm} reads its seed"), BOOTS, async |client| {
        Ok(client.vm_guest_file(vm, "/run/seed").await.ok())
    });
    let seed = String::from_utf8(seed.unwrap().to_vec()).unwrap();
    let token = seed.lines().find_map(|line| line.strip_prefix("token="));
    token.expect("the seed has a token").to_owned()
}

/// The same with a seed that the guest reads.
pub fn with_seed(mut create: CreateVm) -> CreateVm {
    create.seed =
        BTreeMap::from([("token".into(), TOKEN.into()), ("hostname".into(), create.name.to_string())]);
    create
}

/// Runs a script in a guest, by libvirt and the guest's agent, and answers its output.
pub fn guest_runs(site: &Site, vm: &str, script: &str) -> String {
    let domain = site.vm(vm).unwrap().vm.domain.to_string();
    let host = &site.hosts[0];
    let ask = |question: serde_json::Value| -> serde_json::Value {
        let answer = host.virsh(&["qemu-agent-command", &domain, &question.to_string()]).unwrap();
        serde_json::from_str::<serde_json::Value>(&answer).unwrap()["return"].take()
    };
    let arguments = json!({ "path": "/bin/sh", "arg": ["-c", script], "capture-output": true });
    let pid = ask(json!({ "execute": "guest-exec", "arguments": arguments }))["pid"].clone();
    let ended = wait_for(BOOTS, "the guest has run the script", || {
        let status = ask(json!({ "execute": "guest-exec-status", "arguments": { "pid": pid } }));
        (status["exited"] == true).then_some(status)
    });
    let out = ended.unwrap()["out-data"].as_str().unwrap_or_default().to_owned();
    // Base64, decoded by whoever has it.
    let decoded = host.shell(&format!("echo '{out}' | base64 -d")).unwrap();
    decoded.trim().to_owned()
}

/// The code of a refusal.
pub fn code_of<T: std::fmt::Debug>(asked: hostler_testbed::Result<T>) -> Code {
    match asked {
        Err(Trouble::Client(ClientError::Refused(refusal))) => refusal.code,
        other => panic!("instead of a refusal: {other:?}"),
    }
}
