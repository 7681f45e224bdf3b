//! What Hostler does, shown on test hosts of this computer. What is shown is the testbed's.

use crate::commands::{self, in_front};
use crate::trouble::Trouble;
use crate::{tiny_linux, tree};

/// Builds what it needs and shows it, where there is no way out.
///
/// # Errors
/// Something cannot be built, or does not happen.
pub fn run(name: &str) -> Result<(), Trouble> {
    let disk = tiny_linux::build()?;
    in_front(commands::command(&["cargo", "build", "--release"]).args(commands::PROGRAMS))?;
    let testbed = tree::target().join("release/hostler-testbed");
    let mut demo = commands::command(&[&testbed]);
    demo.args(["apart", "--"]).arg(&testbed).args(["demo", name, "--disk"]).arg(disk);
    in_front(&mut demo)
}
