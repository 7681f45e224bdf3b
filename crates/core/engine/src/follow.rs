//! What a machine's record takes over from what its host shows.

use hostler_model::hardware::{Adapter, Disk, Firmware, Hardware, Media};
use hostler_model::seen::{Observed, Order, Seen};
use hostler_model::vm::{Origin, Vm};
use hostler_model::{Name, Timestamp};

/// Lets the record of a machine follow a fact; says what changed, in words.
pub(crate) fn follow(vm: &mut Vm, seen: Option<&Seen>, order: Order, now: Timestamp) -> String {
    let Some(seen) = seen else {
        return match &mut vm.observed {
            Some(observed) if !observed.gone => {
                observed.gone = true;
                observed.order = order;
                observed.at = now;
                "no longer on its host".to_owned()
            }
            _ => String::new(),
        };
    };
    let what = match &vm.observed {
        None => "seen on its host".to_owned(),
        Some(before) if before.gone => "back on its host".to_owned(),
        Some(before) if before.seen == *seen => {
            // A job that changed its disks had looked at them before their sizes were known.
            let learnt = learn_sizes(&mut vm.spec.hardware, seen);
            return if learnt { "sizes of its disks".to_owned() } else { String::new() };
        }
        Some(before) if before.seen.power != seen.power => {
            format!("{} to {}", before.seen.power.words(), seen.power.words())
        }
        Some(before) if before.seen.guest_agent != seen.guest_agent => {
            if seen.guest_agent {
                "guest agent answers".to_owned()
            } else {
                "guest agent silent".to_owned()
            }
        }
        Some(before) if before.seen.snapshots != seen.snapshots => "snapshots changed".to_owned(),
        Some(_) => "definition changed".to_owned(),
    };
    if vm.origin == Origin::Found {
        // Nobody asked for anything of it yet: what it is is what it was asked to be.
        vm.spec.hardware = hardware_of(seen);
        vm.spec.name = Name::mended(&seen.name);
    }
    learn_sizes(&mut vm.spec.hardware, seen);
    vm.observed = Some(Observed { seen: seen.clone(), gone: false, order, at: now });
    what
}

/// Takes over how large disks are of which that was not known; whether there were any.
fn learn_sizes(hardware: &mut Hardware, seen: &Seen) -> bool {
    let mut learnt = false;
    for disk in hardware.disks.iter_mut().filter(|disk| disk.size_bytes == 0) {
        let shown = seen.disks.iter().find(|seen| seen.file.as_deref() == Some(disk.file.as_str()));
        if let Some(size_bytes) = shown.and_then(|shown| shown.size_bytes).filter(|bytes| *bytes > 0) {
            (disk.size_bytes, learnt) = (size_bytes, true);
        }
    }
    learnt
}

/// The hardware of a machine that was found, as far as its host shows it.
pub(crate) fn hardware_of(seen: &Seen) -> Hardware {
    let number = |target: &str| {
        target.chars().last().filter(char::is_ascii_lowercase).map_or(0, |c| c as u32 - 'a' as u32)
    };
    let disks = seen
        .disks
        .iter()
        .filter(|disk| !disk.dvd)
        .filter_map(|disk| {
            Some(Disk {
                no: number(&disk.target),
                file: disk.file.clone()?,
                format: disk.format,
                size_bytes: disk.size_bytes.unwrap_or(0),
                bus: disk.bus,
                base: None,
                seed: false,
            })
        })
        .collect();
    let dvd = seen.disks.iter().find(|disk| disk.dvd).and_then(|disk| disk.file.clone());
    let adapters = seen.adapters.iter().zip(0..);
    Hardware {
        cpus: seen.cpus,
        memory_mib: seen.memory_mib,
        firmware: Firmware::Bios,
        disks,
        dvd: dvd.map(|file| Media { file, item: None }),
        adapters: adapters
            .map(|(a, no)| Adapter {
                no,
                mac: a.mac,
                network: a.network.clone(),
                vlan: a.vlan,
                spoofing_filter: a.spoofing_filter,
            })
            .collect(),
    }
}
