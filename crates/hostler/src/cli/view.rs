//! `hostler view`: views of the console's pages that one saved.

use clap::Subcommand;
use hostler_model::Timestamp;
use hostler_model::body::SaveView;
use hostler_model::view::SavedViewView;

use crate::cli::failure::Failure;
use crate::cli::follow::{Change, change, changes};
use crate::cli::format::Columns;
use crate::cli::here::Here;
use crate::cli::list::{Part, ago, all, short};
use crate::cli::show::{Cell, brief, cell, number, sheet};
use crate::cli::values::now;

const COLUMNS: Columns = Columns {
    usual: &["VIEW", "SHOWS", "CREATED", "ID"],
    wide: &["PAGE", "NAME", "REVISION"],
    first: "hostler view save",
};

/// What can be done with saved views.
#[derive(Subcommand)]
pub enum Commands {
    /// List the views that you saved
    #[command(after_help = "Examples:
  hostler view list
  hostler view list --filter page=vms

Fields to filter and sort by: name, page, created.")]
    List(Part),
    /// Show views that you saved
    #[command(after_help = "Examples:\n  hostler view show vms/shop\n  hostler view show vms/shop -o json")]
    Show {
        /// Which, as PAGE/NAME
        #[arg(required = true, value_name = "VIEW")]
        views: Vec<String>,
    },
    /// Save a view, in the place of the one that has this name
    #[command(
        after_help = "Examples:\n  hostler view save vms/shop --state 'filter=tags%3Dshop&sort=-memory_mib'"
    )]
    Save {
        /// Its page and name, as PAGE/NAME
        #[arg(value_name = "VIEW")]
        view: String,
        /// What the page shows: its address behind the question mark, at most 4,096 bytes
        #[arg(long, value_name = "TEXT")]
        state: String,
        /// How it is done.
        #[command(flatten)]
        change: Change,
    },
    /// Delete views that you saved
    #[command(after_help = "Examples:\n  hostler view delete vms/shop")]
    Delete {
        /// Which, as PAGE/NAME
        #[arg(required = true, value_name = "VIEW")]
        views: Vec<String>,
        /// How it is done.
        #[command(flatten)]
        change: Change,
    },
}

pub(super) async fn run(here: &Here, command: Commands) -> Result<(), Failure> {
    let client = here.client()?;
    let now = now();
    match command {
        Commands::List(part) => {
            let views = all(&part, async |query| client.my_views(query).await).await?;
            here.list(&views, COLUMNS, |view| row(view, now))
        }
        Commands::Show { views } => {
            let mut shown = Vec::new();
            for view in &views {
                let (page, name) = apart(view)?;
                shown.push(client.my_view(page, name).await?);
            }
            here.each(&shown, COLUMNS, |view| row(view, now), |view| text(view, here.width))
        }
        Commands::Save { view, state, change: how } => {
            let (page, name) = apart(&view)?;
            let asked = client.save_my_view(page, name, &SaveView { state }, &how.how()).await;
            change(here, &client, &how, asked).await
        }
        Commands::Delete { views, change: how } => {
            let mut asked = Vec::new();
            for view in &views {
                let (page, name) = apart(view)?;
                asked.push(client.delete_my_view(page, name, &how.how()).await);
            }
            changes(here, &client, &how, asked).await
        }
    }
}

fn apart(written: &str) -> Result<(&str, &str), Failure> {
    written
        .split_once('/')
        .ok_or_else(|| Failure::usage(format!("\"{written}\" is not PAGE/NAME"), "Write it as in vms/shop"))
}

fn row(view: &SavedViewView, now: Timestamp) -> Vec<Cell> {
    let saved = &view.view;
    vec![
        cell(saved.called()),
        cell(brief(&saved.state)).exact(&saved.state),
        ago(saved.created, now),
        short(saved.id),
        cell(&saved.page),
        cell(&saved.name),
        number(view.revision),
    ]
}

fn text(view: &SavedViewView, width: Option<u16>) -> String {
    let saved = &view.view;
    sheet(
        &[
            ("Page", cell(&saved.page)),
            ("Name", cell(&saved.name)),
            ("Id", cell(saved.id)),
            ("Shows", cell(&saved.state)),
            ("Created", cell(saved.created)),
            ("Revision", cell(view.revision)),
        ],
        width,
    )
}
