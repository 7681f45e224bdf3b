//! Browser stories: on a computer of the testbed, which has nothing of Hostler, `cargo xtask up` makes a server and a
//! machine whose guest runs; then Chromium walks through the console of that server. What was on the screen when a story
//! failed, and what server and agent said, is kept in `target/browser`.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::counts::Counts;
use crate::packages::{self, Group, Manners};
use crate::trouble::Trouble;
use crate::{commands, site, tiny_linux, tree, up, web};

/// Fewer stories than this are never told: a run that silently told none is noticed here. Raise it with the stories.
const LEAST_STORIES: u32 = 47;
/// What `up` keeps, on the computer of the testbed.
const STATE: &str = "/var/lib/hostler-try";
/// Where the server listens there: the computer's loopback is its own, so no port is taken.
const SERVER: &str = "https://127.0.0.1:8470";

/// Tells the stories on a computer of their own, and counts them. The programs and the console have to be built.
///
/// # Errors
/// The computer cannot be made, the server does not come up, or fewer stories were told than there are.
pub fn stories(said: &mut dyn Write) -> Result<Counts, Trouble> {
    let kept = kept();
    let _ = fs::remove_dir_all(&kept);
    fs::create_dir_all(&kept).map_err(|error| Trouble::file("made", &kept, &error))?;
    let mut command = on_computer("browser")?;
    let finished = commands::watched(&mut command, said)?;
    let told = Counts::parse_node(&finished.said);
    match told {
        Some(counts) if counts.failed > 0 => {
            println!("What was on the screen, and what server and agent said: {}", kept.display());
            Ok(counts)
        }
        Some(counts) if finished.success => enough(counts),
        _ => Err(commands::failed(&command, &finished.said)),
    }
}

fn enough(counts: Counts) -> Result<Counts, Trouble> {
    if counts.left_out > 0 || counts.passed < LEAST_STORIES {
        return Err(Trouble::new(
            format!(
                "{} browser stories were told and {} left out; there are at least {LEAST_STORIES}.",
                counts.passed, counts.left_out
            ),
            "See above which were not told; the bound stands in xtask/src/test/browser.rs.",
        ));
    }
    println!("{} browser stories were told (at least {LEAST_STORIES}).", counts.passed);
    Ok(counts)
}

/// This program once more, on a fresh computer of the testbed, to do there what a phase does.
///
/// # Errors
/// It is not known where this program lies.
pub fn on_computer(what: &str) -> Result<std::process::Command, Trouble> {
    let me = std::env::current_exe()
        .map_err(|error| Trouble::file("found", Path::new("the program of xtask"), &error))?;
    let testbed = tree::target().join("debug/hostler-testbed");
    let line = [testbed.as_os_str(), "run".as_ref(), "--".as_ref(), me.as_os_str(), "on-computer".as_ref()];
    let mut command = commands::command(&line);
    command.arg(what).current_dir(tree::top()).env("CARGO_MANIFEST_DIR", tree::top().join("xtask"));
    command.env(up::AS_BUILT, "1");
    Ok(command)
}

/// Takes pictures of every page into docs/screenshots, of a server and a machine that were just made, as for the stories.
///
/// # Errors
/// Something cannot be built, the server does not come up, or a page complains or is too wide.
pub fn pictures() -> Result<(), Trouble> {
    packages::ensure(&[Group::Browser], Manners::default())?;
    tiny_linux::build()?;
    site::build()?;
    web::build()?;
    commands::output(
        commands::command(&["cargo", "build", "--quiet"]).args(commands::PROGRAMS).current_dir(tree::top()),
    )?;
    let mut command = on_computer("shots")?;
    let finished = commands::watched(&mut command, &mut std::io::stdout())?;
    if finished.success { Ok(()) } else { Err(commands::failed(&command, &finished.said)) }
}

/// What happens on that computer: this script of `web/package.json`, once a machine runs there. Its power is cut
/// afterwards, so nothing needs to be stopped.
///
/// # Errors
/// The server does not come up, or the script fails.
pub fn inside(script: &str) -> Result<(), Trouble> {
    let wishes = up::Wishes {
        manners: Manners::default(),
        state: Some(STATE.into()),
        listen: None,
        agent_listen: None,
    };
    let told = up::up(&wishes).and_then(|()| tell(script));
    if told.is_err() {
        keep_logs(Path::new(STATE), &kept());
    }
    told
}

fn tell(script: &str) -> Result<(), Trouble> {
    let mut npm = commands::command(&["npm", "--prefix", "web", "run", script]);
    npm.current_dir(tree::top()).env("HOSTLER_STATE", STATE).env("HOSTLER_SERVER", SERVER);
    npm.env("HOSTLER_FAILURES", kept());
    let finished = commands::watched(&mut npm, &mut std::io::stdout())?;
    if finished.success {
        return Ok(());
    }
    Err(Trouble::new(
        "The browser did not get through.",
        "See above where, and why; pictures of stories that failed are in target/browser.",
    ))
}

/// Copies what server and agent said to where it outlives them.
pub fn keep_logs(state: &Path, to: &Path) {
    for log in ["server/server.log", "agent/agent.log"] {
        let (from, name) = (state.join(log), log.rsplit('/').next().unwrap_or(log));
        if let Err(error) = fs::copy(&from, to.join(name)) {
            println!("{} could not be kept: {error}.", from.display());
        }
    }
}

fn kept() -> PathBuf {
    tree::target().join("browser")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_few_stories_or_one_that_was_left_out_are_a_failure() {
        let told = |passed, left_out| enough(Counts { passed, failed: 0, left_out });
        told(LEAST_STORIES, 0).unwrap();
        assert!(told(LEAST_STORIES - 1, 0).is_err());
        assert!(told(LEAST_STORIES, 1).is_err());
    }
}
