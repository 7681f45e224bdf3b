//! From one format into another, by `qemu-img`, from a private copy that was looked at.

use std::fs::File;
use std::ops::ControlFlow;
use std::path::Path;

use crate::copy::Progress;
use crate::error::Error;
use crate::format::{Format, Image, inspect_file, inspect_file_as};
use crate::qemu_img::Run;
use crate::rejected::Rejected;

/// Looks at an image from outside that is to be used by itself, without any other file.
pub(crate) fn look_alone(file: &File, format: Format) -> Result<Image, Rejected> {
    // A raw source's content is looked at too: what comes from outside must not be another format in disguise.
    let found = inspect_file(file)?;
    match (format, found.format) {
        (Format::Raw, Format::Raw | Format::Iso) => inspect_file_as(file, Format::Raw)?.alone(),
        (wanted, is) if wanted == is => found.alone(),
        (wanted, is) => Err(Rejected::Disguised { expected: wanted.to_string(), content: is.to_string() }),
    }
}

/// What is to be converted: a file of ours in the making, and what [`look_alone`] said of it.
pub(crate) struct Conversion<'a> {
    pub source: &'a File,
    pub image: &'a Image,
    pub format: Format,
}

impl Conversion<'_> {
    /// Converts into `target`, an empty file of ours called `path`. Progress counts the second half of `total`.
    pub fn write(
        &self,
        target: &File,
        path: &Path,
        to: Format,
        total: u64,
        progress: &mut Progress<'_>,
    ) -> Result<(), Error> {
        let len = total / 2;
        let run = Run {
            action: "convert",
            arguments: &["-p", "-f", self.format.qemu_name(), "-O", to.qemu_name(), "/dev/fd/3", "/dev/fd/4"],
            source: Some(self.source),
            target,
            path,
            // 4 MiB a second of processor time is a twentieth of what compressed images were seen to need.
            processor_s: 60 + self.image.file_bytes / (4 << 20),
            // All clusters, their tables (less than a hundredth), and some.
            file_bytes: (self.image.virtual_size_bytes / 64).saturating_mul(65).saturating_add(64 << 20),
        };
        run.go(&mut |percent| progress(len + (percent / 100.0 * len as f64) as u64, total))
    }
}

/// Makes a disk of ours larger; it must not be smaller before.
pub(crate) fn grow(file: &File, path: &Path, format: Format, size_bytes: u64) -> Result<(), Error> {
    if format == Format::Raw {
        return file.set_len(size_bytes).map_err(|e| Error::io("write", path, e));
    }
    let size = size_bytes.to_string();
    let run = Run {
        action: "resize",
        arguments: &["-q", "-f", format.qemu_name(), "/dev/fd/4", &size],
        source: None,
        target: file,
        path,
        processor_s: 60,
        file_bytes: (size_bytes / 64).saturating_mul(65).saturating_add(64 << 20),
    };
    run.go(&mut |_| ControlFlow::Continue(()))
}
