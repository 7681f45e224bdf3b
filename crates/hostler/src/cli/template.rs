//! `hostler template`: from what machines are made.

use clap::Subcommand;
use hostler_model::Name;
use hostler_model::library::ItemKind;
use hostler_model::template::TemplateSpec;
use hostler_model::view::TemplateView;

use crate::cli::failure::Failure;
use crate::cli::follow::{Change, change, changes};
use crate::cli::format::Columns;
use crate::cli::here::Here;
use crate::cli::list::{Part, ago, all, mib, short};
use crate::cli::show::{Cell, brief, cell, number, sheet};
use crate::cli::values::{self, now, shown_mib};
use crate::cli::vm::{Start, Way};

const COLUMNS: Columns = Columns {
    usual: &["NAME", "CPUS", "MEMORY", "FIRMWARE", "DEPLOY", "CREATED", "ID"],
    wide: &["DISK", "NOTES", "REVISION"],
    first: "hostler template create",
};

/// What can be done with templates.
#[derive(Subcommand)]
pub enum Commands {
    /// List templates
    #[command(
        after_help = "Examples:\n  hostler template list\n\nFields to filter and sort by: name, disk, cpus, memory_mib, created."
    )]
    List(Part),
    /// Show templates
    #[command(after_help = "Examples:\n  hostler template show tiny-linux")]
    Show {
        /// Which
        #[arg(required = true, value_name = "TEMPLATE")]
        templates: Vec<String>,
    },
    /// Create a template
    #[command(after_help = "Examples:
  hostler template create tiny-linux --disk tiny-linux --memory 256MiB
  hostler template create db --disk debian-12 --cpus 4 --memory 8GiB --firmware uefi --deploy copy")]
    Create {
        /// Its name
        name: String,
        /// The library disk that machines begin with
        #[arg(long, value_name = "ITEM")]
        disk: String,
        /// Virtual processors
        #[arg(long, value_name = "N", default_value_t = 1)]
        cpus: u32,
        /// Memory, as 512MiB or 8GiB
        #[arg(long, value_name = "SIZE", value_parser = values::mebibytes, default_value = "512MiB")]
        memory: u64,
        /// What starts the machine
        #[arg(long, value_enum, value_name = "FIRMWARE", default_value = "bios")]
        firmware: Start,
        /// How the disk gets to the host: overlay is at once and thin, copy stands alone
        #[arg(long, value_enum, value_name = "HOW", default_value = "overlay")]
        deploy: Way,
        /// Free text
        #[arg(long, value_name = "TEXT", default_value = "")]
        notes: String,
        /// How it is done.
        #[command(flatten)]
        change: Change,
    },
    /// Change a template; what is not said stays, and so do the machines made from it
    #[command(after_help = "Examples:
  hostler template edit tiny-linux --memory 512MiB
  hostler template edit tiny-linux --name tiny --disk tiny-linux-2")]
    Edit {
        /// Which
        template: String,
        /// Its name from now on
        #[arg(long, value_name = "NAME")]
        name: Option<String>,
        /// The library disk that machines begin with
        #[arg(long, value_name = "ITEM")]
        disk: Option<String>,
        /// Virtual processors
        #[arg(long, value_name = "N")]
        cpus: Option<u32>,
        /// Memory, as 512MiB or 8GiB
        #[arg(long, value_name = "SIZE", value_parser = values::mebibytes)]
        memory: Option<u64>,
        /// What starts the machine
        #[arg(long, value_enum, value_name = "FIRMWARE")]
        firmware: Option<Start>,
        /// How the disk gets to the host
        #[arg(long, value_enum, value_name = "HOW")]
        deploy: Option<Way>,
        /// Free text
        #[arg(long, value_name = "TEXT")]
        notes: Option<String>,
        /// How it is done.
        #[command(flatten)]
        change: Change,
    },
    /// Delete templates; the machines made from them stay
    #[command(after_help = "Examples:\n  hostler template delete tiny-linux")]
    Delete {
        /// Which
        #[arg(required = true, value_name = "TEMPLATE")]
        templates: Vec<String>,
        /// How it is done.
        #[command(flatten)]
        change: Change,
    },
}

pub(super) async fn run(here: &Here, command: Commands) -> Result<(), Failure> {
    let client = here.client()?;
    match command {
        Commands::List(part) => {
            let templates = all(&part, async |query| client.templates(query).await).await?;
            let now = now();
            here.list(&templates, COLUMNS, |view| row(view, now))
        }
        Commands::Show { templates } => {
            let mut views = Vec::new();
            for template in &templates {
                views.push(client.template(template).await?);
            }
            let now = now();
            here.each(&views, COLUMNS, |view| row(view, now), |view| text(view, here.width))
        }
        Commands::Create { name, disk, cpus, memory, firmware, deploy, notes, change: how } => {
            let disk = client.usable_item(&disk, ItemKind::Disk).await?.item.id;
            let (firmware, deploy) = (firmware.into(), deploy.into());
            let spec = TemplateSpec {
                name: Name::new(&name)?,
                notes,
                disk,
                cpus,
                memory_mib: memory,
                firmware,
                deploy,
            };
            change(here, &client, &how, client.create_template(&spec, &how.how()).await).await
        }
        Commands::Edit { template, name, disk, cpus, memory, firmware, deploy, notes, change: how } => {
            let view = client.template(&template).await?;
            // What is not said stays as it was read: has it changed since, another's change would be undone.
            let how =
                Change { if_match: how.if_match.or((!how.wait).then(|| view.revision.to_string())), ..how };
            let known = view.template;
            let disk = match disk {
                Some(disk) => client.usable_item(&disk, ItemKind::Disk).await?.item.id,
                None => known.spec.disk,
            };
            let spec = TemplateSpec {
                name: name.as_deref().map(Name::new).transpose()?.unwrap_or(known.spec.name),
                notes: notes.unwrap_or(known.spec.notes),
                disk,
                cpus: cpus.unwrap_or(known.spec.cpus),
                memory_mib: memory.unwrap_or(known.spec.memory_mib),
                firmware: firmware.map_or(known.spec.firmware, Into::into),
                deploy: deploy.map_or(known.spec.deploy, Into::into),
            };
            // By its id: between reading and writing the name may have become another's.
            let asked = client.edit_template(&known.id.to_string(), &spec, &how.how()).await;
            change(here, &client, &how, asked).await
        }
        Commands::Delete { templates, change: how } => {
            let mut asked = Vec::new();
            for template in &templates {
                asked.push(client.delete_template(template, &how.how()).await);
            }
            changes(here, &client, &how, asked).await
        }
    }
}

fn row(view: &TemplateView, now: hostler_model::Timestamp) -> Vec<Cell> {
    let spec = &view.template.spec;
    vec![
        cell(&spec.name),
        number(spec.cpus),
        mib(spec.memory_mib),
        cell(format!("{:?}", spec.firmware).to_uppercase()),
        cell(format!("{:?}", spec.deploy).to_lowercase()),
        ago(view.template.created, now),
        short(view.template.id),
        short(spec.disk),
        cell(brief(&spec.notes)).exact(&spec.notes),
        number(view.revision),
    ]
}

fn text(view: &TemplateView, width: Option<u16>) -> String {
    let spec = &view.template.spec;
    sheet(
        &[
            ("Name", cell(&spec.name)),
            ("Id", cell(view.template.id)),
            ("Disk", cell(spec.disk)),
            ("Processors", cell(spec.cpus)),
            ("Memory", cell(shown_mib(spec.memory_mib))),
            ("Firmware", cell(format!("{:?}", spec.firmware).to_uppercase())),
            ("Deploy", cell(format!("{:?}", spec.deploy).to_lowercase())),
            ("Notes", cell(&spec.notes)),
            ("Created", cell(view.template.created)),
            ("Revision", cell(view.revision)),
        ],
        width,
    )
}

#[cfg(test)]
#[test]
fn the_memory_that_help_names_is_the_models_default() {
    assert_eq!(values::mebibytes("512MiB"), Ok(hostler_model::template::default_memory()));
}
