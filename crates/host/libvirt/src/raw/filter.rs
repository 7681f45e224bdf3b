//! Filters of libvirt's for what adapters of machines send.

use super::connection::Connection;
use super::{Error, c_text, error};

impl Connection {
    /// Whether there is a filter of this name; an error says no more than that it was not found.
    pub(crate) fn has_filter(&self, name: &str) -> Result<bool, Error> {
        let name = c_text(name)?;
        // SAFETY: an open connection and a terminated string.
        let raw = unsafe { virt_sys::virNWFilterLookupByName(self.raw(), name.as_ptr()) };
        if !raw.is_null() {
            // SAFETY: a reference of our own, used by nobody any more.
            unsafe { virt_sys::virNWFilterFree(raw) };
            return Ok(true);
        }
        let why = error::last();
        if why.is_lost() { Err(why) } else { Ok(false) }
    }

    /// Defines a filter, to be kept.
    pub(crate) fn define_filter(&self, xml: &str) -> Result<(), Error> {
        let xml = c_text(xml)?;
        // SAFETY: an open connection and a terminated string.
        let raw = unsafe { virt_sys::virNWFilterDefineXML(self.raw(), xml.as_ptr()) };
        if raw.is_null() {
            return Err(error::last());
        }
        // SAFETY: a reference of our own, used by nobody any more.
        unsafe { virt_sys::virNWFilterFree(raw) };
        Ok(())
    }
}
