//! What libvirt says its host is made of.

use std::collections::BTreeSet;

use hostler_model::host_hardware::{NumaNode, Processors};
use serde::Deserialize;

/// Confinement that is no driver: plain accounts, and none at all.
const NO_DRIVER: [&str; 2] = ["dac", "none"];

/// The part of the capabilities that tells of the host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct HostView {
    pub processors: Processors,
    pub numa: Vec<NumaNode>,
    pub security: Vec<String>,
}

impl HostView {
    /// Reads it. What is absent or makes no sense is left at nothing: machines run without it.
    pub(crate) fn of(xml: &str) -> Self {
        match quick_xml::de::from_str::<Capabilities>(xml) {
            Ok(Capabilities { host }) => Self {
                processors: processors(&host.topology.cells.cell),
                numa: host.topology.cells.cell.iter().map(Cell::node).collect(),
                security: host
                    .secmodel
                    .into_iter()
                    .map(|model| model.model)
                    .filter(|name| is_driver(name))
                    .collect(),
            },
            Err(why) => {
                tracing::debug!(%why, "libvirt's capabilities cannot be read");
                Self::default()
            }
        }
    }
}

#[derive(Deserialize)]
struct Capabilities {
    host: Host,
}

#[derive(Deserialize)]
struct Host {
    #[serde(default)]
    topology: Topology,
    #[serde(default)]
    secmodel: Vec<SecurityModel>,
}

#[derive(Default, Deserialize)]
struct Topology {
    #[serde(default)]
    cells: Cells,
}

#[derive(Default, Deserialize)]
struct Cells {
    #[serde(default)]
    cell: Vec<Cell>,
}

#[derive(Deserialize)]
struct Cell {
    #[serde(rename = "@id")]
    id: u32,
    #[serde(default)]
    memory: Memory,
    #[serde(default)]
    cpus: Cpus,
}

#[derive(Default, Deserialize)]
struct Memory {
    /// Always in KiB here.
    #[serde(rename = "$text", default)]
    kib: u64,
}

#[derive(Default, Deserialize)]
struct Cpus {
    #[serde(default)]
    cpu: Vec<Cpu>,
}

#[derive(Deserialize)]
struct Cpu {
    #[serde(rename = "@id")]
    id: u32,
    /// Absent for a processor that is switched off.
    #[serde(rename = "@socket_id", default)]
    socket: Option<u32>,
    #[serde(rename = "@die_id", default)]
    die: Option<u32>,
    #[serde(rename = "@core_id", default)]
    core: Option<u32>,
}

#[derive(Deserialize)]
struct SecurityModel {
    #[serde(default)]
    model: String,
}

fn is_driver(name: &str) -> bool {
    !name.is_empty() && !NO_DRIVER.contains(&name)
}

impl Cell {
    fn node(&self) -> NumaNode {
        let ids: BTreeSet<u32> = self.cpus.cpu.iter().map(|cpu| cpu.id).collect();
        NumaNode { node: self.id, memory_mib: self.memory.kib / 1_024, cpus: ranges(&ids) }
    }
}

/// Sockets, the cores of one and the threads of one of those, counted; computers with unlike sockets are none that we
/// know of.
fn processors(cells: &[Cell]) -> Processors {
    let on: Vec<&Cpu> =
        cells.iter().flat_map(|cell| &cell.cpus.cpu).filter(|cpu| cpu.socket.is_some()).collect();
    let sockets: BTreeSet<_> = on.iter().map(|cpu| cpu.socket).collect();
    let cores: BTreeSet<_> = on.iter().map(|cpu| (cpu.socket, cpu.die, cpu.core)).collect();
    let count = |all: usize, of: usize| u32::try_from(all.checked_div(of).unwrap_or(0)).unwrap_or(0);
    Processors {
        sockets: count(sockets.len(), 1),
        cores: count(cores.len(), sockets.len()),
        threads: count(on.len(), cores.len()),
        mhz: 0,
    }
}

/// Numbers as the kernel writes lists of processors: `0-3,8`.
fn ranges(numbers: &BTreeSet<u32>) -> String {
    let mut runs: Vec<(u32, u32)> = Vec::new();
    for &number in numbers {
        match runs.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(number) => *last = number,
            _ => runs.push((number, number)),
        }
    }
    let words =
        runs.iter().map(|(from, to)| if from == to { from.to_string() } else { format!("{from}-{to}") });
    words.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_sockets_of_two_cores_with_two_threads_are_counted_with_their_nodes() {
        let cpus = |node: u32| {
            let cpu = |n: u32| {
                // As the kernel numbers them: the second threads come after all first ones.
                let (id, core) = (node * 2 + n % 2 + n / 2 * 4, n % 2);
                format!("<cpu id='{id}' socket_id='{node}' die_id='0' core_id='{core}' siblings='{id}'/>")
            };
            (0..4).map(cpu).collect::<String>()
        };
        let cell = |node: u32| {
            format!(
                "<cell id='{node}'><memory unit='KiB'>2097152</memory><pages unit='KiB' size='4'>524288</pages>\
                 <distances><sibling id='0' value='10'/></distances><cpus num='4'>{}</cpus></cell>",
                cpus(node)
            )
        };
        let xml = format!(
            "<capabilities><host><uuid>x</uuid><cpu><arch>x86_64</arch><topology sockets='9' cores='9'/></cpu>\
             <topology><cells num='2'>{}{}</cells></topology>\
             <secmodel><model>apparmor</model><doi>0</doi></secmodel>\
             <secmodel><model>dac</model><doi>0</doi><baselabel type='kvm'>+1:+1</baselabel></secmodel></host>\
             <guest><os_type>hvm</os_type></guest></capabilities>",
            cell(0),
            cell(1)
        );
        let view = HostView::of(&xml);
        assert_eq!(view.processors, Processors { sockets: 2, cores: 2, threads: 2, mhz: 0 });
        let nodes: Vec<_> = view.numa.iter().map(|n| (n.node, n.memory_mib, n.cpus.as_str())).collect();
        assert_eq!(nodes, [(0, 2_048, "0-1,4-5"), (1, 2_048, "2-3,6-7")]);
        assert_eq!(view.security, ["apparmor"]);
    }

    #[test]
    fn what_cannot_be_read_is_nothing() {
        assert_eq!(HostView::of("<capabilities><host/></capabilities>"), HostView::default());
        assert_eq!(HostView::of("no XML"), HostView::default());
    }
}
