//! The outside face, with a real server behind it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod bulk;
mod changes;
mod console;
mod consoles;
mod document;
mod face;
mod feed;
mod fields;
mod groups;
mod hostile;
mod lists;
mod my_views;
mod rest_page;
mod rights;
mod schema;
mod secrets;
mod sign_in;
mod tls;
mod versions;
mod windows;
