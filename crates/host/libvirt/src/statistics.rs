//! Counters of a running machine, as libvirt gives them: they only grow until the machine starts anew, and who reads
//! them computes what changed in between.

use uuid::Uuid;

use crate::raw::{Params, Value};

/// The counters of one machine at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// The domain.
    pub domain: Uuid,
    /// Processor time used since its start, in nanoseconds.
    pub cpu_time_ns: u64,
    /// Virtual processors that it has now.
    pub cpus: u32,
    /// Memory that its balloon leaves it, in KiB.
    pub memory_kib: u64,
    /// Memory of the process on the host, in KiB.
    pub resident_kib: u64,
    /// Memory that the guest sees, in KiB; only with a balloon driver in the guest.
    pub guest_memory_kib: Option<u64>,
    /// Memory that the guest could still use without swapping, in KiB; likewise.
    pub guest_usable_kib: Option<u64>,
    /// Disks and drives.
    pub disks: Vec<DiskFigures>,
    /// Network adapters.
    pub adapters: Vec<AdapterFigures>,
}

/// How many of each thing a machine has: another number is a change of which libvirt may have said nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counts {
    cpus: u32,
    disks: usize,
    adapters: usize,
}

impl Figures {
    /// What there is of each; none of a machine that is busy and told a part only.
    pub(crate) fn counts(&self) -> Option<Counts> {
        (self.cpus > 0 && self.cpu_time_ns > 0).then_some(Counts {
            cpus: self.cpus,
            disks: self.disks.len(),
            adapters: self.adapters.len(),
        })
    }
}

/// The counters of a disk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DiskFigures {
    /// Its target, `vda`.
    pub target: String,
    /// Bytes read.
    pub read_bytes: u64,
    /// Bytes written.
    pub written_bytes: u64,
    /// Read requests.
    pub reads: u64,
    /// Write requests.
    pub writes: u64,
    /// Time spent in reads, in nanoseconds.
    pub read_time_ns: u64,
    /// Time spent in writes, in nanoseconds.
    pub write_time_ns: u64,
    /// How large the guest sees it, in bytes.
    pub capacity_bytes: u64,
    /// What it takes of its storage, in bytes.
    pub allocated_bytes: u64,
}

/// The counters of a network adapter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AdapterFigures {
    /// Its name on the host.
    pub name: String,
    /// Bytes received by the guest.
    pub received_bytes: u64,
    /// Bytes sent by the guest.
    pub sent_bytes: u64,
    /// Packets received by the guest.
    pub received_packets: u64,
    /// Packets sent by the guest.
    pub sent_packets: u64,
}

/// How many disks or adapters are read of one machine: what libvirt counts is not believed without a bound.
const MOST_DEVICES: u64 = 256;

/// Reads libvirt's list of names and values.
pub(crate) fn figures(domain: Uuid, params: &Params) -> Figures {
    let count = |name: &str| params.count(name).unwrap_or(0);
    let text = |name: &str| {
        let found = params.0.iter().find(|(key, _)| key == name);
        match found {
            Some((_, Value::Text(text))) => text.clone(),
            _ => String::new(),
        }
    };
    let many = |group: &str| 0..count(&format!("{group}.count")).min(MOST_DEVICES);
    // Several layers of one disk may be listed; the first of a target is the top one.
    let mut disks: Vec<DiskFigures> = Vec::new();
    for at in many("block") {
        let of = |name: &str| count(&format!("block.{at}.{name}"));
        let target = text(&format!("block.{at}.name"));
        if disks.iter().all(|disk| disk.target != target) {
            disks.push(DiskFigures {
                target,
                read_bytes: of("rd.bytes"),
                written_bytes: of("wr.bytes"),
                reads: of("rd.reqs"),
                writes: of("wr.reqs"),
                read_time_ns: of("rd.times"),
                write_time_ns: of("wr.times"),
                capacity_bytes: of("capacity"),
                allocated_bytes: of("allocation"),
            });
        }
    }
    let adapters = many("net").map(|at| {
        let of = |name: &str| count(&format!("net.{at}.{name}"));
        // libvirt counts as the guest does.
        AdapterFigures {
            name: text(&format!("net.{at}.name")),
            received_bytes: of("rx.bytes"),
            sent_bytes: of("tx.bytes"),
            received_packets: of("rx.pkts"),
            sent_packets: of("tx.pkts"),
        }
    });
    Figures {
        domain,
        cpu_time_ns: count("cpu.time"),
        cpus: u32::try_from(count("vcpu.current")).unwrap_or(0),
        memory_kib: count("balloon.current"),
        resident_kib: count("balloon.rss"),
        guest_memory_kib: params.count("balloon.available"),
        guest_usable_kib: params.count("balloon.usable"),
        adapters: adapters.collect(),
        disks,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_read_by_name_and_what_is_absent_is_nothing() {
        let list = [
            ("cpu.time", Value::Number(5_000_000)),
            ("vcpu.current", Value::Number(2)),
            ("balloon.current", Value::Number(131_072)),
            ("block.count", Value::Number(1)),
            ("block.0.name", Value::Text("vda".into())),
            ("block.0.wr.bytes", Value::Number(4096)),
            ("net.count", Value::Number(i128::from(u64::MAX))),
        ];
        let params = Params(list.map(|(name, value)| (name.to_owned(), value)).to_vec());
        let figures = figures(Uuid::nil(), &params);
        assert_eq!((figures.cpu_time_ns, figures.cpus, figures.memory_kib), (5_000_000, 2, 131_072));
        assert_eq!((figures.disks[0].target.as_str(), figures.disks[0].written_bytes), ("vda", 4096));
        assert_eq!(figures.guest_usable_kib, None);
        assert_eq!(figures.adapters.len(), MOST_DEVICES as usize, "a count is not believed without a bound");
    }
}
