//! The command line that asks for the same as a request: shown beside each job, so that what was done once by hand
//! can be written into a script. Pure: names are looked up by a function that the caller brings.

use crate::hardware::{GIB, MIB};
use crate::host::EditHost;
use crate::host_group::EditHostGroup;
use crate::object::Key;
use crate::push::{AddHost, SSH_PORT};
use crate::request::{CreateVm, Request, VmSource};
use crate::reserve::EditReserve;
use crate::setting::Settings;
use crate::template::{Deploy, TemplateSpec};
use crate::{HostGroupId, HostId, VmId};

/// The words of one command line.
struct Line<'a> {
    words: Vec<String>,
    /// What stands behind `--`: words that begin with a dash, and what follows them.
    behind: Vec<String>,
    name: &'a dyn Fn(Key) -> Option<String>,
}

/// The command line for a request; empty where there is none (what Hostler does by itself). `name` answers what a
/// person calls a thing; where it does not know, the id stands. Secrets are never in it: they are read from standard
/// input.
pub fn command_line(request: &Request, name: &dyn Fn(Key) -> Option<String>) -> String {
    let mut line = Line { words: vec!["hostler".to_owned()], behind: Vec::new(), name };
    line.request(request);
    if !line.behind.is_empty() {
        line.plain("--");
        line.words.append(&mut line.behind);
    }
    if line.words.len() == 1 { String::new() } else { line.words.join(" ") }
}

impl Line<'_> {
    fn request(&mut self, request: &Request) {
        match request {
            Request::CreateVm(ask) => self.create_vm(ask),
            Request::StartVm { vm } => self.vm("start", *vm),
            Request::ShutDownVm { vm, limit_s } => {
                self.vm("shut-down", *vm);
                self.option("--limit", limit_s.map(span));
            }
            Request::TurnOffVm { vm } => self.vm("turn-off", *vm),
            Request::PauseVm { vm } => self.vm("pause", *vm),
            Request::ResumeVm { vm } => self.vm("resume", *vm),
            Request::ResetVm { vm } => self.vm("reset", *vm),
            Request::SaveVm { vm } => self.vm("save", *vm),
            Request::DiscardSavedVm { vm } => self.vm("discard-saved", *vm),
            Request::EditVm { vm, edit } => {
                self.vm("edit", *vm);
                self.option("--name", edit.name.as_ref().map(ToString::to_string));
                self.option("--notes", edit.notes.clone());
                self.option("--stop-action", edit.stop_action.map(|action| action.word().to_owned()));
                for tag in edit.tags.iter().flatten() {
                    self.option("--tag", Some(tag.to_string()));
                }
                if edit.tags.as_ref().is_some_and(Vec::is_empty) {
                    self.plain("--no-tags");
                }
            }
            Request::SetVmHardware { vm, cpus, memory_mib } => {
                self.vm("set-hardware", *vm);
                self.option("--cpus", cpus.map(|n| n.to_string()));
                self.option("--memory", memory_mib.map(mebibytes));
            }
            Request::AttachDisk { vm, size_bytes } => {
                self.vm("attach-disk", *vm);
                self.option("--size", Some(size(*size_bytes)));
            }
            Request::ReattachDisk { vm, disk } => {
                self.vm("attach-disk", *vm);
                self.option("--detached", Some(disk.to_string()));
            }
            Request::DetachDisk { vm, disk, delete } => {
                self.vm("detach-disk", *vm);
                self.positional(&disk.to_string());
                self.flag("--delete", *delete);
            }
            Request::SetVmMedia { vm, item } => {
                self.vm("set-dvd", *vm);
                match item {
                    Some(item) => self.thing(Key::Item(*item)),
                    None => self.plain("--eject"),
                }
            }
            Request::MigrateVm { vm, to } => {
                self.vm("migrate", *vm);
                if let Some(to) = to {
                    self.named("--to", Key::Host(*to));
                }
            }
            Request::SettleVm { vm, keep } => {
                self.vm("settle", *vm);
                if let Some(keep) = keep {
                    self.named("--keep", Key::Host(*keep));
                }
            }
            Request::DeleteVm { vm, disks } => {
                self.vm(if *disks { "delete" } else { "forget" }, *vm);
                // What cannot be taken back is asked about, unless this is said.
                self.flag("--yes", *disks);
            }
            Request::AdoptVm { vm } => self.vm("adopt", *vm),
            Request::ImportVm { host, found, name } => {
                self.plain("vm import");
                self.thing(Key::Host(*host));
                self.positional(&found.file);
                self.option("--name", name.as_ref().map(ToString::to_string));
            }
            Request::RefreshVm { vm } => self.vm("refresh", *vm),
            Request::RefreshHost { host } => self.host("refresh", *host),
            Request::RestartHost { host } => {
                self.host("restart", *host);
                self.plain("--yes");
            }
            Request::ShutDownHost { host } => {
                self.host("shut-down", *host);
                self.plain("--yes");
            }
            Request::EditHost { host, edit } => self.edit_host(*host, edit),
            Request::MakeFolder { host, path } => {
                self.host("make-folder", *host);
                self.positional(path);
            }
            Request::MoveHost { host, to } => {
                self.host("move", *host);
                self.named("--to", Key::HostGroup(*to));
            }
            // What Hostler makes by itself.
            Request::CreateHostGroup { parent: None, .. } => {}
            Request::CreateHostGroup {
                parent: Some(parent),
                name,
                notes,
                reserve,
                unencrypted_transfers,
            } => {
                self.plain("host-group create");
                self.positional(name.as_str());
                self.named("--in", Key::HostGroup(*parent));
                self.reserve(&reserve.as_edit());
                self.option("--unencrypted-transfers", unencrypted_transfers.map(|is| is.to_string()));
                self.option("--notes", Some(notes.clone()).filter(|notes| !notes.is_empty()));
            }
            Request::EditHostGroup { group, edit } => self.edit_host_group(*group, edit),
            Request::MoveHostGroup { group, to } => {
                self.noun("host-group move", Key::HostGroup(*group));
                self.named("--to", Key::HostGroup(*to));
            }
            Request::DeleteHostGroup { group } => self.noun("host-group delete", Key::HostGroup(*group)),
            Request::CreateNetwork { network, hosts } => {
                self.plain("network create");
                self.positional(&network.name);
                self.option("--kind", word_of(&network.kind));
                for host in hosts {
                    self.named("--host", Key::Host(*host));
                }
                self.option("--address", network.address.clone());
                let dhcp = network.dhcp.as_ref();
                self.option("--dhcp", dhcp.map(|range| format!("{}-{}", range.first, range.last)));
                self.option("--adapter", network.adapter.clone());
                self.option("--vlan", network.vlan.map(|vlan| vlan.to_string()));
            }
            Request::RemoveNetwork { name, hosts } => {
                self.plain("network remove");
                self.positional(name);
                for host in hosts {
                    self.named("--host", Key::Host(*host));
                }
            }
            Request::DeclareHostDead { host, confirm } => {
                self.host("declare-dead", *host);
                self.option("--confirm", Some(confirm.clone()));
            }
            Request::RemoveAgent { agent, force, keep } => {
                self.noun("agent remove", Key::Agent(*agent));
                self.flag("--force", *force);
                self.flag("--keep", *keep);
            }
            Request::UpgradeAgent { agent, force, .. } => {
                self.noun("agent upgrade", Key::Agent(*agent));
                self.flag("--force", *force);
            }
            Request::AddShare { name, agent, folder } => {
                self.plain("library-share add");
                self.positional(name.as_str());
                self.named("--agent", Key::Agent(*agent));
                self.option("--folder", Some(folder.clone()));
            }
            Request::RefreshShare { share } => self.noun("library-share refresh", Key::Share(*share)),
            Request::RemoveShare { share } => self.noun("library-share remove", Key::Share(*share)),
            Request::CreateTemplate { spec } => {
                self.plain("template create");
                self.positional(spec.name.as_str());
                self.template(spec);
                self.option("--notes", Some(spec.notes.clone()).filter(|notes| !notes.is_empty()));
            }
            Request::EditTemplate { template, spec } => {
                self.noun("template edit", Key::Template(*template));
                self.option("--name", Some(spec.name.to_string()));
                self.template(spec);
                self.option("--notes", Some(spec.notes.clone()));
            }
            Request::DeleteTemplate { template } => self.noun("template delete", Key::Template(*template)),
            Request::CreateUser { name, role, .. } => {
                self.plain("user create");
                self.positional(name.as_str());
                self.option("--role", word_of(role));
            }
            Request::EditUser { user, role, disabled, hash } => {
                self.noun("user edit", Key::User(*user));
                self.option("--role", role.as_ref().and_then(word_of));
                match disabled {
                    Some(true) => self.plain("--disable"),
                    Some(false) => self.plain("--enable"),
                    None => {}
                }
                self.flag("--password", hash.is_some());
            }
            Request::DeleteUser { user } => self.noun("user delete", Key::User(*user)),
            Request::CreateToken { session: true, .. } => self.plain("login"),
            Request::CreateToken { name, expires, .. } => {
                self.plain("token create");
                self.positional(name.as_str());
                self.option("--expires", expires.map(|at| at.to_string()));
            }
            Request::RevokeToken { token } => self.noun("token revoke", Key::Token(*token)),
            Request::CreateEnrolment { roles, host_name, group, valid_ms, .. } => {
                self.plain("agent enrolment-token");
                self.flag("--host", roles.host);
                self.flag("--library", roles.library);
                self.option("--host-name", host_name.clone());
                if let Some(group) = group {
                    self.named("--group", Key::HostGroup(*group));
                }
                self.option("--valid", Some(span(u32::try_from(valid_ms / 1_000).unwrap_or(u32::MAX))));
            }
            Request::SaveView { page, name, state, .. } => {
                self.plain("view save");
                self.positional(&format!("{page}/{name}"));
                self.option("--state", Some(state.clone()));
            }
            Request::DeleteView { view } => self.noun("view delete", Key::View(*view)),
            Request::SetSettings { settings } => self.settings(settings),
            Request::AddHost(ask) => self.add_host(ask),
            Request::EnrolAgent(_)
            | Request::RenewAgent { .. }
            | Request::Refresher { .. }
            | Request::Unknown => {}
        }
    }

    fn create_vm(&mut self, ask: &CreateVm) {
        self.plain("vm create");
        self.positional(ask.name.as_str());
        match &ask.from {
            VmSource::Template { template } => self.named("--template", Key::Template(*template)),
            VmSource::Disk { item, deploy } => {
                self.named("--disk", Key::Item(*item));
                self.option("--deploy", word_of(deploy).filter(|_| *deploy != Deploy::default()));
            }
            VmSource::Empty => self.plain("--empty"),
        }
        self.option("--cpus", ask.cpus.map(|n| n.to_string()));
        self.option("--memory", ask.memory_mib.map(mebibytes));
        self.option("--firmware", ask.firmware.as_ref().and_then(word_of));
        self.option("--disk-size", ask.disk_bytes.map(size));
        if let Some(host) = ask.host {
            self.named("--host", Key::Host(host));
        }
        self.option("--path", ask.path.clone());
        self.option("--network", ask.network.clone());
        self.option("--mac", ask.mac.map(|mac| mac.to_string()));
        self.option("--vlan", ask.vlan.map(|vlan| vlan.to_string()));
        match ask.allow_mac_spoofing {
            Some(true) => self.plain("--allow-mac-spoofing"),
            Some(false) => self.plain("--allow-mac-spoofing=false"),
            None => {}
        }
        for (key, value) in &ask.seed {
            self.option("--seed", Some(format!("{key}={value}")));
        }
        self.option("--notes", Some(ask.notes.clone()).filter(|notes| !notes.is_empty()));
        for tag in &ask.tags {
            self.option("--tag", Some(tag.to_string()));
        }
        self.flag("--start", ask.start);
    }

    fn edit_host(&mut self, host: HostId, edit: &EditHost) {
        self.host("edit", host);
        self.option("--available", edit.available.map(|is| is.to_string()));
        self.option("--maintenance", edit.maintenance.map(|is| is.to_string()));
        self.reserve(&edit.reserve);
        match &edit.vm_path {
            Some(Some(path)) => self.option("--vm-path", Some(path.clone())),
            Some(None) => self.plain("--usual-vm-path"),
            None => {}
        }
        self.option("--notes", edit.notes.clone());
    }

    /// Passwords and keys are asked for, or read from files that only who types knows.
    fn add_host(&mut self, ask: &AddHost) {
        self.plain("host add");
        self.positional(&ask.on.address);
        self.option(
            "--port",
            Some(ask.on.port).filter(|port| *port != SSH_PORT).map(|port| port.to_string()),
        );
        self.option("--user", Some(ask.on.user.clone()));
        self.option("--host-key", Some(ask.on.host_key.clone()));
        self.option("--name", ask.name.as_ref().map(ToString::to_string));
        if let Some(group) = ask.group {
            self.named("--group", Key::HostGroup(group));
        }
        self.flag("--library", ask.roles.library);
        self.flag("--no-host", !ask.roles.host);
        self.option("--server-address", ask.server.clone());
    }

    fn edit_host_group(&mut self, group: HostGroupId, edit: &EditHostGroup) {
        self.noun("host-group edit", Key::HostGroup(group));
        self.option("--name", edit.name.as_ref().map(ToString::to_string));
        self.reserve(&edit.reserve);
        self.option(
            "--unencrypted-transfers",
            edit.unencrypted_transfers.map(|is| or_inherit(is, |is| is.to_string())),
        );
        self.flag("--overwrite-below", edit.overwrite_below);
        self.option("--notes", edit.notes.clone());
    }

    fn reserve(&mut self, edit: &EditReserve) {
        if *edit == EditReserve::inherit() {
            return self.plain("--inherit-reserve");
        }
        let number = |n: u32| n.to_string();
        self.option("--reserve-cpu", edit.cpu_percent.map(|n| or_inherit(n, number)));
        self.option("--reserve-memory", edit.memory_mib.map(|n| or_inherit(n, mebibytes)));
        self.option("--reserve-disk", edit.disk_mib.map(|n| or_inherit(n, mebibytes)));
        self.option("--reserve-disk-operations", edit.disk_operations_per_s.map(|n| or_inherit(n, number)));
        self.option("--reserve-network", edit.network_percent.map(|n| or_inherit(n, number)));
    }

    fn template(&mut self, spec: &TemplateSpec) {
        self.named("--disk", Key::Item(spec.disk));
        self.option("--cpus", Some(spec.cpus.to_string()));
        self.option("--memory", Some(mebibytes(spec.memory_mib)));
        self.option("--firmware", word_of(&spec.firmware));
        self.option("--deploy", word_of(&spec.deploy));
    }

    /// The settings whole, as what differs from the defaults: the rest would be noise.
    fn settings(&mut self, settings: &Settings) {
        self.plain("server set --defaults");
        let values = |settings: &Settings| serde_json::to_value(settings).unwrap_or_default();
        let (now, usual) = (values(settings), values(&Settings::default()));
        for (name, value) in now.as_object().into_iter().flatten() {
            if usual.get(name) != Some(value) {
                let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                self.positional(&format!("{name}={value}"));
            }
        }
    }

    fn vm(&mut self, verb: &str, vm: VmId) {
        self.plain("vm");
        self.noun(verb, Key::Vm(vm));
    }

    fn host(&mut self, verb: &str, host: HostId) {
        self.plain("host");
        self.noun(verb, Key::Host(host));
    }

    fn noun(&mut self, verb: &str, key: Key) {
        self.plain(verb);
        self.thing(key);
    }

    fn thing(&mut self, key: Key) {
        let called = self.called(key);
        self.positional(&called);
    }

    fn named(&mut self, option: &str, key: Key) {
        let called = self.called(key);
        self.option(option, Some(called));
    }

    fn called(&self, key: Key) -> String {
        (self.name)(key).unwrap_or_else(|| key.id())
    }

    fn plain(&mut self, words: &str) {
        self.words.push(words.to_owned());
    }

    /// A word in its place. One that begins with a dash would be read as an option, so it stands behind `--`.
    fn positional(&mut self, word: &str) {
        match self.behind.is_empty() && !word.starts_with('-') {
            true => self.words.push(quoted(word)),
            false => self.behind.push(quoted(word)),
        }
    }

    fn flag(&mut self, flag: &str, on: bool) {
        if on {
            self.plain(flag);
        }
    }

    fn option(&mut self, option: &str, value: Option<String>) {
        match value {
            Some(value) if value.starts_with('-') => self.plain(&format!("{option}={}", quoted(&value))),
            Some(value) => {
                self.plain(option);
                self.words.push(quoted(&value));
            }
            None => {}
        }
    }
}

/// A value, or that the one of the group above holds.
fn or_inherit<T>(value: Option<T>, shown: impl Fn(T) -> String) -> String {
    value.map_or_else(|| "inherit".to_owned(), shown)
}

/// The word that JSON has for a value of an enum.
fn word_of(value: &impl serde::Serialize) -> Option<String> {
    serde_json::to_value(value).ok()?.as_str().map(str::to_owned)
}

/// A size as people write it: exact, in the largest unit that divides it.
fn size(bytes: u64) -> String {
    let units = [(GIB, "GiB"), (MIB, "MiB")];
    match units.iter().find(|(unit, _)| bytes > 0 && bytes.is_multiple_of(*unit)) {
        Some((unit, name)) => format!("{}{name}", bytes / unit),
        None => bytes.to_string(),
    }
}

fn mebibytes(mib: u64) -> String {
    size(mib.saturating_mul(MIB))
}

/// A span as people write it.
fn span(seconds: u32) -> String {
    match seconds {
        0 => "0s".to_owned(),
        s if s.is_multiple_of(3_600) => format!("{}h", s / 3_600),
        s if s.is_multiple_of(60) => format!("{}m", s / 60),
        s => format!("{s}s"),
    }
}

/// A word as a shell takes it for one word, and nothing else.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@+%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Name;

    fn line(request: &Request) -> String {
        command_line(request, &|key| match key {
            Key::Vm(_) => Some("web 1".to_owned()),
            Key::Template(_) => Some("tiny-linux".to_owned()),
            _ => None,
        })
    }

    #[test]
    fn a_creation_is_written_with_names_and_only_what_was_asked() {
        let ask = serde_json::from_str(
            r#"{"ask":"create-vm","name":"it's","from":{"is":"template","template":"00000000-0000-0000-0000-000000000001"},
                "start":true,"memory_mib":256}"#,
        );
        assert_eq!(
            line(&ask.unwrap()),
            r"hostler vm create 'it'\''s' --template tiny-linux --memory 256MiB --start"
        );
    }

    #[test]
    fn a_name_that_begins_with_a_dash_is_no_option() {
        let name = Name::new("--force").unwrap();
        let spec = crate::template::TemplateSpec {
            name,
            notes: "-x".into(),
            disk: crate::ItemId(uuid::Uuid::nil()),
            cpus: 1,
            memory_mib: 2048,
            firmware: crate::hardware::Firmware::Bios,
            deploy: Deploy::Overlay,
        };
        assert_eq!(
            line(&Request::CreateTemplate { spec }),
            "hostler template create --disk 00000000-0000-0000-0000-000000000000 --cpus 1 --memory 2GiB \
             --firmware bios --deploy overlay --notes=-x -- --force"
        );
    }

    #[test]
    fn what_is_not_known_by_name_stands_by_its_id_and_names_are_quoted() {
        let vm = VmId(uuid::Uuid::nil());
        assert_eq!(line(&Request::StartVm { vm }), "hostler vm start 'web 1'");
        let host = HostId(uuid::Uuid::nil());
        assert_eq!(
            line(&Request::RefreshHost { host }),
            "hostler host refresh 00000000-0000-0000-0000-000000000000"
        );
    }

    #[test]
    fn no_secret_and_nothing_that_hostler_does_by_itself_is_written() {
        let hash = crate::request::Secret("$argon2id$secret".into());
        let ask = Request::CreateUser {
            name: Name::new("bob").unwrap(),
            role: crate::access::Role::ReadOnly,
            hash,
        };
        assert_eq!(line(&ask), "hostler user create bob --role read-only");
        assert_eq!(line(&Request::Unknown), "");
        assert_eq!(line(&Request::Refresher { what: "x".into() }), "");
    }
}
