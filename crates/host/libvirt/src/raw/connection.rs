//! A connection to libvirt.

use std::ffi::c_int;
use std::ptr::{NonNull, null, null_mut};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use uuid::Uuid;

use super::domain::Domain;
use super::params::Params;
use super::{Error, c_text, done, error, owned_text, ready};

/// Seconds between two keepalive messages, and how many may stay unanswered: a hanging libvirtd is noticed after 6 s.
/// Less would take a busy computer for a hanging one.
const KEEPALIVE_S: c_int = 2;
const KEEPALIVE_UNANSWERED: u32 = 2;

/// How many openings may hang at the same time before new ones are refused at once: each holds a thread.
const MOST_HANGING: u32 = 4;
static HANGING: AtomicU32 = AtomicU32::new(0);

/// A connection, closed when dropped.
pub(crate) struct Connection {
    raw: NonNull<virt_sys::_virConnect>,
}

// SAFETY: libvirt's connections may be used from any thread. That one is used by one thread at a time, which is for
// speed and not for soundness, follows from its being `!Sync`.
unsafe impl Send for Connection {}

impl Drop for Connection {
    fn drop(&mut self) {
        // SAFETY: ours, and nothing borrows it any more. A failure leaves nothing to do.
        unsafe { virt_sys::virConnectClose(self.raw.as_ptr()) };
    }
}

impl Connection {
    /// Opens in a thread of its own: opening to a hanging libvirtd blocks without limit. A thread that is late closes
    /// what it opened.
    pub(crate) fn open(uri: &str, limit: Duration) -> Result<Self, Error> {
        ready()?;
        if HANGING.load(Ordering::SeqCst) >= MOST_HANGING {
            return Err(Error::lost("libvirt hangs: earlier connections are still waiting for it"));
        }
        let uri = uri.to_owned();
        let (answer, opened) = mpsc::channel();
        // Raised by whichever of the two is first; the other one knows then that it was late.
        let settled = Arc::new(AtomicBool::new(false));
        let settled_there = Arc::clone(&settled);
        let thread = std::thread::Builder::new().name("libvirt open".into()).spawn(move || {
            let result = Self::open_here(&uri);
            if settled_there.swap(true, Ordering::SeqCst) {
                HANGING.fetch_sub(1, Ordering::SeqCst);
            }
            // Where nobody waits any more, the connection is closed with the message.
            let _ = answer.send(result);
        });
        thread.map_err(|why| Error::lost(format!("no thread to open a connection: {why}")))?;
        opened.recv_timeout(limit).unwrap_or_else(|_| {
            HANGING.fetch_add(1, Ordering::SeqCst);
            if settled.swap(true, Ordering::SeqCst) {
                HANGING.fetch_sub(1, Ordering::SeqCst);
            }
            Err(Error::lost(format!("libvirt did not answer within {} s", limit.as_secs())))
        })
    }

    fn open_here(uri: &str) -> Result<Self, Error> {
        let uri = c_text(uri)?;
        // SAFETY: a terminated string that lives during the call.
        let raw = unsafe { virt_sys::virConnectOpen(uri.as_ptr()) };
        let connection = Self { raw: NonNull::new(raw).ok_or_else(error::last)? };
        // SAFETY: an open connection. A daemon too old for keepalive answers 1, which is no error.
        done(unsafe { virt_sys::virConnectSetKeepAlive(raw, KEEPALIVE_S, KEEPALIVE_UNANSWERED) })?;
        Ok(connection)
    }

    pub(super) fn raw(&self) -> virt_sys::virConnectPtr {
        self.raw.as_ptr()
    }

    /// Whether the socket is still open, as far as is known here: nothing is sent.
    pub(crate) fn is_alive(&self) -> bool {
        // SAFETY: an open connection.
        unsafe { virt_sys::virConnectIsAlive(self.raw()) == 1 }
    }

    /// The domain with this UUID.
    pub(crate) fn domain(&self, uuid: Uuid) -> Result<Domain<'_>, Error> {
        // SAFETY: an open connection and 16 bytes.
        let raw = unsafe { virt_sys::virDomainLookupByUUID(self.raw(), uuid.as_bytes().as_ptr()) };
        // SAFETY: a new reference, ours.
        unsafe { Domain::owned(raw) }
    }

    /// Every domain, active or not.
    pub(crate) fn domains(&self) -> Result<Vec<Domain<'_>>, Error> {
        let mut list = null_mut();
        // SAFETY: an open connection; libvirt writes an array that we free below.
        let count = done(unsafe { virt_sys::virConnectListAllDomains(self.raw(), &mut list, 0) })?;
        let count = usize::try_from(count).unwrap_or(0);
        let mut domains = Vec::with_capacity(count);
        for at in 0..count {
            // SAFETY: the array has `count` references, each ours.
            domains.push(unsafe { Domain::owned(*list.add(at)) }?);
        }
        // SAFETY: allocated by libvirt with malloc; its references are taken over.
        unsafe { libc::free(list.cast()) };
        Ok(domains)
    }

    /// Defines a domain, or redefines the one with its UUID.
    pub(crate) fn define(&self, xml: &str) -> Result<Domain<'_>, Error> {
        let xml = c_text(xml)?;
        // SAFETY: an open connection and a terminated string; flag 1 has libvirt check the XML against its schema
        // nowhere, so 0.
        let raw = unsafe { virt_sys::virDomainDefineXMLFlags(self.raw(), xml.as_ptr(), 0) };
        // SAFETY: a new reference, ours.
        unsafe { Domain::owned(raw) }
    }

    /// What the host can run, as XML.
    pub(crate) fn capabilities(&self) -> Result<String, Error> {
        // SAFETY: an open connection; the string is ours.
        unsafe { owned_text(virt_sys::virConnectGetCapabilities(self.raw())) }
    }

    /// Whether machines of this type can run here; an error says why not.
    pub(crate) fn offers(&self, arch: &str, machine: &str, kind: &str) -> Result<(), Error> {
        let (arch, machine, kind) = (c_text(arch)?, c_text(machine)?, c_text(kind)?);
        // SAFETY: an open connection and terminated strings; without an emulator libvirt takes its own. The answer is
        // ours.
        unsafe {
            owned_text(virt_sys::virConnectGetDomainCapabilities(
                self.raw(),
                null(),
                arch.as_ptr(),
                machine.as_ptr(),
                kind.as_ptr(),
                0,
            ))
        }
        .map(drop)
    }

    /// Whether guests can be shown this processor here; an error names what is lacking.
    pub(crate) fn has_processor(
        &self,
        arch: &str,
        machine: &str,
        kind: &str,
        xml: &str,
    ) -> Result<(), Error> {
        let (arch, machine, kind, xml) = (c_text(arch)?, c_text(machine)?, c_text(kind)?, c_text(xml)?);
        let flags = virt_sys::VIR_CONNECT_COMPARE_CPU_FAIL_INCOMPATIBLE;
        // SAFETY: an open connection and terminated strings.
        done(unsafe {
            virt_sys::virConnectCompareHypervisorCPU(
                self.raw(),
                null(),
                arch.as_ptr(),
                machine.as_ptr(),
                kind.as_ptr(),
                xml.as_ptr(),
                flags,
            )
        })
        .map(drop)
    }

    /// libvirt's version and the hypervisor's, as `major * 1,000,000 + minor * 1,000 + release`.
    pub(crate) fn versions(&self) -> Result<(u64, u64), Error> {
        let (mut libvirt, mut hypervisor) = (0, 0);
        // SAFETY: an open connection and a number to write to.
        done(unsafe { virt_sys::virConnectGetLibVersion(self.raw(), &mut libvirt) })?;
        // SAFETY: as above. Without QEMU it fails, which is not a failure of the connection.
        let found = done(unsafe { virt_sys::virConnectGetVersion(self.raw(), &mut hypervisor) });
        match found {
            Err(why) if why.is_lost() => Err(why),
            Err(_) => Ok((libvirt, 0)),
            Ok(_) => Ok((libvirt, hypervisor)),
        }
    }

    /// Figures of every active domain. A domain that is busy gives what it can without waiting.
    pub(crate) fn statistics(&self) -> Result<Vec<(Uuid, Params)>, Error> {
        let mut records = null_mut();
        let flags = virt_sys::VIR_CONNECT_GET_ALL_DOMAINS_STATS_ACTIVE
            | virt_sys::VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT;
        // SAFETY: an open connection; libvirt writes a list of records that is freed below.
        let count =
            done(unsafe { virt_sys::virConnectGetAllDomainStats(self.raw(), 0, &mut records, flags) })?;
        let mut found = Vec::new();
        for at in 0..usize::try_from(count).unwrap_or(0) {
            // SAFETY: the list has `count` records, alive until the list is freed.
            let (uuid, params) = unsafe {
                let record = &**records.add(at);
                (Domain::uuid_of(record.dom), Params::copied(record.params, record.nparams))
            };
            found.extend(uuid.map(|uuid| (uuid, params)));
        }
        // SAFETY: ours; frees the records, their parameters and their references to domains.
        unsafe { virt_sys::virDomainStatsRecordListFree(records) };
        Ok(found)
    }
}
