//! Whoever called `hostler up` gets a context for its server, so that `hostler vm list` works for them at once.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use hostler_client::{Authority, Changed, Client, ClientError, Config, How};
use hostler_model::Name;
use hostler_model::body::NewToken;

use super::addresses::Addresses;
use super::here;
use super::layout::Layout;
use crate::cli::failure::Failure;
use crate::contexts::{self, Context, Contexts, Owner};

/// The name of the context that is made.
const NAME: &str = "local";

/// Writes a context for whoever called, unless they have one that works: with a token of its own, so that it can be
/// revoked alone.
pub async fn leave_context(client: &Client, addresses: &Addresses, layout: &Layout) -> Result<(), Failure> {
    let Some((file, owner)) = caller() else { return Ok(()) };
    let authority = fs::read_to_string(layout.authority())
        .map_err(|cause| here(layout.authority().display(), cause, "Run \"hostler up\" again"))?;
    let known = contexts::load_for(&file, owner)?;
    let server = addresses.url();
    for context in known.contexts.values().filter(|context| context.server == server) {
        if works(context).await {
            return Ok(());
        }
    }
    let name = free_name(&known, &authority, addresses);
    // The same server, reached elsewhere from now on: its token is still good.
    let token = match known.contexts.get(&name).and_then(|context| context.token.clone()) {
        Some(token) if client.with_token(&token)?.me().await.is_ok() => token,
        _ => make_token(client, "command line").await?,
    };
    let user = Some("administrator".to_owned());
    let context = Context { server, user, token: Some(token), expires: None, authority };
    contexts::write_for(&file, owner, &name, context)?;
    Ok(())
}

/// Whether its token is good at its server.
async fn works(context: &Context) -> bool {
    let Ok(authority) = Authority::from_pem(&context.authority) else { return false };
    let config = Config { server: context.server.clone(), authority, token: context.token.clone() };
    match Client::new(config) {
        Ok(client) => context.token.is_some() && client.me().await.is_ok(),
        Err(_) => false,
    }
}

/// A name that means this server already, or nothing yet.
fn free_name(known: &Contexts, authority: &str, addresses: &Addresses) -> String {
    let is_free = |name: &str| known.contexts.get(name).is_none_or(|context| context.authority == authority);
    if is_free(NAME) { NAME.to_owned() } else { format!("{NAME}-{}", addresses.listen.port()) }
}

/// Makes a token of whom the client speaks as.
pub async fn make_token(client: &Client, name: &str) -> Result<String, Failure> {
    let body = NewToken { name: Name::new(name).map_err(ClientError::Refused)?, expires: None };
    match client.create_token(&body, &How::default()).await? {
        Changed::Taken(made) => Ok(made.token),
        Changed::Planned(_) => Err(here("token", "it was only planned", "This is a defect: report it")),
    }
}

/// The file of contexts of whoever called: who called sudo, else who this is.
fn caller() -> Option<(PathBuf, Option<Owner>)> {
    let number = |name: &str| std::env::var(name).ok()?.parse::<u32>().ok();
    match (number("SUDO_UID"), number("SUDO_GID")) {
        (Some(uid), Some(gid)) => {
            let passwd = fs::read_to_string("/etc/passwd").ok()?;
            let owner = Owner { uid, gid };
            let folder = config_folder(std::env::var_os("XDG_CONFIG_HOME"), &home_of(&passwd, uid)?, owner);
            Some((folder.join("hostler/contexts.toml"), Some(owner)))
        }
        _ => Some((contexts::path().ok()?, None)),
    }
}

fn home_of(passwd: &str, uid: u32) -> Option<PathBuf> {
    let fields = |line: &'_ str| line.split(':').map(str::to_owned).collect::<Vec<_>>();
    let line = passwd
        .lines()
        .map(fields)
        .find(|fields| fields.get(2).and_then(|number| number.parse::<u32>().ok()) == Some(uid))?;
    line.get(5).map(PathBuf::from)
}

/// sudo mostly hides where its caller keeps settings. Where it does not, that folder is meant if it is theirs; root's own
/// is not.
fn config_folder(said: Option<OsString>, home: &Path, owner: Owner) -> PathBuf {
    use std::os::unix::fs::MetadataExt;
    let is_theirs = |folder: &PathBuf| fs::metadata(folder).is_ok_and(|found| found.uid() == owner.uid);
    let said = said.map(PathBuf::from).filter(|folder| folder.is_absolute()).filter(is_theirs);
    said.unwrap_or_else(|| home.join(".config"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_home_of_who_called_sudo_is_looked_up_by_number() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nbob:x:1000:1000:Bob:/home/bob:/bin/sh\n";
        assert_eq!(home_of(passwd, 1000), Some("/home/bob".into()));
        assert_eq!(home_of(passwd, 100), None);
    }

    #[test]
    fn a_folder_for_settings_counts_when_it_is_the_callers() {
        use std::os::unix::fs::MetadataExt;
        let folder = tempfile::tempdir().unwrap();
        let meta = folder.path().metadata().unwrap();
        let (own, other) =
            (Owner { uid: meta.uid(), gid: meta.gid() }, Owner { uid: meta.uid() + 1, gid: 0 });
        let said = || Some(folder.path().as_os_str().to_owned());
        let home = Path::new("/home/bob");
        assert_eq!(config_folder(said(), home, own), folder.path());
        assert_eq!(config_folder(said(), home, other), Path::new("/home/bob/.config"));
        assert_eq!(config_folder(None, home, own), Path::new("/home/bob/.config"));
    }
}
