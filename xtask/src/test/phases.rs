//! The table of what CI runs. A new kind of check is a row here, and nothing else.

use crate::packages::Group;

/// What a phase does, one after another.
pub enum Step {
    /// Installs the packages of these groups.
    Packages(&'static [Group]),
    /// Builds the tiny Linux disk.
    TinyLinux,
    /// Runs a program with arguments, which has to end with exit code 0.
    Run(&'static [&'static str]),
    /// Runs the tests that these arguments of cargo choose (`-p …`, `--workspace …`), by nextest where it is
    /// installed and else by `cargo test`. Tests marked `#[ignore]` are set aside: [`Step::SetAside`] owes them.
    Tests(&'static [&'static str]),
    /// Runs those marked `#[ignore]`, which are long stories, mostly with guests that boot, in a network that has no
    /// way out. They find the path of the tiny Linux disk in `HOSTLER_TINY_LINUX`. `hostler-testbed` has to be built.
    SetAside(&'static [&'static str]),
    /// Builds the console where something of it is newer than what was built.
    Console,
    /// Tells the browser stories of `web/e2e` against a real server with a real machine.
    Browser,
    /// Runs the commands that the documentation says can be typed.
    Pages,
    /// Builds the documentation as a site; a link that leads nowhere fails.
    Site,
    /// Asks a server whatever its OpenAPI document lets one ask, and much that it does not.
    FuzzApi,
    /// Runs documentation's examples as tests.
    DocTests(&'static [&'static str]),
}

/// A row of the table.
pub struct Phase {
    /// What `--only` calls it.
    pub name: &'static str,
    /// What it shows, in a few words.
    pub what: &'static str,
    /// Runs beside the phases that follow, and says little: for what waits for the network and leaves cargo's
    /// folder alone.
    pub beside: bool,
    /// Phases that have to have ended well before it begins.
    pub after: &'static [&'static str],
    pub steps: &'static [Step],
}

/// Fewer tests than this were never run by a whole run: a phase that silently ran nothing is noticed here. Raise it
/// as the project grows; lower it only together with the tests that were removed.
pub const LEAST_TESTS: u32 = 1190;

/// Stories run the programs that users run. By `--bin`, as `commands::PROGRAMS` says why.
const PROGRAMS: Step = Step::Run(&[
    "cargo",
    "build",
    "--quiet",
    "--bin",
    "hostler",
    "--bin",
    "hostler-agent",
    "--bin",
    "hostler-testbed",
]);

/// All phases, in order.
pub const PHASES: &[Phase] = &[
    Phase {
        name: "packages",
        what: "the system packages that building and testing need",
        beside: false,
        after: &[],
        steps: &[Step::Packages(&Group::BUILDING_AND_TESTING)],
    },
    Phase {
        name: "tiny-linux",
        what: "the disk that guests in tests boot from",
        beside: true,
        after: &["packages"],
        steps: &[Step::TinyLinux],
    },
    Phase {
        name: "site",
        what: "the documentation as a site: every link leads somewhere, nothing comes from elsewhere",
        beside: true,
        after: &["packages"],
        steps: &[Step::Site],
    },
    Phase {
        name: "fmt",
        what: "one format for all sources",
        beside: false,
        after: &[],
        steps: &[Step::Run(&["cargo", "fmt", "--all", "--check"])],
    },
    Phase {
        name: "rules",
        what: "arrows between crates, lengths of files, what must not be depended on; and this tool's own tests",
        beside: false,
        after: &[],
        steps: &[Step::Tests(&["-p", "xtask"])],
    },
    Phase {
        name: "web",
        what: "the console: its types, lints and tests, its build, how much a browser loads first",
        beside: false,
        // The documentation goes into it.
        after: &["site"],
        // Before the programs are built, so that they hold it.
        steps: &[
            Step::Run(&["npm", "--prefix", "web", "ci", "--no-audit", "--no-fund"]),
            Step::Run(&["npm", "--prefix", "web", "run", "check"]),
            Step::Run(&["npm", "--prefix", "web", "run", "build"]),
            Step::Run(&["npm", "--prefix", "web", "run", "size"]),
        ],
    },
    Phase {
        name: "clippy",
        what: "lints, over all targets",
        beside: false,
        after: &["packages"],
        steps: &[Step::Run(&[
            "cargo",
            "clippy",
            "--workspace",
            "--all-targets",
            "--quiet",
            "--",
            "-D",
            "warnings",
        ])],
    },
    Phase {
        name: "unit",
        what: "unit, property and conformance tests, libvirt's too",
        beside: false,
        after: &["packages", "tiny-linux"],
        steps: &[Step::Tests(&["--workspace", "--exclude", "xtask"])],
    },
    Phase {
        name: "sim",
        what: "stories of a simulated fleet from fixed seeds: faults at the dangerous moments, invariants at rest",
        beside: false,
        after: &[],
        steps: &[Step::Run(&["cargo", "run", "--quiet", "--bin", "hostler-sim", "--", "--seeds", "1000"])],
    },
    Phase {
        name: "doc",
        what: "examples in the model's documentation",
        beside: false,
        after: &[],
        steps: &[Step::DocTests(&["--workspace"])],
    },
    Phase {
        name: "e2e",
        what: "what was set aside: long stories, guests that boot, figures",
        beside: false,
        after: &["packages", "tiny-linux"],
        steps: &[PROGRAMS, Step::SetAside(&["--workspace"])],
    },
    Phase {
        name: "fuzz-api",
        what: "requests made up from the OpenAPI document, as administrator, reader and nobody",
        beside: false,
        after: &["packages"],
        steps: &[Step::FuzzApi],
    },
    Phase {
        name: "pages",
        what: "what the documentation says can be typed, typed in its order on a fresh computer",
        beside: false,
        after: &["packages", "tiny-linux"],
        steps: &[Step::TinyLinux, PROGRAMS, Step::Pages],
    },
    Phase {
        name: "browser",
        what: "the console in Chromium, as people use it: a real server, a machine whose guest runs",
        beside: false,
        after: &["packages", "tiny-linux", "web"],
        steps: &[
            Step::Packages(&[Group::Browser]),
            Step::TinyLinux,
            // Help leads to it.
            Step::Site,
            Step::Console,
            PROGRAMS,
            Step::Browser,
        ],
    },
];
