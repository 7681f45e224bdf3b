//! `hostler host add` and `hostler host keys`: a computer is added by SSH.

use std::path::{Path, PathBuf};

use clap::Args;
use hostler_client::Client;
use hostler_model::Name;
use hostler_model::agent::Roles;
use hostler_model::push::{AskHostKeys, HostKey, NewHost, SSH_PORT, SshSecrets, computer};

use crate::cli::failure::Failure;
use crate::cli::follow::{Change, change};
use crate::cli::format::Columns;
use crate::cli::here::{Here, secret, secret_in};
use crate::cli::show::{Cell, cell};

const KEYS: Columns = Columns { usual: &["KIND", "FINGERPRINT"], wide: &["KEY"], first: "" };
/// The longest file with a private key, in bytes.
const LONGEST_KEY: u64 = 32 * 1024;

/// A computer to be added.
#[derive(Args)]
pub struct Add {
    /// Its name or address, as the server reaches it
    address: String,
    /// The port of its SSH server
    #[arg(long, default_value_t = SSH_PORT, hide_default_value = true)]
    port: u16,
    /// As whom the server signs in there: root, or somebody whom sudo lets do all
    #[arg(long, value_name = "USER")]
    user: String,
    /// Sign in with the private key in this file, which has no passphrase; without one a password is asked for
    #[arg(long, value_name = "FILE", conflicts_with = "password_file")]
    key_file: Option<PathBuf>,
    /// Read the password from this file ("-": standard input)
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Read the password that sudo asks for from this file ("-": standard input); the user's where absent
    #[arg(long, value_name = "FILE")]
    sudo_password_file: Option<PathBuf>,
    /// The fingerprint of its host key (SHA256:…); where absent the key is shown, and you are asked
    #[arg(long, value_name = "FINGERPRINT")]
    host_key: Option<String>,
    /// What it is called here; its host name where absent
    #[arg(long)]
    name: Option<String>,
    /// The group that the host is put into; All Hosts where absent
    #[arg(long, value_name = "GROUP", conflicts_with = "no_host")]
    group: Option<String>,
    /// It serves library shares
    #[arg(long)]
    library: bool,
    /// It does not run machines: a library server alone
    #[arg(long, requires = "library")]
    no_host: bool,
    /// Where its agent finds the server; where absent, the address from which the server came to it
    #[arg(long, value_name = "HOST:PORT")]
    server_address: Option<String>,
    /// How it is done.
    #[command(flatten)]
    change: Change,
}

/// A computer whose keys are to be seen.
#[derive(Args)]
pub struct Keys {
    /// Its name or address, as the server reaches it
    address: String,
    /// The port of its SSH server
    #[arg(long, default_value_t = SSH_PORT, hide_default_value = true)]
    port: u16,
}

pub(super) async fn keys(here: &Here, client: &Client, keys: Keys) -> Result<(), Failure> {
    let Keys { address, port } = keys;
    here.list(&client.host_keys(&AskHostKeys { address, port }).await?, KEYS, row)
}

fn row(key: &HostKey) -> Vec<Cell> {
    vec![cell(&key.kind), cell(&key.fingerprint), cell(&key.key)]
}

pub(super) async fn add(here: &Here, client: &Client, add: Add) -> Result<(), Failure> {
    let name = add.name.as_deref().map(Name::new).transpose()?;
    // The key first: nobody should type a password for a computer that is another one.
    let host_key = match add.host_key {
        Some(host_key) => host_key,
        None => confirmed(here, client, &add.address, add.port).await?,
    };
    let secrets = match add.change.dry_run {
        true => SshSecrets::default(),
        false => secrets(
            here,
            &add.user,
            add.key_file.as_deref(),
            add.password_file.as_deref(),
            add.sudo_password_file.as_deref(),
        )?,
    };
    let body = NewHost {
        address: add.address,
        port: add.port,
        user: add.user,
        host_key,
        secrets,
        roles: Roles { host: !add.no_host, library: add.library },
        name,
        group: add.group,
        server: add.server_address,
    };
    let asked = client.add_host(&body, &add.change.how()).await;
    change(here, client, &add.change, asked).await
}

/// The key that a person says is the computer's.
async fn confirmed(here: &Here, client: &Client, address: &str, port: u16) -> Result<String, Failure> {
    let shown = client.host_keys(&AskHostKeys { address: address.to_owned(), port }).await?;
    let Some(best) = shown.first() else {
        return Err(Failure::Here(format!("{}: it shows no SSH host key", computer(address, port))));
    };
    if !here.is_somebody_there() {
        return Err(Failure::usage(
            format!("{} shows the host key {} ({})", computer(address, port), best.fingerprint, best.kind),
            "Compare it on that computer (ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub), and say it with --host-key",
        ));
    }
    here.say(format!("{} shows these host keys:", computer(address, port)));
    for key in &shown {
        here.say(format!("  {}  {}", key.fingerprint, key.kind));
    }
    here.confirm("Are they that computer's?", false)?;
    Ok(best.fingerprint.clone())
}

fn secrets(
    here: &Here,
    user: &str,
    key_file: Option<&Path>,
    password_file: Option<&Path>,
    sudo_password_file: Option<&Path>,
) -> Result<SshSecrets, Failure> {
    let sudo_password = sudo_password_file.map(secret_in).transpose()?;
    let (private_key, password) = match key_file {
        Some(file) => (Some(private_key(file)?), None),
        None => (None, Some(secret(here, password_file, &format!("Password of {user} there"), false)?)),
    };
    Ok(SshSecrets { password, private_key, sudo_password })
}

fn private_key(path: &Path) -> Result<String, Failure> {
    use std::io::Read;
    let failed = |cause: std::io::Error| Failure::Here(format!("{}: {cause}", path.display()));
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    file.take(LONGEST_KEY).read_to_string(&mut text).map_err(failed)?;
    Ok(text)
}
