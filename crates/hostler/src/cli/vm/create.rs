//! `hostler vm create`, and the same words for `hostler host rate`.

use std::collections::BTreeMap;

use clap::{ArgGroup, Args, ValueEnum};
use hostler_client::Client;
use hostler_model::Name;
use hostler_model::hardware::{Firmware, Mac};
use hostler_model::library::ItemKind;
use hostler_model::request::{CreateVm, VmSource};
use hostler_model::template::Deploy;

use crate::cli::failure::Failure;
use crate::cli::follow::{Change, change};
use crate::cli::here::Here;
use crate::cli::values;

pub(super) const EXAMPLES: &str = "Examples:
  hostler vm create web-1 --template tiny-linux --start
  hostler vm create web-2 --template tiny-linux --cpus 2 --memory 2GiB --host host-a --dry-run
  hostler vm create db-1 --disk debian-12 --deploy copy --disk-size 40GiB --firmware uefi
  hostler vm create empty-1 --empty --disk-size 20GiB
  hostler vm create dhcp-1 --template tiny-linux --network lan --mac 52:54:00:12:34:56
  hostler vm create big-1 --empty --disk-size 2TiB --host host-a --path /srv/vms/tier2
  hostler vm create seeded --template tiny-linux --seed hostname=seeded --seed role=web --start";

/// Create a machine.
#[derive(Args)]
pub struct Create {
    /// Its name
    name: String,
    /// What it is like.
    #[command(flatten)]
    like: Like,
    /// Start it
    #[arg(long)]
    start: bool,
    /// Free text
    #[arg(long, value_name = "TEXT", default_value = "")]
    notes: String,
    /// A word to find it by
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
    /// What the guest finds on a small disk
    #[arg(long = "seed", value_name = "KEY=VALUE", value_parser = pair)]
    seed: Vec<(String, String)>,
    /// How it is done.
    #[command(flatten)]
    change: Change,
}

/// What a new machine is like.
#[derive(Args)]
#[command(group = ArgGroup::new("from").required(true).args(["template", "disk", "empty"]))]
pub struct Like {
    /// From this template
    #[arg(long, value_name = "TEMPLATE")]
    template: Option<String>,
    /// From this disk in the library
    #[arg(long, value_name = "ITEM")]
    disk: Option<String>,
    /// With an empty disk
    #[arg(long)]
    empty: bool,
    /// How the library's disk gets to the host: overlay is at once and thin, copy stands alone
    #[arg(long, value_enum, value_name = "HOW", conflicts_with_all = ["template", "empty"])]
    deploy: Option<Way>,
    /// Virtual processors; the template's, else 1
    #[arg(long, value_name = "N")]
    cpus: Option<u32>,
    /// Memory, as 512MiB or 8GiB; the template's, else 512MiB
    #[arg(long, value_name = "SIZE", value_parser = values::mebibytes)]
    memory: Option<u64>,
    /// What starts it; the template's, else bios
    #[arg(long, value_enum, value_name = "FIRMWARE")]
    firmware: Option<Start>,
    /// The size of its first disk; the image's, which is the least, where absent
    #[arg(long, value_name = "SIZE", value_parser = values::size)]
    disk_size: Option<u64>,
    /// On this host; the best one where absent
    #[arg(long, value_name = "HOST")]
    host: Option<String>,
    /// The folder of the host in which its own is made; the host's usual one where absent
    #[arg(long, value_name = "FOLDER")]
    path: Option<String>,
    /// The network of its adapter; `default` where the host has it, else none
    #[arg(long, value_name = "NETWORK")]
    network: Option<String>,
    /// The address of its adapter; one of the pool where absent
    #[arg(long, value_name = "MAC", value_parser = values::mac)]
    mac: Option<Mac>,
    /// The VLAN of its adapter, 1 to 4094, on an external network whose bridge filters VLANs; 0 for none
    #[arg(long, value_name = "ID", requires = "network", value_parser = clap::value_parser!(u16).range(0..=4094))]
    vlan: Option<u16>,
    /// Its adapter may send under other addresses than its own; where absent that is dropped if its host can, with `=false`
    /// only hosts that can are taken
    #[arg(long, value_name = "true|false", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    allow_mac_spoofing: Option<bool>,
}

/// How a library disk becomes a machine's disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Way {
    /// An overlay on a base on the host
    Overlay,
    /// A sparse copy
    Copy,
}

impl From<Way> for Deploy {
    fn from(way: Way) -> Self {
        match way {
            Way::Overlay => Deploy::Overlay,
            Way::Copy => Deploy::Copy,
        }
    }
}

/// What starts a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Start {
    /// SeaBIOS
    Bios,
    /// OVMF without secure boot
    Uefi,
}

impl From<Start> for Firmware {
    fn from(start: Start) -> Self {
        match start {
            Start::Bios => Firmware::Bios,
            Start::Uefi => Firmware::Uefi,
        }
    }
}

fn pair(written: &str) -> Result<(String, String), String> {
    match written.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(format!("\"{written}\" is not KEY=VALUE")),
    }
}

impl Like {
    /// As the interface takes it: what is named is looked up.
    ///
    /// # Errors
    /// When something that is named does not exist.
    pub async fn asked(&self, client: &Client, name: &str) -> Result<CreateVm, Failure> {
        let from = match (&self.template, &self.disk) {
            (Some(template), _) => {
                VmSource::Template { template: client.template(template).await?.template.id }
            }
            (None, Some(item)) => VmSource::Disk {
                item: client.usable_item(item, ItemKind::Disk).await?.item.id,
                deploy: self.deploy.map(Deploy::from).unwrap_or_default(),
            },
            (None, None) => VmSource::Empty,
        };
        let host = match &self.host {
            Some(host) => Some(client.host(host).await?.host.id),
            None => None,
        };
        Ok(CreateVm {
            name: Name::new(name)?,
            from,
            cpus: self.cpus,
            memory_mib: self.memory,
            firmware: self.firmware.map(Firmware::from),
            disk_bytes: self.disk_size,
            host,
            path: self.path.clone(),
            start: false,
            notes: String::new(),
            tags: Vec::new(),
            network: self.network.clone(),
            mac: self.mac,
            vlan: self.vlan,
            allow_mac_spoofing: self.allow_mac_spoofing,
            seed: BTreeMap::new(),
            candidates: Vec::new(),
        })
    }
}

pub(super) async fn create(here: &Here, create: Create) -> Result<(), Failure> {
    let client = here.client()?;
    let mut body = create.like.asked(&client, &create.name).await?;
    body.start = create.start;
    body.notes = create.notes;
    body.tags = create.tags.iter().map(|tag| Name::new(tag)).collect::<Result<_, _>>()?;
    body.seed = create.seed.into_iter().collect();
    let asked = client.create_vm(&body, &create.change.how()).await;
    change(here, &client, &create.change, asked).await
}
