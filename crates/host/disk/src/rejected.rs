//! Why an image is not used: each reason with a code, a cause in words and what a person can do.

use crate::format::Format;

/// The reason an image, or a path to one, is refused. `Display` is the cause; see also [`Rejected::remedy`].
///
/// Text that comes from the image (names of backing files and the like) was shortened and freed of control
/// characters before it got in here, so it can be shown as it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// Nothing is at the path.
    #[error("there is no such file")]
    Absent,
    /// A folder, named pipe, socket or device.
    #[error("it is {what}, not an ordinary file")]
    NotRegular {
        /// What it is, with its article.
        what: String,
    },
    /// The file could not be opened or read.
    #[error("it cannot be read: {cause}")]
    Unreadable {
        /// The operating system's words.
        cause: String,
    },
    /// The file ends before what its own header says is there.
    #[error("the {format} image is cut off: {what}")]
    Truncated {
        /// Format by its header.
        format: Format,
        /// What is missing.
        what: String,
    },
    /// The header contradicts itself or the format's rules.
    #[error("the {format} image is damaged: {what}")]
    Damaged {
        /// Format by its header.
        format: Format,
        /// What is wrong.
        what: String,
    },
    /// A known format uses something that is not supported.
    #[error("the {format} image uses {what}, which is not supported")]
    UnsupportedFeature {
        /// Format by its header.
        format: Format,
        /// The feature.
        what: String,
    },
    /// A disk format that is recognised but not used here.
    #[error("its format {name} is not supported")]
    UnsupportedFormat {
        /// Name of the format.
        name: String,
    },
    /// Extension or stated format say one thing, the content another.
    #[error("it is called {expected}, but its content is {content}")]
    Disguised {
        /// What the extension or whoever names it says.
        expected: String,
        /// What the content is.
        content: String,
    },
    /// The content is encrypted.
    #[error("it is encrypted ({scheme})")]
    Encrypted {
        /// LUKS or AES.
        scheme: String,
    },
    /// The guest's data is in another file than this one.
    #[error("its data is in another file: {name}")]
    DataElsewhere {
        /// That file as the image names it.
        name: String,
    },
    /// A name in the image is an address or option list for QEMU and not a file name.
    #[error("it refers to {name}, which is not a file name")]
    Protocol {
        /// The name as it stands in the image.
        name: String,
    },
    /// A file that the image refers to is not within its share.
    #[error("it refers to {name}, which is outside its share")]
    BackingOutside {
        /// The name as it stands in the image.
        name: String,
    },
    /// A file that the image refers to was refused itself.
    #[error("it refers to {name}, which was refused: {why}")]
    BackingRefused {
        /// The name as it stands in the image.
        name: String,
        /// Why that one was refused.
        why: Box<Rejected>,
    },
    /// The format of the backing file is not written in the image, so that QEMU would have to guess.
    #[error("it does not say which format its backing file {name} has")]
    BackingFormatUnstated {
        /// The name as it stands in the image.
        name: String,
    },
    /// A chain of backing files is longer than the limit.
    #[error("its chain of backing files is longer than {limit}")]
    ChainTooLong {
        /// How many files a chain may have.
        limit: usize,
    },
    /// A chain of backing files comes back to itself.
    #[error("its chain of backing files comes back to itself at {name}")]
    ChainLoops {
        /// The name that closes the circle.
        name: String,
    },
    /// The disk is larger than anything reasonable.
    #[error("its disk would have {bytes} bytes, more than the {limit} that are allowed")]
    TooLarge {
        /// Virtual size, bytes.
        bytes: u64,
        /// The largest allowed, bytes.
        limit: u64,
    },
    /// The path, or a symbolic link on it, leads out of the share.
    #[error("its path leads out of the share")]
    LeavesShare,
    /// The name cannot be shown or stored.
    #[error("its name {why}")]
    NameUnfit {
        /// What is wrong with the name.
        why: String,
    },
}

impl Rejected {
    /// A stable code for programs, such as `disk.image.truncated`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Absent => "disk.image.absent",
            Self::NotRegular { .. } => "disk.image.not.regular",
            Self::Unreadable { .. } => "disk.image.unreadable",
            Self::Truncated { .. } => "disk.image.truncated",
            Self::Damaged { .. } => "disk.image.damaged",
            Self::UnsupportedFeature { .. } => "disk.image.feature.unsupported",
            Self::UnsupportedFormat { .. } => "disk.image.format.unsupported",
            Self::Disguised { .. } => "disk.image.disguised",
            Self::Encrypted { .. } => "disk.image.encrypted",
            Self::DataElsewhere { .. } => "disk.image.data.elsewhere",
            Self::Protocol { .. } => "disk.image.protocol",
            Self::BackingOutside { .. } => "disk.image.backing.outside",
            Self::BackingRefused { .. } => "disk.image.backing.refused",
            Self::BackingFormatUnstated { .. } => "disk.image.backing.format",
            Self::ChainTooLong { .. } => "disk.image.chain.long",
            Self::ChainLoops { .. } => "disk.image.chain.loops",
            Self::TooLarge { .. } => "disk.image.too.large",
            Self::LeavesShare => "disk.path.leaves.share",
            Self::NameUnfit { .. } => "disk.name.unfit",
        }
    }

    /// The cause in words, without the object it happened to.
    pub fn cause(&self) -> String {
        self.to_string()
    }

    /// What a person can do about it.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Absent => "Check the path, then refresh the library share.",
            Self::NotRegular { .. } => "Put an ordinary file there, or take the entry out of the share.",
            Self::Unreadable { .. } => "Check the file's rights and the disk it lies on.",
            Self::Truncated { .. } => "Copy the file again, it was not copied to its end.",
            Self::Damaged { .. } => "Copy the file again from where it came from, or repair it there.",
            Self::UnsupportedFeature { .. } => {
                "Convert it where it came from, for instance with `qemu-img convert -O qcow2`."
            }
            Self::UnsupportedFormat { .. } => "Convert it to qcow2, raw, VMDK, VHD or VHDX.",
            Self::Disguised { .. } => {
                "Give the file the extension of what it is, if you know where it came from."
            }
            Self::Encrypted { .. } => "Put an image that is not encrypted into the share.",
            Self::DataElsewhere { .. } => {
                "Convert it into a single file, for instance with `qemu-img convert`."
            }
            Self::Protocol { .. } => "Do not use it: an image should refer to files by name only.",
            Self::BackingOutside { .. } | Self::BackingRefused { .. } => {
                "Put the files it refers to into the same share, or convert it into a single file."
            }
            Self::BackingFormatUnstated { .. } => {
                "Write the format into it with `qemu-img rebase -u -b FILE -F FORMAT`, or convert it into a single file."
            }
            Self::ChainTooLong { .. } | Self::ChainLoops { .. } => {
                "Convert it into a single file where it came from."
            }
            Self::TooLarge { .. } => "Make the disk smaller where it came from.",
            Self::LeavesShare => "Name a file within the share, without symbolic links that lead out of it.",
            Self::NameUnfit { .. } => "Rename the file.",
        }
    }
}

/// Makes text from an image safe to show: no control or bidirectional characters, at most 200 characters.
pub(crate) fn shown(text: &str) -> String {
    let hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().take(200).map(|c| if hidden(c) { '\u{fffd}' } else { c }).collect()
}
