//! What Hostler manages: types, states, transitions, validation, error codes.
//!
//! One type per thing, from the store to the wire, the REST interface and the command line. This crate is a
//! boundary: a field, once released, is only ever added to (with a default), and a word, once used, keeps its
//! meaning. It does no I/O, reads no clock, throws no dice and knows nothing of who calls it: everybody does.

pub mod access;
pub mod action;
pub mod agent;
pub mod body;
pub mod bulk;
pub mod channel;
pub mod command;
pub mod command_line;
pub mod console;
mod definition;
pub mod error;
pub mod hardware;
pub mod host;
pub mod host_group;
pub mod host_hardware;
pub mod ids;
pub mod importable;
pub mod job;
pub mod library;
pub mod mac_pool;
pub mod machine_folder;
mod move_out;
pub mod name;
pub mod network;
pub mod new_network;
pub mod object;
pub mod performance;
pub mod possible;
pub mod push;
pub mod refresher;
pub mod request;
pub mod reserve;
pub mod saved_view;
pub mod seen;
pub mod setting;
pub mod status;
pub mod template;
pub mod time;
pub mod upload;
pub mod view;
pub mod vm;
pub mod window;

pub use error::{Code, Refusal};
pub use ids::{
    AgentId, HostGroupId, HostId, InstallationId, ItemId, JobId, SessionId, ShareId, StepNo, TemplateId,
    TokenId, UserId, ViewId, VmId,
};
pub use name::Name;
pub use object::{Change, Key, Kind, Object};
pub use time::{Ms, Timestamp};
