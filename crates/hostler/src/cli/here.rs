//! What every command holds: what was said for all of them, and the way to the server.

use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};

use clap::Args;
use hostler_client::{Authority, Client, Config};
use serde::Serialize;

use crate::cli::failure::Failure;
use crate::cli::format::{self, Columns, Format, Listing};
use crate::cli::show::{self, Cell};
use crate::contexts::{self, Contexts};

/// The longest secret that is read, in bytes: more is a wrong file.
const LONGEST_SECRET: u64 = 64 * 1024;

/// What can be said with every command.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Options of every command")]
pub struct Global {
    /// How answers are written: table, wide, columns=A,B, json, jsonl, yaml, csv, name or template='…'
    #[arg(short, long, global = true, value_parser = Format::read, default_value = "table", value_name = "FORMAT")]
    pub output: Format,
    /// Only these columns, in this order, of a table or csv: names as a table has them, or members of -o json
    #[arg(long, global = true, value_name = "A,B", value_delimiter = ',')]
    pub columns: Vec<String>,
    /// Write only what was asked for: no progress, no sentences
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Work with this context, not with the current one
    #[arg(long, global = true, value_name = "NAME")]
    pub context: Option<String>,
    /// Work with this server, whatever the context says
    #[arg(long, global = true, value_name = "URL", env = "HOSTLER_SERVER")]
    pub server: Option<String>,
    /// Read the token from this file ("-": standard input); or set HOSTLER_TOKEN
    #[arg(long, global = true, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// Trust this authority (a file with its certificate, PEM)
    #[arg(long, global = true, value_name = "FILE", env = "HOSTLER_CA")]
    pub ca: Option<PathBuf>,
}

/// A command's surroundings.
pub struct Here {
    /// What was said with the command.
    pub global: Global,
    /// The terminal's width, where answers go to one.
    pub width: Option<u16>,
}

impl Here {
    /// Takes a look around.
    pub fn new(global: Global) -> Self {
        Self { global, width: show::terminal_width() }
    }

    /// The file of contexts, and what is in it.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn contexts(&self) -> Result<(PathBuf, Contexts), Failure> {
        let path = contexts::path()?;
        let contexts = Contexts::load(&path)?;
        Ok((path, contexts))
    }

    /// A client of the server that is meant, with the token that is meant.
    ///
    /// # Errors
    /// When no server is known, or nobody is signed in.
    pub fn client(&self) -> Result<Client, Failure> {
        let found = self.server_meant()?;
        let token = match found.token {
            Some(token) => token,
            None => return Err(Failure::NotSignedIn(format!("{}: nobody is signed in", found.server))),
        };
        Ok(Client::new(Config { server: found.server, authority: found.authority, token: Some(token) })?)
    }

    /// Server, authority and token: what is said with the command, else by the environment, else by the context.
    fn server_meant(&self) -> Result<Meant, Failure> {
        let named = self.global.context.as_deref();
        let said_ca = self.global.ca.as_deref().map(authority_in).transpose()?;
        let said_token = self.token()?;
        // All said: the file need not even be readable.
        if let (Some(server), Some(authority), Some(token), None) =
            (&self.global.server, &said_ca, &said_token, named)
        {
            return Ok(Meant {
                server: server.clone(),
                authority: authority.clone(),
                token: Some(token.clone()),
            });
        }
        let (_, contexts) = self.contexts()?;
        let context = match (named, &self.global.server) {
            (Some(name), _) => Some(contexts.contexts.get(name).ok_or_else(|| no_context(name, &contexts))?),
            // A token is for the server it came from alone.
            (None, Some(server)) => contexts.contexts.values().find(|context| context.server == *server),
            (None, None) => contexts.meant(None).map(|(_, context)| context),
        };
        let server = self
            .global
            .server
            .clone()
            .or_else(|| Some(context?.server.clone()))
            .ok_or_else(|| Failure::NotSignedIn("it is not known which server is meant".to_owned()))?;
        let own = context.filter(|context| context.server == server);
        let authority = match (said_ca, own) {
            (Some(authority), _) => authority,
            (None, Some(context)) => Authority::from_pem(&context.authority)?,
            (None, None) => {
                return Err(Failure::NotSignedIn(format!(
                    "{server}: it is not known which authority to trust there"
                )));
            }
        };
        Ok(Meant { server, authority, token: said_token.or_else(|| own?.token.clone()) })
    }

    fn token(&self) -> Result<Option<String>, Failure> {
        if let Some(file) = &self.global.token_file {
            return secret_in(file).map(Some);
        }
        Ok(std::env::var("HOSTLER_TOKEN").ok().filter(|token| !token.is_empty()))
    }

    /// Whether a person sits before it, who can be asked.
    pub fn is_somebody_there(&self) -> bool {
        std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
    }

    /// Asks whether that is meant. Where nobody can be asked, `--yes` must have been said.
    ///
    /// # Errors
    /// When it is not meant.
    pub fn confirm(&self, question: &str, yes: bool) -> Result<(), Failure> {
        if yes {
            return Ok(());
        }
        if !self.is_somebody_there() {
            return Err(Failure::usage(
                format!("{question} Nobody is there to be asked"),
                "Say --yes if it is meant",
            ));
        }
        let answer = ask(&format!("{question} [y/N] "))?;
        match answer.trim().to_lowercase().as_str() {
            "y" | "yes" => Ok(()),
            _ => Err(Failure::usage("it was not confirmed, and nothing was done", "")),
        }
    }

    /// Shows a list.
    ///
    /// # Errors
    /// When it cannot be written, or there is no such column.
    pub fn list<T: Serialize>(
        &self,
        items: &[T],
        columns: Columns,
        row: impl Fn(&T) -> Vec<Cell>,
    ) -> Result<(), Failure> {
        if items.is_empty() && self.is_for_people() && !columns.first.is_empty() {
            self.say(format!("There are none to show; \"{} --help\" says how one is made.", columns.first));
        }
        let listing = Listing { items, columns, rows: items.iter().map(row).collect() };
        show::out(listing.text(&self.global.output, &self.global.columns, self.width)?)
    }

    /// Shows one thing of which there is no list.
    ///
    /// # Errors
    /// As [`Here::list`].
    pub fn one<T: Serialize>(&self, thing: &T, sheet: impl FnOnce() -> String) -> Result<(), Failure> {
        match self.global.output {
            Format::Table | Format::Wide if self.global.columns.is_empty() => show::out(sheet()),
            Format::Json | Format::Yaml => show::out(show::data(thing, &self.global.output)?),
            _ => self.list(std::slice::from_ref(thing), format::NONE, |_| Vec::new()),
        }
    }

    /// Shows things one below the other; a program gets one as itself and several as a list. Where columns are asked for,
    /// they are those of the list of such things.
    ///
    /// # Errors
    /// As [`Here::list`].
    pub fn each<T: Serialize>(
        &self,
        things: &[T],
        columns: Columns,
        row: impl Fn(&T) -> Vec<Cell>,
        sheet: impl Fn(&T) -> String,
    ) -> Result<(), Failure> {
        match (&self.global.output, things) {
            (Format::Table | Format::Wide, things) if self.global.columns.is_empty() => {
                show::out(things.iter().map(sheet).collect::<Vec<_>>().join("\n"))
            }
            (Format::Json | Format::Yaml, [one]) => show::out(show::data(one, &self.global.output)?),
            _ => self.list(things, columns, row),
        }
    }

    /// Whether people read what is written.
    pub fn is_for_people(&self) -> bool {
        self.global.output.is_for_people()
    }

    /// Says something to a person, unless they wished for silence.
    pub fn say(&self, line: impl AsRef<str>) {
        if !self.global.quiet {
            show::note(line);
        }
    }
}

struct Meant {
    server: String,
    authority: Authority,
    token: Option<String>,
}

/// There is no context of this name.
pub fn no_context(name: &str, contexts: &Contexts) -> Failure {
    let known: Vec<&str> = contexts.contexts.keys().map(String::as_str).collect();
    let remedy = match known.is_empty() {
        true => "Make one with `hostler login`".to_owned(),
        false => format!("Use one of: {}", known.join(", ")),
    };
    hostler_model::Refusal::not_found(format!("context \"{name}\"")).remedy(remedy).into()
}

/// The authority in a file.
///
/// # Errors
/// When there is none in it.
pub fn authority_in(path: &Path) -> Result<Authority, Failure> {
    let pem = std::fs::read_to_string(path)
        .map_err(|cause| Failure::Here(format!("{}: {cause}", path.display())))?;
    Authority::from_pem(&pem).map_err(|cause| Failure::Here(format!("{}: {cause}", path.display())))
}

/// A secret in a file, or on standard input for `-`: its first line.
///
/// # Errors
/// When it cannot be read, or is empty.
pub fn secret_in(path: &Path) -> Result<String, Failure> {
    let failed = |cause: std::io::Error| Failure::Here(format!("{}: {cause}", path.display()));
    let mut text = String::new();
    match path == Path::new("-") {
        true => std::io::stdin().lock().take(LONGEST_SECRET).read_to_string(&mut text).map_err(failed)?,
        false => {
            let file = std::fs::File::open(path).map_err(failed)?;
            file.take(LONGEST_SECRET).read_to_string(&mut text).map_err(failed)?
        }
    };
    let line = text.lines().next().unwrap_or_default().to_owned();
    match line.is_empty() {
        true => Err(Failure::Here(format!("{}: it is empty", path.display()))),
        false => Ok(line),
    }
}

/// A secret from a file, else from the person before the terminal, without showing it.
///
/// # Errors
/// When there is neither.
pub fn secret(here: &Here, file: Option<&Path>, prompt: &str, twice: bool) -> Result<String, Failure> {
    if let Some(file) = file {
        return secret_in(file);
    }
    if !here.is_somebody_there() {
        return Err(Failure::usage(
            format!("{prompt}: nobody is there to be asked"),
            "Give it with --password-file FILE, or --password-file - for standard input",
        ));
    }
    let hidden = |prompt: &str| -> Result<String, Failure> {
        let terminal = console::Term::stderr();
        let read = terminal.write_str(&format!("{prompt}: ")).and_then(|()| terminal.read_secure_line());
        read.map_err(|cause| Failure::Here(format!("terminal: {cause}")))
    };
    let first = hidden(prompt)?;
    if twice && hidden(&format!("{prompt} again"))? != first {
        return Err(Failure::usage("the two are not the same", "Try again"));
    }
    Ok(first)
}

/// A line from the person before the terminal.
///
/// # Errors
/// When the terminal cannot be read.
pub fn ask(prompt: &str) -> Result<String, Failure> {
    let terminal = console::Term::stderr();
    let read = terminal.write_str(prompt).and_then(|()| terminal.read_line());
    read.map_err(|cause| Failure::Here(format!("terminal: {cause}")))
}
