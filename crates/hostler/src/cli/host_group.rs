//! `hostler host-group`: the tree of groups of hosts.

use clap::{Args, Subcommand};
use hostler_model::Name;
use hostler_model::body::{MoveTo, NewHostGroup};
use hostler_model::host_group::EditHostGroup;
use hostler_model::reserve::OwnReserve;
use hostler_model::status::{HostStatus, VmStatus};
use hostler_model::view::{HostGroupView, RollUp};

use crate::cli::failure::Failure;
use crate::cli::follow::{Change, change, changes};
use crate::cli::format::Columns;
use crate::cli::here::Here;
use crate::cli::list::{HistoryPart, Part, all, history, mib, short};
use crate::cli::reserve::{self, Kept, Own};
use crate::cli::show::{Cell, Tone, brief, cell, number, sheet};
use crate::cli::values::shown_mib;

const COLUMNS: Columns = Columns {
    usual: &[
        "PATH",
        "HOSTS",
        "NOT WELL",
        "MACHINES",
        "RUNNING",
        "CPUS",
        "LOAD",
        "MEMORY",
        "GIVEN",
        "DISK",
        "DISK USED",
        "ID",
    ],
    wide: &["KEPT FOR HOSTS", "CPUS GIVEN", "UNENCRYPTED", "NOTES", "REVISION"],
    first: "hostler host-group create",
};

/// What can be done with groups of hosts.
#[derive(Subcommand)]
pub enum Commands {
    /// List groups of hosts, with the hosts and machines in and below each
    #[command(after_help = "Examples:
  hostler host-group list
  hostler host-group list --filter 'under_host_group=/All Hosts/Site A'

Fields to filter and sort by: path, name, parent, under_host_group, notes, created.")]
    List(Part),
    /// Show groups of hosts: what is in force in them, and the hosts and machines in and below them
    #[command(
        after_help = "Examples:\n  hostler host-group show '/All Hosts/Site A'\n  hostler host-group show 'Rack 1'"
    )]
    Show {
        /// Which: path, id, or the name where only one group has it
        #[arg(required = true, value_name = "GROUP")]
        groups: Vec<String>,
    },
    /// Create a group of hosts
    #[command(after_help = "Examples:
  hostler host-group create 'Site A'
  hostler host-group create 'Rack 1' --in '/All Hosts/Site A' --reserve-memory 2GiB --reserve-cpu 10")]
    Create {
        /// Its name
        name: String,
        /// The group that it is in; All Hosts where absent
        #[arg(long = "in", value_name = "GROUP")]
        parent: Option<String>,
        /// What it sets.
        #[command(flatten)]
        sets: Sets,
        /// How it is done.
        #[command(flatten)]
        change: Change,
    },
    /// Change a group of hosts; what is not said stays
    #[command(after_help = "Examples:
  hostler host-group edit '/All Hosts/Site A' --name 'Site B'
  hostler host-group edit '/All Hosts/Site A' --reserve-memory inherit --unencrypted-transfers true
  hostler host-group edit '/All Hosts' --reserve-cpu 10 --dry-run
  hostler host-group edit '/All Hosts/Site A' --reserve-memory 2GiB --overwrite-below")]
    Edit {
        /// Which
        group: String,
        /// Its name from now on
        #[arg(long, value_name = "NAME")]
        name: Option<String>,
        /// What it sets.
        #[command(flatten)]
        sets: Sets,
        /// Let the reserves that groups and hosts below have set give way, all of them
        #[arg(long)]
        overwrite_below: bool,
        /// How it is done.
        #[command(flatten)]
        change: Change,
    },
    /// Put groups of hosts, with all that is in them, into another group
    #[command(after_help = "Examples:
  hostler host-group move '/All Hosts/Rack 1' --to '/All Hosts/Site A' --dry-run
  hostler host-group move '/All Hosts/Rack 1' '/All Hosts/Rack 2' --to '/All Hosts/Site A'

With --dry-run it is shown for which hosts what would be in force otherwise.")]
    Move {
        /// Which
        #[arg(required = true, value_name = "GROUP")]
        groups: Vec<String>,
        /// Into which group
        #[arg(long, value_name = "GROUP")]
        to: String,
        /// How it is done.
        #[command(flatten)]
        change: Change,
    },
    /// Delete groups of hosts in which there are neither hosts nor groups
    #[command(after_help = "Examples:\n  hostler host-group delete '/All Hosts/Site A/Rack 1'")]
    Delete {
        /// Which
        #[arg(required = true, value_name = "GROUP")]
        groups: Vec<String>,
        /// How it is done.
        #[command(flatten)]
        change: Change,
    },
    /// Show the versions of a group of hosts, newest first
    #[command(after_help = "Examples:\n  hostler host-group history '/All Hosts/Site A'")]
    History {
        /// Which
        group: String,
        /// How many.
        #[command(flatten)]
        part: HistoryPart,
    },
}

/// What a group sets for all that is below it.
#[derive(Args, Clone, Debug, Default)]
pub struct Sets {
    /// Free text
    #[arg(long, value_name = "TEXT")]
    notes: Option<String>,
    /// Whether data may travel between its hosts without encryption, because their network is trusted: true, false, or
    /// inherit for what the group above says
    #[arg(long, value_name = "true|false|inherit", value_parser = reserve::flag)]
    unencrypted_transfers: Option<Own<bool>>,
    /// What is kept for each host.
    #[command(flatten)]
    kept: Kept,
}

pub(super) async fn run(here: &Here, command: Commands) -> Result<(), Failure> {
    let client = here.client()?;
    match command {
        Commands::List(part) => {
            let groups = all(&part, async |query| client.host_groups(query).await).await?;
            here.list(&groups, COLUMNS, row)
        }
        Commands::Show { groups } => {
            let mut views = Vec::new();
            for group in &groups {
                views.push(client.host_group(group).await?);
            }
            here.each(&views, COLUMNS, row, |view| text(view, here.width))
        }
        Commands::Create { name, parent, sets, change: how } => {
            let body = NewHostGroup {
                name: Name::new(&name)?,
                parent,
                notes: sets.notes.unwrap_or_default(),
                reserve: sets.kept.edit().applied(OwnReserve::default()),
                unencrypted_transfers: sets.unencrypted_transfers.and_then(|own| own.0),
            };
            let asked = client.create_host_group(&body, &how.how()).await;
            change(here, &client, &how, asked).await
        }
        Commands::Edit { group, name, sets, overwrite_below, change: how } => {
            let body = EditHostGroup {
                name: name.as_deref().map(Name::new).transpose()?,
                notes: sets.notes,
                reserve: sets.kept.edit(),
                unencrypted_transfers: sets.unencrypted_transfers.map(|own| own.0),
                overwrite_below,
            };
            if body == EditHostGroup::default() {
                return Err(Failure::usage(
                    "it is not said what changes",
                    "See `hostler host-group edit --help`",
                ));
            }
            let asked = client.edit_host_group(&group, &body, &how.how()).await;
            change(here, &client, &how, asked).await
        }
        Commands::Move { groups, to, change: how } => {
            let mut asked = Vec::new();
            for group in &groups {
                asked.push(client.move_host_group(group, &MoveTo { to: to.clone() }, &how.how()).await);
            }
            changes(here, &client, &how, asked).await
        }
        Commands::Delete { groups, change: how } => {
            let mut asked = Vec::new();
            for group in &groups {
                asked.push(client.delete_host_group(group, &how.how()).await);
            }
            changes(here, &client, &how, asked).await
        }
        Commands::History { group, part } => {
            history(here, &part, async |query| client.host_group_history(&group, query).await).await
        }
    }
}

/// How many hosts neither answer nor are meant not to.
fn not_well(total: &RollUp) -> u32 {
    let silent = [HostStatus::NotResponding, HostStatus::HypervisorNotResponding, HostStatus::DeclaredDead];
    silent.iter().filter_map(|status| total.hosts_by_status.get(status.word())).sum()
}

fn row(view: &HostGroupView) -> Vec<Cell> {
    let total = &view.total;
    let silent = not_well(total);
    let running = total.machines_by_status.get(VmStatus::Running.word()).copied().unwrap_or_default();
    let unknown = || number("-").exact("");
    vec![
        cell(&view.path),
        number(total.hosts),
        number(silent).tone(if silent > 0 { Tone::Bad } else { Tone::Plain }),
        number(total.machines),
        number(running),
        number(total.cpus),
        total.cpu_percent.map_or_else(unknown, |percent| number(format!("{percent}%")).exact(percent)),
        mib(total.memory_mib),
        mib(total.memory_given_mib),
        mib(total.disk_total_mib),
        mib(total.disk_used_mib),
        short(view.group.id),
        mib(total.memory_reserved_mib),
        number(total.cpus_given),
        cell(if view.in_force.unencrypted_transfers { "yes" } else { "no" })
            .exact(view.in_force.unencrypted_transfers),
        cell(brief(&view.group.notes)).exact(&view.group.notes),
        number(view.revision),
    ]
}

/// How many of each status, the words as in filters.
fn counts(of: u32, by_status: &std::collections::BTreeMap<String, u32>) -> String {
    let each: Vec<String> = by_status.iter().map(|(status, count)| format!("{count} {status}")).collect();
    if each.is_empty() { of.to_string() } else { format!("{of} ({})", each.join(", ")) }
}

fn text(view: &HostGroupView, width: Option<u16>) -> String {
    let (group, total) = (&view.group, &view.total);
    let of = |used: u64, all: u64, word: &str| format!("{} {word} of {}", shown_mib(used), shown_mib(all));
    sheet(
        &[
            ("Path", cell(&view.path)),
            ("Id", cell(group.id)),
            ("Groups in it", cell(view.groups)),
            ("Hosts in it", cell(view.own_hosts)),
            ("Hosts", cell(counts(total.hosts, &total.hosts_by_status))),
            ("Machines", cell(counts(total.machines, &total.machines_by_status))),
            ("Processors", cell(format!("{} there, {} given", total.cpus, total.cpus_given))),
            (
                "Processor load",
                cell(total.cpu_percent.map(|percent| format!("{percent}%")).unwrap_or_default()),
            ),
            ("Memory", cell(of(total.memory_given_mib, total.memory_mib, "given"))),
            ("Kept for hosts", cell(shown_mib(total.memory_reserved_mib))),
            ("Disk space", cell(of(total.disk_used_mib, total.disk_total_mib, "used"))),
            ("Reserve", cell(reserve::text(&view.in_force))),
            ("Unencrypted transfers", cell(reserve::unencrypted(&view.in_force))),
            ("Notes", cell(&group.notes)),
            ("Created", cell(group.created)),
            ("Revision", cell(view.revision)),
        ],
        width,
    )
}
