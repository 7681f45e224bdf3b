//! Machines whose definitions lie on the storage: looked at, and defined after strict checks. What a definition may say is
//! the driver's business ([`crate::Machines::examine`]), which files it may name that of the disks.

use hostler_model::command::{Command, Outcome};
use hostler_model::hardware::DiskFormat;
use hostler_model::importable::Importable;
use hostler_model::seen::Seen;
use hostler_model::{Code, Refusal};
use uuid::Uuid;

use crate::perform::{Next, Part, Step, done, refused};
use crate::{Disks, Machines, Trouble, guard};

/// A file with a definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DefinitionFile {
    /// What it says.
    pub text: String,
    /// SHA-256 of that, hexadecimal.
    pub sha256: String,
}

/// What a driver makes of a definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Examined {
    /// The machine as it would be seen, off.
    pub seen: Seen,
    /// Files that it would use and that are no disks: UEFI variables.
    pub files: Vec<String>,
    /// What in it is not taken, each in words; empty when all of it is.
    pub refused: Vec<String>,
}

/// Looks at a definition on the storage, with everything that keeps it from being imported.
///
/// # Errors
/// The file cannot be read, or is no definition of a machine.
pub fn look(machines: &dyn Machines, disks: &dyn Disks, file: &str) -> Result<Importable, Trouble> {
    let DefinitionFile { text, sha256 } = disks.definition(file)?;
    let Examined { seen, files, mut refused } = machines.examine(&text)?;
    let mut missing = Vec::new();
    let used = seen.disks.iter().filter_map(|disk| Some((disk.file.clone()?, disk.format)));
    let others = files.into_iter().map(|file| (file, DiskFormat::Raw));
    for (used, format) in used.chain(others) {
        match disks.check_image(&used, format) {
            Ok(true) => {
                // Two machines with one disk destroy it.
                if let Some(user) = machines.users_of(&used)?.first() {
                    refused.push(format!("{used} is a disk of domain {user}"));
                }
            }
            Ok(false) => {
                refused.push(format!("{used} is not there"));
                missing.push(used);
            }
            Err(Trouble::Refused(why)) => refused.push(format!("{used}: {}", why.cause)),
            Err(why) => return Err(why),
        }
    }
    Ok(Importable { file: file.to_owned(), sha256, seen, missing, refused })
}

/// What keeps a machine from being imported, as one refusal.
pub fn refusal_of(found: &Importable) -> Option<Refusal> {
    (!found.refused.is_empty()).then(|| {
        Refusal::new(Code::ImportRefused, &found.file, found.refused.join("; ")).remedy(
            "Take out of the file what is not taken, and put the disks into a folder that the host allows",
        )
    })
}

impl Step<'_> {
    /// The commands about machines on the storage.
    pub(crate) fn begin_import(&self) -> Part {
        let machines = self.world.machines;
        match self.command {
            Command::Import { file, sha256, identity, title } => match machines.read(identity.domain)? {
                // The identity was drawn for this job: what bears it, an earlier attempt made.
                Some(seen) if seen.identity == Some(*identity) => done(),
                Some(_) => refused(exists(identity.domain)),
                None => {
                    let found = look(machines, self.world.disks, file)?;
                    if let Some(refusal) = refusal_of(&found) {
                        return refused(refusal);
                    }
                    if found.sha256 != *sha256 || found.seen.domain != identity.domain {
                        let cause = "it was changed since it was looked at";
                        return refused(
                            Refusal::new(Code::ImportRefused, file, cause).remedy("Ask for the import again"),
                        );
                    }
                    // Read once more: what is defined is the text whose digest was compared.
                    let read = self.world.disks.definition(file)?;
                    if read.sha256 != *sha256 {
                        return refused(Refusal::new(Code::ImportRefused, file, "it is being changed"));
                    }
                    machines.import(&read.text, identity, title)?;
                    done()
                }
            },
            Command::TakeBackImport { identity } => match machines.read(identity.domain)? {
                Some(seen) if seen.identity == Some(*identity) => {
                    guard::check(self.command, seen.domain, seen.power).map_err(Trouble::Refused)?;
                    // Its files are somebody's: none of them goes.
                    self.world.moves.forget(identity.domain)?;
                    done()
                }
                // What is there under this id is not what the step made.
                _ => done(),
            },
            _ => Ok(Next::End(Outcome::done())),
        }
    }
}

fn exists(domain: Uuid) -> Refusal {
    Refusal::new(
        Code::GuardRefused,
        format!("domain {domain}"),
        "the host has a machine with this UUID already",
    )
    .remedy("Look whether it is the same machine; if it is, there is nothing to import")
}
