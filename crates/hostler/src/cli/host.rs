//! `hostler host`: hosts.

use clap::{Args, Subcommand};
use hostler_client::{Changed, Client, ClientError, How};
use hostler_model::body::{DeclareDead, MoveTo};
use hostler_model::host::EditHost;
use hostler_model::machine_folder::NewFolder;

use crate::cli::failure::Failure;
use crate::cli::folders;
use crate::cli::follow::{Change, change, changes};
use crate::cli::format::Columns;
use crate::cli::here::{Here, ask};
use crate::cli::host_add::{self, Add, Keys};
use crate::cli::host_show::{RATINGS, file_system, rating, row, text};
use crate::cli::list::{HistoryPart, Part, all, history};
use crate::cli::performance::{self, Span};
use crate::cli::reserve::Kept;
use crate::cli::vm::Like;

const COLUMNS: Columns = Columns {
    usual: &["NAME", "STATUS", "MACHINES", "CPUS", "LOAD", "MEMORY", "GIVEN", "FREE DISK", "KVM", "ID"],
    wide: &[
        "GROUP",
        "AVAILABLE",
        "MAINTENANCE",
        "MEMORY FREE",
        "SYSTEM",
        "KERNEL",
        "LIBVIRT",
        "QEMU",
        "NOTES",
        "REVISION",
    ],
    first: "hostler host add",
};

const FILE_SYSTEMS: Columns = Columns {
    usual: &["PATH", "SIZE", "FREE", "TYPE", "MACHINES", "SOURCE"],
    wide: &["REMOTE", "READ ONLY"],
    first: "",
};

/// What can be done with hosts.
#[derive(Subcommand)]
pub enum Commands {
    /// List hosts
    #[command(after_help = "Examples:
  hostler host list
  hostler host list --filter answers=true --sort -memory_mib
  hostler host list --filter 'under_host_group=/All Hosts/Site A'

Fields to filter and sort by: name, status, host_group, under_host_group, answers, available, maintenance, machines, cpus, memory_mib, created.")]
    List(Part),
    /// Show hosts
    #[command(after_help = "Examples:\n  hostler host show host-a\n  hostler host show host-a -o json")]
    Show {
        /// Which: name, id, or the last six or more digits of an id
        #[arg(required = true, value_name = "HOST")]
        hosts: Vec<String>,
    },
    /// Add a host: the server signs in there by SSH, installs the agent, and lets it in
    #[command(after_help = "Examples:
  hostler host add 192.0.2.7 --user root
  hostler host add host-b.example.org --user admin --key-file ~/.ssh/id_ed25519
  hostler host add host-b --user admin --password-file password --sudo-password-file sudo --group '/All Hosts/Site A'
  hostler host add host-b --user admin --key-file key --host-key SHA256:UwQx6…

Which key it shows: hostler host keys host-b. Password and key are used for this alone and kept in the server's memory until
the host has connected. The computer needs libvirt and QEMU.")]
    Add(Box<Add>),
    /// Show the SSH host keys of a computer that is to be added, best first
    #[command(after_help = "Examples:
  hostler host keys 192.0.2.7
  hostler host keys host-b.example.org --port 2222 -o json

The server asks that computer, and signs in nowhere.")]
    Keys(Keys),
    /// Change what is set for a host; what is not said stays
    #[command(after_help = "Examples:
  hostler host edit host-a --available false
  hostler host edit host-a --reserve-memory 2GiB --reserve-disk 10GiB --reserve-cpu 10
  hostler host edit host-a --inherit-reserve
  hostler host edit host-a --vm-path /srv/vms/tier1")]
    Edit {
        /// Which
        host: String,
        /// Whether placement may choose it
        #[arg(long, value_name = "true|false")]
        available: Option<bool>,
        /// Whether it is in maintenance: placement does not choose it, and refreshers leave it alone
        #[arg(long, value_name = "true|false")]
        maintenance: Option<bool>,
        /// Free text
        #[arg(long, value_name = "TEXT")]
        notes: Option<String>,
        /// The folder in which folders of new machines are made, within those that the host allows
        #[arg(long, value_name = "FOLDER")]
        vm_path: Option<String>,
        /// New machines are made in the usual folder of the host's agent
        #[arg(long, conflicts_with = "vm_path")]
        usual_vm_path: bool,
        /// What is kept for it.
        #[command(flatten)]
        kept: Kept,
        /// How it is done.
        #[command(flatten)]
        change: Change,
    },
    /// Put hosts into maintenance, or out of it: placement does not choose them, and refreshers leave them alone
    #[command(after_help = "Examples:
  hostler host maintenance on host-a
  hostler host maintenance off host-a host-b

Its machines stay where they are, and what is done with them by hand is done.")]
    Maintenance {
        /// Into it or out of it
        #[arg(value_name = "on|off", value_parser = ["on", "off"], hide_possible_values = true)]
        is: String,
        /// Which
        #[arg(required = true, value_name = "HOST")]
        hosts: Vec<String>,
        /// How it is done.
        #[command(flatten)]
        change: Change,
    },
    /// Put hosts into another group
    #[command(after_help = "Examples:
  hostler host move host-a --to '/All Hosts/Site A' --dry-run
  hostler host move host-a host-b --to '/All Hosts/Site A/Rack 1'

With --dry-run it is shown what would be in force otherwise.")]
    Move {
        /// Which
        #[arg(required = true, value_name = "HOST")]
        hosts: Vec<String>,
        /// Into which group
        #[arg(long, value_name = "GROUP")]
        to: String,
        /// How it is done.
        #[command(flatten)]
        change: Change,
    },
    /// Read hosts anew
    #[command(after_help = "Examples:\n  hostler host refresh host-a\n  hostler host refresh host-a host-b")]
    Refresh {
        /// Which
        #[arg(required = true, value_name = "HOST")]
        hosts: Vec<String>,
        /// How it is done.
        #[command(flatten)]
        change: Change,
    },
    /// Restart hosts: their machines are stopped, each as its stop action says, and started again after it
    #[command(after_help = "Examples:
  hostler host restart host-a --dry-run
  hostler host restart host-a --yes

What becomes of a machine: hostler vm edit web-1 --stop-action save|shut-down|turn-off. If one cannot be stopped the host
stays up, and those that were stopped already are started again.")]
    Restart(Power),
    /// Shut hosts down: their machines are stopped before it, each as its stop action says
    #[command(after_help = "Examples:
  hostler host shut-down host-a --dry-run
  hostler host shut-down host-a host-b --yes

Nobody but you can switch it on again.")]
    ShutDown(Power),
    /// Rate every host for a machine, best first, with reasons
    #[command(after_help = "Examples:
  hostler host rate --template tiny-linux
  hostler host rate --empty --cpus 8 --memory 64GiB --disk-size 1TiB")]
    Rate(Box<Like>),
    /// Declare that a host will never return: its machines are given up
    #[command(
        after_help = "Examples:\n  hostler host declare-dead host-a\n  hostler host declare-dead host-a --confirm host-a"
    )]
    DeclareDead {
        /// Which
        host: String,
        /// Its name, typed again: what will be lost is meant. Asked for where absent
        #[arg(long, value_name = "NAME")]
        confirm: Option<String>,
        /// How it is done.
        #[command(flatten)]
        change: Change,
    },
    /// Show how a host was loaded over the last day
    #[command(after_help = "Examples:
  hostler host performance host-a
  hostler host performance host-a --from 24h --points 48
  hostler host performance host-a --from 10m -o json")]
    Performance {
        /// Which
        host: String,
        /// Which part.
        #[command(flatten)]
        part: Span,
    },
    /// List the file systems of a host, and how much is free on them now
    #[command(after_help = "Examples:
  hostler host file-systems host-a
  hostler host file-systems host-a -o json")]
    FileSystems {
        /// Which
        host: String,
    },
    /// List the folders in which a host may keep machines, or what lies in one of them or below now
    #[command(after_help = "Examples:
  hostler host folders host-a
  hostler host folders host-a /srv/vms
  hostler host folders host-a /srv/vms/tier1 -o json

What is allowed stands in agent.toml on the host: vm_folder and machine_folders.")]
    Folders {
        /// Which
        host: String,
        /// The folder whose folders and disk images are listed
        #[arg(value_name = "PATH")]
        path: Option<String>,
    },
    /// List machines that lie in the folders that a host allows and that its hypervisor does not know
    #[command(after_help = "Examples:
  hostler host importable host-a
  hostler host importable host-a -o json

Import one: hostler vm import HOST FILE.")]
    Importable {
        /// Which
        host: String,
    },
    /// Make a folder on a host, within one that it allows
    #[command(after_help = "Examples:
  hostler host make-folder host-a /srv/vms/tier1

The folder above it must be there. One that is there already is left as it is.")]
    MakeFolder {
        /// Which
        host: String,
        /// The folder
        #[arg(value_name = "PATH")]
        path: String,
        /// How it is done.
        #[command(flatten)]
        change: Change,
    },
    /// Show the versions of a host, newest first
    #[command(after_help = "Examples:\n  hostler host history host-a")]
    History {
        /// Which
        host: String,
        /// How many.
        #[command(flatten)]
        part: HistoryPart,
    },
}

/// Hosts whose power is meant.
#[derive(Args)]
pub struct Power {
    /// Which
    #[arg(required = true, value_name = "HOST")]
    hosts: Vec<String>,
    /// Do not ask whether it is meant
    #[arg(long)]
    yes: bool,
    /// How it is done.
    #[command(flatten)]
    change: Change,
}

impl Power {
    async fn goes(
        self,
        here: &Here,
        client: &Client,
        what: &str,
        goes: impl AsyncFn(&str, &How) -> Result<Changed, ClientError>,
    ) -> Result<(), Failure> {
        let question = format!("Stop all machines on {}, and {what}?", self.hosts.join(", "));
        here.confirm(&question, self.yes || self.change.dry_run)?;
        let mut asked = Vec::new();
        for host in &self.hosts {
            asked.push(goes(host, &self.change.how()).await);
        }
        changes(here, client, &self.change, asked).await
    }
}

pub(super) async fn run(here: &Here, command: Commands) -> Result<(), Failure> {
    let client = here.client()?;
    match command {
        Commands::List(part) => {
            let hosts = all(&part, async |query| client.hosts(query).await).await?;
            here.list(&hosts, COLUMNS, row)
        }
        Commands::Show { hosts } => {
            let mut views = Vec::new();
            for host in &hosts {
                views.push(client.host(host).await?);
            }
            here.each(&views, COLUMNS, row, |view| text(view, here.width))
        }
        Commands::Add(computer) => host_add::add(here, &client, *computer).await,
        Commands::Keys(computer) => host_add::keys(here, &client, computer).await,
        Commands::Edit { host, available, maintenance, notes, vm_path, usual_vm_path, kept, change: how } => {
            let vm_path = if usual_vm_path { Some(None) } else { vm_path.map(Some) };
            let edit = EditHost { available, maintenance, reserve: kept.edit(), notes, vm_path };
            if edit == EditHost::default() {
                return Err(Failure::usage("it is not said what changes", "See `hostler host edit --help`"));
            }
            let asked = client.edit_host(&host, &edit, &how.how()).await;
            change(here, &client, &how, asked).await
        }
        Commands::Maintenance { is, hosts, change: how } => {
            let edit = EditHost { maintenance: Some(is == "on"), ..EditHost::default() };
            let mut asked = Vec::new();
            for host in &hosts {
                asked.push(client.edit_host(host, &edit, &how.how()).await);
            }
            changes(here, &client, &how, asked).await
        }
        Commands::Move { hosts, to, change: how } => {
            let mut asked = Vec::new();
            for host in &hosts {
                asked.push(client.move_host(host, &MoveTo { to: to.clone() }, &how.how()).await);
            }
            changes(here, &client, &how, asked).await
        }
        Commands::Refresh { hosts, change: how } => {
            let mut asked = Vec::new();
            for host in &hosts {
                asked.push(client.refresh_host(host, &how.how()).await);
            }
            changes(here, &client, &how, asked).await
        }
        Commands::Restart(power) => {
            let restart = async |host: &str, how: &How| client.restart_host(host, how).await;
            power.goes(here, &client, "restart", restart).await
        }
        Commands::ShutDown(power) => {
            let shut_down = async |host: &str, how: &How| client.shut_down_host(host, how).await;
            power.goes(here, &client, "shut down", shut_down).await
        }
        Commands::Rate(like) => {
            // Rating takes the request that would be made; the name decides nothing.
            let body = like.asked(&client, "rated").await?;
            let ratings = client.rate(&body).await?;
            here.list(&ratings, RATINGS, rating)
        }
        Commands::DeclareDead { host, confirm, change: how } => {
            let confirm = match confirm {
                Some(confirm) => confirm,
                None if here.is_somebody_there() => {
                    ask(&format!("Its machines are given up for ever. Type the name of host {host}: "))?
                        .trim()
                        .to_owned()
                }
                None => {
                    return Err(Failure::usage("it is not confirmed", "Say its name with --confirm NAME"));
                }
            };
            let asked = client.declare_host_dead(&host, &DeclareDead { confirm }, &how.how()).await;
            change(here, &client, &how, asked).await
        }
        Commands::Performance { host, part } => {
            let seen = client.host_performance(&host, &part.query(here)?).await?;
            performance::show(here, &seen)
        }
        Commands::FileSystems { host } => {
            here.list(&client.host_file_systems(&host).await?, FILE_SYSTEMS, file_system)
        }
        Commands::Folders { host, path } => folders::show(here, &client, &host, path.as_deref()).await,
        Commands::Importable { host } => folders::importable(here, &client, &host).await,
        Commands::MakeFolder { host, path, change: how } => {
            let asked = client.make_host_folder(&host, &NewFolder { path }, &how.how()).await;
            change(here, &client, &how, asked).await
        }
        Commands::History { host, part } => {
            history(here, &part, async |query| client.host_history(&host, query).await).await
        }
    }
}
