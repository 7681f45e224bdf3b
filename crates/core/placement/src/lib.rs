//! Rates hosts for a machine: 0 to 5 stars in halves, with the reasons.
//!
//! A pure function of what it is given: no inventory, no clock, no choice made. Called by the engine (to check what a
//! plan chose), by the server (to rate on the committed picture before a request is queued) and, through it, by
//! everyone who wants to know where a machine would go. It must never look anything up and never place anything.
//!
//! The formula is ours. Filters come first, and each one that fails is named; a host that lacks something has 0 stars.
//! Then `5 × Σ weight × headroom`, rounded down to half stars, where *headroom* is the share of a counter that is still
//! free after the machine is placed. A counter that is not known counts as half headroom (of what is not
//! kept for the host itself, where that is a share), and says so. Ties are broken
//! by name.

mod moving;

use hostler_model::HostId;
use hostler_model::host::{Host, Kvm, Load};
use hostler_model::reserve::Reserve;
use serde::Serialize;

pub use moving::lacks_to_move;

/// What a machine needs of its host.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Need {
    /// Virtual processors.
    pub cpus: u32,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// Disk space in MiB that it takes at once.
    pub disk_mib: u64,
    /// The network its adapter is to be connected to, when one was named.
    pub network: Option<String>,
    /// The VLAN of its adapter on that network.
    pub vlan: Option<u16>,
    /// Whether what its adapter sends under another address than its own has to be dropped.
    pub spoofing_filter: bool,
    /// The only host whose library holds what it begins with, and that library's name.
    pub source: Option<(HostId, String)>,
    /// The host that was asked for.
    pub only: Option<HostId>,
    /// Whether it is a new machine, for which a folder is made.
    pub is_new: bool,
    /// The folder in which that is made, when one was named; else the host's usual one.
    pub folder: Option<String>,
}

impl Need {
    /// The folder of a host in which the machine's folder would be made.
    fn folder_on<'n>(&'n self, host: &'n Host) -> &'n str {
        self.folder.as_deref().unwrap_or_else(|| host.vm_path())
    }
}

/// What machines on a host have been given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// Memory of machines that are on, or about to be, in MiB.
    pub memory_mib: u64,
    /// Their virtual processors.
    pub cpus: u32,
    /// How many machines the host has, on or off.
    pub machines: u32,
}

/// A host to be rated.
#[derive(Clone, Debug)]
pub struct Candidate<'a> {
    /// The host.
    pub host: &'a Host,
    /// What is kept for the host itself: its own, or what groups above it set.
    pub reserve: Reserve,
    /// Whether it answers.
    pub answers: bool,
    /// What its machines have been given.
    pub usage: Usage,
    /// Its load, where it is known.
    pub load: Option<Load>,
}

/// How much each counter counts. They should add up to 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Weights {
    /// Processor.
    pub processor: f64,
    /// Memory.
    pub memory: f64,
    /// Disk space.
    pub disk_space: f64,
    /// Disk operations.
    pub disk_operations: f64,
    /// Network.
    pub network: f64,
}

impl Default for Weights {
    fn default() -> Self {
        Self { processor: 0.3, memory: 0.4, disk_space: 0.1, disk_operations: 0.1, network: 0.1 }
    }
}

/// How a host was rated.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Rating {
    /// Which.
    pub host: HostId,
    /// Its name.
    pub name: String,
    /// Half stars, 0 to 10. 0 exactly when something is lacking.
    pub half_stars: u8,
    /// What the host lacks, each in words.
    pub lacks: Vec<String>,
    /// Why it has the stars it has, each in words.
    pub reasons: Vec<String>,
}

/// What this host lacks for the machine, each in words; empty when it suits.
pub fn lacks(need: &Need, candidate: &Candidate<'_>) -> Vec<String> {
    let host = candidate.host;
    let mut lacks = Vec::new();
    if need.only.is_some_and(|only| only != host.id) {
        lacks.push("it is not the host that was asked for".to_owned());
    }
    if host.dead_since.is_some() {
        lacks.push("it was declared dead".to_owned());
    } else if !candidate.answers {
        lacks.push("it does not answer".to_owned());
    } else if !host.facts.libvirt_answers {
        lacks.push("libvirt does not answer on it".to_owned());
    }
    if host.spec.maintenance {
        lacks.push("it is in maintenance".to_owned());
    }
    if !host.spec.available {
        lacks.push("an administrator made it unavailable for placement".to_owned());
    }
    let (usable, used) = (host.usable_memory_mib(&candidate.reserve), candidate.usage.memory_mib);
    if used.saturating_add(need.memory_mib) > usable {
        lacks.push(format!(
            "memory: {} MiB needed, {} MiB free of {usable} MiB ({} MiB are kept for the host)",
            need.memory_mib,
            usable.saturating_sub(used),
            candidate.reserve.memory_mib,
        ));
    }
    if need.cpus > host.facts.cpus {
        lacks.push(format!("processors: {} needed, {} there", need.cpus, host.facts.cpus));
    }
    let folder = need.folder_on(host);
    if let Some((_, free)) = candidate.load.as_ref().and_then(|load| load.space(host, folder)) {
        let free = free.saturating_sub(candidate.reserve.disk_mib);
        if need.disk_mib > free {
            lacks.push(format!("disk space: {} MiB needed, {free} MiB free in {folder}", need.disk_mib));
        }
    }
    // The usual folder of the agent is always allowed; what people named may be allowed no more.
    let named = need.folder.is_some() || host.spec.vm_path.is_some();
    if need.is_new
        && named
        && let Err(why) = host.check_folder(folder)
    {
        lacks.push(format!("{folder} cannot take it: {}", why.cause));
    }
    if let Some(network) = &need.network
        && !host.facts.networks.contains(network)
    {
        lacks.push(format!("network \"{network}\" is not active on it"));
    } else if let (Some(network), Some(vlan)) = (&need.network, need.vlan) {
        lacks.extend(vlan_lacks(vlan, host, network));
    }
    if need.spoofing_filter {
        lacks.extend(filter_lacks(host));
    }
    if let Some((at, share)) = &need.source
        && *at != host.id
    {
        lacks.push(format!(
            "library share \"{share}\" lies on another computer, from which it cannot copy yet"
        ));
    }
    lacks
}

/// Why no adapter on this network of a host can be in a VLAN, in words; none where it can.
pub(crate) fn vlan_lacks(vlan: u16, host: &Host, network: &str) -> Option<String> {
    let why = host.facts.vlan_lacks(network)?;
    Some(format!("no adapter on network \"{network}\" can be in VLAN {vlan}: {why}"))
}

/// Why a host cannot drop what an adapter sends under another address than its own, in words; none where it can.
pub(crate) fn filter_lacks(host: &Host) -> Option<String> {
    let why = host.facts.spoofing_filter.lacking()?;
    Some(format!("it drops nothing that an adapter sends under another address than its own: {why}"))
}

/// Rates one host.
pub fn rate_one(need: &Need, candidate: &Candidate<'_>, weights: &Weights) -> Rating {
    let host = candidate.host;
    let lacks = lacks(need, candidate);
    let mut rating =
        Rating { host: host.id, name: host.name.to_string(), half_stars: 0, lacks, reasons: Vec::new() };
    if !rating.lacks.is_empty() {
        return rating;
    }
    let (load, reserve) = (candidate.load.clone().unwrap_or_default(), &candidate.reserve);
    let known = candidate.load.is_some();
    let cpus = f64::from(host.facts.cpus.max(1));
    let processor = known.then(|| {
        let free = 100.0 - f64::from(load.cpu_percent) - f64::from(reserve.cpu_percent);
        // A machine is assumed to use a quarter of each of its processors, until it has shown what it uses.
        (free - 25.0 * f64::from(need.cpus) / cpus) / 100.0
    });
    let usable = host.usable_memory_mib(reserve).max(1) as f64;
    let memory = 1.0 - (candidate.usage.memory_mib + need.memory_mib) as f64 / usable;
    let space = load.space(host, need.folder_on(host)).map(|(total, free)| {
        free.saturating_sub(reserve.disk_mib).saturating_sub(need.disk_mib) as f64 / total as f64
    });
    let mut sum = 0.0;
    // `kept`: how much of an unknown counter is kept for the host itself, in words; and what is left to be halved.
    let mut count = |word: &str, weight: f64, headroom: Option<f64>, kept: Option<(String, f64)>| {
        let left = kept.as_ref().map_or(1.0, |(_, left)| *left);
        let share = headroom.unwrap_or(0.5 * left).clamp(0.0, 1.0);
        sum += weight * share;
        rating.reasons.push(match (headroom, kept) {
            (Some(_), _) => format!("{word}: {:.0} % free after placing", share * 100.0),
            (None, None) => format!("{word}: not known, counted as half free"),
            (None, Some((kept, _))) => {
                format!("{word}: not known, counted as half free; {kept} kept for the host")
            }
        });
    };
    count("processor", weights.processor, processor, None);
    count("memory", weights.memory, Some(memory), None);
    count("disk space", weights.disk_space, space, None);
    // How many operations the disks could do is not known, so of how many these are a part is not, either.
    let operations = Some(reserve.disk_operations_per_s).filter(|kept| *kept > 0);
    let operations = operations.map(|kept| (format!("{kept} a second are"), 1.0));
    count("disk operations", weights.disk_operations, None, operations);
    let network = Some(reserve.network_percent).filter(|kept| *kept > 0);
    let network = network.map(|kept| (format!("{kept} % of it are"), 1.0 - f64::from(kept.min(100)) / 100.0));
    count("network", weights.network, None, network);
    if let Kvm::Fails { why } = &host.facts.kvm {
        rating.reasons.push(format!("machines run under slow emulation: {why}"));
    }
    rating.half_stars = ((sum * 10.0).floor() as u8).clamp(1, 10);
    rating
}

/// Rates every host, best first; ties by name.
pub fn rate<'a>(
    need: &Need,
    candidates: impl Iterator<Item = Candidate<'a>>,
    weights: &Weights,
) -> Vec<Rating> {
    let mut ratings: Vec<Rating> = candidates.map(|candidate| rate_one(need, &candidate, weights)).collect();
    ratings.sort_by(|a, b| b.half_stars.cmp(&a.half_stars).then_with(|| a.name.cmp(&b.name)));
    ratings
}

/// What to say when no host suits: what each lacks, for at most `most` of them.
pub fn explain(ratings: &[Rating], most: usize) -> String {
    if ratings.is_empty() {
        return "there is no host".to_owned();
    }
    let mut text: Vec<String> =
        ratings.iter().take(most).map(|r| format!("{}: {}", r.name, r.lacks.join("; "))).collect();
    if ratings.len() > most {
        text.push(format!("and {} more", ratings.len() - most));
    }
    text.join(". ")
}
