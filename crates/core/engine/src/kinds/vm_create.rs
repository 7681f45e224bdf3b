//! Creation of a machine: from a template, from a library disk, or empty.

use hostler_model::command::{Answer, Command, Definition, DiskContent};
use hostler_model::hardware::{self, Adapter, Bus, Disk, DiskFormat, Firmware, GIB, Hardware, MIB, Mac};
use hostler_model::host::{Ability, Host};
use hostler_model::job::{Lock, Record};
use hostler_model::library::ItemKind;
use hostler_model::mac_pool::Left;
use hostler_model::machine_folder;
use hostler_model::request::{CreateVm, VmSource};
use hostler_model::seen::Identity;
use hostler_model::setting::Settings;
use hostler_model::template::{Deploy, default_memory};
use hostler_model::vm::{Origin, Presence, StopAction, Vm, VmEdit, VmSpec};
use hostler_model::{
    AgentId, Code, HostId, InstallationId, ItemId, Key, Kind, Name, Object, Refusal, TemplateId, VmId,
};
use hostler_placement::{Candidate, Need, explain, lacks, rate_one};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::plan::{Planned, Planner, View};

/// The disk of a machine of which nothing else is said: 40 GiB, thin.
const EMPTY_DISK_BYTES: u64 = 40 * GIB;
/// A seed disk holds a few lines: one MiB is the least that every partitioning tool accepts.
const SEED_BYTES: u64 = MIB;
/// The longest seed, in bytes: what guests read of it (4 KiB), with room for its first line and its end.
const LONGEST_SEED: usize = 4_000;
/// How many hosts are looked at when none of the rated ones suits any more.
const LOOK_AT_MOST: usize = 64;

/// What the machine begins with, settled once.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Source {
    cpus: u32,
    memory_mib: u64,
    firmware: Firmware,
    template: Option<TemplateId>,
    disk_bytes: u64,
    image: Option<Image>,
}

/// A library disk.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Image {
    item: ItemId,
    agent: AgentId,
    share: String,
    folder: String,
    path: String,
    format: DiskFormat,
    deploy: Deploy,
}

/// Where the machine goes, and why.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Target {
    agent: AgentId,
    host: String,
    vm_folder: String,
    network: Option<String>,
    #[serde(default)]
    spoofing: Spoofing,
    half_stars: u8,
    reasons: Vec<String>,
}

/// What becomes of what its adapter sends under another address than its own.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "is")]
enum Spoofing {
    /// It passes: so it was asked for, or the host's agent does not say that it could be otherwise.
    #[default]
    Passes,
    /// It is dropped.
    Dropped,
    /// It passes, although nobody asked for that.
    CannotBeDropped { why: String },
}

pub(super) fn admit(ask: &CreateVm, view: View<'_>) -> Result<(), Refusal> {
    super::name_free(view, Kind::Vm, &ask.name, None)?;
    if ask.notes.chars().count() > 10_000 {
        return Err(Refusal::invalid("notes", "they are longer than 10,000 characters"));
    }
    if ask.tags.len() > 32 {
        return Err(Refusal::invalid("tags", "there are more than 32"));
    }
    let seed = seed_text(ask);
    if seed.len() > LONGEST_SEED {
        return Err(Refusal::invalid("seed", "it is longer than 4,000 bytes"));
    }
    let bad = |text: &str| text.is_empty() || text.chars().any(|c| c.is_control() || c == '\u{0}');
    if ask
        .seed
        .iter()
        .any(|(key, value)| bad(key) || key.contains('=') || value.chars().any(char::is_control))
    {
        return Err(Refusal::invalid(
            "seed",
            "a key is empty or holds \"=\", or a text holds a control character",
        ));
    }
    if let Some(bytes) = ask.disk_bytes {
        hardware::check_disk_size(bytes)?;
    }
    if ask.vlan.is_some_and(|vlan| vlan > 4094) {
        return Err(Refusal::invalid("vlan", "it is not between 1 and 4094, or 0 for none"));
    }
    if vlan(ask).is_some() && ask.network.is_none() {
        return Err(Refusal::invalid("vlan", "no network is named whose bridge would put frames into it")
            .remedy("Name an external network: --network"));
    }
    if let Some(path) = &ask.path {
        machine_folder::check_path(path)?;
        if let Some(host) = ask.host {
            super::host(view, host)?.check_folder(path)?;
        }
    }
    match ask.mac {
        Some(mac) => mac_free(mac, view),
        None => Ok(()),
    }
}

/// Whether a machine may be given this address: nobody has it, as far as the record and the hosts say.
fn mac_free(mac: Mac, view: View<'_>) -> Result<(), Refusal> {
    mac.check()?;
    let Some(user) = view.inv.macs().users(mac).next() else { return Ok(()) };
    let who = match user {
        Key::Vm(id) => view.inv.vm(id).map(|vm| vm.label()),
        Key::Host(id) => view.inv.host(id).map(|host| format!("an adapter of {}", host.label())),
        _ => None,
    };
    let cause = format!("{} has it", who.unwrap_or_else(|| user.kind().word().to_owned()));
    Err(Refusal::new(Code::MacTaken, format!("MAC address {mac}"), cause)
        .remedy("Take another one, or let Hostler choose: leave it out"))
}

/// An address for the machine's adapter: the one that was asked for, else one of the pool that nobody has.
fn given(ask: &CreateVm, view: View<'_>, bits: Uuid) -> Result<Mac, Refusal> {
    let macs = view.inv.macs();
    ask.mac.or_else(|| macs.free(bits)).ok_or_else(|| macs.pool().exhausted())
}

/// How much of the pool is left when this machine has its address.
fn left(ask: &CreateVm, view: View<'_>) -> Option<Left> {
    let macs = view.inv.macs();
    ask.mac.is_none().then(|| macs.pool().left(macs.used() + 1))
}

pub(super) fn plan(ask: &CreateVm, p: &mut Planner<'_>) -> Planned {
    let vm: VmId = p.choose("vm", |_, ids| Ok(VmId::draw(ids)))?;
    p.about(Key::Vm(vm), ask.name.as_str());
    p.lock_name(Kind::Vm, &ask.name);
    p.lock_vm(vm);
    let source: Source = p.choose("source", |view, _| source(ask, view))?;
    let to: Target = p.choose("host", |view, _| target(ask, &source, view))?;
    let installation: InstallationId = p.choose("installation", |view, _| Ok(view.inv.installation_id()))?;
    let mac = match &to.network {
        Some(_) => {
            let mac: Mac = p.choose("mac", |view, ids| given(ask, view, ids.draw()))?;
            let left: Option<Left> = p.choose("macs-left", |view, _| Ok(left(ask, view)))?;
            if let Some(low) = left.and_then(Left::warning) {
                p.warn(low);
            }
            if let Spoofing::CannotBeDropped { why } = &to.spoofing {
                p.warn(unfiltered(&to.host, why));
            }
            Some(mac)
        }
        None => None,
    };
    p.share_host(to.agent.into());
    if let Some(image) = &source.image {
        p.lock(Lock::shared(Key::Item(image.item)));
    }
    if let Some(template) = source.template {
        p.lock(Lock::shared(Key::Template(template)));
    }

    let mut hardware = hardware_of(ask, &source, &to, vm, mac);
    let asked = p.asked();
    let record = Vm {
        id: vm,
        spec: VmSpec {
            name: ask.name.clone(),
            notes: ask.notes.clone(),
            tags: ask.tags.clone(),
            owner: None,
            template: source.template,
            hardware: hardware.clone(),
            stop_action: StopAction::default(),
            detached: Vec::new(),
        },
        domain: vm.0,
        host: Some(to.agent.into()),
        origin: Origin::Created,
        presence: Presence::Planned,
        observed: None,
        created: asked,
    };
    p.record("record", vec![Record::Put { object: Object::from(record) }])
        .undo_record(vec![Record::Gone { key: Key::Vm(vm) }]);

    let content = match &source.image {
        None => DiskContent::Blank,
        Some(image) if image.deploy == Deploy::Copy => {
            DiskContent::Copy { folder: image.folder.clone(), path: image.path.clone(), format: image.format }
        }
        Some(image) => {
            let (folder, path) = (image.folder.clone(), image.path.clone());
            p.step("bring-base", to.agent, Command::BringBase { folder, path, format: image.format });
            let Some(Answer::Base { base }) = p.answer("bring-base") else {
                let mut follow = vec!["make-disk"];
                if !ask.seed.is_empty() {
                    follow.push("make-seed");
                }
                follow.extend(["define", "defined"]);
                if ask.start {
                    follow.push("start");
                }
                return p.later(&follow);
            };
            let base = base.clone();
            hardware.disks[0].size_bytes = source.disk_bytes.max(base.virtual_size_bytes);
            hardware.disks[0].base = Some(base.sha256.clone());
            DiskContent::Overlay { base: base.sha256 }
        }
    };
    for disk in &hardware.disks {
        let (file, size_bytes) = (disk.file.clone(), disk.size_bytes);
        let delete = Command::DeleteDisk { file: file.clone(), owner: vm };
        if disk.seed {
            let content = DiskContent::Seed { text: seed_text(ask) };
            let make = Command::MakeDisk { file, owner: vm, format: disk.format, size_bytes, content };
            p.together("make-seed", to.agent, make).undo(delete);
        } else {
            let content = content.clone();
            let make = Command::MakeDisk { file, owner: vm, format: disk.format, size_bytes, content };
            p.step("make-disk", to.agent, make).undo(delete);
        }
    }
    let definition = Definition {
        identity: Identity { vm, domain: vm.0, installation },
        name: libvirt_name(&ask.name, vm),
        title: ask.name.to_string(),
        hardware: hardware.clone(),
    };
    p.step("define", to.agent, Command::Define { definition: Box::new(definition) })
        .undo(Command::Undefine { domain: vm.0 });
    p.point_of_no_return();
    let edit = VmEdit { hardware: Some(hardware), presence: Some(Presence::Here), ..VmEdit::default() };
    p.record("defined", vec![Record::Vm { vm, edit: Box::new(edit) }]);
    if ask.start {
        let limit = Settings::ms(p.settings.start_limit_s);
        p.step("start", to.agent, Command::Start { domain: vm.0 }).limit(limit);
    }
    Ok(())
}

/// The libvirt name: never changed, so made of the id, with a readable beginning.
fn libvirt_name(name: &Name, vm: VmId) -> String {
    let id = vm.0.simple().to_string();
    let tail = &id[id.len() - 12..];
    match name.slug().as_str() {
        "" => format!("vm-{tail}"),
        slug => format!("{slug}-{tail}"),
    }
}

fn hardware_of(ask: &CreateVm, source: &Source, to: &Target, vm: VmId, mac: Option<Mac>) -> Hardware {
    let file = |name: &str| format!("{}/{vm}/{name}", to.vm_folder);
    let disk = |no, file, format, size_bytes, seed| Disk {
        no,
        file,
        format,
        size_bytes,
        bus: Bus::Virtio,
        base: None,
        seed,
    };
    let mut disks = vec![disk(0, file("disk-0.qcow2"), DiskFormat::Qcow2, source.disk_bytes, false)];
    if !ask.seed.is_empty() {
        disks.push(disk(1, file("seed.raw"), DiskFormat::Raw, SEED_BYTES, true));
    }
    Hardware {
        cpus: source.cpus,
        memory_mib: source.memory_mib,
        firmware: source.firmware,
        disks,
        dvd: None,
        adapters: to.network.iter().zip(mac).map(|(network, mac)| adapter(ask, to, network, mac)).collect(),
    }
}

/// What is told of an adapter that nothing holds to its address.
fn unfiltered(host: &str, why: &str) -> Refusal {
    let cause = format!(
        "its adapter may send under other addresses than its own: host {host} cannot drop that: {why}"
    );
    Refusal::new(Code::NetworkFilterNotPossible, "adapter 0", cause)
        .remedy("Mend that on the host, or say that it may: --allow-mac-spoofing")
}

fn adapter(ask: &CreateVm, to: &Target, network: &str, mac: Mac) -> Adapter {
    let spoofing_filter = matches!(to.spoofing, Spoofing::Dropped);
    Adapter { no: 0, mac, network: network.to_owned(), vlan: vlan(ask), spoofing_filter }
}

/// The VLAN of its adapter: 0 says that it is in none.
fn vlan(ask: &CreateVm) -> Option<u16> {
    ask.vlan.filter(|vlan| *vlan != 0)
}

fn seed_text(ask: &CreateVm) -> String {
    let mut text = format!("hostname={}\n", ask.name.slug());
    for (key, value) in &ask.seed {
        text.push_str(&format!("{key}={value}\n"));
    }
    text
}

fn source(ask: &CreateVm, view: View<'_>) -> Result<Source, Refusal> {
    let mut source = Source {
        cpus: 1,
        memory_mib: default_memory(),
        firmware: Firmware::Bios,
        template: None,
        disk_bytes: EMPTY_DISK_BYTES,
        image: None,
    };
    match &ask.from {
        VmSource::Empty => {}
        VmSource::Disk { item, deploy } => {
            source.image = Some(image(view, *item, *deploy, &mut source.disk_bytes)?)
        }
        VmSource::Template { template } => {
            let known = view.inv.templates.get(template);
            let spec = &known.ok_or_else(|| Refusal::not_found(format!("template {template}")))?.spec;
            source.cpus = spec.cpus;
            source.memory_mib = spec.memory_mib;
            source.firmware = spec.firmware;
            source.template = Some(*template);
            source.image = Some(image(view, spec.disk, spec.deploy, &mut source.disk_bytes)?);
        }
    }
    source.cpus = ask.cpus.unwrap_or(source.cpus);
    source.memory_mib = ask.memory_mib.unwrap_or(source.memory_mib);
    source.firmware = ask.firmware.unwrap_or(source.firmware);
    if let Some(wanted) = ask.disk_bytes {
        if source.image.is_some() && wanted < source.disk_bytes {
            return Err(Refusal::invalid(
                "disk size",
                format!(
                    "{wanted} bytes is less than the {} bytes of the disk it begins with",
                    source.disk_bytes
                ),
            )
            .remedy("A disk never shrinks: ask for at least that, or for nothing"));
        }
        source.disk_bytes = wanted;
    }
    hardware::check_cpus(source.cpus)?;
    hardware::check_memory(source.memory_mib)?;
    Ok(source)
}

fn image(view: View<'_>, id: ItemId, deploy: Deploy, size_bytes: &mut u64) -> Result<Image, Refusal> {
    let item = view.inv.items.get(&id).ok_or_else(|| Refusal::not_found(format!("library item {id}")))?;
    let share = view
        .inv
        .shares
        .get(&item.share)
        .ok_or_else(|| Refusal::not_found(format!("library share {}", item.share)))?;
    if item.missing_since.is_some() {
        return Err(Refusal::new(Code::ObjectNotFound, item.label(), "its file is missing from its share")
            .remedy("Put the file back and refresh the share"));
    }
    if let Some(problem) = &item.seen.problem {
        return Err(Refusal::new(Code::DiskRejected, item.label(), problem.cause.clone())
            .remedy(problem.remedy.clone()));
    }
    let facts = item.seen.image.as_ref().filter(|_| item.seen.kind == ItemKind::Disk).ok_or_else(|| {
        Refusal::new(Code::DiskRejected, item.label(), "it is not a disk")
            .remedy("Choose a disk from the library")
    })?;
    *size_bytes = facts.virtual_size_bytes;
    Ok(Image {
        item: id,
        agent: share.agent,
        share: share.name.to_string(),
        folder: share.folder.clone(),
        path: item.seen.path.clone(),
        format: facts.format,
        deploy,
    })
}

/// What placement must look for.
fn need(ask: &CreateVm, source: &Source) -> Need {
    Need {
        cpus: source.cpus,
        memory_mib: source.memory_mib,
        disk_mib: match &source.image {
            Some(image) if image.deploy == Deploy::Copy => source.disk_bytes / MIB,
            _ => 0,
        },
        network: ask.network.clone(),
        vlan: vlan(ask),
        spoofing_filter: ask.allow_mac_spoofing == Some(false),
        source: source.image.as_ref().map(|image| (image.agent.into(), image.share.clone())),
        only: ask.host,
        is_new: true,
        folder: ask.path.clone(),
    }
}

/// What a creation needs of its host, for rating before it is queued.
///
/// # Errors
/// When the template or disk cannot be used.
pub(crate) fn need_of(ask: &CreateVm, view: View<'_>) -> Result<Need, Refusal> {
    Ok(need(ask, &source(ask, view)?))
}

/// Chooses the host: the best rated one that still suits now, else the freest that does.
fn target(ask: &CreateVm, source: &Source, view: View<'_>) -> Result<Target, Refusal> {
    let need = need(ask, source);
    let suits = |host: &Host| lacks(&need, &candidate(view, host)).is_empty();
    let rated = ask.candidates.iter().find_map(|c| {
        view.inv
            .hosts
            .get(&c.host)
            .filter(|host| suits(host))
            .map(|host| (host, c.half_stars, c.reasons.clone()))
    });
    let asked_for = need.only.or(need.source.as_ref().map(|(host, _)| *host));
    let found = rated.or_else(|| {
        let host = match asked_for {
            Some(only) => view.inv.hosts.get(&only).filter(|host| suits(host)),
            None => view.inv.freest().take(LOOK_AT_MOST).find(|host| suits(host)),
        }?;
        let rating = rate_one(&need, &candidate(view, host), &hostler_placement::Weights::default());
        Some((host, rating.half_stars, rating.reasons))
    });
    let Some((host, half_stars, reasons)) = found else {
        return Err(no_host(ask, &need, view));
    };
    let active = |network: &String| host.facts.networks.contains(network);
    let network = ask.network.clone().or_else(|| Some("default".to_owned()).filter(active));
    if network.is_none() && ask.mac.is_some() {
        let cause = format!("the machine has no adapter: {} has no active network \"default\"", host.label());
        return Err(Refusal::invalid("network", cause).remedy("Name a network that the host has: --network"));
    }
    Ok(Target {
        agent: host.id.into(),
        host: host.name.to_string(),
        vm_folder: ask.path.clone().unwrap_or_else(|| host.vm_path().to_owned()),
        network,
        spoofing: match (ask.allow_mac_spoofing, &host.facts.spoofing_filter) {
            (Some(true), _) | (None, Ability::Unknown) => Spoofing::Passes,
            (None, Ability::Lacks { why }) => Spoofing::CannotBeDropped { why: why.clone() },
            // Of hosts that cannot, none is chosen where it has to be dropped.
            (Some(false), _) | (None, Ability::Has) => Spoofing::Dropped,
        },
        half_stars,
        reasons,
    })
}

fn no_host(ask: &CreateVm, need: &Need, view: View<'_>) -> Refusal {
    let weights = hostler_placement::Weights::default();
    if let Some(only) = ask.host {
        let Some(host) = view.inv.hosts.get(&only) else {
            return Refusal::not_found(format!("host {only}"));
        };
        let lacks = lacks(need, &candidate(view, host)).join("; ");
        return Refusal::new(Code::PlacementHostUnsuitable, host.label(), lacks)
            .remedy("Choose another host, or let placement choose");
    }
    let mut hosts: Vec<&Host> = view.inv.freest().take(LOOK_AT_MOST).map(|host| &**host).collect();
    if let Some((id, _)) = &need.source
        && let Some(source) = view.inv.hosts.get(id)
        && !hosts.iter().any(|host| host.id == *id)
    {
        hosts.insert(0, source);
    }
    let ratings: Vec<_> = hosts.iter().map(|host| rate_one(need, &candidate(view, host), &weights)).collect();
    Refusal::new(
        Code::PlacementNoHost,
        format!("vm {}", ask.name),
        format!("no host suits. {}", explain(&ratings, 5)),
    )
    .remedy("Give a host what it lacks, or ask for less")
}

pub(super) fn candidate<'a>(view: View<'a>, host: &'a Host) -> Candidate<'a> {
    let id: HostId = host.id;
    let reserve = view.inv.in_force(host).reserve;
    Candidate { host, reserve, answers: view.answers(id.into()), usage: view.inv.usage(id), load: None }
}
