//! `hostler context`: the servers that a person works with.

use clap::Subcommand;
use serde::Serialize;

use crate::cli::failure::Failure;
use crate::cli::format::Columns;
use crate::cli::here::{Here, no_context};
use crate::cli::show::{cell, sheet};
use crate::cli::values::{now, relative};
use crate::contexts::Context;

const COLUMNS: Columns =
    Columns { usual: &["CURRENT", "NAME", "SERVER", "USER", "SIGNED IN"], wide: &[], first: "" };

/// What can be done with contexts.
#[derive(Subcommand)]
pub enum Commands {
    /// List contexts
    #[command(after_help = "Examples:\n  hostler context list")]
    List,
    /// Make a context the one that is meant where none is named
    #[command(after_help = "Examples:\n  hostler context use lab")]
    Use {
        /// Which
        #[arg(value_name = "CONTEXT")]
        name: String,
    },
    /// Show a context; the current one where none is named
    #[command(after_help = "Examples:\n  hostler context show\n  hostler context show lab -o json")]
    Show {
        /// Which
        #[arg(value_name = "CONTEXT")]
        name: Option<String>,
    },
    /// Remove contexts from this computer; the tokens stay good (see `hostler logout`)
    #[command(after_help = "Examples:\n  hostler context remove lab")]
    Remove {
        /// Which
        #[arg(required = true, value_name = "CONTEXT")]
        names: Vec<String>,
    },
}

/// A context as it is shown: never the token.
#[derive(Serialize)]
struct Shown<'a> {
    name: &'a str,
    current: bool,
    server: &'a str,
    user: Option<&'a str>,
    signed_in: bool,
    expires: Option<hostler_model::Timestamp>,
    fingerprint: Option<String>,
}

pub(super) fn run(here: &Here, command: Commands) -> Result<(), Failure> {
    let (path, mut contexts) = here.contexts()?;
    let current = contexts.current.clone();
    match command {
        Commands::List => {
            let all: Vec<Shown<'_>> = contexts
                .contexts
                .iter()
                .map(|(name, context)| view(name, context, current.as_deref()))
                .collect();
            let now = now();
            here.list(&all, COLUMNS, |one| {
                let signed_in = match (one.signed_in, one.expires) {
                    (false, _) => "no".to_owned(),
                    (true, None) => "yes".to_owned(),
                    (true, Some(expires)) if expires <= now => "has run out".to_owned(),
                    (true, Some(expires)) => format!("ends {}", relative(expires, now)),
                };
                vec![
                    cell(if one.current { "*" } else { "" }).exact(one.current),
                    cell(one.name),
                    cell(one.server),
                    cell(one.user.unwrap_or_default()),
                    cell(signed_in).exact(one.signed_in),
                ]
            })
        }
        Commands::Use { name } => {
            if !contexts.contexts.contains_key(&name) {
                return Err(no_context(&name, &contexts));
            }
            contexts.current = Some(name);
            Ok(contexts.save(&path)?)
        }
        Commands::Show { name } => {
            let named = name.as_deref().or(here.global.context.as_deref());
            let Some((name, context)) = contexts.meant(named) else {
                return Err(match named {
                    Some(name) => no_context(name, &contexts),
                    None => Failure::NotSignedIn("there is no current context".to_owned()),
                });
            };
            let one = view(name, context, current.as_deref());
            here.one(&one, || {
                sheet(
                    &[
                        ("Name", cell(one.name)),
                        ("Server", cell(one.server)),
                        ("User", cell(one.user.unwrap_or_default())),
                        ("Signed in", cell(if one.signed_in { "yes" } else { "no" })),
                        ("Until", cell(one.expires.map(|at| at.to_string()).unwrap_or_default())),
                        ("Authority", cell(one.fingerprint.as_deref().unwrap_or("cannot be read"))),
                    ],
                    here.width,
                )
            })
        }
        Commands::Remove { names } => {
            for name in &names {
                if contexts.contexts.remove(name).is_none() {
                    return Err(no_context(name, &contexts));
                }
                if contexts.current.as_ref() == Some(name) {
                    contexts.current = None;
                }
            }
            Ok(contexts.save(&path)?)
        }
    }
}

fn view<'a>(name: &'a str, context: &'a Context, current: Option<&str>) -> Shown<'a> {
    Shown {
        name,
        current: current == Some(name),
        server: &context.server,
        user: context.user.as_deref(),
        signed_in: context.token.is_some(),
        expires: context.expires,
        fingerprint: hostler_client::Authority::from_pem(&context.authority).ok().map(|a| a.fingerprint()),
    }
}
