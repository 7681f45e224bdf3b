//! Virtual hard disk images on one computer: look into them, create and copy them, keep the immutable
//! bases that overlays stand on, and delete exactly what bears a mark.
//!
//! **What it must not do.** It knows nothing of hosts, jobs, libvirt or the network, and decides nothing:
//! paths, marks and limits come in. It is synchronous; whoever calls it does so on a thread. It never lets
//! `qemu-img` look at a file that our own header reader has not accepted, never guesses a format, never
//! replaces a file that exists, and deletes no folder that something is in.
//!
//! **Who calls it**: the agent's commands, and the library refresher through [`walk_share`].
//!
//! | question | function |
//! | --- | --- |
//! | what is this file? | [`inspect`], [`inspect_as`] |
//! | may an image from outside be used? | [`check_foreign`], for a whole folder [`walk_share`] |
//! | which file does a user's path mean? | [`confine`] |
//! | a new disk | [`create_blank`], [`create_overlay`], [`create_copy`], [`create_seed`]; [`sparse_copy`] for any file |
//! | the immutable file an overlay stands on | [`bring_base`], [`find_base`], [`check_base`] |
//! | a file that arrives piece by piece | [`Upload`] |
//! | the folders in which machines are kept | [`list_folder`], [`make_folder`], [`remove_empty_folder`] |
//! | do two computers see one folder? | [`lay_file`], [`read_laid`], [`take_laid`] |
//! | whose file is it? delete it if it is mine | [`mark()`], [`read_stamp`], [`delete_marked`], [`delete_of`] |

mod base;
mod beneath;
mod convert;
mod copy;
mod create;
mod error;
mod folder;
mod foreign;
mod format;
mod laid;
mod mark;
mod part;
mod qemu_img;
mod rejected;
mod share;
mod upload;

pub use base::{Base, base_path, bring_base, check_base, find_base};
pub use beneath::confine;
pub use copy::{Progress, sparse_copy};
pub use create::{create_blank, create_copy, create_overlay, create_seed};
pub use error::Error;
pub use folder::{
    Listed, find_files, is_file, is_folder, list_folder, make_folder, read_text, remove_empty_folder,
};
pub use foreign::{CHAIN_LIMIT, check_foreign};
pub use format::{Backing, Format, Image, MAX_VIRTUAL_BYTES, READ_LIMIT_BYTES, inspect, inspect_as};
pub use laid::{lay_file, read_laid, take_laid};
pub use mark::{Deletion, Stamp, delete_marked, delete_of, mark, read_stamp};
pub use rejected::Rejected;
pub use share::{Cut, Found, Kind, WalkLimits, Walked, walk_share};
pub use upload::{FileIdentity, Upload};
