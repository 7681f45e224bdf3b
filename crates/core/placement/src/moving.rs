//! What a host lacks for a machine that runs on another one and is to move there.

use std::collections::BTreeSet;

use hostler_model::host::{Host, Kvm};
use hostler_model::machine_folder::within;
use hostler_model::vm::Vm;

/// What a host lacks for a machine that is on `source`, beyond what it lacks for any machine, each in words. `named`: a
/// person names the host. Who does so may know of a folder that both see; the agents prove it at the move.
pub fn lacks_to_move(vm: &Vm, source: &Host, host: &Host, named: bool) -> Vec<String> {
    let (here, there) = (&source.facts, &host.facts);
    let mut lacks = Vec::new();
    if there.address.is_empty() {
        lacks.push("its agent does not say where it is reached: upgrade it".to_owned());
    }
    if !named {
        lacks.extend(not_shared(vm, source, host));
    }
    if vm.spec.disks().any(|disk| disk.base.is_some()) && here.base_folder != there.base_folder {
        lacks.push(format!("its bases are not in {}", here.base_folder));
    }
    if here.kvm == Kvm::Works && there.kvm != Kvm::Works {
        lacks.push("hardware virtualization does not work on it".to_owned());
    }
    let networks = vm.spec.hardware.adapters.iter().map(|adapter| &adapter.network);
    for network in networks.filter(|network| here.networks.contains(network)) {
        if !there.networks.contains(network) {
            lacks.push(format!("it has no network {network}"));
        }
    }
    lacks.extend(other_networks(vm, source, host));
    let adapters = &vm.spec.hardware.adapters;
    if adapters.iter().any(|adapter| adapter.spoofing_filter) {
        lacks.extend(crate::filter_lacks(host));
    }
    for adapter in adapters {
        lacks.extend(adapter.vlan.and_then(|vlan| crate::vlan_lacks(vlan, host, &adapter.network)));
    }
    lacks
}

/// Which networks of a machine a host has under the same name and as something else, in words: there the machine would be
/// connected to others than before. Two that never leave their hosts are alike. What an agent does not say is not compared.
fn other_networks(vm: &Vm, source: &Host, host: &Host) -> Vec<String> {
    let known = |host: &Host, name: &str| {
        host.facts.host_networks.iter().find(|network| network.is_source(name)).cloned()
    };
    let names: BTreeSet<&str> =
        vm.spec.hardware.adapters.iter().map(|adapter| adapter.network.as_str()).collect();
    let differ = |name: &str| {
        let (there, here) = known(host, name)?.unlike(&known(source, name)?)?;
        Some(format!("its network {name} is {there}, and on {} {here}", source.name))
    };
    names.into_iter().filter_map(differ).collect()
}

/// Which folders of a machine's disks a host does not see, in words. Of a machine without disks it is the usual folder that
/// counts: what else belongs to it lies there.
fn not_shared(vm: &Vm, source: &Host, host: &Host) -> Option<String> {
    let (here, there) = (&source.facts, &host.facts);
    let files: Vec<&str> = vm.spec.hardware.disks.iter().map(|disk| disk.file.as_str()).collect();
    let files = if files.is_empty() { vec![here.vm_folder.as_str()] } else { files };
    let file = files.into_iter().find(|file| !here.shares(there, file))?;
    let allowed = here.allowed_folders();
    Some(match within(&allowed, file) {
        Some(folder) => format!("it does not share the folder {} with {}", folder.path, source.name),
        None => format!("{file} lies in no folder that it shares with {}", source.name),
    })
}
