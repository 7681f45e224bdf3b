//! Marks of moves beside disks: what is laid on one computer and read on another proves that both see one folder. They lie in
//! the folders that the administrator of this computer allows, and nowhere else; the kernel holds that.

use std::path::{Path, PathBuf};

use hostler_disk::{Error, Rejected, is_file, lay_file, read_laid, take_laid};
use hostler_hypervisor::Trouble;
use hostler_model::{Code, Refusal};

use super::{failed, word};
use crate::disks::refused::rejected;
use crate::folders::Folders;

/// How much of a mark is read, in bytes: a ticket is shorter.
const MOST_MARK_BYTES: usize = 1_024;

/// Where the mark beside a disk lies.
pub(super) struct Place<'p> {
    /// The disk.
    file: &'p str,
    /// The allowed folder.
    root: &'p Path,
    /// The disk below it.
    disk: &'p Path,
    /// The mark below it.
    mark: PathBuf,
}

/// The mark of a ticket beside a disk. Refused where the disk lies in no folder that is allowed.
pub(super) fn beside<'p>(folders: &'p Folders, file: &'p str, ticket: &str) -> Result<Place<'p>, Trouble> {
    let (root, disk) = folders.placed(file).map_err(Trouble::Refused)?;
    let none = || Trouble::Refused(Refusal::new(Code::PathForbidden, file, "it is a folder of machines"));
    let name = disk.file_name().and_then(|name| name.to_str()).ok_or_else(none)?;
    let mark = disk.with_file_name(format!(".{name}.{}.move", word(ticket)?));
    Ok(Place { file, root, disk, mark })
}

impl Place<'_> {
    /// Lays the mark. What an attempt with this ticket left that was killed gives way.
    pub(super) fn lay(&self, ticket: &str) -> Result<(), Trouble> {
        let laid = take_laid(self.root, &self.mark)
            .and_then(|()| lay_file(self.root, &self.mark, ticket.as_bytes()));
        laid.map_err(|why| match why {
            Error::Rejected { why: why @ Rejected::LeavesShare, .. } => rejected(self.file, &why),
            why => failed(self.file, format!("no mark can be laid: {why}")),
        })
    }

    /// Whether the disk is here with the mark of this ticket. What is no ordinary file is no mark and no disk.
    pub(super) fn is_seen(&self, ticket: &str) -> Result<bool, Trouble> {
        let seen = || -> Result<bool, Rejected> {
            Ok(is_file(self.root, self.disk)?
                && read_laid(self.root, &self.mark, MOST_MARK_BYTES)? == ticket.as_bytes())
        };
        match seen() {
            Err(why @ Rejected::LeavesShare) => Err(rejected(self.file, &why)),
            seen => Ok(seen.unwrap_or(false)),
        }
    }

    /// Takes the mark away. One whose folder leads elsewhere by now is not looked for there.
    pub(super) fn take_away(&self) -> Result<(), Trouble> {
        match take_laid(self.root, &self.mark) {
            Err(why @ Error::Rejected { why: Rejected::LeavesShare, .. }) => {
                tracing::warn!(%why, "a mark of a move stays");
                Ok(())
            }
            taken => taken.map_err(|why| failed(self.file, format!("its mark cannot be taken away: {why}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::process::Command;

    use super::*;

    const TICKET: &str = "0123456789abcdef0123";

    /// A folder that is allowed, with a disk in it, and one beside it that is not.
    fn world() -> (tempfile::TempDir, Folders, String) {
        let temp = tempfile::tempdir().unwrap();
        for folder in ["allowed/vm", "other"] {
            fs::create_dir_all(temp.path().join(folder)).unwrap();
            fs::write(temp.path().join(folder).join("disk.qcow2"), "disk").unwrap();
        }
        let disk = temp.path().join("allowed/vm/disk.qcow2").display().to_string();
        let folders = Folders::new(vec![temp.path().join("allowed")]);
        (temp, folders, disk)
    }

    fn code(trouble: Trouble) -> Code {
        trouble.into_refusal("a move").code
    }

    #[test]
    fn a_mark_is_seen_where_it_was_laid_and_gone_when_it_was_taken_away() {
        let (_temp, folders, disk) = world();
        let place = beside(&folders, &disk, TICKET).unwrap();
        assert!(!place.is_seen(TICKET).unwrap());
        place.lay(TICKET).unwrap();
        assert!(place.is_seen(TICKET).unwrap());
        assert!(!place.is_seen("0123456789abcdef9999").unwrap(), "its name is like that of another ticket");
        // What proves that the folder is one proves nothing of a disk that is not there.
        fs::remove_file(&disk).unwrap();
        assert!(!place.is_seen(TICKET).unwrap());
        place.take_away().unwrap();
        place.take_away().unwrap();
        assert_eq!(fs::read_dir(Path::new(&disk).parent().unwrap()).unwrap().count(), 0);
    }

    #[test]
    fn no_mark_is_laid_or_looked_for_outside_the_folders_that_are_allowed() {
        let (temp, folders, _) = world();
        symlink("../other", temp.path().join("allowed/out")).unwrap();
        let outside = [
            temp.path().join("other/disk.qcow2"),
            temp.path().join("allowed/../other/disk.qcow2"),
            temp.path().join("allowed"),
            "disk.qcow2".into(),
        ];
        for file in outside.map(|path| path.display().to_string()) {
            let refused = beside(&folders, &file, TICKET).map(drop).unwrap_err();
            assert_eq!(code(refused), Code::PathForbidden, "{file}");
        }
        let led_out = temp.path().join("allowed/out/disk.qcow2").display().to_string();
        let place = beside(&folders, &led_out, TICKET).unwrap();
        fs::write(temp.path().join("other").join(place.mark.file_name().unwrap()), TICKET).unwrap();
        assert_eq!(code(place.lay(TICKET).unwrap_err()), Code::PathForbidden);
        assert_eq!(code(place.is_seen(TICKET).unwrap_err()), Code::PathForbidden);
        place.take_away().unwrap();
        assert_eq!(fs::read_dir(temp.path().join("other")).unwrap().count(), 2, "nothing was touched there");
    }

    #[test]
    fn a_pipe_or_a_link_in_the_place_of_a_mark_is_none_and_keeps_nobody_waiting() {
        let (_temp, folders, disk) = world();
        let place = beside(&folders, &disk, TICKET).unwrap();
        let mark = place.root.join(&place.mark);
        assert!(Command::new("mkfifo").arg(&mark).status().unwrap().success());
        assert!(!place.is_seen(TICKET).unwrap());
        fs::remove_file(&mark).unwrap();
        fs::write(mark.with_file_name("text"), TICKET).unwrap();
        symlink("text", &mark).unwrap();
        assert!(!place.is_seen(TICKET).unwrap());
        fs::write(mark.with_file_name("text"), "other").unwrap();
        place.lay(TICKET).unwrap();
        assert!(place.is_seen(TICKET).unwrap());
        assert_eq!(
            fs::read(mark.with_file_name("text")).unwrap(),
            b"other",
            "it is not written through the link"
        );
    }
}
