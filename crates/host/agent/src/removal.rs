//! The agent leaves this computer: what is its own goes, machines with their disks stay. First that is only noted; it is
//! done when the server has removed the agent, so that a removal that is taken back has changed nothing.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use crate::config::{FOLDER_ID, State};
use crate::uploads::Uploads;

/// What goes and what stays, in words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Removal {
    /// What goes.
    pub removes: Vec<String>,
    /// What stays.
    pub stays: Vec<String>,
}

/// Notes that the agent is to leave.
pub(crate) fn mark(state: &State) -> io::Result<()> {
    File::create(state.leaving())?.sync_all()?;
    File::open(state.folder())?.sync_all()
}

/// Notes that it is to stay.
pub(crate) fn unmark(state: &State) -> io::Result<()> {
    match fs::remove_file(state.leaving()) {
        Err(why) if why.kind() != io::ErrorKind::NotFound => Err(why),
        _ => File::open(state.folder())?.sync_all(),
    }
}

/// What of the agent's lies on this computer: each with its word, and the files and folders it consists of.
fn own(state: &State) -> Vec<(&'static str, Vec<PathBuf>)> {
    let beside = |path: PathBuf, more: &str| {
        let mut name = path.into_os_string();
        name.push(more);
        PathBuf::from(name)
    };
    let journal = state.journal();
    let mut own = vec![
        ("key and certificate", vec![state.identity()]),
        ("journal", vec![beside(journal.clone(), "-wal"), beside(journal.clone(), "-shm"), journal]),
        ("settings", vec![state.config()]),
        ("performance history", vec![state.performance()]),
        ("unfinished uploads", vec![state.uploads()]),
        ("agent programs", vec![state.programs()]),
        ("notes of moves", vec![state.moves()]),
        ("notes", vec![state.kvm(), state.status(), state.leaving(), state.lock_file()]),
    ];
    // Machines in other folders may stand on bases here.
    let elsewhere = !state.read_config().unwrap_or_default().machine_folders.is_empty();
    if folders(state).is_none() && !elsewhere && machines(&state.vms()) == 0 {
        own.push(("bases of machines that are gone", vec![state.bases()]));
        own.push(("machines' folder", vec![state.vms().join(FOLDER_ID)]));
    }
    own.retain_mut(|(_, paths)| {
        paths.retain(|path| path.exists());
        !paths.is_empty()
    });
    own
}

/// Where machines and their bases are, if not in the state folder: other hosts may have theirs there.
fn folders(state: &State) -> Option<(PathBuf, PathBuf)> {
    let config = state.read_config().unwrap_or_default();
    let (vms, bases) = (config.vms(state), config.bases(state));
    ((&vms, &bases) != (&state.vms(), &state.bases())).then_some((vms, bases))
}

/// How many machines have files in a folder.
fn machines(vms: &Path) -> usize {
    let folders = fs::read_dir(vms).into_iter().flatten().flatten();
    folders.filter(|folder| fs::read_dir(folder.path()).is_ok_and(|mut files| files.next().is_some())).count()
}

/// What would go and what would stay.
pub(crate) fn look(state: &State) -> Removal {
    let said = |(word, paths): (&str, Vec<PathBuf>)| {
        let main = paths.last().map(|path| path.display().to_string()).unwrap_or_default();
        format!("{word} ({main})")
    };
    Removal { removes: own(state).into_iter().map(said).collect(), stays: stays(state) }
}

fn stays(state: &State) -> Vec<String> {
    let mut stays = Vec::new();
    let (vms, bases) = match folders(state) {
        Some(folders) => {
            stays.push(format!("the machines' folder ({}), which other hosts may use", folders.0.display()));
            folders
        }
        None => (state.vms(), state.bases()),
    };
    for folder in state.read_config().unwrap_or_default().machine_folders {
        stays.push(format!(
            "the folder {} with the machines in it, which other hosts may use",
            folder.display()
        ));
    }
    let count = machines(&vms);
    if count > 0 {
        let s = if count == 1 { "" } else { "s" };
        stays.push(format!("the disks of {count} machine{s} ({})", vms.display()));
        if fs::read_dir(&bases).is_ok_and(|mut bases| bases.next().is_some()) {
            stays.push(format!("what they stand on ({})", bases.display()));
        }
    }
    if let Ok(program) = std::env::current_exe()
        && !program.starts_with(state.folder())
    {
        stays.push(format!("the installed program ({})", program.display()));
    }
    stays
}

/// Removes what is the agent's own. What cannot be removed is among what stays.
pub fn leave(state: &State) -> Removal {
    let Removal { removes, mut stays } = look(state);
    Uploads::new(state.uploads()).give_all_up();
    let own = own(state);
    for (_, paths) in own {
        for path in paths {
            if let Err(why) = remove(&path) {
                stays.push(format!("{}: {why}", path.display()));
            }
        }
    }
    // What is left of machines that are gone are empty folders; others are none of the agent's.
    for folder in fs::read_dir(state.vms()).into_iter().flatten().flatten() {
        let _ = fs::remove_dir(folder.path());
    }
    for folder in [&state.vms(), &state.bases(), state.folder()] {
        let _ = fs::remove_dir(folder);
    }
    Removal { removes, stays }
}

/// Removes a file, or a folder of the agent's with the files in it. Folders in it are none that the agent made.
fn remove(path: &Path) -> io::Result<()> {
    if !path.is_dir() {
        return fs::remove_file(path);
    }
    for entry in fs::read_dir(path)? {
        fs::remove_file(entry?.path())?;
    }
    fs::remove_dir(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn inhabited(folder: &Path) -> State {
        let state = State::at(folder).unwrap();
        state.make().unwrap();
        Config::default().make_vms(&state).unwrap();
        for folder in [state.identity(), state.programs(), state.performance()] {
            fs::create_dir(&folder).unwrap();
            fs::write(folder.join("some"), "").unwrap();
        }
        for file in [state.journal(), state.config(), state.status(), state.lock_file()] {
            fs::write(file, "").unwrap();
        }
        fs::write(state.bases().join("00"), "").unwrap();
        state
    }

    #[test]
    fn an_agent_that_leaves_removes_what_is_its_own_and_no_machine() {
        let folder = tempfile::tempdir().unwrap();
        let state = inhabited(&folder.path().join("agent"));
        let disk = state.vms().join("1/disk.qcow2");
        fs::create_dir(disk.parent().unwrap()).unwrap();
        fs::write(&disk, "").unwrap();
        fs::create_dir(state.vms().join("2")).unwrap();
        mark(&state).unwrap();
        let said = look(&state);
        assert_eq!(leave(&state), said, "it does what it said");
        assert!(said.stays[0].starts_with("the disks of 1 machine ("), "{said:?}");
        let mut left: Vec<_> =
            fs::read_dir(state.folder()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["bases", "vms"]);
        assert!(disk.exists() && state.bases().join("00").exists());
        assert!(!state.vms().join("2").exists(), "nothing was in it");
    }

    #[test]
    fn an_agent_without_machines_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let state = inhabited(&folder.path().join("agent"));
        leave(&state);
        assert!(
            !state.folder().exists(),
            "{:?}",
            fs::read_dir(state.folder()).map(Iterator::collect::<Vec<_>>)
        );
    }
}
