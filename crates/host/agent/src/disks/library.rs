//! The files of a library share: inside its folder, and told in one message.

use std::path::{Path, PathBuf};

use hostler_disk::{Format, Kind, WalkLimits, confine, walk_share};
use hostler_hypervisor::Trouble;
use hostler_model::hardware::DiskFormat;
use hostler_model::library::{ImageFacts, ItemKind, Problem, SeenItem};
use hostler_model::{Code, Refusal, Timestamp};

use super::refused::rejected;

/// How many items a share may have to be told in one message.
const MOST_ITEMS: usize = 10_000;

/// What a share holds.
pub(super) fn scan(folder: &str) -> Result<Vec<SeenItem>, Trouble> {
    let walked = walk_share(share(folder)?, WalkLimits::default()).map_err(|why| rejected(folder, &why))?;
    // A picture in part would report files as gone that are there.
    if let Some(cut) = walked.cuts.first() {
        let refusal = Refusal::new(Code::DiskFailed, folder, format!("not all of it can be read: {cut:?}"));
        return Err(Trouble::Failed(
            refusal.remedy("Make it readable, or name a smaller folder as the share"),
        ));
    }
    if walked.found.len() > MOST_ITEMS {
        let cause = format!("it holds {} files; a share has {MOST_ITEMS} at most", walked.found.len());
        let refusal = Refusal::new(Code::DiskFailed, folder, cause);
        return Err(Trouble::Failed(refusal.remedy("Name a smaller folder as the share")));
    }
    Ok(walked.found.into_iter().map(item).collect())
}

/// The folder of a share, which the server names.
fn share(folder: &str) -> Result<&Path, Trouble> {
    let path = Path::new(folder);
    if path.is_absolute() && path != Path::new("/") {
        return Ok(path);
    }
    Err(Trouble::Refused(Refusal::new(
        Code::PathForbidden,
        folder,
        "a share's folder is an absolute path, not /",
    )))
}

pub(super) fn library_file(folder: &str, path: &str) -> Result<PathBuf, Trouble> {
    confine(share(folder)?, Path::new(path)).map_err(|why| rejected(path, &why))
}

fn item(found: hostler_disk::Found) -> SeenItem {
    let (kind, image) = match found.kind {
        Kind::Disk { image } => (ItemKind::Disk, image),
        Kind::Iso => (ItemKind::Iso, None),
        Kind::Floppy => (ItemKind::Floppy, None),
        Kind::Script => (ItemKind::Script, None),
        Kind::AnswerFile => (ItemKind::AnswerFile, None),
        Kind::Other => (ItemKind::Other, None),
    };
    SeenItem {
        path: found.relative_path,
        kind,
        size_bytes: found.size_bytes,
        modified: Timestamp(found.modified_unix_ms),
        image: image.map(|image| ImageFacts {
            format: match image.format {
                Format::Qcow2 => DiskFormat::Qcow2,
                Format::Raw | Format::Iso => DiskFormat::Raw,
                Format::Vmdk => DiskFormat::Vmdk,
                Format::Vhd => DiskFormat::Vhd,
                Format::Vhdx => DiskFormat::Vhdx,
            },
            virtual_size_bytes: image.virtual_size_bytes,
        }),
        problem: found.problem.map(|why| Problem { cause: why.cause(), remedy: why.remedy().to_owned() }),
    }
}
