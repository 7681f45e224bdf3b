//! From nothing to a running machine: installs packages, builds, runs `hostler up` as a package's user would, and then
//! does what a first hour would do: a tiny Linux disk into the library, a template, a machine, and proof that its guest
//! runs. A second run finds everything and is quick. Everything after `hostler up` goes through the command line.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::commands;
use crate::packages::{self, Group, Manners};
use crate::trouble::Trouble;
use crate::{tiny_linux, tree, web};

/// The disk in the library, the template made of it.
const TINY: &str = "tiny-linux";
/// The first machine.
const HELLO: &str = "hello";
/// How long the guest may take until its agent reads the seed back: some seconds with KVM, under a minute under
/// emulation on a busy computer.
const GUEST_WITHIN: Duration = Duration::from_secs(180);
/// Memory of the first machine: the least in which this Linux boots under emulation.
const MEMORY: &str = "192MiB";

/// Set where nothing can be built, as on a computer of the testbed, which has no network: what was built is taken.
pub const AS_BUILT: &str = "HOSTLER_AS_BUILT";

/// How `cargo xtask up` is asked to go about it.
pub struct Wishes {
    /// How packages are installed.
    pub manners: Manners,
    /// All state below this folder.
    pub state: Option<PathBuf>,
    /// Where browsers and the command line connect.
    pub listen: Option<String>,
    /// Where agents connect.
    pub agent_listen: Option<String>,
}

struct Phases(Vec<(&'static str, f64)>);

impl Phases {
    fn time<T>(
        &mut self,
        what: &'static str,
        act: impl FnOnce() -> Result<T, Trouble>,
    ) -> Result<T, Trouble> {
        let began = Instant::now();
        let result = act()?;
        self.0.push((what, began.elapsed().as_secs_f64()));
        Ok(result)
    }
}

/// Does it all.
///
/// # Errors
/// What is in the way, with its remedy.
pub fn up(wishes: &Wishes) -> Result<(), Trouble> {
    let mut phases = Phases(Vec::new());
    let groups = [Group::Build, Group::Host, Group::Images];
    let missing = phases.time("packages", || packages::ensure(&groups, wishes.manners))?;
    if wishes.manners.only_list {
        if missing.is_empty() {
            println!("Everything is installed.");
        }
        return Ok(());
    }
    if std::env::var_os(AS_BUILT).is_none() {
        phases.time("console", web::build)?;
        phases.time("build", build)?;
    }
    let hostler = Hostler { program: tree::target().join("debug/hostler") };
    let library = phases.time("hostler up", || hostler_up(&hostler, wishes))?;
    let image = phases.time("tiny Linux disk", tiny_linux::build)?;
    phases.time("library and template", || into_library(&hostler, &library, &image))?;
    let token = phases.time("machine", || first_machine(&hostler))?;
    phases.time("guest", || guest_answers(&hostler, token.as_deref()))?;
    let screenshot = tree::target().join("hello.png");
    phases.time("screenshot", || {
        hostler.run(&["vm", "screenshot", HELLO, "--file", &screenshot.display().to_string()]).map(drop)
    })?;
    say(&phases, &hostler, &screenshot)
}

fn build() -> Result<(), Trouble> {
    let mut cargo =
        commands::command(&["cargo", "build", "--quiet", "--bin", "hostler", "--bin", "hostler-agent"]);
    cargo.current_dir(tree::top());
    let done = commands::watched(&mut cargo, &mut std::io::stderr())?;
    if done.success { Ok(()) } else { Err(commands::failed(&cargo, &done.said)) }
}

/// The command line.
struct Hostler {
    program: PathBuf,
}

impl Hostler {
    fn run(&self, args: &[&str]) -> Result<String, Trouble> {
        let mut words = vec![self.program.display().to_string()];
        words.extend(args.iter().map(|arg| (*arg).to_owned()));
        commands::output(&mut commands::command(&words))
    }

    fn json(&self, args: &[&str]) -> Result<Value, Trouble> {
        let said = self.run(&[args, &["-o", "json"]].concat())?;
        serde_json::from_str(&said).map_err(|error| {
            Trouble::new(
                format!("\"hostler {}\" did not answer in JSON: {error}.", args.join(" ")),
                "This is a defect: report it.",
            )
        })
    }

    /// The one thing of a list that has this name.
    fn named(&self, noun: &str, name: &str) -> Result<Option<Value>, Trouble> {
        let list = self.json(&[noun, "list"])?;
        let items = list
            .get("items")
            .and_then(Value::as_array)
            .or_else(|| list.as_array())
            .cloned()
            .unwrap_or_default();
        let is = |item: &Value| {
            item.get("name").or_else(|| item.pointer("/spec/name")).and_then(Value::as_str) == Some(name)
        };
        Ok(items.into_iter().find(is))
    }
}

/// Runs `hostler up`, and answers where the first library share lies.
fn hostler_up(hostler: &Hostler, wishes: &Wishes) -> Result<PathBuf, Trouble> {
    let mut args = vec!["up".to_owned(), "--times".to_owned()];
    for (flag, value) in [
        ("--state", wishes.state.as_ref().map(|state| state.display().to_string())),
        ("--listen", wishes.listen.clone()),
        ("--agent-listen", wishes.agent_listen.clone()),
    ] {
        if let Some(value) = value {
            args.extend([flag.to_owned(), value]);
        }
    }
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let said = hostler.run(&args)?;
    print!("{said}");
    let library = said.lines().find_map(|line| line.strip_prefix("Library share: "));
    library.map(PathBuf::from).ok_or_else(|| {
        Trouble::new(
            "\"hostler up\" did not say where its library share lies.",
            "This is a defect: report it.",
        )
    })
}

/// Puts the disk into the share and makes a template of it, where that was not done before.
fn into_library(hostler: &Hostler, library: &Path, image: &Path) -> Result<(), Trouble> {
    let there = library.join(format!("{TINY}.qcow2"));
    let same =
        fs::metadata(&there).ok().zip(fs::metadata(image).ok()).is_some_and(|(a, b)| a.len() == b.len());
    if !same {
        // In one move, so that the share never shows half a disk.
        let part = library.join(format!(".{TINY}.part"));
        fs::copy(image, &part).map_err(|error| Trouble::file("written", &part, &error))?;
        fs::rename(&part, &there).map_err(|error| Trouble::file("renamed", &part, &error))?;
    }
    if !same || hostler.named("library-item", TINY)?.is_none() {
        hostler.run(&["library-share", "refresh", "library"])?;
    }
    if hostler.named("template", TINY)?.is_none() {
        hostler.run(&["template", "create", TINY, "--disk", TINY, "--cpus", "1", "--memory", MEMORY])?;
    }
    Ok(())
}

/// Creates and starts the first machine; answers the token on its seed, when it was made now.
fn first_machine(hostler: &Hostler) -> Result<Option<String>, Trouble> {
    let Some(known) = hostler.named("vm", HELLO)? else {
        let token = random_token()?;
        let seed = format!("token={token}");
        hostler.run(&["vm", "create", HELLO, "--template", TINY, "--seed", &seed, "--start"])?;
        return Ok(Some(token));
    };
    match known.get("status").and_then(Value::as_str) {
        Some("off" | "crashed" | "saved") => hostler.run(&["vm", "start", HELLO]).map(|_| None),
        Some("paused") => hostler.run(&["vm", "resume", HELLO]).map(|_| None),
        _ => Ok(None),
    }
}

fn random_token() -> Result<String, Trouble> {
    let path = Path::new("/proc/sys/kernel/random/uuid");
    let drawn = fs::read_to_string(path).map_err(|error| Trouble::file("read", path, &error))?;
    Ok(drawn.trim().replace('-', ""))
}

/// Waits until the guest's agent reads back what creation put on the seed disk: then the whole way was gone.
fn guest_answers(hostler: &Hostler, token: Option<&str>) -> Result<(), Trouble> {
    let until = Instant::now() + GUEST_WITHIN;
    loop {
        let last = match hostler.run(&["vm", "guest-file", HELLO, "/run/seed"]) {
            Ok(seed) => {
                let line = token.map_or_else(|| "token=".to_owned(), |token| format!("token={token}"));
                if seed.lines().any(|said| said.starts_with(&line)) {
                    return Ok(());
                }
                format!("its seed says {seed:?}")
            }
            Err(trouble) => trouble.cause,
        };
        if Instant::now() > until {
            return Err(Trouble::new(
                format!(
                    "The guest of {HELLO} did not read its seed back in {} s: {last}",
                    GUEST_WITHIN.as_secs()
                ),
                "Look at its screen: hostler vm screenshot hello --file hello.png",
            ));
        }
        std::thread::sleep(Duration::from_millis(300));
    }
}

fn say(phases: &Phases, hostler: &Hostler, screenshot: &Path) -> Result<(), Trouble> {
    println!();
    for (what, seconds) in &phases.0 {
        println!("{seconds:>8.2} s  {what}");
    }
    let all: f64 = phases.0.iter().map(|(_, seconds)| seconds).sum();
    println!("{all:>8.2} s  in all");
    println!("\nThe machine \"{HELLO}\" runs; its screen: {}", screenshot.display());
    println!("Try next:");
    for line in ["vm list", "vm create web-1 --template tiny-linux --start", "job list"] {
        println!("  {} {line}", hostler.program.display());
    }
    Ok(())
}
