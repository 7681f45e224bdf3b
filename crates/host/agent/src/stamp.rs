//! Which version this program is, written so that a server can read it in the program's file: the program itself need not
//! run where the server does, since it wants libvirt there.

use std::sync::OnceLock;

/// What stands before the version.
const BEFORE: usize = "hostler-agent-version=".len();
/// Room for both.
const ROOM: usize = 96;

/// `hostler-agent-version=0.1.0` and the end of the line.
#[used]
static STAMP: [u8; ROOM] =
    stamp(concat!("hostler-agent-version=", env!("CARGO_PKG_VERSION"), "\n").as_bytes());

const fn stamp(text: &[u8]) -> [u8; ROOM] {
    let mut stamp = [0; ROOM];
    let mut at = 0;
    while at < text.len() {
        stamp[at] = text[at];
        at += 1;
    }
    stamp
}

/// The version of this program, as its file says.
pub fn version() -> &'static str {
    static VERSION: OnceLock<&str> = OnceLock::new();
    VERSION.get_or_init(|| {
        // What the file says holds, so the compiler must not know it better.
        let stamp: &'static [u8; ROOM] = std::hint::black_box(&STAMP);
        let text = stamp.get(BEFORE..).unwrap_or_default();
        let end = text.iter().position(|byte| *byte == b'\n').unwrap_or(text.len());
        std::str::from_utf8(&text[..end]).unwrap_or_default()
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_stamp_says_the_version_of_the_package() {
        assert_eq!(super::version(), env!("CARGO_PKG_VERSION"));
    }
}
