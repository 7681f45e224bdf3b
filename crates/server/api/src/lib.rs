//! The outside face of a server: REST, live feed, OpenAPI, sign-in, authorisation; on the handle of `hostler-server`.
//!
//! A route asks who it is and whether they may (once, for all routes, in `access`), reads the committed picture or hands
//! a request to the engine, and answers with a view of `hostler-model` or with the job. It must not decide what may be
//! done to a thing in its state, keep anything of the inventory, or answer with a secret. The files under `routes` are
//! the tree of URLs. Called by the binary `hostler`, which brings listener and TLS configuration.

mod access;
mod app;
mod change;
mod console;
mod consoles;
mod effects;
mod extract;
mod feed;
mod fields;
mod json;
mod list;
mod listed;
mod names;
mod openapi;
mod order;
mod performance;
mod precondition;
mod problem;
mod rights;
mod rollup;
mod routes;
mod screens;
mod secret;
mod serve;
mod slow;
mod tagged;
mod tokens;
mod told;
mod views;
mod window;

pub use app::{Api, document};
pub use hostler_console::File;
pub use rights::{RouteError, RouteRight};
pub use serve::serve;
