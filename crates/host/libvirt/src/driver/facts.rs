//! What the driver knows of the host, pictures of screens, and the figures from which load is computed.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::PoisonError;

use hostler_hypervisor::Trouble;
use hostler_model::host::{Ability, Kvm};
use hostler_model::host_hardware::{NumaNode, Processors};
use hostler_model::network::HostNetwork;
use uuid::Uuid;

use super::networks::networks;
use super::trouble::Subject;
use super::{Driver, filter};
use crate::events::Changed;
use crate::probe;
use crate::raw::Error;
use crate::statistics::{self, Figures};
use crate::xml::capabilities::HostView;

/// The largest picture taken: a screen of 8K, uncompressed.
const MOST_PICTURE_BYTES: usize = 128 << 20;

/// What libvirt says of its host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LibvirtFacts {
    /// libvirt's version.
    pub libvirt: String,
    /// QEMU's version; empty when it is not installed.
    pub qemu: String,
    /// Its networks, by name.
    pub networks: Vec<HostNetwork>,
    /// How its logical processors come about; their clock is not among what libvirt says.
    pub processors: Processors,
    /// Memory and the processors near to it.
    pub numa: Vec<NumaNode>,
    /// What confines machines.
    pub security: Vec<String>,
    /// Whether it can drop what an adapter sends under another address than its own.
    pub spoofing_filter: Ability,
}

impl Driver {
    /// Boots a probe with this host's QEMU; see [`crate::probe::kvm_works`].
    pub fn kvm_works(&self) -> Kvm {
        probe::kvm_works(&self.settings.qemu)
    }

    /// What libvirt says of its host.
    ///
    /// # Errors
    /// `Interrupted` when it does not answer.
    pub fn host_facts(&self) -> Result<LibvirtFacts, Trouble> {
        self.on_host(|connection| {
            let (libvirt, qemu) = connection.versions()?;
            let networks = networks(connection)?;
            let HostView { processors, numa, security } = HostView::of(&connection.capabilities()?);
            let (libvirt, qemu) = (version(libvirt), version(qemu));
            let spoofing_filter = filter::ready(connection)?;
            Ok(LibvirtFacts { libvirt, qemu, networks, processors, numa, security, spoofing_filter })
        })
    }

    /// The counters of every machine that runs. They go over a connection of their own, one call at a time.
    ///
    /// # Errors
    /// `Interrupted` when libvirt does not answer.
    pub fn statistics(&self) -> Result<Vec<Figures>, Trouble> {
        let mut own = self.statistics.lock().unwrap_or_else(PoisonError::into_inner);
        let asked = (|| {
            let connection = match own.take() {
                Some(connection) if connection.is_alive() => connection,
                _ => self.pool.open()?,
            };
            let records = connection.statistics()?;
            *own = Some(connection);
            Ok(records)
        })();
        let records = asked.map_err(|why: Error| Subject::Host.trouble(why))?;
        let figures: Vec<Figures> =
            records.into_iter().map(|(domain, params)| statistics::figures(domain, &params)).collect();
        self.compare_counts(&figures);
        Ok(figures)
    }

    /// A machine whose counts are others than before has changed, whether or not anybody said so.
    fn compare_counts(&self, figures: &[Figures]) {
        let now = figures.iter().filter_map(|of| Some((of.domain, of.counts()?))).collect::<HashMap<_, _>>();
        let mut known = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        for (domain, counts) in &now {
            if known.get(domain).is_some_and(|before| before != counts) {
                self.hub.tell(Changed::Domain(*domain));
            }
        }
        *known = now;
    }

    /// A picture of a running machine's screen, PNG.
    ///
    /// # Errors
    /// `hypervisor.failed` where QEMU is too old to write PNG, or the machine does not run.
    pub fn screenshot(&self, domain: Uuid) -> Result<Vec<u8>, Trouble> {
        self.on_domain(domain, |connection, domain| {
            let (kind, picture) = domain.screenshot(connection, MOST_PICTURE_BYTES)?;
            if kind == "image/png" {
                return Ok(picture);
            }
            Err(Error::refused(format!(
                "QEMU on this host takes pictures as {kind} only: PNG needs QEMU 7.1"
            )))
        })
    }

    /// A connected socket to a running machine's screen: RFB without a password. Each call is a viewer of its own.
    ///
    /// # Errors
    /// What libvirt says where the machine does not run or has no VNC screen.
    pub fn open_graphics(&self, domain: Uuid) -> Result<OwnedFd, Trouble> {
        self.on_domain(domain, |_, domain| domain.open_graphics())
    }
}

/// A version as libvirt counts it; empty for none.
fn version(number: u64) -> String {
    if number == 0 {
        return String::new();
    }
    format!("{}.{}.{}", number / 1_000_000, number / 1_000 % 1_000, number % 1_000)
}
