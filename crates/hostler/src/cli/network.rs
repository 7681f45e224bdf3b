//! `hostler network`: networks across hosts.

use clap::Subcommand;
use hostler_model::mac_pool::MacPoolView;
use hostler_model::network::{
    AddressRange, ConnectedVm, LeaseView, NetworkDetail, NetworkKind, NetworkOnHost, NetworkView,
};
use hostler_model::new_network::NewNetwork;

use crate::cli::failure::Failure;
use crate::cli::follow::{Change, change};
use crate::cli::format::Columns;
use crate::cli::here::Here;
use crate::cli::list::ago;
use crate::cli::show::{Cell, Tone, cell, note, number, sheet, table};
use crate::cli::values::now;

const COLUMNS: Columns = Columns {
    usual: &["NAME", "KIND", "VLAN", "HOSTS", "INACTIVE ON", "MACHINES", "MISMATCHES"],
    wide: &["ON"],
    first: "hostler network create",
};

const LEASES: Columns = Columns {
    usual: &["ADDRESS", "MACHINE", "MAC", "CALLS ITSELF", "HOST", "RUNS OUT"],
    wide: &["MACHINE ID"],
    first: "",
};

/// What can be done with networks.
#[derive(Subcommand)]
pub enum Commands {
    /// List networks: those of one name on several hosts are one
    #[command(after_help = "Examples:\n  hostler network list\n  hostler network list -o wide")]
    List,
    /// Show networks: the hosts that have each, where they differ, and the machines that are connected
    #[command(after_help = "Examples:\n  hostler network show default\n  hostler network show lab -o json")]
    Show {
        /// Which
        #[arg(required = true, value_name = "NETWORK")]
        networks: Vec<String>,
    },
    /// Create a network on hosts, the same on each
    #[command(after_help = "Examples:
  hostler network create lab --kind nat --address 10.20.0.1/24 --host host-a
  hostler network create quiet --kind private --host host-a --host host-b
  hostler network create lan --kind external --adapter eno1 --host host-a
  hostler network create lan-7 --kind external --adapter eno1 --vlan 7 --host host-a

External: the adapter becomes a part of a new bridge, to which its addresses and routes move. A host that the server does not reach
over it within 30 s takes that back by itself. An adapter that is a bridge already is used as it is.")]
    Create {
        /// Its name: letters, digits, dashes, underscores and dots
        name: String,
        /// What it connects
        #[arg(long, value_name = "external|internal|private|nat", value_parser = kind)]
        kind: NetworkKind,
        /// On which host; may be said several times
        #[arg(long = "host", value_name = "HOST", required = true)]
        hosts: Vec<String>,
        /// The host's own address on it with its network's length, of an internal network and of one with NAT
        #[arg(long, value_name = "ADDRESS/LENGTH")]
        address: Option<String>,
        /// The addresses that the host gives to machines; with NAT all behind its own when absent
        #[arg(long, value_name = "FIRST-LAST", value_parser = range)]
        dhcp: Option<AddressRange>,
        /// The adapter that leads outside, or a bridge that is there: of an external network
        #[arg(long, value_name = "ADAPTER")]
        adapter: Option<String>,
        /// The VLAN of that adapter, 1 to 4094
        #[arg(long, value_name = "ID")]
        vlan: Option<u16>,
        /// How it is done.
        #[command(flatten)]
        change: Change,
    },
    /// Remove a network from hosts on which no machine is connected to it
    #[command(after_help = "Examples:
  hostler network remove lab
  hostler network remove lab --host host-a --dry-run")]
    Remove {
        /// Which
        #[arg(value_name = "NETWORK")]
        network: String,
        /// From which host; may be said several times; from all that have it when absent
        #[arg(long = "host", value_name = "HOST")]
        hosts: Vec<String>,
        /// How it is done.
        #[command(flatten)]
        change: Change,
    },
    /// Show the MAC addresses that adapters of machines are given: range, use, and those that several machines have
    #[command(after_help = "Examples:
  hostler network mac-pool
  hostler network mac-pool -o json
  hostler server set mac_pool_last=52:54:00:01:ff:ff")]
    MacPool,
    /// Show the addresses that hosts have given on a network: the hosts are asked now
    #[command(
        after_help = "Examples:\n  hostler network leases default\n  hostler network leases default -o json"
    )]
    Leases {
        /// Which
        #[arg(value_name = "NETWORK")]
        network: String,
    },
}

pub(super) async fn run(here: &Here, command: Commands) -> Result<(), Failure> {
    let client = here.client()?;
    match command {
        Commands::List => here.list(&client.networks().await?.items, COLUMNS, row),
        Commands::Show { networks } => {
            let mut views = Vec::new();
            for network in &networks {
                views.push(client.network(network).await?);
            }
            here.each(&views, COLUMNS, |view| row(&view.network), |view| text(view, here.width))
        }
        Commands::Create { name, kind, hosts, address, dhcp, adapter, vlan, change: how } => {
            let body = NewNetwork { name, kind, hosts, address, dhcp, adapter, vlan };
            let asked = client.create_network(&body, &how.how()).await;
            change(here, &client, &how, asked).await
        }
        Commands::Remove { network, hosts, change: how } => {
            let asked = client.remove_network(&network, &hosts, &how.how()).await;
            change(here, &client, &how, asked).await
        }
        Commands::MacPool => {
            let view = client.mac_pool().await?;
            here.one(&view, || pool(&view, here.width))
        }
        Commands::Leases { network } => {
            let told = client.network_leases(&network).await?;
            here.list(&told.leases, LEASES, lease)?;
            for silent in &told.silent {
                note(format!("host {} does not say: {}", silent.host_name, silent.why.cause));
            }
            Ok(())
        }
    }
}

fn kind(written: &str) -> Result<NetworkKind, String> {
    let can_be = |kind: &NetworkKind| *kind != NetworkKind::Other && kind.word() == written;
    let found = NetworkKind::ALL.into_iter().find(can_be);
    found.ok_or_else(|| "it is external, internal, private or nat".to_owned())
}

fn range(written: &str) -> Result<AddressRange, String> {
    let both = written.split_once('-').filter(|(first, last)| !first.is_empty() && !last.is_empty());
    let (first, last) = both.ok_or("say the first and the last address, as in 10.20.0.2-10.20.0.99")?;
    Ok(AddressRange { first: first.to_owned(), last: last.to_owned() })
}

fn vlan(id: Option<u16>) -> Cell {
    id.map_or_else(|| cell("").exact(""), number)
}

fn row(view: &NetworkView) -> Vec<Cell> {
    let inactive = view.hosts.iter().filter(|on| !on.network.active).count();
    let bad = |count: usize| number(count).tone(if count == 0 { Tone::Plain } else { Tone::Bad });
    let names: Vec<&str> = view.hosts.iter().map(|on| on.host_name.as_str()).collect();
    vec![
        cell(&view.name),
        cell(view.kind.word()),
        vlan(view.vlan),
        number(view.hosts.len()),
        bad(inactive),
        number(view.machines),
        bad(view.mismatches.len()),
        cell(names.join(", ")),
    ]
}

fn ranges(dhcp: &[AddressRange]) -> String {
    let each: Vec<String> = dhcp.iter().map(|range| format!("{}-{}", range.first, range.last)).collect();
    each.join(", ")
}

fn on_host(on: &NetworkOnHost) -> Vec<Cell> {
    let it = &on.network;
    let state = match (it.active, it.autostart) {
        (true, true) => cell("active"),
        (true, false) => cell("active, not started with the host").tone(Tone::Notable),
        (false, _) => cell("not active").tone(Tone::Bad),
    };
    vec![
        cell(&on.host_name),
        cell(it.kind.word()),
        state,
        cell(&it.bridge),
        cell(&it.adapter),
        vlan(it.vlan),
        cell(it.addresses.join(", ")),
        cell(ranges(&it.dhcp)),
        number(on.machines),
    ]
}

fn connected(one: &ConnectedVm) -> Vec<Cell> {
    vec![cell(&one.name), cell(&one.host_name), cell(one.mac)]
}

fn text(detail: &NetworkDetail, width: Option<u16>) -> String {
    let view = &detail.network;
    let mut text = sheet(
        &[
            ("Name", cell(&view.name)),
            ("Kind", cell(view.kind.word())),
            ("VLAN", vlan(view.vlan)),
            ("Hosts", cell(view.hosts.len())),
            ("Machines", cell(view.machines)),
        ],
        width,
    );
    for mismatch in &view.mismatches {
        text += &sheet(&[("Mismatch", cell(&mismatch.words).tone(Tone::Bad))], width);
    }
    let hosts: Vec<_> = view.hosts.iter().map(on_host).collect();
    let headers =
        ["HOST", "KIND", "STATE", "BRIDGE", "ADAPTER", "VLAN", "HOST'S ADDRESS", "GIVES", "MACHINES"];
    text += &format!("\n{}", table(&headers, &hosts, width));
    if !detail.connected.is_empty() {
        let machines: Vec<_> = detail.connected.iter().map(connected).collect();
        text += &format!("\n{}", table(&["MACHINE", "HOST", "MAC"], &machines, width));
    }
    text
}

fn pool(view: &MacPoolView, width: Option<u16>) -> String {
    let tone = |bad: bool| if bad { Tone::Bad } else { Tone::Plain };
    let mut text = sheet(
        &[
            ("First", cell(view.first)),
            ("Last", cell(view.last)),
            ("Addresses", number(view.size)),
            ("Used", number(view.used)),
            ("Free", number(view.free).tone(tone(view.low))),
            ("Conflicts", number(view.conflicting).tone(tone(view.conflicting > 0))),
        ],
        width,
    );
    if view.low {
        let remedy = "few are free: extend the range with hostler server set mac_pool_last=ADDRESS";
        text += &sheet(&[("Needs attention", cell(remedy).tone(Tone::Bad))], width);
    }
    if !view.conflicts.is_empty() {
        let users = view.conflicts.iter().flat_map(|one| one.machines.iter().map(|user| (one.mac, user)));
        let rows: Vec<_> =
            users.map(|(mac, user)| vec![cell(mac), cell(&user.name), cell(&user.host_name)]).collect();
        text += &format!("\n{}", table(&["MAC", "MACHINE", "HOST"], &rows, width));
    }
    let unnamed = view.conflicting.saturating_sub(view.conflicts.len() as u64);
    if unnamed > 0 {
        text += &format!("{unnamed} more addresses have several machines.\n");
    }
    text
}

fn lease(view: &LeaseView) -> Vec<Cell> {
    vec![
        cell(&view.lease.address),
        cell(view.vm_name.as_deref().unwrap_or_default()),
        cell(&view.lease.mac),
        cell(&view.lease.calls_itself),
        cell(&view.host_name),
        view.lease.until.map_or_else(|| cell("never").exact(""), |until| ago(until, now())),
        cell(view.vm.map(|vm| vm.to_string()).unwrap_or_default()),
    ]
}
