//! Consoles of machines: the screen, or the serial port.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::name::Name;
use crate::time::{Ms, Timestamp};

/// How long a ticket for a console is good, in milliseconds.
pub const CONSOLE_TICKET_MS: Ms = 30_000;

/// The subprotocol of a console's WebSocket: binary frames, each with any part of the bytes.
pub const CONSOLE_PROTOCOL: &str = "binary";

/// What of a machine a console shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ConsoleKind {
    /// Screen, keyboard and pointer, as RFB 3.8 (VNC) without a password.
    Graphics,
    /// The first serial port. It begins with what was written since power-on, at most the last 256 KiB.
    Serial,
}

impl ConsoleKind {
    /// The kind in a word.
    pub fn word(self) -> &'static str {
        match self {
            ConsoleKind::Graphics => "graphics",
            ConsoleKind::Serial => "serial",
        }
    }
}

/// Ask for a ticket for a console.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewConsoleTicket {
    /// What to show.
    pub kind: ConsoleKind,
    /// Whether only to look: nothing that is typed or pointed at reaches the machine. To see a machine is enough for it;
    /// to use it needs the right to change it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub view_only: bool,
}

/// A ticket for a console. It is good once, for 30 seconds, for the user who asked, and shown this once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConsoleTicket {
    /// The ticket.
    pub ticket: String,
    /// What it shows.
    pub kind: ConsoleKind,
    /// Whether it only shows.
    pub view_only: bool,
    /// Where to open the WebSocket, with the ticket in it.
    pub url: String,
    /// When it runs out.
    pub expires: Timestamp,
}

/// Somebody who has a console of a machine open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConsoleViewer {
    /// The user's name.
    pub user: Name,
    /// What they see.
    pub kind: ConsoleKind,
    /// Whether they only look.
    pub view_only: bool,
    /// Since when.
    pub since: Timestamp,
}

/// Why a console's WebSocket was closed, beside the codes of RFC 6455. The reason stands beside it in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsoleEnd {
    /// The right with which it was opened is no more.
    Revoked,
    /// The machine is gone, or on another host.
    MachineGone,
    /// Its host does not answer. Worth asking for a new ticket in a moment.
    HostNotAnswering,
    /// The ticket is unknown, used, run out, or somebody else's.
    TicketNotGood,
    /// What the machine shows was taken too slowly. Worth asking for a new ticket.
    TooSlow,
    /// The machine was turned off. With a new ticket one waits for its next start.
    TurnedOff,
    /// The host refuses: the machine has no such console, or too many are open there.
    Refused,
}

impl ConsoleEnd {
    /// Every end there is.
    pub const ALL: [ConsoleEnd; 7] = [
        ConsoleEnd::Revoked,
        ConsoleEnd::MachineGone,
        ConsoleEnd::HostNotAnswering,
        ConsoleEnd::TicketNotGood,
        ConsoleEnd::TooSlow,
        ConsoleEnd::TurnedOff,
        ConsoleEnd::Refused,
    ];

    /// The close code.
    pub fn code(self) -> u16 {
        match self {
            ConsoleEnd::Revoked => 4001,
            ConsoleEnd::MachineGone => 4002,
            ConsoleEnd::HostNotAnswering => 4003,
            ConsoleEnd::TicketNotGood => 4004,
            ConsoleEnd::TooSlow => 4005,
            ConsoleEnd::TurnedOff => 4006,
            ConsoleEnd::Refused => 4007,
        }
    }

    /// The end with this close code.
    pub fn of_code(code: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|end| end.code() == code)
    }
}
