//! A network of libvirt's, as long as its connection lives.

use std::marker::PhantomData;
use std::ptr::{NonNull, null, null_mut};

use uuid::Uuid;

use super::connection::Connection;
use super::{Error, borrowed_text, c_text, done, error, owned_text};

/// A reference to a network. It borrows its connection, so that it stays on the thread that holds it.
pub(crate) struct Network<'c> {
    raw: NonNull<virt_sys::_virNetwork>,
    connection: PhantomData<&'c Connection>,
}

/// An address that a network's server has given to somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lease {
    /// When it runs out, in seconds since 1970; 0 for never.
    pub until_s: i64,
    /// To whom: a hardware address.
    pub mac: String,
    /// The address.
    pub address: String,
    /// How it calls itself; empty where it does not.
    pub host_name: String,
}

impl Drop for Network<'_> {
    fn drop(&mut self) {
        // SAFETY: our own reference, used by nobody any more. A failure leaves nothing to do.
        unsafe { virt_sys::virNetworkFree(self.raw.as_ptr()) };
    }
}

impl Connection {
    /// Every network, active or not.
    pub(crate) fn networks(&self) -> Result<Vec<Network<'_>>, Error> {
        let mut list = null_mut();
        // SAFETY: an open connection; libvirt writes an array that we free below.
        let count = done(unsafe { virt_sys::virConnectListAllNetworks(self.raw(), &mut list, 0) })?;
        let count = usize::try_from(count).unwrap_or(0);
        let mut networks = Vec::with_capacity(count);
        for at in 0..count {
            // SAFETY: the array has `count` references, each ours.
            networks.push(unsafe { Network::owned(*list.add(at)) }?);
        }
        // SAFETY: allocated by libvirt with malloc; its references are taken over.
        unsafe { libc::free(list.cast()) };
        Ok(networks)
    }

    /// The names of the networks that are active.
    pub(crate) fn active_networks(&self) -> Result<Vec<String>, Error> {
        let networks = self.networks()?;
        let mut names = Vec::new();
        for network in &networks {
            if network.is_active()? {
                names.push(network.name());
            }
        }
        names.sort();
        Ok(names)
    }

    /// The network of this name; none where there is none.
    pub(crate) fn network(&self, name: &str) -> Result<Option<Network<'_>>, Error> {
        Ok(self.networks()?.into_iter().find(|network| network.name() == name))
    }

    /// Defines a network, to be kept.
    pub(crate) fn define_network(&self, xml: &str) -> Result<Network<'_>, Error> {
        let xml = c_text(xml)?;
        // SAFETY: an open connection and a terminated string.
        let raw = unsafe { virt_sys::virNetworkDefineXML(self.raw(), xml.as_ptr()) };
        // SAFETY: a new reference, ours.
        unsafe { Network::owned(raw) }
    }
}

impl Network<'_> {
    /// Takes over a reference; null is the last call's error.
    ///
    /// # Safety
    /// `raw` is null or a reference that the caller owns, of a connection that outlives what is made of it.
    unsafe fn owned(raw: virt_sys::virNetworkPtr) -> Result<Self, Error> {
        Ok(Self { raw: NonNull::new(raw).ok_or_else(error::last)?, connection: PhantomData })
    }

    fn raw(&self) -> virt_sys::virNetworkPtr {
        self.raw.as_ptr()
    }

    /// Its name.
    pub(crate) fn name(&self) -> String {
        // SAFETY: a living network; the name lives as long as it does.
        unsafe { borrowed_text(virt_sys::virNetworkGetName(self.raw())) }
    }

    /// Its UUID.
    pub(crate) fn uuid(&self) -> Result<Uuid, Error> {
        let mut bytes = [0; 16];
        // SAFETY: a living network, and room for 16 bytes.
        done(unsafe { virt_sys::virNetworkGetUUID(self.raw(), bytes.as_mut_ptr()) })?;
        Ok(Uuid::from_bytes(bytes))
    }

    /// Its XML: of what is active, where it is.
    pub(crate) fn xml(&self) -> Result<String, Error> {
        // SAFETY: a living network; the string is ours.
        unsafe { owned_text(virt_sys::virNetworkGetXMLDesc(self.raw(), 0)) }
    }

    /// The XML of its definition.
    pub(crate) fn defined_xml(&self) -> Result<String, Error> {
        // SAFETY: a living network; the string is ours.
        unsafe { owned_text(virt_sys::virNetworkGetXMLDesc(self.raw(), virt_sys::VIR_NETWORK_XML_INACTIVE)) }
    }

    /// Whether it is active.
    pub(crate) fn is_active(&self) -> Result<bool, Error> {
        // SAFETY: a living network.
        Ok(done(unsafe { virt_sys::virNetworkIsActive(self.raw()) })? == 1)
    }

    /// Whether a definition is kept.
    pub(crate) fn is_persistent(&self) -> Result<bool, Error> {
        // SAFETY: a living network.
        Ok(done(unsafe { virt_sys::virNetworkIsPersistent(self.raw()) })? == 1)
    }

    /// Whether libvirt makes it active when it starts.
    pub(crate) fn autostart(&self) -> Result<bool, Error> {
        let mut is = 0;
        // SAFETY: a living network, and a number to write to.
        done(unsafe { virt_sys::virNetworkGetAutostart(self.raw(), &mut is) })?;
        Ok(is == 1)
    }

    /// Has libvirt make it active when it starts, or not.
    pub(crate) fn set_autostart(&self, is: bool) -> Result<(), Error> {
        // SAFETY: a living network.
        done(unsafe { virt_sys::virNetworkSetAutostart(self.raw(), i32::from(is)) }).map(drop)
    }

    /// Makes it active.
    pub(crate) fn start(&self) -> Result<(), Error> {
        // SAFETY: a living network.
        done(unsafe { virt_sys::virNetworkCreate(self.raw()) }).map(drop)
    }

    /// Makes it inactive. What is connected to it loses its connection.
    pub(crate) fn stop(&self) -> Result<(), Error> {
        // SAFETY: a living network.
        done(unsafe { virt_sys::virNetworkDestroy(self.raw()) }).map(drop)
    }

    /// Removes its definition.
    pub(crate) fn undefine(&self) -> Result<(), Error> {
        // SAFETY: a living network.
        done(unsafe { virt_sys::virNetworkUndefine(self.raw()) }).map(drop)
    }

    /// The addresses that its server has given away.
    pub(crate) fn leases(&self) -> Result<Vec<Lease>, Error> {
        let mut list = null_mut();
        // SAFETY: a living network; libvirt writes an array that we free below.
        let count = done(unsafe { virt_sys::virNetworkGetDHCPLeases(self.raw(), null(), &mut list, 0) })?;
        let mut leases = Vec::new();
        for at in 0..usize::try_from(count).unwrap_or(0) {
            // SAFETY: the array has `count` leases, each ours; its strings live until it is freed.
            unsafe {
                let lease = *list.add(at);
                leases.push(Lease {
                    until_s: (*lease).expirytime,
                    mac: borrowed_text((*lease).mac),
                    address: borrowed_text((*lease).ipaddr),
                    host_name: borrowed_text((*lease).hostname),
                });
                virt_sys::virNetworkDHCPLeaseFree(lease);
            }
        }
        // SAFETY: allocated by libvirt with malloc; its leases are freed.
        unsafe { libc::free(list.cast()) };
        Ok(leases)
    }
}
