//! `hostler user`: users.

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};
use hostler_model::Name;
use hostler_model::access::Role;
use hostler_model::body::{ChangePassword, ChangeUser, NewUser};
use hostler_model::view::UserView;

use crate::cli::failure::Failure;
use crate::cli::follow::{Change, change, changes};
use crate::cli::format::Columns;
use crate::cli::here::{Here, secret};
use crate::cli::list::{Part, ago, all, short};
use crate::cli::show::{Cell, Tone, cell, number, sheet};
use crate::cli::values::now;

const COLUMNS: Columns =
    Columns { usual: &["NAME", "ROLE", "STATUS", "CREATED", "ID"], wide: &["REVISION"], first: "" };

/// What can be done with users.
#[derive(Subcommand)]
pub enum Commands {
    /// List users
    #[command(
        after_help = "Examples:\n  hostler user list\n\nFields to filter and sort by: name, role, disabled, created."
    )]
    List(Part),
    /// Show users; yourself where none is named
    #[command(after_help = "Examples:\n  hostler user show\n  hostler user show bob")]
    Show {
        /// Which
        #[arg(value_name = "USER")]
        users: Vec<String>,
    },
    /// Create a user
    #[command(after_help = "Examples:
  hostler user create bob --role read-only
  hostler user create bob --role administrator --password-file -")]
    Create {
        /// The name to sign in with
        name: String,
        /// What the user may do
        #[arg(long, value_enum, value_name = "ROLE")]
        role: May,
        /// Read the password from this file ("-": standard input)
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
        /// How it is done.
        #[command(flatten)]
        change: Change,
    },
    /// Change what a user may do, shut a user out or in, set a new password
    #[command(after_help = "Examples:
  hostler user edit bob --role administrator
  hostler user edit bob --disable
  hostler user edit bob --password")]
    Edit {
        /// Which
        user: String,
        /// What the user may do
        #[arg(long, value_enum, value_name = "ROLE")]
        role: Option<May>,
        /// Shut the user out: neither password nor tokens are good
        #[arg(long)]
        disable: bool,
        /// Let the user in again
        #[arg(long, conflicts_with = "disable")]
        enable: bool,
        /// Set a new password, which is asked for; it ends the user's sessions
        #[arg(long)]
        password: bool,
        /// Set a new password, which is in this file ("-": standard input)
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
        /// How it is done.
        #[command(flatten)]
        change: Change,
    },
    /// Delete users with their tokens
    #[command(after_help = "Examples:\n  hostler user delete bob")]
    Delete {
        /// Which
        #[arg(required = true, value_name = "USER")]
        users: Vec<String>,
        /// How it is done.
        #[command(flatten)]
        change: Change,
    },
    /// Change your own password; your sessions end, this one too
    #[command(after_help = "Examples:
  hostler user password
  hostler user password --current-file old --password-file new")]
    Password {
        /// Read the current password from this file
        #[arg(long, value_name = "FILE")]
        current_file: Option<PathBuf>,
        /// Read the new password from this file
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
        /// How it is done.
        #[command(flatten)]
        change: Change,
    },
}

/// What a user may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum May {
    /// Everything
    Administrator,
    /// Look at everything but others' secrets
    ReadOnly,
}

impl From<May> for Role {
    fn from(may: May) -> Self {
        match may {
            May::Administrator => Role::Administrator,
            May::ReadOnly => Role::ReadOnly,
        }
    }
}

pub(super) async fn run(here: &Here, command: Commands) -> Result<(), Failure> {
    let client = here.client()?;
    match command {
        Commands::List(part) => {
            let users = all(&part, async |query| client.users(query).await).await?;
            let now = now();
            here.list(&users, COLUMNS, |view| row(view, now))
        }
        Commands::Show { users } => {
            let mut views = Vec::new();
            if users.is_empty() {
                views.push(client.me().await?);
            }
            for user in &users {
                views.push(client.user(user).await?);
            }
            let now = now();
            here.each(&views, COLUMNS, |view| row(view, now), |view| text(view, here.width))
        }
        Commands::Create { name, role, password_file, change: how } => {
            let name = Name::new(&name)?;
            let password = secret(here, password_file.as_deref(), &format!("Password of {name}"), true)?;
            let body = NewUser { name, role: role.into(), password };
            change(here, &client, &how, client.create_user(&body, &how.how()).await).await
        }
        Commands::Edit { user, role, disable, enable, password, password_file, change: how } => {
            let password = match password || password_file.is_some() {
                true => {
                    Some(secret(here, password_file.as_deref(), &format!("New password of {user}"), true)?)
                }
                false => None,
            };
            let disabled = if disable { Some(true) } else { enable.then_some(false) };
            let body = ChangeUser { role: role.map(Role::from), disabled, password };
            if body == ChangeUser::default() {
                return Err(Failure::usage(
                    "it is not said what changes",
                    "Say --role, --disable, --enable, --password or --password-file",
                ));
            }
            change(here, &client, &how, client.edit_user(&user, &body, &how.how()).await).await
        }
        Commands::Delete { users, change: how } => {
            let mut asked = Vec::new();
            for user in &users {
                asked.push(client.delete_user(user, &how.how()).await);
            }
            changes(here, &client, &how, asked).await
        }
        Commands::Password { current_file, password_file, change: how } => {
            let current = secret(here, current_file.as_deref(), "Current password", false)?;
            let new = secret(here, password_file.as_deref(), "New password", true)?;
            match client.change_password(&ChangePassword { current, new }, &how.how()).await? {
                hostler_client::Changed::Planned(plan) => {
                    here.one(&plan, || crate::cli::follow::plan_text(&plan))
                }
                // The token in use went with the others: the job cannot be followed any more.
                hostler_client::Changed::Taken(taken) => {
                    here.say("The password is changed, and your sessions are ended: sign in again with `hostler login`.");
                    here.one(&taken, String::new)
                }
            }
        }
    }
}

fn row(view: &UserView, now: hostler_model::Timestamp) -> Vec<Cell> {
    let user = &view.user;
    let role = serde_json::to_value(user.role).unwrap_or_default();
    vec![
        cell(&user.name),
        cell(user.role.words()).exact(role.as_str().unwrap_or_default()),
        status(view).exact(if user.disabled { "disabled" } else { "enabled" }),
        ago(user.created, now),
        short(user.id),
        number(view.revision),
    ]
}

fn status(view: &UserView) -> Cell {
    if view.user.disabled { cell("Disabled").tone(Tone::Notable) } else { cell("Enabled") }
}

fn text(view: &UserView, width: Option<u16>) -> String {
    let user = &view.user;
    sheet(
        &[
            ("Name", cell(&user.name)),
            ("Id", cell(user.id)),
            ("Role", cell(user.role.words())),
            ("Status", status(view)),
            ("Created", cell(user.created)),
            ("Revision", cell(view.revision)),
        ],
        width,
    )
}
