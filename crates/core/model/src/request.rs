//! What can be asked of the engine. Each request becomes a job of its kind.

mod carried;

use serde::{Deserialize, Serialize};

pub use self::carried::{Candidate, CreateVm, EditVm, EnrolAgent, Secret, VmSource};
use crate::access::Role;
use crate::agent::{Certificate, Roles};
use crate::host::EditHost;
use crate::host_group::EditHostGroup;
use crate::ids::{AgentId, HostGroupId, HostId, ItemId, ShareId, TemplateId, TokenId, UserId, ViewId, VmId};
use crate::importable::Importable;
use crate::job::JobKind;
use crate::name::Name;
use crate::new_network::NetworkSpec;
use crate::push::AddHost;
use crate::reserve::OwnReserve;
use crate::setting::Settings;
use crate::template::TemplateSpec;
use crate::time::{Ms, Timestamp};

/// Something asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "ask")]
pub enum Request {
    /// Make a machine.
    CreateVm(Box<CreateVm>),
    /// Start it.
    StartVm {
        /// Which.
        vm: VmId,
    },
    /// Ask its guest to shut down.
    ShutDownVm {
        /// Which.
        vm: VmId,
        /// How long the guest may take, in seconds; the setting when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit_s: Option<u32>,
    },
    /// Cut its power.
    TurnOffVm {
        /// Which.
        vm: VmId,
    },
    /// Pause it.
    PauseVm {
        /// Which.
        vm: VmId,
    },
    /// Resume it.
    ResumeVm {
        /// Which.
        vm: VmId,
    },
    /// Reset it.
    ResetVm {
        /// Which.
        vm: VmId,
    },
    /// Save its state.
    SaveVm {
        /// Which.
        vm: VmId,
    },
    /// Discard its saved state.
    DiscardSavedVm {
        /// Which.
        vm: VmId,
    },
    /// Change name, notes, tags; what is absent stays.
    EditVm {
        /// Which.
        vm: VmId,
        /// What changes.
        edit: EditVm,
    },
    /// Change processors or memory; what is absent stays.
    SetVmHardware {
        /// Which.
        vm: VmId,
        /// Virtual processors.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cpus: Option<u32>,
        /// Memory in MiB.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        memory_mib: Option<u64>,
    },
    /// Attach a new disk.
    AttachDisk {
        /// Which.
        vm: VmId,
        /// How large, in bytes.
        size_bytes: u64,
    },
    /// Attach a disk again that was detached and whose file was kept.
    ReattachDisk {
        /// Which.
        vm: VmId,
        /// The disk's number.
        disk: u32,
    },
    /// Detach a disk, and delete its file if so asked; or delete the file of one that was detached before.
    DetachDisk {
        /// Which.
        vm: VmId,
        /// The disk's number.
        disk: u32,
        /// Whether its file is deleted.
        delete: bool,
    },
    /// Put an ISO image into the DVD drive, or empty it.
    SetVmMedia {
        /// Which.
        vm: VmId,
        /// The ISO image; none empties the drive.
        item: Option<ItemId>,
    },
    /// Move it to another host while it runs.
    MigrateVm {
        /// Which.
        vm: VmId,
        /// The host; placement chooses when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<HostId>,
    },
    /// Find out which of two hosts has it, and let it be there alone.
    SettleVm {
        /// Which.
        vm: VmId,
        /// The host that keeps it where it is whole on both.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        keep: Option<HostId>,
    },
    /// Delete it, or forget it and keep its disks.
    DeleteVm {
        /// Which.
        vm: VmId,
        /// Whether its disks are deleted.
        disks: bool,
    },
    /// Take a found machine over.
    AdoptVm {
        /// Which.
        vm: VmId,
    },
    /// Define a machine that lies on a host's storage, and manage it.
    ImportVm {
        /// On which host.
        host: HostId,
        /// What its agent found.
        found: Box<Importable>,
        /// What it is to be called; as its definition says when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<Name>,
    },
    /// Read it anew.
    RefreshVm {
        /// Which.
        vm: VmId,
    },
    /// Read a host anew.
    RefreshHost {
        /// Which.
        host: HostId,
    },
    /// Stop a host's machines as each says, restart it, and start again what was stopped.
    RestartHost {
        /// Which.
        host: HostId,
    },
    /// Stop a host's machines as each says, and shut it down.
    ShutDownHost {
        /// Which.
        host: HostId,
    },
    /// Change what administrators set for a host.
    EditHost {
        /// Which.
        host: HostId,
        /// What changes.
        // Jobs of before kept the whole specification under this name.
        #[serde(alias = "spec")]
        edit: EditHost,
    },
    /// Make a folder on a host.
    MakeFolder {
        /// Which host.
        host: HostId,
        /// The folder, an absolute path within an allowed one.
        path: String,
    },
    /// Put a host into another group.
    MoveHost {
        /// Which.
        host: HostId,
        /// Into which group.
        to: HostGroupId,
    },
    /// Make a group of hosts.
    CreateHostGroup {
        /// In which group; none for *All Hosts*, which Hostler makes once.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        parent: Option<HostGroupId>,
        /// Its name.
        name: Name,
        /// Free text.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        notes: String,
        /// What it sets of what is kept for each host itself.
        #[serde(default, skip_serializing_if = "OwnReserve::is_empty")]
        reserve: OwnReserve,
        /// Whether data may travel between its hosts without encryption; as in the group above when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        unencrypted_transfers: Option<bool>,
    },
    /// Change a group of hosts; what is absent stays.
    EditHostGroup {
        /// Which.
        group: HostGroupId,
        /// What changes.
        edit: EditHostGroup,
    },
    /// Put a group of hosts into another one.
    MoveHostGroup {
        /// Which.
        group: HostGroupId,
        /// Into which group.
        to: HostGroupId,
    },
    /// Delete a group of hosts, in which there are neither hosts nor groups.
    DeleteHostGroup {
        /// Which.
        group: HostGroupId,
    },
    /// Make a network on hosts.
    CreateNetwork {
        /// What it is to be.
        network: NetworkSpec,
        /// On which hosts.
        hosts: Vec<HostId>,
    },
    /// Remove a network from hosts.
    RemoveNetwork {
        /// Its name.
        name: String,
        /// From which hosts.
        hosts: Vec<HostId>,
    },
    /// Declare that a host will never return.
    DeclareHostDead {
        /// Which.
        host: HostId,
        /// Its name, typed: what will be lost is meant.
        confirm: String,
    },
    /// Install an agent on a computer by SSH, and let it in.
    AddHost(Box<AddHost>),
    /// Let an agent in that came with a token.
    EnrolAgent(Box<EnrolAgent>),
    /// Note which of its certificates an agent uses, and give it another.
    RenewAgent {
        /// Which.
        agent: AgentId,
        /// The serial number of the certificate with which it is connected, hexadecimal.
        uses: String,
        /// The certificate that it is given; none when only the use is noted.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        next: Option<Certificate>,
    },
    /// Remove an agent with its host, its shares and the record of its machines.
    RemoveAgent {
        /// Which.
        agent: AgentId,
        /// Whether it may have machines or shares, or be silent.
        force: bool,
        /// Whether what is the agent's on its computer stays there.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        keep: bool,
    },
    /// Put another agent program in the place of the one that an agent is. Machines run on.
    UpgradeAgent {
        /// Which.
        agent: AgentId,
        /// Whether also where it has this version already.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        force: bool,
        /// The program's version. The server says what it has: nobody asks for another.
        #[serde(default)]
        version: String,
        /// SHA-256 of the program, hexadecimal.
        #[serde(default)]
        sha256: String,
        /// How long the program is, in bytes.
        #[serde(default)]
        size_bytes: u64,
    },
    /// Add a library share.
    AddShare {
        /// Its name.
        name: Name,
        /// The agent on whose computer it lies.
        agent: AgentId,
        /// The folder, an absolute path.
        folder: String,
    },
    /// Read a share anew.
    RefreshShare {
        /// Which.
        share: ShareId,
    },
    /// Remove a share from the record; its files stay.
    RemoveShare {
        /// Which.
        share: ShareId,
    },
    /// Make a template.
    CreateTemplate {
        /// What it says.
        spec: TemplateSpec,
    },
    /// Change a template.
    EditTemplate {
        /// Which.
        template: TemplateId,
        /// From now on.
        spec: TemplateSpec,
    },
    /// Delete a template.
    DeleteTemplate {
        /// Which.
        template: TemplateId,
    },
    /// Make a user.
    CreateUser {
        /// The name to sign in with.
        name: Name,
        /// What the user may do.
        role: Role,
        /// The argon2id hash of the password.
        hash: Secret,
    },
    /// Change a user; what is absent stays.
    EditUser {
        /// Which.
        user: UserId,
        /// What the user may do.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        role: Option<Role>,
        /// Whether the user is shut out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        disabled: Option<bool>,
        /// The argon2id hash of a new password.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hash: Option<Secret>,
    },
    /// Delete a user with their tokens.
    DeleteUser {
        /// Which.
        user: UserId,
    },
    /// Make a token.
    CreateToken {
        /// Whose.
        user: UserId,
        /// What it is for.
        name: Name,
        /// SHA-256 of the token.
        sha256: Secret,
        /// When it runs out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expires: Option<Timestamp>,
        /// Whether it was made by signing in.
        #[serde(default)]
        session: bool,
    },
    /// Revoke a token.
    RevokeToken {
        /// Which.
        token: TokenId,
    },
    /// Make a token for enrolment.
    CreateEnrolment {
        /// SHA-256 of the token.
        sha256: Secret,
        /// What the computer may serve as.
        roles: Roles,
        /// The only host name it is good for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        host_name: Option<String>,
        /// The group that the host is put into; *All Hosts* when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        group: Option<HostGroupId>,
        /// How long it is good for, in milliseconds.
        valid_ms: Ms,
    },
    /// Save a view, in the place of the user's view of this page and name, if there is one.
    SaveView {
        /// Whose.
        user: UserId,
        /// Of which page of the console.
        page: String,
        /// What it is called.
        name: Name,
        /// What the page shows.
        state: String,
    },
    /// Delete a saved view.
    DeleteView {
        /// Which.
        view: ViewId,
    },
    /// Change the settings.
    SetSettings {
        /// From now on.
        settings: Settings,
    },
    /// The record follows what a host or share showed. Made by the engine, never asked.
    Refresher {
        /// What had changed, in words.
        what: String,
    },
    /// A request that this version does not know: kept in an old store by a newer version.
    #[serde(other)]
    Unknown,
}

impl Request {
    /// The kind of job it becomes.
    pub fn kind(&self) -> JobKind {
        match self {
            Request::CreateVm(_) => JobKind::CreateVm,
            Request::StartVm { .. } => JobKind::StartVm,
            Request::ShutDownVm { .. } => JobKind::ShutDownVm,
            Request::TurnOffVm { .. } => JobKind::TurnOffVm,
            Request::PauseVm { .. } => JobKind::PauseVm,
            Request::ResumeVm { .. } => JobKind::ResumeVm,
            Request::ResetVm { .. } => JobKind::ResetVm,
            Request::SaveVm { .. } => JobKind::SaveVm,
            Request::DiscardSavedVm { .. } => JobKind::DiscardSavedVm,
            Request::EditVm { .. } => JobKind::EditVm,
            Request::SetVmHardware { .. } => JobKind::SetVmHardware,
            Request::AttachDisk { .. } | Request::ReattachDisk { .. } => JobKind::AttachDisk,
            Request::DetachDisk { .. } => JobKind::DetachDisk,
            Request::SetVmMedia { .. } => JobKind::SetVmMedia,
            Request::MigrateVm { .. } => JobKind::MigrateVm,
            Request::SettleVm { .. } => JobKind::SettleVm,
            Request::DeleteVm { .. } => JobKind::DeleteVm,
            Request::AdoptVm { .. } => JobKind::AdoptVm,
            Request::ImportVm { .. } => JobKind::ImportVm,
            Request::RefreshVm { .. } => JobKind::RefreshVm,
            Request::RefreshHost { .. } => JobKind::RefreshHost,
            Request::RestartHost { .. } => JobKind::RestartHost,
            Request::ShutDownHost { .. } => JobKind::ShutDownHost,
            Request::EditHost { .. } => JobKind::EditHost,
            Request::MakeFolder { .. } => JobKind::MakeFolder,
            Request::MoveHost { .. } => JobKind::MoveHost,
            Request::CreateHostGroup { .. } => JobKind::CreateHostGroup,
            Request::EditHostGroup { .. } => JobKind::EditHostGroup,
            Request::MoveHostGroup { .. } => JobKind::MoveHostGroup,
            Request::DeleteHostGroup { .. } => JobKind::DeleteHostGroup,
            Request::CreateNetwork { .. } => JobKind::CreateNetwork,
            Request::RemoveNetwork { .. } => JobKind::RemoveNetwork,
            Request::DeclareHostDead { .. } => JobKind::DeclareHostDead,
            Request::AddHost(_) => JobKind::AddHost,
            Request::EnrolAgent(_) => JobKind::EnrolAgent,
            Request::RenewAgent { .. } => JobKind::RenewAgent,
            Request::RemoveAgent { .. } => JobKind::RemoveAgent,
            Request::UpgradeAgent { .. } => JobKind::UpgradeAgent,
            Request::AddShare { .. } => JobKind::AddShare,
            Request::RefreshShare { .. } => JobKind::RefreshShare,
            Request::RemoveShare { .. } => JobKind::RemoveShare,
            Request::CreateTemplate { .. } => JobKind::CreateTemplate,
            Request::EditTemplate { .. } => JobKind::EditTemplate,
            Request::DeleteTemplate { .. } => JobKind::DeleteTemplate,
            Request::CreateUser { .. } => JobKind::CreateUser,
            Request::EditUser { .. } => JobKind::EditUser,
            Request::DeleteUser { .. } => JobKind::DeleteUser,
            Request::CreateToken { .. } => JobKind::CreateToken,
            Request::RevokeToken { .. } => JobKind::RevokeToken,
            Request::CreateEnrolment { .. } => JobKind::CreateEnrolment,
            Request::SaveView { .. } => JobKind::SaveView,
            Request::DeleteView { .. } => JobKind::DeleteView,
            Request::SetSettings { .. } => JobKind::SetSettings,
            Request::Refresher { .. } => JobKind::Refresher,
            Request::Unknown => JobKind::Unknown,
        }
    }

    /// Whether it holds a secret that no record keeps, so that it cannot be run again from its job.
    pub fn holds_secret(&self) -> bool {
        match self {
            Request::CreateUser { .. }
            | Request::CreateToken { .. }
            | Request::CreateEnrolment { .. }
            | Request::AddHost(_) => true,
            Request::EditUser { hash, .. } => hash.is_some(),
            _ => false,
        }
    }
}
