//! What an agent needs of a hypervisor and of a computer's disks, and how each command is carried out over them.
//!
//! [`Machines`] and [`Disks`] are the boundary: the libvirt driver and the agent's disk folder stand behind them in
//! the product, [`simulated`] in the simulator and in scale tests, and one conformance suite runs against both.
//! [`perform`] turns a command into calls, with its guard; [`probe`] finds out whether a command took effect that was
//! interrupted. Nothing here sleeps, spawns or reads a clock: who calls (the agent on threads, the simulator on
//! virtual time) decides when to call again.

use hostler_model::command::{Base, Definition, DiskContent};
use hostler_model::hardware::{Disk, DiskFormat};
use hostler_model::library::SeenItem;
use hostler_model::seen::{Identity, Seen};
use hostler_model::{Refusal, VmId};
use uuid::Uuid;

mod boots;
pub mod conformance;
mod guard;
pub mod import;
pub mod moving;
pub mod networks;
pub mod perform;
pub mod probe;
pub mod simulated;

pub use boots::{Boots, NoBoots};
pub use import::{DefinitionFile, Examined};
pub use moving::{MoveLimits, Moves, NoMoves};
pub use networks::{Networks, NoNetworks};
pub use perform::{Performing, Turn, World};
pub use probe::{Probed, no_vm, probe};

/// Why a call did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// It has no effect, for this reason; trying again may help.
    #[error("{0}")]
    Failed(Refusal),
    /// It has no effect because its precondition does not hold; trying again does not help.
    #[error("{0}")]
    Refused(Refusal),
    /// It was stopped on request and what it had begun is taken back.
    #[error("stopped on request")]
    Aborted,
    /// The connection broke or the process is about to die: whether it took effect must be looked up.
    #[error("interrupted: {0}")]
    Interrupted(String),
}

/// What a long call reports to, and asks whether it should stop.
pub trait Watch {
    /// How much is done, of how much (bytes).
    fn progress(&self, done: u64, of: u64);
    /// Whether the call should stop and take back what it began.
    fn aborted(&self) -> bool;
}

/// A watch that neither listens nor stops.
pub struct NoWatch;

impl Watch for NoWatch {
    fn progress(&self, _done: u64, _of: u64) {}
    fn aborted(&self) -> bool {
        false
    }
}

/// One run of a machine, from its start until it is off: the next has another number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run(pub u64);

/// The machines of one host. Calls block until they have ended; each acts on what is true at that moment and checks
/// nothing that [`perform`] checks. A domain that the host does not have is `hypervisor.no.vm`.
pub trait Machines: Send + Sync {
    /// Every machine, in no particular order.
    fn list(&self) -> Result<Vec<Seen>, Trouble>;
    /// One machine; none when the host does not have it.
    fn read(&self, domain: Uuid) -> Result<Option<Seen>, Trouble>;
    /// Defines a machine that the host does not have.
    fn define(&self, definition: &Definition) -> Result<(), Trouble>;
    /// Removes a definition with saved state and NVRAM; the disks stay. The machine must be off.
    fn undefine(&self, domain: Uuid) -> Result<(), Trouble>;
    /// Removes what a machine that the host no longer has left beside its disks, such as its log, and its folder when
    /// that is empty then. Whoever undefined it may have been killed before this.
    fn sweep(&self, domain: Uuid);
    /// Starts, from the saved state if there is one.
    fn start(&self, domain: Uuid) -> Result<(), Trouble>;
    /// Asks the guest's agent, else presses the ACPI button, and says which run was asked. That it returns says nothing
    /// of the guest. With `only`, no other run is asked: none when that one is over.
    fn ask_to_shut_down(&self, domain: Uuid, only: Option<Run>) -> Result<Option<Run>, Trouble>;
    /// Cuts the power.
    fn turn_off(&self, domain: Uuid) -> Result<(), Trouble>;
    /// Stops the processors.
    fn pause(&self, domain: Uuid) -> Result<(), Trouble>;
    /// Lets the processors run.
    fn resume(&self, domain: Uuid) -> Result<(), Trouble>;
    /// Presses the reset button.
    fn reset(&self, domain: Uuid) -> Result<(), Trouble>;
    /// Saves memory and powers off; stopped on request, the machine runs on.
    fn save(&self, domain: Uuid, watch: &dyn Watch) -> Result<(), Trouble>;
    /// Discards the saved state.
    fn discard_saved(&self, domain: Uuid) -> Result<(), Trouble>;
    /// Changes processors and memory in the definition.
    fn set_hardware(&self, domain: Uuid, cpus: u32, memory_mib: u64) -> Result<(), Trouble>;
    /// Writes the title, live and in the definition.
    fn retitle(&self, domain: Uuid, title: &str) -> Result<(), Trouble>;
    /// Attaches a disk, to the running machine if it runs and to its definition.
    fn attach_disk(&self, domain: Uuid, disk: &Disk) -> Result<(), Trouble>;
    /// Asks the guest to let go of a disk, and removes it from the definition. That it returns does not mean that the
    /// guest let go: [`Machines::holds_disk`] says.
    fn ask_to_detach_disk(&self, domain: Uuid, target: &str) -> Result<(), Trouble>;
    /// Whether the running machine, or else the definition, has a disk at this target; and its file.
    fn holds_disk(&self, domain: Uuid, target: &str) -> Result<Option<String>, Trouble>;
    /// Puts an ISO image into the DVD drive, or empties it, live and in the definition.
    fn set_media(&self, domain: Uuid, file: Option<&str>) -> Result<(), Trouble>;
    /// Writes our identity into the metadata.
    fn adopt(&self, identity: &Identity) -> Result<(), Trouble>;
    /// What a definition on the storage says, and what in it is not taken. Nothing in it is believed.
    fn examine(&self, text: &str) -> Result<Examined, Trouble>;
    /// Defines such a machine, which the host does not have, as this one. What is not taken is refused here, too.
    fn import(&self, text: &str, identity: &Identity, title: &str) -> Result<(), Trouble>;
    /// The machines that have this file as a disk, be they on or off.
    fn users_of(&self, file: &str) -> Result<Vec<Uuid>, Trouble>;
}

/// A disk file as it lies in its folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskFile {
    /// The mark of the step that made it, if it bears one.
    pub mark: Option<String>,
    /// The machine whose it is, if it bears an owner.
    pub owner: Option<VmId>,
    /// How large a guest sees it, in bytes.
    pub size_bytes: u64,
}

/// The disk files of one computer. Paths are absolute and checked: outside the folders that the agent was given they
/// are `path.forbidden`.
pub trait Disks: Send + Sync {
    /// Makes a file whole or not at all, bearing mark and owner. An existing file is refused. Answers its size in
    /// bytes as the guest sees it.
    fn make(&self, wanted: &NewDisk<'_>, watch: &dyn Watch) -> Result<u64, Trouble>;
    /// What lies there; none when nothing does.
    fn look(&self, file: &str) -> Result<Option<DiskFile>, Trouble>;
    /// Deletes a file, and its machine's folder when that is empty then. Absent is done.
    fn delete(&self, file: &str) -> Result<(), Trouble>;
    /// Removes what interrupted attempts with this mark left beside the file, and its machine's folder when that is empty
    /// then.
    fn sweep(&self, file: &str, mark: &str) -> Result<(), Trouble>;
    /// Makes sure that a library file's content is here as an immutable base.
    fn bring_base(
        &self,
        folder: &str,
        path: &str,
        format: DiskFormat,
        watch: &dyn Watch,
    ) -> Result<Base, Trouble>;
    /// Makes a folder in which machines may be kept, within one that is allowed. One that is there is left as it is.
    fn make_folder(&self, path: &str) -> Result<(), Trouble>;
    /// Whether there is such a folder within one that is allowed.
    fn has_folder(&self, path: &str) -> Result<bool, Trouble>;
    /// A definition on the storage, within an allowed folder and of bounded size.
    fn definition(&self, file: &str) -> Result<DefinitionFile, Trouble>;
    /// Whether an image that a definition names is there, and may be used: it and all that it stands on lie within the
    /// allowed folders or are bases. Refused where not.
    fn check_image(&self, file: &str, format: DiskFormat) -> Result<bool, Trouble>;
    /// Reads a share's folder.
    fn scan(&self, folder: &str) -> Result<Vec<SeenItem>, Trouble>;
}

/// A machine with the sizes of those of its disks that lie in this computer's folders. Of others the size is not known:
/// nobody is led to open files by what a definition says.
pub fn with_sizes(disks: &dyn Disks, mut seen: Seen) -> Seen {
    for disk in seen.disks.iter_mut().filter(|disk| !disk.dvd) {
        let there = disk.file.as_deref().and_then(|file| disks.look(file).ok().flatten());
        disk.size_bytes = there.map(|there| there.size_bytes).filter(|bytes| *bytes > 0);
    }
    seen
}

/// A disk to be made.
#[derive(Clone, Copy, Debug)]
pub struct NewDisk<'a> {
    /// The file, an absolute path.
    pub file: &'a str,
    /// The mark it is to bear.
    pub mark: &'a str,
    /// The machine whose it is.
    pub owner: VmId,
    /// Its format.
    pub format: DiskFormat,
    /// How large the guest is to see it, in bytes; at least the size of what it begins with.
    pub size_bytes: u64,
    /// What it begins with.
    pub content: &'a DiskContent,
}
