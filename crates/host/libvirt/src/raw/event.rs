//! What libvirt tells on its own: events about domains, and that the connection broke. All of it is reduced to *this
//! domain changed*; who listens reads the domain anew.

use std::ffi::{c_char, c_int, c_void};
use std::mem::transmute;
use std::ptr::null_mut;
use std::sync::Arc;

use uuid::Uuid;
use virt_sys as s;

use super::connection::Connection;
use super::domain::Domain;
use super::{Error, done};

/// Something happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Notice {
    /// About a domain.
    Changed(Uuid),
    /// A guest's agent opened its channel: what was held against a silent one no longer counts.
    AgentConnected(Uuid),
    /// The connection broke.
    Closed,
}

/// Where notices go. Called on the event loop's thread; it must return at once and not call libvirt.
type Sink = Arc<dyn Fn(Notice) + Send + Sync>;

/// A connection on which notices arrive as long as this lives.
pub(crate) struct Registration {
    connection: Connection,
    callbacks: Vec<c_int>,
}

type C = s::virConnectPtr;
type D = s::virDomainPtr;
type Opaque = *mut c_void;

/// A function as libvirt stores it; it casts it back to the signature that belongs to the event's number.
type Generic = unsafe extern "C" fn(C, D, Opaque);

impl Registration {
    /// Registers for every event that may change how a machine is seen. Balloon events are left out: they come with
    /// each step and change nothing that is in the record.
    pub(crate) fn new(connection: Connection, sink: Sink) -> Result<Self, Error> {
        let mut this = Self { connection, callbacks: Vec::new() };
        let opaque = opaque_of(&sink);
        // SAFETY: an open connection; `closed` has the signature asked for, and `forget` frees its datum once.
        let closing = done(unsafe {
            s::virConnectRegisterCloseCallback(this.connection.raw(), Some(closed), opaque, Some(forget))
        });
        if let Err(why) = closing {
            // SAFETY: libvirt did not take it.
            unsafe { forget(opaque) };
            return Err(why);
        }
        // SAFETY: each function has the signature that `libvirt-domain.h` gives for its event; libvirt casts it back
        // before calling.
        let wanted: [(s::virDomainEventID, Generic); 9] = unsafe {
            [
                (s::VIR_DOMAIN_EVENT_ID_LIFECYCLE, transmute::<*const (), Generic>(lifecycle as *const ())),
                (
                    s::VIR_DOMAIN_EVENT_ID_IO_ERROR_REASON,
                    transmute::<*const (), Generic>(io_error as *const ()),
                ),
                (s::VIR_DOMAIN_EVENT_ID_AGENT_LIFECYCLE, transmute::<*const (), Generic>(agent as *const ())),
                (s::VIR_DOMAIN_EVENT_ID_DEVICE_ADDED, transmute::<*const (), Generic>(device as *const ())),
                (s::VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED, transmute::<*const (), Generic>(device as *const ())),
                (
                    s::VIR_DOMAIN_EVENT_ID_DEVICE_REMOVAL_FAILED,
                    transmute::<*const (), Generic>(device as *const ()),
                ),
                (s::VIR_DOMAIN_EVENT_ID_TRAY_CHANGE, transmute::<*const (), Generic>(tray as *const ())),
                (
                    s::VIR_DOMAIN_EVENT_ID_METADATA_CHANGE,
                    transmute::<*const (), Generic>(metadata as *const ()),
                ),
                (
                    s::VIR_DOMAIN_EVENT_ID_JOB_COMPLETED,
                    transmute::<*const (), Generic>(job_completed as *const ()),
                ),
            ]
        };
        for (event, function) in wanted {
            let opaque = opaque_of(&sink);
            // SAFETY: an open connection, no domain (so all of them), a function of the event's signature, and a
            // datum that `forget` frees once.
            let callback = done(unsafe {
                s::virConnectDomainEventRegisterAny(
                    this.connection.raw(),
                    null_mut(),
                    event.cast_signed(),
                    Some(function),
                    opaque,
                    Some(forget),
                )
            });
            match callback {
                Ok(callback) => this.callbacks.push(callback),
                Err(why) => {
                    // SAFETY: libvirt did not take it.
                    unsafe { forget(opaque) };
                    // An older libvirt does not know every event; what it does not tell is found by reading.
                    if why.is_lost() {
                        return Err(why);
                    }
                    tracing::warn!(event, %why, "libvirt does not tell of this event");
                }
            }
        }
        Ok(this)
    }

    /// Whether the socket is still open.
    pub(crate) fn is_alive(&self) -> bool {
        self.connection.is_alive()
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        // A connection with callbacks is kept alive by them, also a dead one: each restart of libvirtd would leak it.
        for callback in &self.callbacks {
            // SAFETY: a callback of this connection, taken away once.
            unsafe { s::virConnectDomainEventDeregisterAny(self.connection.raw(), *callback) };
        }
        // SAFETY: the close callback of this connection.
        unsafe { s::virConnectUnregisterCloseCallback(self.connection.raw(), Some(closed)) };
    }
}

/// Makes a datum for a callback, to be freed by [`forget`].
fn opaque_of(sink: &Sink) -> Opaque {
    Box::into_raw(Box::new(Arc::clone(sink))).cast()
}

unsafe extern "C" fn forget(opaque: Opaque) {
    // SAFETY: made by `opaque_of`, freed once.
    drop(unsafe { Box::from_raw(opaque.cast::<Sink>()) });
}

/// Tells of a domain.
///
/// # Safety
/// `domain` is a living domain and `opaque` was made by `opaque_of`.
unsafe fn tell(domain: D, opaque: Opaque, notice: fn(Uuid) -> Notice) {
    // SAFETY: by the contract; libvirt keeps the datum until the callback is deregistered.
    let (uuid, sink) = unsafe { (Domain::uuid_of(domain), &*opaque.cast::<Sink>()) };
    if let Some(uuid) = uuid {
        sink(notice(uuid));
    }
}

unsafe extern "C" fn closed(_: C, _reason: c_int, opaque: Opaque) {
    // SAFETY: made by `opaque_of`, and libvirt keeps it until the callback is deregistered.
    let sink = unsafe { &*opaque.cast::<Sink>() };
    sink(Notice::Closed);
}

unsafe extern "C" fn lifecycle(_: C, domain: D, _event: c_int, _detail: c_int, opaque: Opaque) -> c_int {
    // SAFETY: as libvirt promises of a callback.
    unsafe { tell(domain, opaque, Notice::Changed) };
    0
}

unsafe extern "C" fn io_error(
    _: C,
    domain: D,
    _file: *const c_char,
    _alias: *const c_char,
    _action: c_int,
    _reason: *const c_char,
    opaque: Opaque,
) {
    // SAFETY: as libvirt promises of a callback.
    unsafe { tell(domain, opaque, Notice::Changed) };
}

unsafe extern "C" fn agent(_: C, domain: D, state: c_int, _reason: c_int, opaque: Opaque) {
    let connected = state == s::VIR_CONNECT_DOMAIN_EVENT_AGENT_LIFECYCLE_STATE_CONNECTED as c_int;
    // SAFETY: as libvirt promises of a callback.
    unsafe { tell(domain, opaque, if connected { Notice::AgentConnected } else { Notice::Changed }) };
}

unsafe extern "C" fn device(_: C, domain: D, _alias: *const c_char, opaque: Opaque) {
    // SAFETY: as libvirt promises of a callback.
    unsafe { tell(domain, opaque, Notice::Changed) };
}

unsafe extern "C" fn tray(_: C, domain: D, _alias: *const c_char, _reason: c_int, opaque: Opaque) {
    // SAFETY: as libvirt promises of a callback.
    unsafe { tell(domain, opaque, Notice::Changed) };
}

unsafe extern "C" fn metadata(_: C, domain: D, _kind: c_int, _uri: *const c_char, opaque: Opaque) {
    // SAFETY: as libvirt promises of a callback.
    unsafe { tell(domain, opaque, Notice::Changed) };
}

unsafe extern "C" fn job_completed(
    _: C,
    domain: D,
    _params: s::virTypedParameterPtr,
    _count: c_int,
    opaque: Opaque,
) {
    // SAFETY: as libvirt promises of a callback.
    unsafe { tell(domain, opaque, Notice::Changed) };
}
