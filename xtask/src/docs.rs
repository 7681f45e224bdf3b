//! Writes anew what in `docs/` is made from the code. Each page has a test that compares it with what it is made from, and
//! that writes it where it is told to; this runs them all.

use crate::trouble::Trouble;
use crate::{commands, tree};

/// The packages whose tests write pages, each with what their names have in common. Those of later ones are made from
/// those of earlier ones.
const WRITERS: [(&str, &[&str]); 3] = [
    ("hostler-model", &["reference"]),
    ("hostler-api", &["document", "rest_page", "every_route_is_shut"]),
    ("hostler", &["reference"]),
];

/// Writes all pages, and the types that the console has of the interface.
///
/// # Errors
/// When a test fails to write its page.
pub fn write() -> Result<(), Trouble> {
    for (package, tests) in WRITERS {
        let line = [&["cargo", "test", "--quiet", "-p", package, "--test", "it", "--"], tests].concat();
        let mut command = commands::command(&line);
        println!("{}", commands::line_of(&command));
        commands::output(command.env("UPDATE", "1").current_dir(tree::top()))?;
    }
    if commands::find_program("npm").is_none() || !tree::top().join("web/node_modules").exists() {
        println!("The console's types stay as they are: that takes Node, and `npm ci` in web.");
        return Ok(());
    }
    let mut command = commands::command(&["npm", "--prefix", "web", "run", "api"]);
    println!("{}", commands::line_of(&command));
    commands::output(command.current_dir(tree::top())).map(drop)
}
