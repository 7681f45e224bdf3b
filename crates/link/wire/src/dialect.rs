//! Speaking as another version of this program would: every message passes through two functions on its way out and in.
//! For the testbed, which so has a whole agent of the protocol before and of the one to come. No program that is shipped
//! is built with it (the feature `dialects`).

use std::sync::OnceLock;

use serde_json::Value;

/// What is changed in messages, as JSON.
#[derive(Clone, Copy, Debug)]
pub struct Dialect {
    /// In what this process says.
    pub says: fn(&mut Value),
    /// In what it hears, before it is understood.
    pub hears: fn(&mut Value),
}

static SPOKEN: OnceLock<Dialect> = OnceLock::new();

/// Has this process speak so from now on; the first word on it counts.
pub fn speak(dialect: Dialect) {
    let _ = SPOKEN.set(dialect);
}

/// The dialect of this process, if it has one.
pub(crate) fn spoken() -> Option<&'static Dialect> {
    SPOKEN.get()
}
