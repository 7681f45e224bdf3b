//! What an agent is told to do, and what it answers. A command carries all it needs; its precondition (guard) is
//! fixed by its kind and checked by the agent at the moment of acting.

mod known;

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use self::known::Class;
pub use crate::definition::{Base, Definition};
use crate::error::Refusal;
use crate::hardware::{Disk, DiskFormat};
use crate::ids::{JobId, ShareId, VmId};
use crate::library::SeenItem;
pub use crate::move_out::{Leaving, Peer, Way};
use crate::new_network::NetworkSpec;
use crate::seen::{Identity, Seen};
use crate::time::Ms;

/// Job and step, without the attempt: written on whatever a step makes, so that undo and every retry find what any
/// attempt left. The epoch tells jobs apart that bear one number because a backup was restored between them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Mark {
    /// The epoch in which the job began.
    pub epoch: u32,
    /// The job.
    pub job: JobId,
    /// The step's key.
    pub step: String,
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.epoch, self.job, self.step)
    }
}

/// A command to an agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "do")]
pub enum Command {
    /// Makes a disk file for a machine. Refused where the file exists and bears another mark.
    MakeDisk {
        /// The file, an absolute path below a folder in which machines may be kept.
        file: String,
        /// The machine it is for.
        owner: VmId,
        /// The format of the new file.
        format: DiskFormat,
        /// How large the guest is to see it, in bytes; at least the size of what it begins with.
        size_bytes: u64,
        /// What it begins with.
        content: DiskContent,
    },
    /// Deletes a machine's disk file: only one that bears the owner's id (or, in an undo, the step's mark), and that
    /// no machine on the host uses. Absent is done.
    DeleteDisk {
        /// The file.
        file: String,
        /// The machine whose it is.
        owner: VmId,
    },
    /// Makes sure that a library file's content is on the host as an immutable base. Answers with [`Base`].
    BringBase {
        /// The share's folder on this computer.
        folder: String,
        /// The file below it.
        path: String,
        /// The file's format, from its content.
        format: DiskFormat,
    },
    /// Defines a machine. Refused where a machine with this domain exists that is not its own earlier attempt.
    Define {
        /// What to define.
        definition: Box<Definition>,
    },
    /// Removes a machine's definition, its saved state included. Refused while it is on. Absent is done.
    Undefine {
        /// The domain.
        domain: Uuid,
    },
    /// Starts a machine, from its saved state if it has one. Refused unless it is off.
    Start {
        /// The domain.
        domain: Uuid,
    },
    /// Asks the guest to shut down (its agent, else ACPI) and waits. Refused unless it is running.
    ShutDown {
        /// The domain.
        domain: Uuid,
        /// How long the guest may take.
        limit_ms: Ms,
    },
    /// Cuts the power. Refused unless it is on.
    TurnOff {
        /// The domain.
        domain: Uuid,
    },
    /// Stops the processors. Refused unless it is running.
    Pause {
        /// The domain.
        domain: Uuid,
    },
    /// Lets the processors run. Refused unless it is paused.
    Resume {
        /// The domain.
        domain: Uuid,
    },
    /// Presses the reset button. Refused unless it is on.
    Reset {
        /// The domain.
        domain: Uuid,
    },
    /// Saves memory and powers off. Refused unless it is running or paused.
    Save {
        /// The domain.
        domain: Uuid,
    },
    /// Discards the saved state. Refused unless it is saved.
    DiscardSaved {
        /// The domain.
        domain: Uuid,
    },
    /// Changes processors and memory of a machine that is off.
    SetHardware {
        /// The domain.
        domain: Uuid,
        /// Virtual processors.
        cpus: u32,
        /// Memory in MiB.
        memory_mib: u64,
    },
    /// Writes the machine's name into its title.
    Retitle {
        /// The domain.
        domain: Uuid,
        /// The name.
        title: String,
    },
    /// Attaches a disk, to the running machine and to its definition.
    AttachDisk {
        /// The domain.
        domain: Uuid,
        /// The disk.
        disk: Box<Disk>,
    },
    /// Detaches a disk; done when it is gone, not when the guest was asked.
    DetachDisk {
        /// The domain.
        domain: Uuid,
        /// The disk's target, `vda`.
        target: String,
        /// The file it must have; another file there is refused.
        file: String,
        /// How long the guest may take to let go.
        limit_ms: Ms,
    },
    /// Puts an ISO image into the DVD drive, or empties it.
    SetMedia {
        /// The domain.
        domain: Uuid,
        /// The file, or none.
        file: Option<String>,
    },
    /// Writes our identity into a machine's metadata.
    Adopt {
        /// What to write.
        identity: Identity,
    },
    /// Reads a machine anew. Answers with what was seen.
    ReadVm {
        /// The domain.
        domain: Uuid,
    },
    /// Reads every machine and the computer's properties anew.
    ReadHost,
    /// Defines a machine whose definition lies on the storage, after strict checks: only disks within the allowed folders,
    /// nothing of the host, no program. Refused where the file is not what was looked at, and where a machine with its UUID
    /// exists that is not this step's own earlier attempt. Its undo is [`Command::TakeBackImport`].
    Import {
        /// The file with the definition, an absolute path.
        file: String,
        /// What it held when it was looked at, SHA-256 in hexadecimal.
        sha256: String,
        /// Who it is from now on.
        identity: Identity,
        /// The name people call it.
        title: String,
    },
    /// Removes the definition that an import made, and no file. What bears another identity is left alone. Refused while it
    /// is on. Absent is done.
    TakeBackImport {
        /// Who it was to be.
        identity: Identity,
    },
    /// Makes a folder within an allowed one. The folder above it must be there. One that is there already is done.
    MakeFolder {
        /// The folder, an absolute path.
        path: String,
    },
    /// Reads a share's folder. Answers with its items.
    ScanShare {
        /// The share.
        share: ShareId,
        /// Its folder.
        folder: String,
    },
    /// Looks what a machine needs of the host that it is to be moved to, and lays a mark beside each of its disks, which
    /// that host must see. Answers with [`Leaving`]. Its undo is [`Command::Stay`]. Refused unless it is running.
    Leave {
        /// The domain.
        domain: Uuid,
        /// The move's ticket.
        ticket: String,
    },
    /// Takes the marks of a move away that did not come about, and lets the machine run on if the move left it stopped.
    /// Sent only after its target was asked, and does not have it. Absent is done.
    Stay {
        /// The domain.
        domain: Uuid,
        /// The move's ticket.
        ticket: String,
    },
    /// Checks whether a machine of another host can run here, and waits for it: on one port, for the time of the ticket,
    /// for one agent. Refused where the host has a machine with this domain. Answers with the door.
    Receive {
        /// The domain.
        domain: Uuid,
        /// The move's ticket.
        ticket: String,
        /// Who is let in.
        from: Peer,
        /// What it needs.
        leaving: Box<Leaving>,
    },
    /// Waits no longer for a machine of another host, and removes what has come of it as long as its processors never ran
    /// here. What runs here, or is defined here, is left alone.
    NotReceived {
        /// The domain.
        domain: Uuid,
        /// The move's ticket.
        ticket: String,
    },
    /// Sends the bases to a machine's new host that it lacks.
    SendBases {
        /// The domain.
        domain: Uuid,
        /// Where to.
        way: Box<Way>,
        /// Which, by digest.
        bases: Vec<String>,
    },
    /// Moves a running machine. Answers [`Answer::Moved`] when it runs over there, or when it is not running here and
    /// only the other host can say why; fails while it runs on here. Refused unless it is running.
    Migrate {
        /// The domain.
        domain: Uuid,
        /// Where to.
        way: Box<Way>,
        /// How long it may take, in milliseconds. Then it is stopped and the machine runs on here.
        limit_ms: Ms,
        /// How often the machine's memory may be gone through. Then it is stopped likewise.
        most_rounds: u32,
    },
    /// Looks whether a machine has arrived: its processors run here, or did. What is still on its way has this long to be
    /// taken away by the hypervisor. Answers with what was seen, nothing when it has not arrived.
    SeeArrived {
        /// The domain.
        domain: Uuid,
        /// How long what is on its way may take, in milliseconds.
        limit_ms: Ms,
    },
    /// Removes what a move left of a machine that runs on another host now: a stopped copy, its definition, the marks.
    /// Its disks stay. Refused while its processors run here. Absent is done.
    ForgetMoved {
        /// The domain.
        domain: Uuid,
        /// The move's ticket.
        ticket: String,
    },
    /// Closes the door of a machine that has arrived, or will not.
    EndReceive {
        /// The domain.
        domain: Uuid,
        /// The move's ticket.
        ticket: String,
    },
    /// Restarts the computer, as its agent's settings say. Refused while a machine runs; done once the computer has begun, or
    /// has restarted since.
    RestartHost {
        /// The boot that is to end.
        boot: String,
    },
    /// Shuts the computer down, as its agent's settings say. Refused while a machine runs; done once the computer has begun.
    ShutDownHost {
        /// The boot that is to end.
        boot: String,
    },
    /// Waits until the computer has started anew.
    SeeRestarted {
        /// The boot that was to end.
        boot: String,
    },
    /// Makes a network and has it active from now on. One that takes an adapter is on trial: unless
    /// [`Command::ConfirmNetwork`] arrives within thirty seconds the agent takes it back by itself, also when it was killed
    /// meanwhile. Refused where another network has the name. Its undo is [`Command::RemoveNetwork`].
    MakeNetwork {
        /// The id that it is to have in libvirt.
        id: Uuid,
        /// What it is to be.
        network: Box<NetworkSpec>,
    },
    /// A network that was on trial stays. Refused where it was taken back.
    ConfirmNetwork {
        /// Its id in libvirt.
        id: Uuid,
        /// Its name.
        name: String,
    },
    /// Removes the network with this id, and gives the adapter that it took its addresses back. Refused while a machine is
    /// connected. Absent is done. Its undo is [`Command::RestoreNetwork`].
    RemoveNetwork {
        /// Its id in libvirt.
        id: Uuid,
        /// Its name.
        name: String,
    },
    /// Makes a network again that was removed, as it was.
    RestoreNetwork {
        /// Its id in libvirt.
        id: Uuid,
        /// Its name.
        name: String,
    },
    /// The agent is about to be removed: once its certificate is refused, it removes what is its own and ends. Until then
    /// all stays as it is. Answers with [`Answer::Removal`].
    PrepareRemoval,
    /// It is not to be removed after all.
    CancelRemoval,
    /// Fetches an agent program from the server and checks it. Content that is there already is done.
    BringProgram {
        /// Its version.
        version: String,
        /// SHA-256 of the file, hexadecimal.
        sha256: String,
        /// How long the file is, in bytes.
        size_bytes: u64,
    },
    /// Tries the program that was brought, lets it take the agent's place, and goes back to the present one where it does
    /// not come up. Answered by whichever runs afterwards.
    Upgrade {
        /// Its version.
        version: String,
        /// SHA-256 of the file, hexadecimal.
        sha256: String,
        /// How long it may take to come up and to be connected.
        limit_ms: Ms,
    },
    /// A command that this version does not know.
    #[serde(other)]
    Unknown,
}

/// What a new disk begins with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "is")]
pub enum DiskContent {
    /// Nothing.
    Blank,
    /// An overlay on a base that the host has.
    Overlay {
        /// The base's content, SHA-256 in hexadecimal.
        base: String,
    },
    /// A sparse copy of a library file.
    Copy {
        /// The share's folder on this computer.
        folder: String,
        /// The file below it.
        path: String,
        /// Its format.
        format: DiskFormat,
    },
    /// A seed: a few lines that the guest reads at its first start.
    Seed {
        /// `key=value` lines.
        text: String,
    },
}

/// What a command brought.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "is")]
pub enum Answer {
    /// Nothing but that it is done.
    Nothing,
    /// A disk was made.
    Disk {
        /// How large the guest sees it, in bytes.
        size_bytes: u64,
    },
    /// A base is there.
    Base {
        /// Which.
        base: Base,
    },
    /// What a machine looks like; none when the host does not have it.
    Vm {
        /// As seen.
        seen: Option<Box<Seen>>,
    },
    /// What a share holds.
    Share {
        /// Its items.
        items: Vec<SeenItem>,
    },
    /// What a machine that is to be moved needs.
    Leaving {
        /// That.
        leaving: Box<Leaving>,
    },
    /// A machine is waited for.
    Receiving {
        /// At which port.
        port: u16,
        /// The digests of the bases that are lacking here.
        lacking: Vec<String>,
    },
    /// A machine was moved.
    Moved {
        /// Whether the hypervisor said so. If not, it does not run where it was, and its new host must be asked.
        sure: bool,
        /// What happened, where it is not sure.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        why: String,
    },
    /// What an agent removes of its own when it leaves, and what stays; each in words.
    Removal {
        /// What goes.
        removes: Vec<String>,
        /// What stays.
        stays: Vec<String>,
    },
    /// It was done, but not all of it.
    Remains {
        /// What remains, and why.
        what: String,
    },
    /// An answer that this version does not know.
    #[serde(other)]
    Unknown,
}

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "is")]
pub enum Outcome {
    /// It took effect.
    Done {
        /// What it brought.
        answer: Answer,
    },
    /// It did not take effect; trying again may help.
    Failed {
        /// Why.
        refusal: Refusal,
    },
    /// Its guard said no; trying again does not help.
    Refused {
        /// Why.
        refusal: Refusal,
    },
    /// It was revoked: it has no effect and never will have.
    Revoked,
    /// Whether it took effect cannot be found out, and it will not be repeated.
    InDoubt {
        /// What is known.
        refusal: Refusal,
    },
    /// An outcome that this version does not know.
    #[serde(other)]
    Unknown,
}

impl Outcome {
    /// Done, with nothing to say.
    pub fn done() -> Self {
        Outcome::Done { answer: Answer::Nothing }
    }
}
