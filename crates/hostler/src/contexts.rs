//! The file of contexts: which servers a person works with, whom to trust there, and the token. Written so that nobody
//! else can read it.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use hostler_model::Timestamp;
use serde::{Deserialize, Serialize};

/// One server, as one person works with it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Context {
    /// The server's address, `https://host:8470`.
    pub server: String,
    /// Who is signed in there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The token; absent after signing out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// When the token runs out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
    /// The certificate of the authority that is trusted there, PEM.
    pub authority: String,
}

/// All contexts of one person.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contexts {
    /// The one that is meant where none is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<String>,
    /// Each by its name.
    #[serde(default)]
    pub contexts: BTreeMap<String, Context>,
}

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ContextsError {
    /// A file or folder cannot be read, made or written.
    #[error("{path}: {cause}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// The file is not what this program writes.
    #[error("{path}: {cause}")]
    Damaged {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        cause: String,
    },
    /// There is no folder for a person's files.
    #[error("neither XDG_CONFIG_HOME nor HOME says where contexts are kept")]
    NoHome,
    /// Something on the way belongs to somebody else, or leads elsewhere.
    #[error("{path}: {cause}")]
    NotTheirs {
        /// What.
        path: PathBuf,
        /// Why.
        cause: String,
    },
}

/// Whose file it is to be: user and group, as numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The user.
    pub uid: u32,
    /// The group.
    pub gid: u32,
}

/// The file of whoever runs this program.
///
/// # Errors
/// When the environment does not say where home is.
pub fn path() -> Result<PathBuf, ContextsError> {
    let from = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let config = from("XDG_CONFIG_HOME")
        .filter(|path| path.is_absolute())
        .or_else(|| Some(from("HOME")?.join(".config")))
        .or_else(|| from("APPDATA"));
    Ok(config.ok_or(ContextsError::NoHome)?.join("hostler").join("contexts.toml"))
}

/// Reads somebody's file. With an owner, nothing is followed that is not theirs: the file, and the three folders above it.
///
/// # Errors
/// When it cannot be read, or a part of its path is not the owner's.
pub fn load_for(path: &Path, owner: Option<Owner>) -> Result<Contexts, ContextsError> {
    if let Some(owner) = owner {
        for part in path.ancestors().take(4).collect::<Vec<_>>().into_iter().rev() {
            theirs(part, owner)?;
        }
    }
    Contexts::load(path)
}

/// Adds a context to somebody's file and makes it the current one: what `hostler up` does for the person who called it.
/// With an owner, nothing is followed or written that is not theirs.
///
/// # Errors
/// When the file cannot be read or written, or a part of its path is not the owner's.
pub fn write_for(
    path: &Path,
    owner: Option<Owner>,
    name: &str,
    context: Context,
) -> Result<(), ContextsError> {
    let mut contexts = load_for(path, owner)?;
    contexts.contexts.insert(name.to_owned(), context);
    contexts.current = Some(name.to_owned());
    contexts.save_as(path, owner)
}

impl Contexts {
    /// Reads the file; none is as good as an empty one.
    ///
    /// # Errors
    /// When it cannot be read, or is not what this program writes.
    pub fn load(path: &Path) -> Result<Self, ContextsError> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(cause) => return Err(ContextsError::File { path: path.into(), cause }),
        };
        toml::from_str(&text)
            .map_err(|cause| ContextsError::Damaged { path: path.into(), cause: cause.message().to_owned() })
    }

    /// Writes the file: mode 0600, in a folder of mode 0700, all at once.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), ContextsError> {
        self.save_as(path, None)
    }

    fn save_as(&self, path: &Path, owner: Option<Owner>) -> Result<(), ContextsError> {
        let failed = |at: &Path| {
            let path = at.to_path_buf();
            move |cause| ContextsError::File { path, cause }
        };
        let text = toml::to_string(self)
            .map_err(|cause| ContextsError::Damaged { path: path.into(), cause: cause.to_string() })?;
        let folder = path.parent().ok_or(ContextsError::NoHome)?;
        private_folder(folder, owner).map_err(failed(folder))?;
        let new = folder.join(format!(".contexts.{}", std::process::id()));
        let _ = fs::remove_file(&new);
        let written = write_private(&new, text.as_bytes(), owner).and_then(|()| fs::rename(&new, path));
        written.map_err(|cause| {
            let _ = fs::remove_file(&new);
            failed(path)(cause)
        })
    }

    /// The context that is meant: the one named, else the current one.
    pub fn meant(&self, named: Option<&str>) -> Option<(&str, &Context)> {
        let name = named.or(self.current.as_deref())?;
        self.contexts.get_key_value(name).map(|(name, context)| (name.as_str(), context))
    }
}

#[cfg(unix)]
fn private_folder(folder: &Path, owner: Option<Owner>) -> std::io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
    let mut missing: Vec<&Path> = folder.ancestors().take_while(|part| !part.exists()).collect();
    missing.reverse();
    for part in missing {
        fs::DirBuilder::new().mode(0o700).create(part)?;
        if let Some(Owner { uid, gid }) = owner {
            std::os::unix::fs::lchown(part, Some(uid), Some(gid))?;
        }
    }
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700))
}

#[cfg(unix)]
fn write_private(path: &Path, content: &[u8], owner: Option<Owner>) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    if let Some(Owner { uid, gid }) = owner {
        std::os::unix::fs::fchown(&file, Some(uid), Some(gid))?;
    }
    file.write_all(content)?;
    file.sync_all()
}

#[cfg(unix)]
fn theirs(path: &Path, owner: Owner) -> Result<(), ContextsError> {
    use std::os::unix::fs::MetadataExt;
    let not = |cause: &str| ContextsError::NotTheirs { path: path.into(), cause: cause.to_owned() };
    match fs::symlink_metadata(path) {
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(cause) => Err(ContextsError::File { path: path.into(), cause }),
        Ok(found) if found.is_symlink() => Err(not("it is a symbolic link, which is not followed here")),
        Ok(found) if found.uid() != owner.uid => Err(not("it belongs to somebody else")),
        Ok(_) => Ok(()),
    }
}

#[cfg(not(unix))]
fn private_folder(folder: &Path, _: Option<Owner>) -> std::io::Result<()> {
    // Below a person's profile, which is theirs alone already.
    fs::create_dir_all(folder)
}

#[cfg(not(unix))]
fn write_private(path: &Path, content: &[u8], _: Option<Owner>) -> std::io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create_new(true).open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

#[cfg(not(unix))]
fn theirs(_: &Path, _: Owner) -> Result<(), ContextsError> {
    Ok(())
}
