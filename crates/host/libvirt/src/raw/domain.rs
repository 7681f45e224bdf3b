//! A domain, as long as its connection lives.

use std::ffi::{c_char, c_int};
use std::marker::PhantomData;
use std::os::fd::{FromRawFd, OwnedFd};
use std::ptr::{NonNull, null, null_mut};

use uuid::Uuid;

use super::connection::Connection;
use super::params::Params;
use super::{Error, c_text, done, error, owned_text};

/// A reference to a domain. It borrows its connection, so that it stays on the thread that holds it.
pub(crate) struct Domain<'c> {
    raw: NonNull<virt_sys::_virDomain>,
    connection: PhantomData<&'c Connection>,
}

/// State and reason, in libvirt's numbers (`virDomainState`, `virDomain…Reason`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct State {
    /// `virDomainState`.
    pub state: u32,
    /// The reason, counted per state.
    pub reason: u32,
}

/// What a change applies to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Impact(u32);

impl Impact {
    /// The running machine.
    pub(crate) const LIVE: Impact = Impact(virt_sys::VIR_DOMAIN_AFFECT_LIVE);
    /// The definition.
    pub(crate) const CONFIG: Impact = Impact(virt_sys::VIR_DOMAIN_AFFECT_CONFIG);
    /// For media: opens a drive whose tray the guest has locked.
    pub(crate) const FORCE: Impact = Impact(virt_sys::VIR_DOMAIN_DEVICE_MODIFY_FORCE);

    /// Both.
    #[must_use]
    pub(crate) fn and(self, other: Impact) -> Impact {
        Impact(self.0 | other.0)
    }
}

impl Drop for Domain<'_> {
    fn drop(&mut self) {
        // SAFETY: our own reference, used by nobody any more. A failure leaves nothing to do.
        unsafe { virt_sys::virDomainFree(self.raw.as_ptr()) };
    }
}

impl<'c> Domain<'c> {
    /// Takes over a reference; null is the last call's error.
    ///
    /// # Safety
    /// `raw` is null or a reference that the caller owns, of a connection that lives for `'c`.
    pub(super) unsafe fn owned(raw: virt_sys::virDomainPtr) -> Result<Self, Error> {
        Ok(Self { raw: NonNull::new(raw).ok_or_else(error::last)?, connection: PhantomData })
    }

    /// The UUID of a domain that somebody else owns.
    ///
    /// # Safety
    /// `raw` is a domain that lives during the call.
    pub(super) unsafe fn uuid_of(raw: virt_sys::virDomainPtr) -> Option<Uuid> {
        let mut bytes = [0; 16];
        // SAFETY: a living domain, and room for 16 bytes.
        let result = unsafe { virt_sys::virDomainGetUUID(raw, bytes.as_mut_ptr()) };
        (result == 0).then(|| Uuid::from_bytes(bytes))
    }

    fn raw(&self) -> virt_sys::virDomainPtr {
        self.raw.as_ptr()
    }

    /// Its UUID.
    pub(crate) fn uuid(&self) -> Result<Uuid, Error> {
        // SAFETY: a living domain.
        unsafe { Self::uuid_of(self.raw()) }.ok_or_else(error::last)
    }

    /// Its XML: what runs (of an active domain), without secrets.
    pub(crate) fn xml(&self) -> Result<String, Error> {
        self.xml_with(0)
    }

    /// The XML of its definition, without secrets.
    pub(crate) fn defined_xml(&self) -> Result<String, Error> {
        self.xml_with(virt_sys::VIR_DOMAIN_XML_INACTIVE)
    }

    /// The XML of its definition with passwords: for defining it again, never for showing.
    pub(crate) fn defined_xml_with_secrets(&self) -> Result<String, Error> {
        self.xml_with(virt_sys::VIR_DOMAIN_XML_INACTIVE | virt_sys::VIR_DOMAIN_XML_SECURE)
    }

    /// The XML of what runs, as another host needs it.
    pub(crate) fn migratable_xml(&self) -> Result<String, Error> {
        self.xml_with(virt_sys::VIR_DOMAIN_XML_MIGRATABLE)
    }

    fn xml_with(&self, flags: u32) -> Result<String, Error> {
        // SAFETY: a living domain; the string is ours.
        unsafe { owned_text(virt_sys::virDomainGetXMLDesc(self.raw(), flags)) }
    }

    /// State and reason.
    pub(crate) fn state(&self) -> Result<State, Error> {
        let (mut state, mut reason): (c_int, c_int) = (0, 0);
        // SAFETY: a living domain and two numbers to write to.
        done(unsafe { virt_sys::virDomainGetState(self.raw(), &mut state, &mut reason, 0) })?;
        Ok(State { state: state.unsigned_abs(), reason: reason.unsigned_abs() })
    }

    /// Whether a process runs it.
    pub(crate) fn is_active(&self) -> Result<bool, Error> {
        // SAFETY: a living domain.
        done(unsafe { virt_sys::virDomainIsActive(self.raw()) }).map(|yes| yes == 1)
    }

    /// Whether its definition is kept.
    pub(crate) fn is_persistent(&self) -> Result<bool, Error> {
        // SAFETY: a living domain.
        done(unsafe { virt_sys::virDomainIsPersistent(self.raw()) }).map(|yes| yes == 1)
    }

    /// Whether its memory is saved by libvirt.
    pub(crate) fn has_saved_state(&self) -> Result<bool, Error> {
        // SAFETY: a living domain.
        done(unsafe { virt_sys::virDomainHasManagedSaveImage(self.raw(), 0) }).map(|yes| yes == 1)
    }

    /// Whether libvirt starts it with the host.
    pub(crate) fn autostarts(&self) -> Result<bool, Error> {
        let mut is: c_int = 0;
        // SAFETY: a living domain and a number to write to.
        done(unsafe { virt_sys::virDomainGetAutostart(self.raw(), &mut is) })?;
        Ok(is != 0)
    }

    /// Has libvirt start it with the host, or not.
    pub(crate) fn set_autostart(&self, is: bool) -> Result<(), Error> {
        // SAFETY: a living domain.
        done(unsafe { virt_sys::virDomainSetAutostart(self.raw(), c_int::from(is)) }).map(drop)
    }

    /// The names of the snapshots that libvirt keeps of it, a bounded number of them, in order.
    pub(crate) fn snapshots(&self) -> Result<Vec<String>, Error> {
        const MOST: usize = 1_024;
        // SAFETY: a living domain.
        if done(unsafe { virt_sys::virDomainSnapshotNum(self.raw(), 0) })? == 0 {
            return Ok(Vec::new());
        }
        let mut raw: Vec<*mut c_char> = vec![null_mut(); MOST];
        let room = c_int::try_from(MOST).unwrap_or(c_int::MAX);
        // SAFETY: a living domain and room for as many names as are asked for.
        let count =
            done(unsafe { virt_sys::virDomainSnapshotListNames(self.raw(), raw.as_mut_ptr(), room, 0) })?;
        raw.truncate(usize::try_from(count).unwrap_or(0));
        // SAFETY: each name is ours, allocated by libvirt.
        let names: Result<Vec<String>, Error> =
            raw.into_iter().map(|name| unsafe { owned_text(name) }).collect();
        let mut names = names?;
        names.sort();
        Ok(names)
    }

    /// Whether a disk reports that its storage is full (another error otherwise); none when no disk reports any.
    pub(crate) fn disk_trouble(&self) -> Result<Option<bool>, Error> {
        const MOST: usize = 64;
        let mut errors: [virt_sys::virDomainDiskError; MOST] =
            [virt_sys::virDomainDiskError { disk: null_mut(), error: 0 }; MOST];
        // SAFETY: a living domain and room for as many errors as are asked for.
        let count = done(unsafe {
            virt_sys::virDomainGetDiskErrors(self.raw(), errors.as_mut_ptr(), MOST as u32, 0)
        })?;
        let mut found = None;
        for error in errors.iter().take(usize::try_from(count).unwrap_or(0)) {
            let full = error.error == virt_sys::VIR_DOMAIN_DISK_ERROR_NO_SPACE as c_int;
            found = Some(found.unwrap_or(false) || full);
            // SAFETY: libvirt allocated the name for us with malloc.
            unsafe { libc::free(error.disk.cast()) };
        }
        Ok(found)
    }

    /// Starts it, from its saved state if it has one.
    pub(crate) fn create(&self) -> Result<(), Error> {
        // SAFETY: a living domain.
        done(unsafe { virt_sys::virDomainCreateWithFlags(self.raw(), 0) }).map(drop)
    }

    /// Ends its process.
    pub(crate) fn destroy(&self) -> Result<(), Error> {
        // SAFETY: a living domain.
        done(unsafe { virt_sys::virDomainDestroyFlags(self.raw(), 0) }).map(drop)
    }

    /// Stops its processors.
    pub(crate) fn suspend(&self) -> Result<(), Error> {
        // SAFETY: a living domain.
        done(unsafe { virt_sys::virDomainSuspend(self.raw()) }).map(drop)
    }

    /// Lets its processors run.
    pub(crate) fn resume(&self) -> Result<(), Error> {
        // SAFETY: a living domain.
        done(unsafe { virt_sys::virDomainResume(self.raw()) }).map(drop)
    }

    /// Presses the reset button.
    pub(crate) fn reset(&self) -> Result<(), Error> {
        // SAFETY: a living domain.
        done(unsafe { virt_sys::virDomainReset(self.raw(), 0) }).map(drop)
    }

    /// The number of its run, which libvirt gives at each start; none while it is off.
    pub(crate) fn run(&self) -> Option<u64> {
        // SAFETY: a living domain.
        let id = unsafe { virt_sys::virDomainGetID(self.raw()) };
        (id != u32::MAX).then_some(u64::from(id))
    }

    /// Asks the guest's agent to shut down.
    pub(crate) fn shut_down_by_agent(&self) -> Result<(), Error> {
        let flags = virt_sys::VIR_DOMAIN_SHUTDOWN_GUEST_AGENT;
        // SAFETY: a living domain.
        done(unsafe { virt_sys::virDomainShutdownFlags(self.raw(), flags) }).map(drop)
    }

    /// Presses the power button.
    pub(crate) fn press_power_button(&self) -> Result<(), Error> {
        let flags = virt_sys::VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN;
        // SAFETY: a living domain.
        done(unsafe { virt_sys::virDomainShutdownFlags(self.raw(), flags) }).map(drop)
    }

    /// Saves its memory where libvirt keeps it and ends its process.
    pub(crate) fn save(&self) -> Result<(), Error> {
        // SAFETY: a living domain.
        done(unsafe { virt_sys::virDomainManagedSave(self.raw(), 0) }).map(drop)
    }

    /// Discards its saved memory.
    pub(crate) fn discard_saved(&self) -> Result<(), Error> {
        // SAFETY: a living domain.
        done(unsafe { virt_sys::virDomainManagedSaveRemove(self.raw(), 0) }).map(drop)
    }

    /// Stops the long operation that is under way.
    pub(crate) fn abort_job(&self) -> Result<(), Error> {
        // SAFETY: a living domain.
        done(unsafe { virt_sys::virDomainAbortJob(self.raw()) }).map(drop)
    }

    /// How far the long operation is that is under way.
    pub(crate) fn job(&self) -> Result<Params, Error> {
        let (mut kind, mut params, mut count) = (0, null_mut(), 0);
        // SAFETY: a living domain; libvirt writes a list that is freed below.
        done(unsafe { virt_sys::virDomainGetJobStats(self.raw(), &mut kind, &mut params, &mut count, 0) })?;
        // SAFETY: the list that libvirt just wrote, copied and then freed once.
        unsafe {
            let copy = Params::copied(params, count);
            virt_sys::virTypedParamsFree(params, count);
            Ok(copy)
        }
    }

    /// Removes its definition, with saved memory, NVRAM and the metadata of snapshots and checkpoints.
    pub(crate) fn undefine(&self) -> Result<(), Error> {
        let flags = virt_sys::VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
            | virt_sys::VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
            | virt_sys::VIR_DOMAIN_UNDEFINE_NVRAM
            | virt_sys::VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA;
        // SAFETY: a living domain.
        done(unsafe { virt_sys::virDomainUndefineFlags(self.raw(), flags) }).map(drop)
    }

    /// Whether a long operation is under way.
    pub(crate) fn is_at_work(&self) -> Result<bool, Error> {
        let (mut kind, mut params, mut count) = (0, null_mut(), 0);
        // SAFETY: a living domain; libvirt writes a list that is freed below.
        done(unsafe { virt_sys::virDomainGetJobStats(self.raw(), &mut kind, &mut params, &mut count, 0) })?;
        // SAFETY: the list that libvirt just wrote, freed once.
        unsafe { virt_sys::virTypedParamsFree(params, count) };
        Ok(kind.unsigned_abs() != virt_sys::VIR_DOMAIN_JOB_NONE)
    }

    /// Moves it to the libvirt behind an address, its memory through another. It is defined there and no longer here.
    pub(crate) fn migrate(
        &self,
        to: &str,
        through: &str,
        although_not_known_safe: bool,
    ) -> Result<(), Error> {
        let (to, through) = (c_text(to)?, c_text(through)?);
        let mut flags = virt_sys::VIR_MIGRATE_LIVE
            | virt_sys::VIR_MIGRATE_PEER2PEER
            | virt_sys::VIR_MIGRATE_PERSIST_DEST
            | virt_sys::VIR_MIGRATE_UNDEFINE_SOURCE
            | virt_sys::VIR_MIGRATE_ABORT_ON_ERROR
            | virt_sys::VIR_MIGRATE_AUTO_CONVERGE;
        if although_not_known_safe {
            flags |= virt_sys::VIR_MIGRATE_UNSAFE;
        }
        let (mut params, mut count, mut room) = (null_mut(), 0, 0);
        // SAFETY: libvirt grows the list, which is freed below; both strings are terminated and copied.
        let added = done(unsafe {
            virt_sys::virTypedParamsAddString(
                &mut params,
                &mut count,
                &mut room,
                virt_sys::VIR_MIGRATE_PARAM_URI.as_ptr(),
                through.as_ptr(),
            )
        });
        let moved = added.and_then(|_| {
            // SAFETY: a living domain, a terminated string, and the list with as many parameters as it has.
            done(unsafe {
                virt_sys::virDomainMigrateToURI3(self.raw(), to.as_ptr(), params, count.unsigned_abs(), flags)
            })
        });
        // SAFETY: ours, freed once.
        unsafe { virt_sys::virTypedParamsFree(params, count) };
        moved.map(drop)
    }

    /// Removes its definition and no file.
    pub(crate) fn undefine_only(&self) -> Result<(), Error> {
        let flags = virt_sys::VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
            | virt_sys::VIR_DOMAIN_UNDEFINE_KEEP_NVRAM
            | virt_sys::VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA;
        // SAFETY: a living domain.
        done(unsafe { virt_sys::virDomainUndefineFlags(self.raw(), flags) }).map(drop)
    }

    /// Writes its title.
    pub(crate) fn set_title(&self, title: &str, impact: Impact) -> Result<(), Error> {
        let title = c_text(title)?;
        let kind = virt_sys::VIR_DOMAIN_METADATA_TITLE as c_int;
        // SAFETY: a living domain and a terminated string; a title has neither key nor address.
        done(unsafe {
            virt_sys::virDomainSetMetadata(self.raw(), kind, title.as_ptr(), null(), null(), impact.0)
        })
        .map(drop)
    }

    /// Writes the metadata element of a namespace.
    pub(crate) fn set_metadata(&self, xml: &str, key: &str, uri: &str, impact: Impact) -> Result<(), Error> {
        let (xml, key, uri) = (c_text(xml)?, c_text(key)?, c_text(uri)?);
        let kind = virt_sys::VIR_DOMAIN_METADATA_ELEMENT as c_int;
        // SAFETY: a living domain and terminated strings.
        done(unsafe {
            virt_sys::virDomainSetMetadata(
                self.raw(),
                kind,
                xml.as_ptr(),
                key.as_ptr(),
                uri.as_ptr(),
                impact.0,
            )
        })
        .map(drop)
    }

    /// Adds a device.
    pub(crate) fn attach(&self, xml: &str, impact: Impact) -> Result<(), Error> {
        let xml = c_text(xml)?;
        // SAFETY: a living domain and a terminated string.
        done(unsafe { virt_sys::virDomainAttachDeviceFlags(self.raw(), xml.as_ptr(), impact.0) }).map(drop)
    }

    /// Changes a device.
    pub(crate) fn update(&self, xml: &str, impact: Impact) -> Result<(), Error> {
        let xml = c_text(xml)?;
        // SAFETY: a living domain and a terminated string.
        done(unsafe { virt_sys::virDomainUpdateDeviceFlags(self.raw(), xml.as_ptr(), impact.0) }).map(drop)
    }

    /// Removes a device that is described.
    pub(crate) fn detach(&self, xml: &str, impact: Impact) -> Result<(), Error> {
        let xml = c_text(xml)?;
        // SAFETY: a living domain and a terminated string.
        done(unsafe { virt_sys::virDomainDetachDeviceFlags(self.raw(), xml.as_ptr(), impact.0) }).map(drop)
    }

    /// Removes the device with this alias.
    pub(crate) fn detach_alias(&self, alias: &str, impact: Impact) -> Result<(), Error> {
        let alias = c_text(alias)?;
        // SAFETY: a living domain and a terminated string.
        done(unsafe { virt_sys::virDomainDetachDeviceAlias(self.raw(), alias.as_ptr(), impact.0) }).map(drop)
    }

    /// Sends a command to the guest's agent; the answer is JSON.
    pub(crate) fn agent(&self, command: &str, limit_s: u32) -> Result<String, Error> {
        let command = c_text(command)?;
        let limit = c_int::try_from(limit_s).unwrap_or(c_int::MAX);
        // SAFETY: a living domain and a terminated string; the answer is ours.
        unsafe { owned_text(virt_sys::virDomainQemuAgentCommand(self.raw(), command.as_ptr(), limit, 0)) }
    }

    /// A picture of its first screen, and the picture's type.
    pub(crate) fn screenshot(
        &self,
        connection: &Connection,
        most_bytes: usize,
    ) -> Result<(String, Vec<u8>), Error> {
        let stream = Stream::new(connection)?;
        // SAFETY: a living domain and a fresh stream of its connection; the type is ours.
        let kind =
            unsafe { owned_text(virt_sys::virDomainScreenshot(self.raw(), stream.raw.as_ptr(), 0, 0)) }?;
        Ok((kind, stream.read_all(most_bytes)?))
    }

    /// A connected socket that speaks RFB, without a password.
    pub(crate) fn open_graphics(&self) -> Result<OwnedFd, Error> {
        let flags = virt_sys::VIR_DOMAIN_OPEN_GRAPHICS_SKIPAUTH;
        // SAFETY: a living domain.
        let fd = done(unsafe { virt_sys::virDomainOpenGraphicsFD(self.raw(), 0, flags) })?;
        // SAFETY: a new descriptor that libvirt handed over.
        Ok(unsafe { OwnedFd::from_raw_fd(fd) })
    }
}

/// A stream over a connection, aborted and freed when dropped.
struct Stream<'c> {
    raw: NonNull<virt_sys::_virStream>,
    ended: std::cell::Cell<bool>,
    connection: PhantomData<&'c Connection>,
}

impl<'c> Stream<'c> {
    fn new(connection: &'c Connection) -> Result<Self, Error> {
        // SAFETY: an open connection.
        let raw = unsafe { virt_sys::virStreamNew(connection.raw(), 0) };
        let raw = NonNull::new(raw).ok_or_else(error::last)?;
        Ok(Self { raw, ended: std::cell::Cell::new(false), connection: PhantomData })
    }

    fn read_all(&self, most_bytes: usize) -> Result<Vec<u8>, Error> {
        let mut all = Vec::new();
        let mut part = vec![0_u8; 64 * 1024];
        loop {
            // SAFETY: a living stream and a buffer of the length named.
            let got = done(unsafe {
                virt_sys::virStreamRecv(self.raw.as_ptr(), part.as_mut_ptr().cast(), part.len())
            })?;
            let got = usize::try_from(got).unwrap_or(0).min(part.len());
            if got == 0 {
                // SAFETY: a living stream at its end.
                self.ended.set(unsafe { virt_sys::virStreamFinish(self.raw.as_ptr()) } == 0);
                return Ok(all);
            }
            if all.len() + got > most_bytes {
                return Err(Error::own(format!("more than {most_bytes} bytes")));
            }
            all.extend_from_slice(&part[..got]);
        }
    }
}

impl Drop for Stream<'_> {
    fn drop(&mut self) {
        // SAFETY: ours; an unfinished stream must be aborted before it is freed. Failures leave nothing to do.
        unsafe {
            if !self.ended.get() {
                virt_sys::virStreamAbort(self.raw.as_ptr());
            }
            virt_sys::virStreamFree(self.raw.as_ptr());
        }
    }
}
