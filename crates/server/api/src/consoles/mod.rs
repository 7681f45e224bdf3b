//! Consoles of machines: who may open one, who has one open, and the bytes between a browser's WebSocket and the host's
//! agent. Nothing of what is shown or typed is kept or logged.

mod carry;
mod rfb;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hostler_model::access::Right;
use hostler_model::console::{CONSOLE_TICKET_MS, ConsoleKind, ConsoleViewer, NewConsoleTicket};
use hostler_model::{Refusal, Timestamp, UserId, VmId};

use crate::access::Caller;
use crate::problem::Problem;
use crate::tokens;

pub(crate) use carry::carry;

/// Consoles and tickets for them that one user has at a time: more is no person's need, and each holds a stream of the
/// few that a host has.
const MOST_OF_ONE_USER: usize = 20;
/// And all users together.
const MOST: usize = 500;

/// Tickets that were given and not used, and consoles that are open.
#[derive(Default)]
pub(crate) struct Consoles(Mutex<State>);

#[derive(Default)]
struct State {
    tickets: HashMap<String, Ticket>,
    open: BTreeMap<u64, (UserId, VmId, ConsoleViewer)>,
    counted: u64,
}

/// For what a ticket is good.
pub(crate) struct Ticket {
    caller: Caller,
    vm: VmId,
    kind: ConsoleKind,
    view_only: bool,
    until: Instant,
}

impl Ticket {
    /// What opens it, and keeps it open.
    fn right(&self) -> Right {
        right(self.view_only)
    }
}

/// What a console needs.
pub(crate) fn right(view_only: bool) -> Right {
    if view_only { Right::See } else { Right::Change }
}

impl Consoles {
    fn state(&self) -> MutexGuard<'_, State> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        state.tickets.retain(|_, ticket| ticket.until > now);
        state
    }

    /// A ticket for a console of a machine, which its user may open.
    pub(crate) fn give(&self, caller: Caller, vm: VmId, wanted: NewConsoleTicket) -> Result<String, Problem> {
        let ticket = tokens::random()?;
        let user = caller.user.id;
        let mut state = self.state();
        let of_user = state.tickets.values().filter(|ticket| ticket.caller.user.id == user).count()
            + state.open.values().filter(|(who, _, _)| *who == user).count();
        let of_all = state.tickets.len() + state.open.len();
        if of_user >= MOST_OF_ONE_USER || of_all >= MOST {
            let cause = match of_user >= MOST_OF_ONE_USER {
                true => format!("you have {MOST_OF_ONE_USER} consoles open, or asked for"),
                false => format!("{MOST} consoles are open"),
            };
            return Err(Problem::too_many("console", &cause, CONSOLE_TICKET_MS / 1_000));
        }
        let NewConsoleTicket { kind, view_only } = wanted;
        let until = Instant::now() + Duration::from_millis(CONSOLE_TICKET_MS);
        state.tickets.insert(ticket.clone(), Ticket { caller, vm, kind, view_only, until });
        Ok(ticket)
    }

    /// Takes a ticket: it is good no more.
    fn take(&self, ticket: &str, user: UserId) -> Option<Ticket> {
        let mut state = self.state();
        if state.tickets.get(ticket)?.caller.user.id != user {
            return None;
        }
        state.tickets.remove(ticket)
    }

    /// Notes who has a console open, until what is returned is dropped.
    fn enter(self: &Arc<Self>, ticket: &Ticket, since: Timestamp) -> Entered {
        let Ticket { caller, vm, kind, view_only, .. } = ticket;
        let viewer =
            ConsoleViewer { user: caller.user.name.clone(), kind: *kind, view_only: *view_only, since };
        let mut state = self.state();
        state.counted += 1;
        let number = state.counted;
        state.open.insert(number, (caller.user.id, *vm, viewer));
        Entered { consoles: self.clone(), number }
    }

    /// Who has a console of a machine open, in the order in which they came.
    pub(crate) fn viewers(&self, vm: VmId) -> Vec<ConsoleViewer> {
        let state = self.state();
        state.open.values().filter(|(_, of, _)| *of == vm).map(|(_, _, viewer)| viewer.clone()).collect()
    }
}

/// A console that is open.
struct Entered {
    consoles: Arc<Consoles>,
    number: u64,
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.consoles.state().open.remove(&self.number);
    }
}

/// Why a console is closed.
#[derive(Debug)]
struct Close {
    code: u16,
    reason: String,
}

impl From<Refusal> for Close {
    fn from(refusal: Refusal) -> Self {
        use hostler_model::Code;
        use hostler_model::console::ConsoleEnd;
        let end = match refusal.code {
            Code::HostNotResponding => ConsoleEnd::HostNotAnswering,
            Code::HypervisorNoVm => ConsoleEnd::MachineGone,
            _ => ConsoleEnd::Refused,
        };
        Close { code: end.code(), reason: refusal.cause }
    }
}
