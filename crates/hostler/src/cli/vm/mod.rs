//! `hostler vm`: virtual machines.

mod act;
mod console;
mod create;
mod look;

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::cli::failure::Failure;
use crate::cli::follow::Change;
use crate::cli::here::Here;
use crate::cli::host_show::{RATINGS, rating};
use crate::cli::list::{HistoryPart, Part};
use crate::cli::performance::{self, Span};
use crate::cli::values;

pub use create::{Like, Start, Way};

/// What can be done with machines.
#[derive(Subcommand)]
pub enum Commands {
    /// List machines
    #[command(after_help = "Examples:
  hostler vm list
  hostler vm list --filter 'status=running,name~web*' --sort -memory_mib
  hostler vm list -o json

Fields to filter and sort by: name, status, host, owner, template, tags, notes, cpus, memory_mib, origin, created.")]
    List(Part),
    /// Show machines, or one as it was
    #[command(after_help = "Examples:
  hostler vm show web-1
  hostler vm show web-1 web-2 -o yaml
  hostler vm show web-1 --as-of 2026-11-20T12:00:00Z")]
    Show {
        /// Which: name, id, or the last six or more digits of an id
        #[arg(required = true, value_name = "VM")]
        vms: Vec<String>,
        /// As it was at this time or revision
        #[arg(long, value_name = "TIME|REVISION")]
        as_of: Option<String>,
    },
    /// Create a machine
    #[command(after_help = create::EXAMPLES)]
    Create(Box<create::Create>),
    /// Start machines
    #[command(after_help = "Examples:\n  hostler vm start web-1\n  hostler vm start web-1 web-2 --no-wait")]
    Start(Vms),
    /// Ask guests to shut down
    #[command(
        after_help = "Examples:\n  hostler vm shut-down web-1\n  hostler vm shut-down web-1 web-2 --limit 10m"
    )]
    ShutDown {
        /// Which machines.
        #[command(flatten)]
        vms: Vms,
        /// How long a guest may take (90s, 10m); the setting shut_down_limit_s where absent
        #[arg(long, value_name = "SPAN", value_parser = values::span_s)]
        limit: Option<u32>,
    },
    /// Move running machines to another host that sees their disks
    #[command(after_help = "Examples:
  hostler vm migrate web-1 --to host2
  hostler vm migrate web-1
  hostler vm migrate web-1 --to host2 --dry-run

The machine runs on meanwhile. Whatever goes wrong, it runs on one of the two hosts.")]
    Migrate {
        /// Which machines.
        #[command(flatten)]
        vms: Vms,
        /// The host; placement chooses where absent
        #[arg(long, value_name = "HOST")]
        to: Option<String>,
    },
    /// Rate the other hosts for a machine that is to migrate
    #[command(after_help = "Examples:\n  hostler vm targets web-1\n  hostler vm targets web-1 -o json")]
    Targets {
        /// Which
        vm: String,
    },
    /// Ask two hosts that both show a machine which of them has it, and let it be there alone
    #[command(after_help = "Examples:
  hostler vm settle web-1
  hostler vm settle web-1 --keep host2

Where it runs on one of them, that one keeps it. Where both would do, --keep says which; on the other it is turned off.
Its disks are left as they are.")]
    Settle {
        /// Which machines.
        #[command(flatten)]
        vms: Vms,
        /// The host that keeps it, where both could
        #[arg(long, value_name = "HOST")]
        keep: Option<String>,
    },
    /// Cut the power of machines; of saved ones, discard the saved state
    #[command(after_help = "Examples:\n  hostler vm turn-off web-1")]
    TurnOff(Vms),
    /// Pause machines
    #[command(after_help = "Examples:\n  hostler vm pause web-1")]
    Pause(Vms),
    /// Let paused machines run again
    #[command(after_help = "Examples:\n  hostler vm resume web-1")]
    Resume(Vms),
    /// Reset machines, as with their reset button
    #[command(after_help = "Examples:\n  hostler vm reset web-1")]
    Reset(Vms),
    /// Save the state of machines to disk and power them off
    #[command(after_help = "Examples:\n  hostler vm save web-1")]
    Save(Vms),
    /// Discard the saved state of machines
    #[command(after_help = "Examples:\n  hostler vm discard-saved web-1")]
    DiscardSaved(Vms),
    /// Rename a machine
    #[command(after_help = "Examples:\n  hostler vm rename web-1 web-one")]
    Rename {
        /// Which
        vm: String,
        /// Its name from now on
        name: String,
        /// How it is done.
        #[command(flatten)]
        change: Change,
    },
    /// Change name, notes, tags and stop action of a machine; what is not said stays
    #[command(after_help = "Examples:
  hostler vm edit web-1 --notes 'The shop. Ask Bob before you touch it.'
  hostler vm edit web-1 --tag shop --tag public
  hostler vm edit web-1 --no-tags
  hostler vm edit web-1 --stop-action shut-down")]
    Edit {
        /// Which
        vm: String,
        /// Its name from now on
        #[arg(long, value_name = "NAME")]
        name: Option<String>,
        /// Free text
        #[arg(long, value_name = "TEXT")]
        notes: Option<String>,
        /// A word to find it by; all that are said take the place of those it has
        #[arg(long = "tag", value_name = "TAG")]
        tags: Vec<String>,
        /// What becomes of it when its host is restarted or shut down
        #[arg(long, value_name = "ACTION", value_parser = ["save", "shut-down", "turn-off"])]
        stop_action: Option<String>,
        /// Take all its tags away
        #[arg(long, conflicts_with = "tags")]
        no_tags: bool,
        /// How it is done.
        #[command(flatten)]
        change: Change,
    },
    /// Change processors and memory of a machine that is off
    #[command(after_help = "Examples:\n  hostler vm set-hardware web-1 --cpus 4 --memory 8GiB")]
    SetHardware {
        /// Which
        vm: String,
        /// Virtual processors, 1 to 255
        #[arg(long, value_name = "N", required_unless_present = "memory")]
        cpus: Option<u32>,
        /// Memory, as 512MiB or 8GiB
        #[arg(long, value_name = "SIZE", value_parser = values::mebibytes)]
        memory: Option<u64>,
        /// How it is done.
        #[command(flatten)]
        change: Change,
    },
    /// Attach a new, empty disk to a machine, running or off, or again one that was detached
    #[command(
        after_help = "Examples:\n  hostler vm attach-disk web-1 --size 20GiB\n  hostler vm attach-disk web-1 --detached 1"
    )]
    AttachDisk {
        /// Which
        vm: String,
        /// How large a new one is
        #[arg(long, value_name = "SIZE", value_parser = values::size, required_unless_present = "detached")]
        size: Option<u64>,
        /// The number of a detached disk, as `hostler vm show` says it: attached again, with what is on it
        #[arg(long, value_name = "DISK", conflicts_with = "size")]
        detached: Option<u32>,
        /// How it is done.
        #[command(flatten)]
        change: Change,
    },
    /// Detach a disk from a machine, running or off, and keep its file unless told to delete it
    #[command(
        after_help = "Examples:\n  hostler vm detach-disk web-1 1\n  hostler vm detach-disk web-1 1 --delete"
    )]
    DetachDisk {
        /// Which
        vm: String,
        /// The disk's number, as `hostler vm show` says it
        #[arg(value_name = "DISK")]
        disk: u32,
        /// Delete its file, too; also of a disk that was detached before
        #[arg(long)]
        delete: bool,
        /// How it is done.
        #[command(flatten)]
        change: Change,
    },
    /// Put an ISO image into a machine's DVD drive, or empty it
    #[command(
        after_help = "Examples:\n  hostler vm set-dvd web-1 debian-12\n  hostler vm set-dvd web-1 --eject"
    )]
    SetDvd {
        /// Which
        vm: String,
        /// The library item
        #[arg(value_name = "ITEM", required_unless_present = "eject")]
        item: Option<String>,
        /// Empty the drive
        #[arg(long, conflicts_with = "item")]
        eject: bool,
        /// How it is done.
        #[command(flatten)]
        change: Change,
    },
    /// Delete machines with their disks
    #[command(after_help = "Examples:\n  hostler vm delete web-1\n  hostler vm delete web-1 web-2 --yes")]
    Delete {
        /// Which machines.
        #[command(flatten)]
        vms: Vms,
        /// Do not ask whether that is meant
        #[arg(long, short)]
        yes: bool,
    },
    /// Forget machines: remove them from their hosts and the record, and leave their disks
    #[command(after_help = "Examples:\n  hostler vm forget web-1")]
    Forget(Vms),
    /// Take over machines that were found on their hosts, or that another installation managed
    #[command(after_help = "Examples:\n  hostler vm adopt old-mail")]
    Adopt(Vms),
    /// Define a machine that lies on a host's storage, and manage it
    #[command(after_help = "Examples:
  hostler host importable host-a
  hostler vm import host-a /srv/vms/old-mail/old-mail.xml
  hostler vm import host-a /srv/vms/old-mail/old-mail.xml --name mail --dry-run

The file is a definition as virsh dumpxml writes it. Its disks must lie in the folders that the host allows; what else of the
host it names is refused.")]
    Import {
        /// On which host
        host: String,
        /// The file with its definition
        #[arg(value_name = "FILE")]
        file: String,
        /// What it is to be called; as its definition says where absent
        #[arg(long, value_name = "NAME")]
        name: Option<String>,
        /// How it is done.
        #[command(flatten)]
        change: Change,
    },
    /// Read machines anew from their hosts
    #[command(after_help = "Examples:\n  hostler vm refresh web-1")]
    Refresh(Vms),
    /// Show the versions of a machine, newest first
    #[command(
        after_help = "Examples:\n  hostler vm history web-1\n  hostler vm history web-1 --limit 100 -o json"
    )]
    History {
        /// Which
        vm: String,
        /// How many.
        #[command(flatten)]
        part: HistoryPart,
    },
    /// Write a machine's screen as a PNG image
    #[command(after_help = "Examples:
  hostler vm screenshot web-1 --file web-1.png
  hostler vm screenshot web-1 --file small.png --width 320
  hostler vm screenshot web-1 --file - | display")]
    Screenshot {
        /// Which
        vm: String,
        /// Into this file ("-": standard output); VM.png where absent
        #[arg(long, short, value_name = "FILE")]
        file: Option<PathBuf>,
        /// At most so many pixels wide (80 to 1920); as wide as the screen where absent
        #[arg(long, value_name = "PIXELS")]
        width: Option<u32>,
    },
    /// Show how a machine was loaded over the last day
    #[command(after_help = "Examples:
  hostler vm performance web-1
  hostler vm performance web-1 --from 24h --points 48
  hostler vm performance web-1 --from 2026-11-21T08:00:00Z --to 2026-11-21T09:00:00Z -o json")]
    Performance {
        /// Which
        vm: String,
        /// Which part.
        #[command(flatten)]
        part: Span,
    },
    /// Write a machine's definition as its host has it (libvirt's XML)
    #[command(after_help = "Examples:\n  hostler vm definition web-1 > web-1.xml")]
    Definition {
        /// Which
        vm: String,
    },
    /// Write a file of a guest to standard output, read by the guest's agent
    #[command(after_help = "Examples:\n  hostler vm guest-file web-1 /etc/os-release")]
    GuestFile {
        /// Which
        vm: String,
        /// The file's path inside the guest
        path: String,
    },
    /// Open a console of a machine: its serial port here, or its screen in a browser
    #[command(after_help = console::CONSOLE_EXAMPLES)]
    Console(console::Open),
    /// Sign in to a guest with ssh, at the address that its agent tells
    #[command(after_help = console::SSH_EXAMPLES)]
    Ssh(console::Ssh),
    /// Wait until machines have a status
    #[command(after_help = "Examples:
  hostler vm wait web-1 --status running
  hostler vm wait web-1 web-2 --status off --limit 10m")]
    Wait {
        /// Which
        #[arg(required = true, value_name = "VM")]
        vms: Vec<String>,
        /// Which status, as in `hostler vm list -o json`
        #[arg(long, value_name = "STATUS", value_parser = look::status)]
        status: hostler_model::status::VmStatus,
        /// How long at most (90s, 10m); as long as it takes where absent
        #[arg(long, value_name = "SPAN", value_parser = values::span_s)]
        limit: Option<u32>,
    },
}

/// Machines to which the same is done.
#[derive(Args, Clone)]
pub struct Vms {
    /// Which: name, id, or the last six or more digits of an id
    #[arg(required = true, value_name = "VM")]
    pub vms: Vec<String>,
    /// How it is done.
    #[command(flatten)]
    pub change: Change,
}

pub(super) async fn run(here: &Here, command: Commands) -> Result<(), Failure> {
    match command {
        Commands::List(part) => look::list(here, &part).await,
        Commands::Show { vms, as_of } => look::show(here, &vms, as_of.as_deref()).await,
        Commands::History { vm, part } => {
            let client = here.client()?;
            crate::cli::list::history(here, &part, async |query| client.vm_history(&vm, query).await).await
        }
        Commands::Screenshot { vm, file, width } => look::screenshot(here, &vm, file, width).await,
        Commands::Performance { vm, part } => {
            let seen = here.client()?.vm_performance(&vm, &part.query(here)?).await?;
            performance::show(here, &seen)
        }
        Commands::Definition { vm } => crate::cli::show::out(here.client()?.vm_definition(&vm).await?),
        Commands::GuestFile { vm, path } => {
            crate::cli::show::out(here.client()?.vm_guest_file(&vm, &path).await?)
        }
        Commands::Console(open) => console::console(here, open).await,
        Commands::Ssh(ssh) => console::ssh(here, ssh).await,
        Commands::Targets { vm } => {
            let rated = here.client()?.migration_targets(&vm).await?;
            here.list(&rated, RATINGS, rating)
        }
        Commands::Wait { vms, status, limit } => look::wait(here, &vms, status, limit).await,
        Commands::Create(create) => create::create(here, *create).await,
        command => act::act(here, command).await,
    }
}
