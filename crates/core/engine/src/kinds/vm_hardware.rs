//! Properties and hardware of a machine that exists: name, notes, tags, processors, memory, disks, DVD; and taking a
//! found machine over.

use hostler_model::action::VmAction;
use hostler_model::command::{Command, DiskContent};
use hostler_model::hardware::{self, Bus, Disk, DiskFormat, Hardware, Media};
use hostler_model::host::Host;
use hostler_model::job::{Lock, Record};
use hostler_model::library::ItemKind;
use hostler_model::request::EditVm;
use hostler_model::seen::Identity;
use hostler_model::vm::{Origin, Presence, Vm, VmEdit};
use hostler_model::{Code, ItemId, Key, Kind, Ms, Refusal, VmId};
use serde::{Deserialize, Serialize};

use super::vm_power::{locate, managed};
use crate::plan::{Planned, Planner, View};

/// How long a guest may take to let go of a disk: what libvirt's own tools wait before they call it failed, six times.
const DETACH_LIMIT_MS: Ms = 30_000;

pub(super) fn admit_edit(view: View<'_>, id: VmId, edit: &EditVm) -> Result<(), Refusal> {
    super::allowed(view, id, VmAction::Edit)?;
    if edit.notes.as_ref().is_some_and(|notes| notes.chars().count() > 10_000) {
        return Err(Refusal::invalid("notes", "they are longer than 10,000 characters"));
    }
    if edit.tags.as_ref().is_some_and(|tags| tags.len() > 32) {
        return Err(Refusal::invalid("tags", "there are more than 32"));
    }
    match &edit.name {
        Some(name) => super::name_free(view, Kind::Vm, name, Some(Key::Vm(id))),
        None => Ok(()),
    }
}

pub(super) fn edit(vm: VmId, edit: &EditVm, p: &mut Planner<'_>) -> Planned {
    let at = if edit.name.is_some() { managed(vm, p)? } else { locate(vm, p)? };
    let mut change = VmEdit { notes: edit.notes.clone(), stop_action: edit.stop_action, ..VmEdit::default() };
    change.tags = edit.tags.clone().map(|mut tags| {
        tags.sort();
        tags.dedup();
        tags
    });
    if let Some(name) = &edit.name {
        p.lock_name(Kind::Vm, name);
        p.step("set-title", at.agent, Command::Retitle { domain: at.domain, title: name.to_string() });
        // Nothing is lost by a new name: who cancels it too late has it, on the host and in the record.
        p.point_of_no_return();
        change.name = Some(name.clone());
    }
    p.record("edit", vec![Record::Vm { vm, edit: Box::new(change) }]);
    Ok(())
}

pub(super) fn admit_hardware(
    view: View<'_>,
    id: VmId,
    cpus: Option<u32>,
    memory_mib: Option<u64>,
) -> Result<(), Refusal> {
    if let Some(cpus) = cpus {
        hardware::check_cpus(cpus)?;
    }
    if let Some(memory) = memory_mib {
        hardware::check_memory(memory)?;
    }
    super::allowed(view, id, VmAction::SetHardware)
}

pub(super) fn hardware(vm: VmId, cpus: Option<u32>, memory_mib: Option<u64>, p: &mut Planner<'_>) -> Planned {
    let at = managed(vm, p)?;
    let wanted: Hardware = p.choose("hardware", |view, _| {
        let mut hardware = super::vm(view, vm)?.spec.hardware.clone();
        hardware.cpus = cpus.unwrap_or(hardware.cpus);
        hardware.memory_mib = memory_mib.unwrap_or(hardware.memory_mib);
        Ok(hardware)
    })?;
    let (cpus, memory_mib) = (wanted.cpus, wanted.memory_mib);
    p.step("set-hardware", at.agent, Command::SetHardware { domain: at.domain, cpus, memory_mib });
    p.point_of_no_return();
    record_hardware(vm, wanted, p);
    Ok(())
}

pub(super) fn admit_attach(view: View<'_>, id: VmId, size_bytes: u64) -> Result<(), Refusal> {
    hardware::check_disk_size(size_bytes)?;
    super::allowed(view, id, VmAction::AttachDisk)?;
    let vm = super::vm(view, id)?;
    match vm.spec.free_disk_no() {
        Some(_) => Ok(()),
        None => Err(no_room(vm)),
    }
}

fn no_room(vm: &Vm) -> Refusal {
    let cause = format!("it has {} disks already, those detached counted", hardware::MOST_DISKS);
    Refusal::invalid(vm.label(), cause).remedy("Delete a disk that is not needed")
}

pub(super) fn attach(vm: VmId, size_bytes: u64, p: &mut Planner<'_>) -> Planned {
    let at = managed(vm, p)?;
    let disk: Disk = p.choose("disk", |view, ids| {
        let it = super::vm(view, vm)?;
        let taken = |no: u32| {
            let target = Disk { no, ..blank(no, String::new(), size_bytes) }.target();
            it.seen().is_some_and(|seen| seen.disks.iter().any(|disk| disk.target == target))
        };
        let used = |no: u32| it.spec.disks().any(|disk| disk.no == no);
        let no = (0..hardware::MOST_DISKS as u32)
            .find(|no| !used(*no) && !taken(*no))
            .ok_or_else(|| no_room(it))?;
        let host = super::host(view, at.agent.into())?;
        // The id keeps the file apart from one of the same number that was detached and kept.
        let tail = ids.draw().simple().to_string();
        let file = format!("{}/{vm}/disk-{no}-{}.qcow2", folder_for(it, host)?, &tail[tail.len() - 8..]);
        Ok(blank(no, file, size_bytes))
    })?;
    let wanted: Hardware = p.choose("hardware", |view, _| {
        let mut hardware = super::vm(view, vm)?.spec.hardware.clone();
        hardware.disks.push(disk.clone());
        Ok(hardware)
    })?;
    let file = disk.file.clone();
    let make = Command::MakeDisk {
        file: file.clone(),
        owner: vm,
        format: disk.format,
        size_bytes,
        content: DiskContent::Blank,
    };
    p.step("make-disk", at.agent, make).undo(Command::DeleteDisk { file: file.clone(), owner: vm });
    let detach =
        Command::DetachDisk { domain: at.domain, target: disk.target(), file, limit_ms: DETACH_LIMIT_MS };
    p.step("attach-disk", at.agent, Command::AttachDisk { domain: at.domain, disk: Box::new(disk) })
        .undo(detach);
    p.point_of_no_return();
    record_hardware(vm, wanted, p);
    Ok(())
}

/// The folder in which a machine's folder for a new disk is: beside the disks that it has, where these are in a folder that
/// Hostler made for it, so that it stays whole on one file system and moves to whoever shares that.
fn folder_for(vm: &Vm, host: &Host) -> Result<String, Refusal> {
    let own = vm.spec.hardware.disks.iter().find_map(|disk| {
        let (folder, _) = disk.file.rsplit_once('/')?;
        let (above, name) = folder.rsplit_once('/')?;
        (name == vm.id.to_string() && host.check_folder(above).is_ok()).then(|| above.to_owned())
    });
    match own {
        Some(own) => Ok(own),
        None => {
            if host.spec.vm_path.is_some() {
                host.check_folder(host.vm_path())?;
            }
            Ok(host.vm_path().to_owned())
        }
    }
}

fn blank(no: u32, file: String, size_bytes: u64) -> Disk {
    Disk { no, file, format: DiskFormat::Qcow2, size_bytes, bus: Bus::Virtio, base: None, seed: false }
}

pub(super) fn admit_reattach(view: View<'_>, id: VmId, no: u32) -> Result<(), Refusal> {
    super::allowed(view, id, VmAction::AttachDisk)?;
    detached_of(view, id, no).map(|_| ())
}

/// The detached disk with this number, of a machine that does not have a disk with it.
fn detached_of(view: View<'_>, id: VmId, no: u32) -> Result<Disk, Refusal> {
    match disk_of(view, id, no)? {
        (disk, false) => Ok(disk),
        (_, true) => {
            Err(Refusal::new(Code::ObjectInUse, disk_words(view, id, no)?, "it is attached already"))
        }
    }
}

pub(super) fn reattach(vm: VmId, no: u32, p: &mut Planner<'_>) -> Planned {
    let at = managed(vm, p)?;
    let disk: Disk = p.choose("disk", |view, _| detached_of(view, vm, no))?;
    let kept: Kept = p.choose("kept", |view, _| Ok(Kept::of(view, vm)?.with(&disk, true)))?;
    let (domain, target, file) = (at.domain, disk.target(), disk.file.clone());
    let detach = Command::DetachDisk { domain, target, file, limit_ms: DETACH_LIMIT_MS };
    p.step("attach-disk", at.agent, Command::AttachDisk { domain, disk: Box::new(disk) }).undo(detach);
    p.point_of_no_return();
    p.record("record", vec![kept.record(vm)]);
    Ok(())
}

/// The disks of a machine, those attached and those detached.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Kept {
    hardware: Hardware,
    detached: Vec<Disk>,
}

impl Kept {
    fn of(view: View<'_>, vm: VmId) -> Result<Self, Refusal> {
        let spec = &super::vm(view, vm)?.spec;
        Ok(Self { hardware: spec.hardware.clone(), detached: spec.detached.clone() })
    }

    /// The same with this disk attached, or detached.
    fn with(mut self, disk: &Disk, attached: bool) -> Self {
        self = self.without(disk);
        let disks = if attached { &mut self.hardware.disks } else { &mut self.detached };
        disks.push(disk.clone());
        disks.sort_by_key(|disk| disk.no);
        self
    }

    fn without(mut self, disk: &Disk) -> Self {
        self.hardware.disks.retain(|other| other.no != disk.no);
        self.detached.retain(|other| other.no != disk.no);
        self
    }

    fn record(self, vm: VmId) -> Record {
        let (hardware, detached) = (Some(self.hardware), Some(self.detached));
        Record::Vm { vm, edit: Box::new(VmEdit { hardware, detached, ..VmEdit::default() }) }
    }
}

/// A machine's disk by its number, and whether it is attached.
fn disk_of(view: View<'_>, vm: VmId, no: u32) -> Result<(Disk, bool), Refusal> {
    let spec = &super::vm(view, vm)?.spec;
    let with_no = |disks: &[Disk]| disks.iter().find(|disk| disk.no == no).cloned();
    let attached = with_no(&spec.hardware.disks).map(|disk| (disk, true));
    attached.or_else(|| with_no(&spec.detached).map(|disk| (disk, false))).map_or_else(
        || {
            let known: Vec<String> = spec.disks().map(|disk| disk.no.to_string()).collect();
            Err(Refusal::not_found(disk_words(view, vm, no)?)
                .remedy(format!("Its disks have the numbers {}", known.join(", "))))
        },
        Ok,
    )
}

fn disk_words(view: View<'_>, vm: VmId, no: u32) -> Result<String, Refusal> {
    Ok(format!("disk {no} of {}", super::vm(view, vm)?.label()))
}

pub(super) fn admit_detach(view: View<'_>, id: VmId, no: u32, delete: bool) -> Result<(), Refusal> {
    super::allowed(view, id, VmAction::DetachDisk)?;
    let (_, attached) = disk_of(view, id, no)?;
    if attached || delete {
        return Ok(());
    }
    Err(Refusal::new(Code::ObjectInUse, disk_words(view, id, no)?, "it is detached already")
        .remedy("Delete its file (--delete), or attach it again (hostler vm attach-disk VM --detached DISK)"))
}

pub(super) fn detach(vm: VmId, no: u32, delete: bool, p: &mut Planner<'_>) -> Planned {
    let at = managed(vm, p)?;
    let (disk, attached): (Disk, bool) = p.choose("disk", |view, _| disk_of(view, vm, no))?;
    let kept: Kept = p.choose("kept", |view, _| Ok(Kept::of(view, vm)?.with(&disk, false)))?;
    let gone = kept.clone().without(&disk);
    if !attached {
        p.step("delete-disk", at.agent, Command::DeleteDisk { file: disk.file, owner: vm });
        p.point_of_no_return();
        p.record("forget-disk", vec![gone.record(vm)]);
        return Ok(());
    }
    let command = Command::DetachDisk {
        domain: at.domain,
        target: disk.target(),
        file: disk.file.clone(),
        limit_ms: DETACH_LIMIT_MS,
    };
    p.step("detach-disk", at.agent, command).limit(DETACH_LIMIT_MS + 60_000);
    p.point_of_no_return();
    // Its file is named by the record until it is gone.
    p.record("record", vec![kept.record(vm)]);
    if delete {
        p.step("delete-disk", at.agent, Command::DeleteDisk { file: disk.file, owner: vm });
        if p.answer("delete-disk").is_none() {
            return p.later(&["forget-disk"]);
        }
        p.record("forget-disk", vec![gone.record(vm)]);
    }
    Ok(())
}

pub(super) fn admit_media(view: View<'_>, id: VmId, item: Option<ItemId>) -> Result<(), Refusal> {
    super::allowed(view, id, VmAction::SetMedia)?;
    media_of(view, id, item).map(|_| ())
}

/// The ISO image as the machine's host sees it.
fn media_of(view: View<'_>, id: VmId, item: Option<ItemId>) -> Result<Option<Media>, Refusal> {
    let Some(item) = item else { return Ok(None) };
    let vm = super::vm(view, id)?;
    let known =
        view.inv.items.get(&item).ok_or_else(|| Refusal::not_found(format!("library item {item}")))?;
    if known.seen.kind != ItemKind::Iso {
        return Err(Refusal::new(Code::DiskRejected, known.label(), "it is not an ISO image")
            .remedy("Choose an ISO image from the library"));
    }
    if let Some(problem) = &known.seen.problem {
        return Err(Refusal::new(Code::DiskRejected, known.label(), problem.cause.clone())
            .remedy(problem.remedy.clone()));
    }
    if known.missing_since.is_some() {
        return Err(Refusal::new(Code::ObjectNotFound, known.label(), "its file is missing from its share")
            .remedy("Put the file back and refresh the share"));
    }
    let share = view
        .inv
        .shares
        .get(&known.share)
        .ok_or_else(|| Refusal::not_found(format!("library share {}", known.share)))?;
    if vm.host.is_none_or(|host| host != share.agent.into()) {
        return Err(Refusal::new(
            Code::PlacementHostUnsuitable,
            known.label(),
            format!("library share {} lies on another computer than {}", share.name, vm.label()),
        )
        .remedy("Copy the image to a share on the machine's host"));
    }
    Ok(Some(Media { file: format!("{}/{}", share.folder, known.seen.path), item: Some(item) }))
}

pub(super) fn media(vm: VmId, item: Option<ItemId>, p: &mut Planner<'_>) -> Planned {
    let at = managed(vm, p)?;
    let media: Option<Media> = p.choose("media", |view, _| media_of(view, vm, item))?;
    let wanted: Hardware = p.choose("hardware", |view, _| {
        Ok(Hardware { dvd: media.clone(), ..super::vm(view, vm)?.spec.hardware.clone() })
    })?;
    if let Some(item) = item {
        p.lock(Lock::shared(Key::Item(item)));
    }
    let file = media.map(|media| media.file);
    p.step("set-media", at.agent, Command::SetMedia { domain: at.domain, file });
    p.point_of_no_return();
    record_hardware(vm, wanted, p);
    Ok(())
}

pub(super) fn admit_adopt(view: View<'_>, id: VmId) -> Result<(), Refusal> {
    let vm = super::vm(view, id)?;
    if vm.origin != Origin::Found && !matches!(vm.presence, Presence::Elsewhere { .. }) {
        return Err(Refusal::new(Code::VmStateForbids, vm.label(), "it is managed already")
            .remedy("Nothing is left to do: every action on it is open as it is"));
    }
    super::allowed(view, id, VmAction::Adopt)
}

pub(super) fn adopt(vm: VmId, p: &mut Planner<'_>) -> Planned {
    let at = locate(vm, p)?;
    let identity: Identity = p.choose("identity", |view, _| {
        Ok(Identity { vm, domain: at.domain, installation: view.inv.installation_id() })
    })?;
    p.step("adopt", at.agent, Command::Adopt { identity });
    p.point_of_no_return();
    let edit = VmEdit { origin: Some(Origin::Adopted), presence: Some(Presence::Here), ..VmEdit::default() };
    p.record("adopted", vec![Record::Vm { vm, edit: Box::new(edit) }]);
    Ok(())
}

fn record_hardware(vm: VmId, hardware: Hardware, p: &mut Planner<'_>) {
    let edit = VmEdit { hardware: Some(hardware), ..VmEdit::default() };
    p.record("record", vec![Record::Vm { vm, edit: Box::new(edit) }]);
}
