//! `hostler agent`: the managed computers.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand};
use hostler_client::{Changed, Client, ListQuery};
use hostler_model::agent::Roles;
use hostler_model::body::NewEnrolment;
use hostler_model::view::AgentView;

use crate::cli::failure::Failure;
use crate::cli::follow::{Change, changes, plan_text};
use crate::cli::format::Columns;
use crate::cli::here::Here;
use crate::cli::list::{Part, ago, all, pages, short};
use crate::cli::show::{Cell, Tone, cell, number, sheet};
use crate::cli::token::hand_out;
use crate::cli::values::{self, now};

const COLUMNS: Columns = Columns {
    usual: &[
        "NAME",
        "STATUS",
        "SERVES AS",
        "VERSION",
        "UP TO DATE",
        "LAST CONTACT",
        "CERTIFICATE ENDS",
        "ID",
    ],
    wide: &["ADDRESS", "CERTIFICATE", "ENROLLED", "REVISION"],
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
    /// Remove agents with their hosts and library shares; they remove what is their own, machines and files stay
    #[command(after_help = "Examples:
  hostler agent remove host-a
  hostler agent remove host-a --keep
  hostler agent remove host-a --force

The job says what was removed on the computer, and what stays.")]
    Remove {
        /// Which
        #[arg(required = true, value_name = "AGENT")]
        agents: Vec<String>,
        /// Even where it has machines or shares, or does not answer
        #[arg(long)]
        force: bool,
        /// Leave on its computer what is the agent's: key and certificate, journal, settings
        #[arg(long)]
        keep: bool,
        /// How it is done.
        #[command(flatten)]
        change: Change,
    },
    /// Put the server's agent program in the place of the one that agents are; machines run on
    #[command(after_help = "Examples:
  hostler agent upgrade host-a
  hostler agent upgrade --all
  hostler agent upgrade host-a --force

A program that does not come up is given up for the one before it.")]
    Upgrade {
        /// Which
        #[arg(required_unless_present = "all", value_name = "AGENT")]
        agents: Vec<String>,
        /// All that answer and have another version
        #[arg(long, conflicts_with = "agents")]
        all: bool,
        /// Even where it has this version already
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
        Commands::Upgrade { agents, all: every, force, change: how } => {
            let mut asked = Vec::new();
            for agent in if every { outdated(&client).await? } else { agents } {
                asked.push(client.upgrade_agent(&agent, force, &how.how()).await);
            }
            changes(here, &client, &how, asked).await
        }
        Commands::Remove { agents, force, keep, change: how } => {
            let mut asked = Vec::new();
            for agent in &agents {
                asked.push(client.remove_agent(agent, force, keep, &how.how()).await);
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

/// The agents that answer and have another version than the server would install.
async fn outdated(client: &Client) -> Result<Vec<String>, Failure> {
    let agents = pages(None, async |limit, cursor| {
        client.agents(&ListQuery { limit: Some(limit), cursor, ..ListQuery::default() }).await
    })
    .await?;
    let old = agents.into_iter().filter(|view| view.answers && view.up_to_date == Some(false));
    Ok(old.map(|view| view.agent.id.to_string()).collect())
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

/// Whether it has the version that the server would install, or which that would be.
fn up_to_date(view: &AgentView) -> Cell {
    match (view.up_to_date, &view.offered) {
        (Some(true), _) => cell("yes").exact(true),
        (Some(false), Some(offered)) => cell(format!("no: {offered}")).tone(Tone::Notable).exact(false),
        _ => cell("-").exact(""),
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
        up_to_date(view),
        view.last_contact.map_or_else(|| cell("-").exact(""), |at| ago(at, now)),
        ago(agent.certificate_until, now).tone(ending(agent.certificate_until, now)),
        short(agent.id),
        cell(view.address.as_deref().unwrap_or_default()),
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
            ("Up to date", up_to_date(view)),
            ("Address", cell(view.address.as_deref().unwrap_or_default())),
            ("Last contact", cell(view.last_contact.map(|at| at.to_string()).unwrap_or_default())),
            ("Certificate", cell(&agent.certificate)),
            ("Certificate ends", cell(agent.certificate_until)),
            ("Enrolled", cell(agent.enrolled)),
            ("Revision", cell(view.revision)),
        ],
        width,
    )
}
