//! What administrators do with `virsh` and what guests and computers do by themselves, behind the agent's back.

use hostler_model::Code;
use hostler_model::command::Definition;
use hostler_model::hardware::Disk;
use hostler_model::seen::{Power, Seen};
use hostler_model::time::Ms;
use uuid::Uuid;

use super::machines::{as_seen, disk_as_seen};
use super::{SimulatedHost, failed};
use crate::Trouble;

/// Something that happens behind the agent's back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outside {
    /// `virsh define`, with or without Hostler's identity in it.
    Define(Box<Definition>, bool),
    /// `virt-clone`: another id and name, the metadata copied, the disks left out.
    Clone {
        /// The machine that is cloned.
        of: Uuid,
        /// The clone's domain.
        domain: Uuid,
        /// The clone's name.
        name: String,
    },
    /// `virsh undefine`.
    Undefine(Uuid),
    /// `virsh start`.
    Start(Uuid),
    /// `virsh destroy`.
    TurnOff(Uuid),
    /// `virsh suspend`.
    Pause(Uuid),
    /// `virsh resume`.
    Resume(Uuid),
    /// `virsh managedsave`.
    Save(Uuid),
    /// `virsh setvcpus --config` and `setmem --config`: no event.
    SetHardware {
        /// The domain.
        domain: Uuid,
        /// Virtual processors.
        cpus: u32,
        /// Memory in MiB.
        memory_mib: u64,
    },
    /// `virsh desc --title --config`: no event.
    Retitle(Uuid, String),
    /// `virsh attach-disk --config`: no event.
    AttachDisk(Uuid, Box<Disk>),
    /// `virsh detach-disk --config`: no event.
    DetachDisk(Uuid, String),
    /// `virsh metadata … --remove`: the identity is gone, no event.
    ForgetIdentity(Uuid),
    /// The guest shuts down from inside, after this long.
    GuestShutsDown(Uuid, Ms),
    /// The guest suspends itself to memory.
    GuestSuspends(Uuid),
    /// The guest's agent opens or closes its channel.
    GuestAgent(Uuid, bool),
    /// QEMU dies.
    Crash(Uuid),
}

impl SimulatedHost {
    /// Lets something happen behind the agent's back. It is counted nowhere, and no crash stops it.
    ///
    /// # Errors
    /// As libvirt refuses it: no such machine, not in that state.
    pub fn outside(&self, what: &Outside) -> Result<(), Trouble> {
        let mut inner = self.lock();
        let running = |seen: &Seen| {
            if seen.power.is_on() {
                return Ok(());
            }
            Err(failed(Code::HypervisorFailed, format!("domain {}", seen.domain), "domain is not running"))
        };
        match what {
            Outside::Define(definition, ours) => {
                let mut seen = as_seen(definition);
                if !ours {
                    seen.identity = None;
                }
                inner.define(seen)
            }
            Outside::Clone { of, domain, name } => {
                let mut seen = inner.machine(*of)?.seen.clone();
                (seen.domain, seen.name, seen.power) = (*domain, name.clone(), Power::Off);
                seen.disks.retain(|disk| disk.dvd);
                inner.define(seen)
            }
            Outside::Undefine(domain) => inner.undefine(*domain),
            Outside::Start(domain) => inner.start(*domain),
            Outside::TurnOff(domain) => {
                running(&inner.machine(*domain)?.seen)?;
                inner.stop(*domain, Power::Off);
                Ok(())
            }
            Outside::Pause(domain) => inner.set_power(*domain, Power::Paused),
            Outside::Resume(domain) => inner.set_power(*domain, Power::Running),
            Outside::Save(domain) => {
                running(&inner.machine(*domain)?.seen)?;
                inner.stop(*domain, Power::Saved);
                Ok(())
            }
            Outside::SetHardware { domain, cpus, memory_mib } => {
                let seen = &mut inner.machine(*domain)?.seen;
                (seen.cpus, seen.memory_mib) = (*cpus, *memory_mib);
                Ok(())
            }
            Outside::Retitle(domain, title) => {
                inner.machine(*domain)?.seen.title = Some(title.clone());
                Ok(())
            }
            Outside::AttachDisk(domain, disk) => {
                let seen = &mut inner.machine(*domain)?.seen;
                seen.disks.retain(|there| there.target != disk.target());
                seen.disks.push(disk_as_seen(disk));
                seen.disks.sort_by(|a, b| a.target.cmp(&b.target));
                Ok(())
            }
            Outside::DetachDisk(domain, target) => inner.detach_from_definition(*domain, target).map(drop),
            Outside::ForgetIdentity(domain) => {
                inner.machine(*domain)?.seen.identity = None;
                Ok(())
            }
            Outside::GuestShutsDown(domain, after_ms) => {
                let at = inner.now + after_ms;
                let machine = inner.machine(*domain)?;
                running(&machine.seen)?;
                machine.shuts_down_at = Some(at);
                Ok(())
            }
            Outside::GuestSuspends(domain) => inner.set_power(*domain, Power::Suspended),
            Outside::GuestAgent(domain, open) => {
                inner.machine(*domain)?.seen.guest_agent = *open;
                inner.event(*domain, 1);
                Ok(())
            }
            Outside::Crash(domain) => {
                running(&inner.machine(*domain)?.seen)?;
                inner.stop(*domain, Power::Crashed);
                Ok(())
            }
        }
    }
}
