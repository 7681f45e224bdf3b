//! `hostler library-share` and `hostler library-item`.

use std::collections::HashMap;

use clap::Subcommand;
use hostler_client::ListQuery;
use hostler_model::body::NewShare;
use hostler_model::view::{ItemView, ShareView};
use hostler_model::{Name, Timestamp};

use crate::cli::failure::Failure;
use crate::cli::follow::{Change, change, changes};
use crate::cli::format::Columns;
use crate::cli::here::Here;
use crate::cli::list::{Part, ago, all, bytes, short};
use crate::cli::show::{Cell, Tone, brief, cell, number, sheet};
use crate::cli::upload::{self, UploadArgs};
use crate::cli::values::{now, shown_size};

const SHARES: Columns = Columns {
    usual: &["NAME", "AGENT", "FOLDER", "CREATED", "ID"],
    wide: &["NOTES", "REVISION"],
    first: "hostler library-share add",
};

const ITEMS: Columns = Columns {
    usual: &["NAME", "KIND", "SIZE", "GUEST SEES", "STATUS", "PATH", "ID"],
    wide: &["SHARE", "MODIFIED", "PROBLEM", "REVISION"],
    first: "hostler library-item upload",
};

/// What can be done with library shares.
#[derive(Subcommand)]
pub enum Shares {
    /// List library shares
    #[command(
        after_help = "Examples:\n  hostler library-share list\n\nFields to filter and sort by: name, agent, folder, created."
    )]
    List(Part),
    /// Show library shares
    #[command(after_help = "Examples:\n  hostler library-share show images")]
    Show {
        /// Which
        #[arg(required = true, value_name = "SHARE")]
        shares: Vec<String>,
    },
    /// Add a folder on an agent's computer as a library share
    #[command(
        after_help = "Examples:\n  hostler library-share add images --agent host-a --folder /srv/images"
    )]
    Add {
        /// Its name
        name: String,
        /// The agent on whose computer it lies
        #[arg(long, value_name = "AGENT")]
        agent: String,
        /// The folder, an absolute path
        #[arg(long, value_name = "FOLDER")]
        folder: String,
        /// How it is done.
        #[command(flatten)]
        change: Change,
    },
    /// Read library shares anew
    #[command(after_help = "Examples:\n  hostler library-share refresh images")]
    Refresh {
        /// Which
        #[arg(required = true, value_name = "SHARE")]
        shares: Vec<String>,
        /// How it is done.
        #[command(flatten)]
        change: Change,
    },
    /// Remove library shares from the record; their files stay
    #[command(after_help = "Examples:\n  hostler library-share remove images")]
    Remove {
        /// Which
        #[arg(required = true, value_name = "SHARE")]
        shares: Vec<String>,
        /// How it is done.
        #[command(flatten)]
        change: Change,
    },
}

/// What can be done with library items.
#[derive(Subcommand)]
pub enum Items {
    /// List library items
    #[command(after_help = "Examples:
  hostler library-item list
  hostler library-item list --share images --filter kind=disk,usable=true

Fields to filter and sort by: name, share, kind, path, size_bytes, missing, usable, created.")]
    List {
        /// Only those in this share
        #[arg(long, value_name = "SHARE")]
        share: Option<String>,
        /// Which part.
        #[command(flatten)]
        part: Part,
    },
    /// Show library items
    #[command(
        after_help = "Examples:\n  hostler library-item show debian-12\n  hostler library-item show debian-12@images\n  hostler library-item show linux/debian-12.iso@images"
    )]
    Show {
        /// Which
        #[arg(required = true, value_name = "ITEM")]
        items: Vec<String>,
    },
    /// Upload a file of this computer into a library share
    #[command(after_help = "Examples:
  hostler library-item upload images debian-12.iso
  hostler library-item upload images disk.qcow2 --path linux/debian-12.qcow2

Cut off, it goes on by itself; interrupted, the same command goes on where it was.")]
    Upload(UploadArgs),
}

pub(super) async fn run_shares(here: &Here, command: Shares) -> Result<(), Failure> {
    let client = here.client()?;
    match command {
        Shares::List(part) => {
            let shares = all(&part, async |query| client.shares(query).await).await?;
            // Programs get ids; people get names.
            let agents: HashMap<_, _> = match here.is_for_people() {
                true if !shares.is_empty() => {
                    let agents =
                        client.agents(&ListQuery { limit: Some(1_000), ..ListQuery::default() }).await?;
                    agents.items.into_iter().map(|view| (view.agent.id, view.agent.name)).collect()
                }
                _ => HashMap::new(),
            };
            let now = now();
            here.list(&shares, SHARES, |view| share_row(view, agents.get(&view.share.agent), now))
        }
        Shares::Show { shares } => {
            let mut views = Vec::new();
            let mut agents = HashMap::new();
            for share in &shares {
                let view = client.share(share).await?;
                if here.is_for_people()
                    && let Ok(agent) = client.agent(&view.share.agent.to_string()).await
                {
                    agents.insert(view.share.agent, agent.agent.name);
                }
                views.push(view);
            }
            let agent = |view: &ShareView| called(agents.get(&view.share.agent), view.share.agent);
            let now = now();
            here.each(
                &views,
                SHARES,
                |view| share_row(view, agents.get(&view.share.agent), now),
                |view| share_text(view, agent(view), here.width),
            )
        }
        Shares::Add { name, agent, folder, change: how } => {
            let body = NewShare { name: Name::new(&name)?, agent, folder };
            change(here, &client, &how, client.add_share(&body, &how.how()).await).await
        }
        Shares::Refresh { shares, change: how } => {
            let mut asked = Vec::new();
            for share in &shares {
                asked.push(client.refresh_share(share, &how.how()).await);
            }
            changes(here, &client, &how, asked).await
        }
        Shares::Remove { shares, change: how } => {
            let mut asked = Vec::new();
            for share in &shares {
                asked.push(client.remove_share(share, &how.how()).await);
            }
            changes(here, &client, &how, asked).await
        }
    }
}

pub(super) async fn run_items(here: &Here, command: Items) -> Result<(), Failure> {
    let client = here.client()?;
    match command {
        Items::List { share, part } => {
            let items = all(&part, async |query| client.items(share.as_deref(), query).await).await?;
            let now = now();
            here.list(&items, ITEMS, |view| item_row(view, now))
        }
        Items::Upload(args) => upload::upload(here, args).await,
        Items::Show { items } => {
            let mut views = Vec::new();
            let mut shares = HashMap::new();
            for item in &items {
                let view = client.item(item).await?;
                if here.is_for_people()
                    && let Ok(share) = client.share(&view.item.share.to_string()).await
                {
                    shares.insert(view.item.share, share.share.name);
                }
                views.push(view);
            }
            let share = |view: &ItemView| called(shares.get(&view.item.share), view.item.share);
            let now = now();
            here.each(
                &views,
                ITEMS,
                |view| item_row(view, now),
                |view| item_text(view, share(view), here.width),
            )
        }
    }
}

/// A name where it is known, else the id.
fn called(name: Option<&Name>, id: impl ToString) -> Cell {
    name.map_or_else(|| cell(id), cell)
}

fn share_row(view: &ShareView, agent: Option<&Name>, now: Timestamp) -> Vec<Cell> {
    let share = &view.share;
    vec![
        cell(&share.name),
        agent.map_or_else(|| short(share.agent), |name| cell(name).exact(share.agent)),
        cell(&share.folder),
        ago(share.created, now),
        short(share.id),
        cell(brief(&share.notes)).exact(&share.notes),
        number(view.revision),
    ]
}

fn share_text(view: &ShareView, agent: Cell, width: Option<u16>) -> String {
    let share = &view.share;
    sheet(
        &[
            ("Name", cell(&share.name)),
            ("Id", cell(share.id)),
            ("Agent", agent),
            ("Folder", cell(&share.folder)),
            ("Notes", cell(&share.notes)),
            ("Created", cell(share.created)),
            ("Revision", cell(view.revision)),
        ],
        width,
    )
}

fn status(view: &ItemView) -> Cell {
    match (view.item.missing_since, &view.item.seen.problem) {
        (Some(_), _) => cell("Missing").tone(Tone::Bad),
        (None, Some(_)) => cell("Not usable").tone(Tone::Bad),
        (None, None) => cell("Usable").tone(Tone::Good),
    }
}

fn item_row(view: &ItemView, now: Timestamp) -> Vec<Cell> {
    let seen = &view.item.seen;
    let kind = serde_json::to_value(seen.kind).unwrap_or_default();
    let word = match (view.item.missing_since, &seen.problem) {
        (Some(_), _) => "missing",
        (None, Some(_)) => "not-usable",
        (None, None) => "usable",
    };
    vec![
        cell(&view.item.name),
        cell(seen.kind.words()).exact(kind.as_str().unwrap_or_default()),
        bytes(seen.size_bytes),
        seen.image.as_ref().map_or_else(|| number(""), |image| bytes(image.virtual_size_bytes)),
        status(view).exact(word),
        cell(&seen.path),
        short(view.item.id),
        short(view.item.share),
        ago(seen.modified, now),
        cell(seen.problem.as_ref().map(|problem| problem.cause.as_str()).unwrap_or_default()),
        number(view.revision),
    ]
}

fn item_text(view: &ItemView, share: Cell, width: Option<u16>) -> String {
    let (item, seen) = (&view.item, &view.item.seen);
    let problem = seen.problem.as_ref();
    sheet(
        &[
            ("Name", cell(&item.name)),
            ("Id", cell(item.id)),
            ("Status", status(view)),
            ("Why", cell(problem.map(|problem| problem.cause.as_str()).unwrap_or_default())),
            ("Remedy", cell(problem.map(|problem| problem.remedy.as_str()).unwrap_or_default())),
            ("Missing since", cell(item.missing_since.map(|at| at.to_string()).unwrap_or_default())),
            ("Kind", cell(seen.kind.words())),
            ("Format", cell(seen.image.as_ref().map(|image| image.format.qemu_name()).unwrap_or_default())),
            ("Size", cell(shown_size(seen.size_bytes))),
            (
                "Guest sees",
                cell(seen.image.as_ref().map(|i| shown_size(i.virtual_size_bytes)).unwrap_or_default()),
            ),
            ("Path", cell(&seen.path)),
            ("Share", share),
            ("Modified", cell(seen.modified)),
            ("Created", cell(item.created)),
            ("Revision", cell(view.revision)),
        ],
        width,
    )
}
