//! What is kept for hosts themselves, as it is said and shown.

use clap::Args;
use hostler_model::host_group::{InForceView, SetBy};
use hostler_model::reserve::{EditReserve, Reserve};

use crate::cli::values::{mebibytes, shown_mib};

/// The word for what is as in the group above.
const INHERIT: &str = "inherit";

/// A value that is set, or given back to the group above.
#[derive(Clone, Copy, Debug)]
pub struct Own<T>(pub Option<T>);

/// What is kept for hosts themselves.
#[derive(Args, Clone, Debug, Default)]
#[command(
    next_help_heading = "What is kept for each host itself (a value, or inherit for that of the group above)"
)]
pub struct Kept {
    /// Processor, percent of the whole host
    #[arg(long, value_name = "PERCENT", value_parser = number)]
    reserve_cpu: Option<Own<u32>>,
    /// Memory
    #[arg(long, value_name = "SIZE", value_parser = size)]
    reserve_memory: Option<Own<u64>>,
    /// Disk space
    #[arg(long, value_name = "SIZE", value_parser = size)]
    reserve_disk: Option<Own<u64>>,
    /// Disk operations per second
    #[arg(long, value_name = "N", value_parser = number)]
    reserve_disk_operations: Option<Own<u32>>,
    /// Network, percent of what the adapters carry
    #[arg(long, value_name = "PERCENT", value_parser = number)]
    reserve_network: Option<Own<u32>>,
    /// All of it is as in the group above
    #[arg(
        long,
        conflicts_with_all = ["reserve_cpu", "reserve_memory", "reserve_disk", "reserve_disk_operations", "reserve_network"]
    )]
    inherit_reserve: bool,
}

impl Kept {
    /// As it is asked for.
    pub fn edit(&self) -> EditReserve {
        if self.inherit_reserve {
            return EditReserve::inherit();
        }
        EditReserve {
            cpu_percent: self.reserve_cpu.map(|own| own.0),
            memory_mib: self.reserve_memory.map(|own| own.0),
            disk_mib: self.reserve_disk.map(|own| own.0),
            disk_operations_per_s: self.reserve_disk_operations.map(|own| own.0),
            network_percent: self.reserve_network.map(|own| own.0),
        }
    }
}

fn or_inherit<T>(written: &str, read: impl FnOnce(&str) -> Result<T, String>) -> Result<Own<T>, String> {
    if written == INHERIT {
        return Ok(Own(None));
    }
    read(written).map(|value| Own(Some(value)))
}

fn number(written: &str) -> Result<Own<u32>, String> {
    let wrong = |_| format!("\"{written}\" is neither a number nor {INHERIT}");
    or_inherit(written, |text| text.parse().map_err(wrong))
}

fn size(written: &str) -> Result<Own<u64>, String> {
    or_inherit(written, mebibytes)
}

/// Yes, no, or as in the group above.
///
/// # Errors
/// When it is none of these.
pub fn flag(written: &str) -> Result<Own<bool>, String> {
    let wrong = |_| format!("\"{written}\" is neither true nor false nor {INHERIT}");
    or_inherit(written, |text| text.parse().map_err(wrong))
}

/// What is in force, in words, each with the group that set it.
pub fn text(view: &InForceView) -> String {
    let Reserve { cpu_percent, memory_mib, disk_mib, disk_operations_per_s, network_percent } = view.reserve;
    let from = &view.reserve_from;
    let parts = [
        (format!("processor {cpu_percent}%"), &from.cpu_percent),
        (format!("memory {}", shown_mib(memory_mib)), &from.memory_mib),
        (format!("disk {}", shown_mib(disk_mib)), &from.disk_mib),
        (format!("{disk_operations_per_s} disk operations/s"), &from.disk_operations_per_s),
        (format!("network {network_percent}%"), &from.network_percent),
    ];
    parts.map(|(value, by)| format!("{value}{}", set_by(by))).join(", ")
}

/// Whether data may travel without encryption, with the group that said so.
pub fn unencrypted(view: &InForceView) -> String {
    let word = if view.unencrypted_transfers { "allowed" } else { "not allowed" };
    format!("{word}{}", set_by(&view.unencrypted_transfers_from))
}

fn set_by(by: &SetBy) -> String {
    match by {
        SetBy::Default => String::new(),
        SetBy::Itself => " (set here)".to_owned(),
        SetBy::HostGroup { path, .. } => format!(" ({path})"),
    }
}
