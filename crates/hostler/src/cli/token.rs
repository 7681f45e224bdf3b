//! `hostler token`: what scripts sign in with.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use hostler_client::Changed;
use hostler_model::body::{NewToken, TokenMade};
use hostler_model::{Name, Timestamp};

use crate::cli::failure::Failure;
use crate::cli::follow::{Change, changes, plan_text};
use crate::cli::format::Columns;
use crate::cli::here::Here;
use crate::cli::list::{Part, ago, all, short};
use crate::cli::show::{Tone, cell, out};
use crate::cli::values::{self, now};

const COLUMNS: Columns = Columns {
    usual: &["NAME", "MADE BY", "ENDS", "CREATED", "ID"],
    wide: &[],
    first: "hostler token create",
};

/// What can be done with tokens.
#[derive(Subcommand)]
pub enum Commands {
    /// List your tokens, or another user's
    #[command(after_help = "Examples:
  hostler token list
  hostler token list --user bob

Fields to filter and sort by: name, user, session, expires, created.")]
    List {
        /// Whose; your own where absent
        #[arg(long, value_name = "USER")]
        user: Option<String>,
        /// Which part.
        #[command(flatten)]
        part: Part,
    },
    /// Create a token for yourself. It is shown this once
    #[command(after_help = "Examples:
  hostler token create backup-script --expires 90d --file ~/.backup-token
  hostler token create ci > token
  HOSTLER_TOKEN=$(cat token) hostler vm list")]
    Create {
        /// What it is for
        name: String,
        /// When it runs out: a span (90d) or a time (2027-01-31T00:00:00Z); never where absent
        #[arg(long, value_name = "WHEN", value_parser = values::instant)]
        expires: Option<Timestamp>,
        /// Write the token into this new file (mode 0600), not to standard output
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
        /// Show what would be done, and do nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Revoke tokens: they are good no more
    #[command(after_help = "Examples:\n  hostler token revoke backup-script")]
    Revoke {
        /// Which: name, id, or the last six or more digits of an id
        #[arg(required = true, value_name = "TOKEN")]
        tokens: Vec<String>,
        /// How it is done.
        #[command(flatten)]
        change: Change,
    },
}

pub(super) async fn run(here: &Here, command: Commands) -> Result<(), Failure> {
    let client = here.client()?;
    match command {
        Commands::List { user, part } => {
            let tokens = all(&part, async |query| client.tokens(user.as_deref(), query).await).await?;
            let now = now();
            here.list(&tokens, COLUMNS, |view| {
                let token = &view.token;
                let over = token.expires.is_some_and(|expires| expires <= now);
                vec![
                    cell(&token.name),
                    cell(if token.session { "signing in" } else { "token create" }),
                    token.expires.map_or_else(|| cell("never").exact(""), |at| ago(at, now)).tone(if over {
                        Tone::Faint
                    } else {
                        Tone::Plain
                    }),
                    ago(token.created, now),
                    short(token.id),
                ]
            })
        }
        Commands::Create { name, expires, file, dry_run } => {
            let how = Change { dry_run, ..Change::default() };
            let body = NewToken { name: Name::new(&name)?, expires };
            match client.create_token(&body, &how.how()).await? {
                Changed::Planned(plan) => here.one(&plan, || plan_text(&plan)),
                Changed::Taken(made) => hand_out(here, &made, file.as_deref()),
            }
        }
        Commands::Revoke { tokens, change: how } => {
            let mut asked = Vec::new();
            for token in &tokens {
                asked.push(client.revoke_token(token, &how.how()).await);
            }
            changes(here, &client, &how, asked).await
        }
    }
}

/// Hands a token out: alone on standard output, so that it can be sent into a file or a pipe, or into a file.
pub(super) fn hand_out(here: &Here, made: &TokenMade, file: Option<&Path>) -> Result<(), Failure> {
    match file {
        Some(file) => {
            write_secret(file, &made.token)
                .map_err(|cause| Failure::Here(format!("{}: {cause}", file.display())))?;
            here.say(format!("Written to {}. It is not shown again.", file.display()));
            Ok(())
        }
        None if here.is_for_people() => {
            here.say("The token is shown this once:");
            out(format!("{}\n", made.token))
        }
        None => here.one(made, String::new),
    }
}

fn write_secret(file: &Path, token: &str) -> std::io::Result<()> {
    use std::io::Write;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    writeln!(options.open(file)?, "{token}")
}
