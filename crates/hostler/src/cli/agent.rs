//! `hostler agent`: the managed computers.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand};
use hostler_client::Changed;
use hostler_model::agent::Roles;
use hostler_model::body::NewEnrolment;
use hostler_model::view::AgentView;

use crate::cli::failure::Failure;
use crate::cli::follow::{Change, changes, plan_text};
use crate::cli::format::Columns;
use crate::cli::here::Here;
use crate::cli::list::{Part, ago, all, short};
use crate::cli::show::{Cell, Tone, cell, number, sheet};
use crate::cli::token::hand_out;
use crate::cli::values::{self, now};

const COLUMNS: Columns = Columns {
    usual: &["NAME", "STATUS", "SERVES AS", "VERSION", "LAST CONTACT", "CERTIFICATE ENDS", "ID"],
    wide: &["CERTIFICATE", "ENROLLED", "REVISION"],
    first: "",
};

/// What can be done with agents.
#[derive(Subcommand)]
pub enum Commands {
    /// List agents
    #[command(
        after_help = "Examples:\n  hostler agent list\n\nFields to filter and sort by: name, answers, version, host, library, enrolled."
    )]
    List(Part),
    /// Show agents
    #[command(after_help = "Examples:\n  hostler agent show host-a")]
    Show {
        /// Which
        #[arg(required = true, value_name = "AGENT")]
        agents: Vec<String>,
    },
    /// Remove agents with their hosts and library shares from the record; machines and files stay where they are
    #[command(after_help = "Examples:\n  hostler agent remove host-a\n  hostler agent remove host-a --force")]
    Remove {
        /// Which
        #[arg(required = true, value_name = "AGENT")]
        agents: Vec<String>,
        /// Even where it has machines or shares
        #[arg(long)]
        force: bool,
        /// How it is done.
        #[command(flatten)]
        change: Change,
    },
    /// Make a token with which one computer can enrol, once
    #[command(after_help = "Examples:
  hostler agent enrolment-token --host > token
  hostler agent enrolment-token --host --group '/All Hosts/Site A' --file token
  hostler agent enrolment-token --host --library --host-name host-b --valid 10m --file token

Give it to that computer in a file; it is good for one enrolment.")]
    EnrolmentToken(Token),
}

/// An enrolment token.
#[derive(Args)]
#[command(group = ArgGroup::new("serves").required(true).multiple(true).args(["host", "library"]))]
pub struct Token {
    /// The computer runs machines
    #[arg(long)]
    host: bool,
    /// The computer serves library shares
    #[arg(long)]
    library: bool,
    /// The only host name it is good for; any where absent
    #[arg(long, value_name = "NAME")]
    host_name: Option<String>,
    /// The group that the host is put into; All Hosts where absent
    #[arg(long, value_name = "GROUP", requires = "host")]
    group: Option<String>,
    /// How long it is good for (10m, 1h), at most a day; an hour where absent
    #[arg(long, value_name = "SPAN", value_parser = values::span_s)]
    valid: Option<u32>,
    /// Write the token into this new file (mode 0600), not to standard output
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Show what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
}

pub(super) async fn run(here: &Here, command: Commands) -> Result<(), Failure> {
    let client = here.client()?;
    match command {
        Commands::List(part) => {
            let agents = all(&part, async |query| client.agents(query).await).await?;
            let now = now();
            here.list(&agents, COLUMNS, |view| row(view, now))
        }
        Commands::Show { agents } => {
            let mut views = Vec::new();
            for agent in &agents {
                views.push(client.agent(agent).await?);
            }
            let now = now();
            here.each(&views, COLUMNS, |view| row(view, now), |view| text(view, here.width))
        }
        Commands::Remove { agents, force, change: how } => {
            let mut asked = Vec::new();
            for agent in &agents {
                asked.push(client.remove_agent(agent, force, &how.how()).await);
            }
            changes(here, &client, &how, asked).await
        }
        Commands::EnrolmentToken(token) => {
            let roles = Roles { host: token.host, library: token.library };
            let body =
                NewEnrolment { roles, host_name: token.host_name, group: token.group, valid_s: token.valid };
            let how = Change { dry_run: token.dry_run, ..Change::default() };
            match client.create_enrolment(&body, &how.how()).await? {
                Changed::Planned(plan) => here.one(&plan, || plan_text(&plan)),
                Changed::Taken(made) => hand_out(here, &made, token.file.as_deref()),
            }
        }
    }
}

fn status(view: &AgentView) -> Cell {
    if view.answers { cell("Responding").tone(Tone::Good) } else { cell("Not responding").tone(Tone::Bad) }
}

/// A certificate is renewed with ten days left: with fewer than seven somebody should look why it was not.
fn ending(until: hostler_model::Timestamp, now: hostler_model::Timestamp) -> Tone {
    match until.since(now) / 86_400_000 {
        _ if until <= now => Tone::Bad,
        0..7 => Tone::Notable,
        _ => Tone::Plain,
    }
}

fn serves(view: &AgentView) -> String {
    let roles = view.agent.roles;
    let words = [(roles.host, "host"), (roles.library, "library server")];
    words.iter().filter(|(is, _)| *is).map(|(_, word)| *word).collect::<Vec<_>>().join(", ")
}

fn row(view: &AgentView, now: hostler_model::Timestamp) -> Vec<Cell> {
    let agent = &view.agent;
    vec![
        cell(&agent.name),
        status(view).exact(if view.answers { "responding" } else { "not-responding" }),
        cell(serves(view)),
        cell(&agent.version),
        view.last_contact.map_or_else(|| cell("-").exact(""), |at| ago(at, now)),
        ago(agent.certificate_until, now).tone(ending(agent.certificate_until, now)),
        short(agent.id),
        cell(&agent.certificate),
        ago(agent.enrolled, now),
        number(view.revision),
    ]
}

fn text(view: &AgentView, width: Option<u16>) -> String {
    let agent = &view.agent;
    sheet(
        &[
            ("Name", cell(&agent.name)),
            ("Id", cell(agent.id)),
            ("Status", status(view)),
            ("Serves as", cell(serves(view))),
            ("Version", cell(&agent.version)),
            ("Last contact", cell(view.last_contact.map(|at| at.to_string()).unwrap_or_default())),
            ("Certificate", cell(&agent.certificate)),
            ("Certificate ends", cell(agent.certificate_until)),
            ("Enrolled", cell(agent.enrolled)),
            ("Revision", cell(view.revision)),
        ],
        width,
    )
}
