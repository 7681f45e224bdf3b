//! libvirt's C interface, made safe: handles that close themselves and never panic, errors read at once on the thread
//! on which they arose. Nothing here knows what a machine of Hostler is; `unsafe` is found in this folder and in the
//! KVM probe, nowhere else.
//!
//! One `Connection` is used by one thread at a time (it is `Send` and not `Sync`, and a `Domain` borrows it): libvirt
//! 9.0 stalls quick calls for seconds behind a slow one when threads share a connection.

#![expect(unsafe_code, reason = "this folder is the boundary to a C library; each block says why it holds")]

mod connection;
mod domain;
mod error;
mod event;
mod filter;
mod network;
mod params;

use std::ffi::{CStr, CString, c_char, c_void};
use std::sync::OnceLock;
use std::time::Duration;

pub(crate) use connection::Connection;
pub(crate) use domain::{Domain, Impact, State};
pub(crate) use error::{Error, Kind};
pub(crate) use event::{Notice, Registration};
pub(crate) use network::Network;
pub(crate) use params::{Params, Value};

/// Prepares the library once: errors are not printed, and the event loop runs before any connection is opened
/// (keepalive and events of a connection opened earlier would never work).
pub(crate) fn ready() -> Result<(), Error> {
    static READY: OnceLock<Result<(), Error>> = OnceLock::new();
    READY
        .get_or_init(|| {
            // SAFETY: a null user datum is never read by `silent`, which is a plain function.
            unsafe { virt_sys::virSetErrorFunc(std::ptr::null_mut(), Some(silent)) };
            // SAFETY: both take no argument and are called once, before any other call.
            if unsafe { virt_sys::virInitialize() } < 0
                || unsafe { virt_sys::virEventRegisterDefaultImpl() } < 0
            {
                return Err(error::last());
            }
            let looping = std::thread::Builder::new().name("libvirt events".into()).spawn(|| {
                loop {
                    // SAFETY: the default implementation is registered, and only this thread runs it.
                    if unsafe { virt_sys::virEventRunDefaultImpl() } < 0 {
                        std::thread::sleep(Duration::from_millis(100));
                    }
                }
            });
            looping.map(drop).map_err(|why| Error::own(format!("no thread for libvirt's events: {why}")))
        })
        .clone()
}

/// libvirt prints each error to standard error unless it is given a function of one's own.
unsafe extern "C" fn silent(_: *mut c_void, _: virt_sys::virErrorPtr) {}

/// Text as C wants it.
fn c_text(text: &str) -> Result<CString, Error> {
    CString::new(text).map_err(|_| Error::own("text with a zero byte".into()))
}

/// Takes over a string that libvirt allocated; an error when it is null.
///
/// # Safety
/// `text` is null, or a string that the caller owns and nobody uses afterwards.
unsafe fn owned_text(text: *mut c_char) -> Result<String, Error> {
    if text.is_null() {
        return Err(error::last());
    }
    // SAFETY: not null, so by the contract a terminated string.
    let copy = unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned();
    // SAFETY: ours by the contract, allocated by libvirt with malloc, and copied.
    unsafe { libc::free(text.cast()) };
    Ok(copy)
}

/// Copies a string that libvirt keeps; empty when it is null.
///
/// # Safety
/// `text` is null or a terminated string that lives during this call.
unsafe fn borrowed_text(text: *const c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: not null, so by the contract a terminated string.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}

/// Success or the error of the call just made on this thread.
fn done(result: i32) -> Result<i32, Error> {
    if result < 0 { Err(error::last()) } else { Ok(result) }
}
