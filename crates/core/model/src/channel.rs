//! What server and agent say to each other. Fields are only added, with defaults; a tag that is not known decodes to
//! *unknown* and never ends the stream.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::command::{Command, Mark, Outcome};
use crate::host::{HostFacts, Load};
use crate::ids::{AgentId, InstallationId, SessionId, StepNo};
use crate::refresher::RefresherKind;
use crate::seen::Seen;
use crate::time::{Ms, Timestamp};
use crate::upload::UploadAsk;

/// The version of the protocol; raised when a command or a message kind is added.
pub const PROTOCOL: u32 = 1;

/// The oldest version of the protocol that this one can still be spoken with. Messages are only added to, so it rises only
/// when something is given up.
pub const OLDEST_PROTOCOL: u32 = 1;

/// How often each side speaks when it has nothing to say.
pub const HEARTBEAT_MS: Ms = 3_000;

/// How long an agent may take to open a stream that it was asked for.
pub const STREAM_TICKET_MS: Ms = 10_000;

/// How long an agent may look for a refresher before it gives up.
pub const REFRESH_LIMIT_MS: Ms = 120_000;

/// The most byte streams that one agent has open.
pub const MOST_STREAMS: usize = 10;

/// The largest picture of a screen, in bytes: in base64 it is one message, and leaves room for others.
pub const MOST_PICTURE_BYTES: usize = 2 << 20;

/// The first word of an agent on a connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The protocol it speaks.
    pub protocol: u32,
    /// The oldest that it can still be spoken to with; one that does not say it knows no newer than that it speaks.
    #[serde(default)]
    pub oldest: u32,
    /// Which agent.
    pub agent: AgentId,
    /// The agent's version.
    pub version: String,
    /// The installation it belongs to.
    pub installation: InstallationId,
    /// The agent's journal: a random id made with the journal file.
    pub journal: Uuid,
    /// The agent's starts, counted in the journal.
    pub run: u64,
    /// The kernel's boot id, settable for tests.
    pub host_boot: String,
    /// The highest epoch it has met.
    pub epoch: u32,
    /// What it says of its computer.
    pub host: HostFacts,
}

/// From the server to an agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "say")]
pub enum ToAgent {
    /// The answer to hello: the session is open.
    Welcome {
        /// The session, which every report carries.
        session: SessionId,
        /// The server's epoch; the agent remembers the highest.
        epoch: u32,
    },
    /// Carry this out, once. Sent again with the same number it is the same step.
    Do {
        /// The number.
        no: StepNo,
        /// The lowest number for which an outcome may still be asked; what is below is forgotten, and refused when
        /// it arrives late.
        floor: StepNo,
        /// What to write on what it makes.
        mark: Mark,
        /// Whether this takes back what the step with this mark made.
        undo: bool,
        /// What to do.
        command: Box<Command>,
    },
    /// Do not begin this step, or stop it where it can be stopped, and say how it ended.
    Revoke {
        /// The step.
        no: StepNo,
        /// As in `Do`.
        floor: StepNo,
    },
    /// Send a full picture.
    Picture,
    /// A question whose answer is not recorded.
    Ask {
        /// Echoed in the answer.
        question: u64,
        /// What is asked.
        query: Query,
    },
    /// Open a byte stream on this connection, within [`STREAM_TICKET_MS`], or say there why not.
    Open {
        /// The ticket: good once, on this connection.
        stream: Uuid,
        /// To what.
        what: StreamKind,
    },
    /// Still here.
    Heartbeat,
    /// The connection is about to be closed.
    Bye {
        /// Why, in words.
        why: String,
    },
    /// A message that this version does not know.
    #[serde(other)]
    Unknown,
}

/// A question to an agent whose answer is volatile: no job, no record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "what")]
pub enum Query {
    /// A picture of a machine's screen, as PNG. The answer is at most [`MOST_PICTURE_BYTES`].
    Screenshot {
        /// The domain.
        domain: Uuid,
        /// How many pixels wide at most; as wide as the screen where absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        width: Option<u32>,
    },
    /// How a machine or the host was loaded: a [`crate::performance::Performance`], as JSON.
    Performance {
        /// The domain; none for the host.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        domain: Option<Uuid>,
        /// What the asker's clock says. The answer is by that clock.
        now: Timestamp,
        /// From when on.
        from: Timestamp,
        /// Until when.
        to: Timestamp,
        /// How many buckets at most.
        points: u32,
    },
    /// The file systems of the host: [`crate::host_hardware::FileSystem`]s, as JSON.
    FileSystems,
    /// The contents of a file that the guest's agent reads, at most 64 KiB.
    GuestFile {
        /// The domain.
        domain: Uuid,
        /// The file in the guest.
        path: String,
    },
    /// The addresses that the guest has, as its agent tells: `GuestAddress`es in JSON.
    GuestAddresses {
        /// The domain.
        domain: Uuid,
    },
    /// The libvirt definition as XML.
    DefinitionXml {
        /// The domain.
        domain: Uuid,
    },
    /// About uploads to a share: an [`crate::upload::Arrival`], as JSON, or nothing where it was removed.
    Upload {
        /// The share's folder.
        folder: String,
        /// What.
        ask: UploadAsk,
    },
    /// Look anew, and say what differs in reports before this is answered: a [`crate::refresher::Refreshed`], as JSON.
    Refresh {
        /// What for.
        refresher: RefresherKind,
    },
    /// The addresses that the computer has given on a network of its own: [`crate::network::Lease`]s, as JSON.
    Leases {
        /// The network.
        network: String,
    },
    /// What lies in a folder of the host: a [`crate::machine_folder::FolderListing`], as JSON.
    Folder {
        /// The folder, an absolute path within an allowed one.
        path: String,
    },
    /// Machines on the storage that the hypervisor does not know: a [`crate::importable::ImportablesView`], as JSON.
    Importable {
        /// The one whose definition is in this file; all that are found where absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        file: Option<String>,
    },
    /// What lies in the folder of a share: [`crate::library::SeenItem`]s, as JSON.
    Share {
        /// The folder.
        folder: String,
    },
    /// A question that this version does not know.
    #[serde(other)]
    Unknown,
}

/// What a byte stream leads to. Nothing of what passes is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "to")]
pub enum StreamKind {
    /// A machine's screen, keyboard and pointer, as RFB. While the machine is off nothing comes; the stream ends when the
    /// machine does.
    Graphics {
        /// The domain.
        domain: Uuid,
    },
    /// A piece of an upload to a share. The server writes so many bytes; the agent says how that ended, a
    /// [`crate::upload::PieceEnd`] as JSON, as soon as it has all of them or takes no more.
    Upload {
        /// The share's folder.
        folder: String,
        /// Which upload.
        upload: Uuid,
        /// Where in the file the piece begins.
        offset: u64,
        /// How many bytes it has.
        length: u64,
    },
    /// A machine's first serial port. Output begins with what was written since power-on, at most its last 256 KiB, or, on
    /// a machine that is off, with the next start's; the stream outlasts starts and stops.
    Serial {
        /// The domain.
        domain: Uuid,
        /// Whether what comes is typed. Without it nothing reaches the machine.
        #[serde(default)]
        input: bool,
    },
    /// A kind that this version does not know: refused.
    #[serde(other)]
    Unknown,
}

/// From an agent to the server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "say")]
pub enum FromAgent {
    /// The first word.
    Hello(Box<Hello>),
    /// Facts, answers, pictures.
    Report(Box<Report>),
    /// How far a step has come. Volatile.
    Progress {
        /// The step.
        no: StepNo,
        /// How much is done.
        done: u64,
        /// Of how much.
        of: u64,
    },
    /// Still here, and how loaded.
    Heartbeat {
        /// The host's load.
        #[serde(default)]
        load: Load,
    },
    /// An answer to a question.
    Answer {
        /// The question.
        question: u64,
        /// Bytes in base64, or why not.
        answer: Result<String, crate::Refusal>,
    },
    /// The agent is about to stop.
    Bye {
        /// Why, in words.
        why: String,
    },
    /// A message that this version does not know.
    #[serde(other)]
    Unknown,
}

/// A report: facts with their order, and what else there is to say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The session it belongs to.
    pub session: SessionId,
    /// The agent's journal.
    pub journal: Uuid,
    /// The agent's start.
    pub run: u64,
    /// What was seen of machines since the last report.
    #[serde(default)]
    pub facts: Vec<Fact>,
    /// What else.
    pub body: ReportBody,
}

/// What was seen of one machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    /// The domain.
    pub domain: Uuid,
    /// Its place in the agent's run: counted over all of its facts.
    pub seq: u64,
    /// As seen; none when the host does not have it.
    pub seen: Option<Box<Seen>>,
}

/// What a report says beside its facts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "is")]
pub enum ReportBody {
    /// Only facts.
    Facts,
    /// A step has ended. The facts beside it were seen after it.
    Ended {
        /// The step.
        no: StepNo,
        /// How.
        outcome: Outcome,
    },
    /// The facts beside it are all the machines the host has, as of a place in the run: what is not among them, and
    /// has no newer fact, is not there.
    Picture {
        /// The place.
        as_of: u64,
    },
    /// The computer has changed.
    Host {
        /// As it is now.
        host: Box<HostFacts>,
    },
    /// A body that this version does not know.
    #[serde(other)]
    Unknown,
}
