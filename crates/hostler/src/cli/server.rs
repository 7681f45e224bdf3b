//! `hostler server`: the server itself.

use std::fmt::Write as _;

use clap::builder::StyledStr;
use clap::{Args, Subcommand};
use hostler_model::body::NewBackup;
use hostler_model::setting::{FieldDoc, SETTINGS, SettingView, Settings};
use serde_json::{Map, Value};

use crate::cli::failure::Failure;
use crate::cli::follow::{Change, change};
use crate::cli::format::{Columns, Format};
use crate::cli::here::Here;
use crate::cli::show::{cell, number, sheet};

const COLUMNS: Columns = Columns {
    usual: &["SETTING", "VALUE", "UNIT", "DEFAULT", "WHAT IT DOES"],
    wide: &["LEAST", "MOST", "WHERE THE DEFAULT COMES FROM"],
    first: "",
};

/// What can be done with the server.
#[derive(Subcommand)]
pub enum Commands {
    /// Run the server in the foreground until it is told to stop
    #[cfg(feature = "server")]
    Run(crate::serve::RunArgs),
    /// Put a backup in the place of a stopped server's store
    #[cfg(feature = "server")]
    Restore(crate::serve::RestoreArgs),
    /// Show the server: version, uptime, memory
    #[command(after_help = "Examples:\n  hostler server show\n  hostler server show -o json")]
    Show,
    /// Show the settings in force, and what they mean
    #[command(after_help = with_settings("Examples:\n  hostler server settings\n  hostler server settings -o yaml"))]
    Settings,
    /// Change settings; what is not said stays
    #[command(after_help = with_settings(
        "Examples:\n  hostler server set starts_per_host=8\n  hostler server set --defaults history_days=365"
    ))]
    Set(Set),
    /// Write a backup of the store into a new file on the server's computer, while it is in use
    #[command(after_help = "Examples:
  hostler server backup /var/lib/hostler/backups/monday.db

There is no --dry-run: nothing that Hostler manages changes, and a file that exists is never written over.")]
    Backup {
        /// The file on the server's computer, an absolute path; it must not exist
        file: String,
    },
}

/// Change settings.
#[derive(Args)]
pub struct Set {
    /// What changes, as starts_per_host=8
    #[arg(value_name = "SETTING=VALUE", value_parser = assignment, required_unless_present = "defaults")]
    settings: Vec<(&'static FieldDoc, u64)>,
    /// Set all others back to their defaults
    #[arg(long)]
    defaults: bool,
    /// How it is done.
    #[command(flatten)]
    change: Change,
}

/// The help is made from the table in which the settings are documented.
fn with_settings(examples: &str) -> StyledStr {
    let mut text = format!("{examples}\n\nSettings:\n");
    for doc in SETTINGS {
        let _ = writeln!(
            text,
            "  {} ({}, {} to {}, default {})\n      {}\n      {}",
            doc.name,
            doc.unit,
            doc.shown(doc.min),
            doc.shown(doc.max),
            doc.shown(doc.default),
            doc.help,
            doc.source
        );
    }
    text.trim_end().to_owned().into()
}

fn assignment(written: &str) -> Result<(&'static FieldDoc, u64), String> {
    let (name, value) = written.split_once('=').ok_or("write it as NAME=VALUE")?;
    let doc = SETTINGS.iter().find(|doc| doc.name == name).ok_or_else(|| {
        let names: Vec<&str> = SETTINGS.iter().map(|doc| doc.name).collect();
        format!("there is no setting \"{name}\"; there are {}", names.join(", "))
    })?;
    let (least, most) = (doc.shown(doc.min), doc.shown(doc.max));
    match doc.read(value) {
        Some(read) if (doc.min..=doc.max).contains(&read) => Ok((doc, read)),
        _ if doc.is_mac() => Err(format!("{name} is a MAC address from {least} to {most}")),
        _ => Err(format!("{name} is a number from {least} to {most} ({})", doc.unit)),
    }
}

pub(super) async fn run(here: &Here, command: Commands) -> Result<(), Failure> {
    let client = here.client()?;
    match command {
        #[cfg(feature = "server")]
        Commands::Run(_) | Commands::Restore(_) => Ok(()),
        Commands::Show => {
            let view = client.server_itself().await?;
            here.one(&view, || {
                sheet(
                    &[
                        ("Server", cell(client.server())),
                        ("Version", cell(&view.version)),
                        ("Started", cell(view.started)),
                        ("Memory", cell(crate::cli::values::shown_mib(view.memory_mib))),
                        ("Installation", cell(view.installation)),
                        ("Epoch", cell(view.epoch)),
                        ("Newest commit", cell(&view.head)),
                    ],
                    here.width,
                )
            })
        }
        Commands::Settings => settings(here, &client.server_itself().await?.settings),
        Commands::Set(set) => {
            let mut changes = match (set.defaults, serde_json::to_value(Settings::default())) {
                (true, Ok(Value::Object(defaults))) => defaults,
                _ => Map::new(),
            };
            for (doc, value) in &set.settings {
                changes.insert(doc.name.to_owned(), doc.json(*value));
            }
            let asked = client.set_settings(&Value::Object(changes), &set.change.how()).await;
            change(here, &client, &set.change, asked).await
        }
        Commands::Backup { file } => {
            let made = client.backup(&NewBackup { file }).await?;
            here.one(&made, || format!("Written to {} on the server's computer.\n", made.file))
        }
    }
}

fn settings(here: &Here, settings: &Settings) -> Result<(), Failure> {
    match here.global.output {
        // Programs get the settings as they are sent back.
        Format::Json | Format::Yaml | Format::Jsonl | Format::Template(_) => {
            return here.one(settings, String::new);
        }
        _ => {}
    }
    let values = serde_json::to_value(settings).unwrap_or_default();
    let docs: Vec<SettingView> = SETTINGS.iter().map(SettingView::from).collect();
    here.list(&docs, COLUMNS, |doc| {
        let value = values
            .get(&doc.name)
            .map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
        let value = value.unwrap_or_default();
        let (default, unit, help) = (number(&doc.default), cell(&doc.unit), cell(&doc.help));
        let (least, most) = (number(&doc.minimum), number(&doc.maximum));
        vec![cell(&doc.name), number(value), unit, default, help, least, most, cell(&doc.source)]
    })
}
