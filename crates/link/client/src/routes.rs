//! One method per route. Things are named as people name them: by id, by name, or by the last six or more digits of an
//! id.

use std::time::Duration;

use bytes::Bytes;
use hostler_model::body::{
    BackupMade, ChangeDvd, ChangeHardware, ChangePassword, ChangeUser, DeclareDead, FeedEvent, Migrate,
    MoveTo, NewBackup, NewDisk, NewEnrolment, NewHostGroup, NewShare, NewToken, NewUser, SaveView, Settle,
    ShutDown, SignIn, SignedIn, TokenMade,
};
use hostler_model::host::EditHost;
use hostler_model::host_group::EditHostGroup;
use hostler_model::host_hardware::FileSystem;
use hostler_model::library::ItemKind;
use hostler_model::performance::Performance;
use hostler_model::push::{AskHostKeys, HostKey, NewHost};
use hostler_model::request::{CreateVm, EditVm};
use hostler_model::setting::SettingView;
use hostler_model::template::TemplateSpec;
use hostler_model::upload::{NewUpload, UploadView};
use hostler_model::view::{
    AgentView, EnrolmentView, GuestAddress, HostGroupView, HostView, ItemView, JobView, Page,
    PropertyChangeView, RatingView, SavedViewView, ServerView, ShareView, TemplateView, TokenView, UserView,
    VmView,
};
use hostler_model::{JobId, action::VmAction};
use reqwest::Method;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::client::{Changed, Client, How};
use crate::error::ClientError;
use crate::query::{HistoryQuery, JobsQuery, ListQuery, PerformanceQuery};

type Answer<T> = Result<T, ClientError>;

/// How long a piece of an upload may take on a slow line.
const PIECE: Duration = Duration::from_secs(600);

const NOTHING: [(&str, &str); 0] = [];

impl Client {
    /// Whether the server is well: what `/healthz` says.
    pub async fn health(&self) -> Answer<String> {
        let response = self.send(self.request(Method::GET, self.outside(&["healthz"]))).await?;
        response.text().await.map_err(|error| ClientError::of(self.server(), &error))
    }

    /// Signs in. The answer holds the token.
    pub async fn sign_in(&self, body: &SignIn) -> Answer<SignedIn> {
        let response = self.send(self.request(Method::POST, self.at(&["sign-in"])?).json(body)).await?;
        self.read(response).await
    }

    /// Signs out: the token in use is good no more.
    pub async fn sign_out(&self) -> Answer<()> {
        self.send(self.request(Method::POST, self.at(&["sign-out"])?)).await.map(drop)
    }

    /// Who the token in use is.
    pub async fn me(&self) -> Answer<UserView> {
        self.get(&["me"]).await
    }

    /// Changes one's own password. All sessions end.
    pub async fn change_password(&self, body: &ChangePassword, how: &How) -> Answer<Changed> {
        self.change(Method::PUT, &["me", "password"], how, &NOTHING, Some(body)).await
    }

    /// Tokens: one's own, or another user's.
    pub async fn tokens(&self, user: Option<&str>, query: &ListQuery) -> Answer<Page<TokenView>> {
        #[derive(Serialize)]
        struct Of<'a> {
            #[serde(skip_serializing_if = "Option::is_none")]
            user: Option<&'a str>,
        }
        let request = self.request(Method::GET, self.at(&["tokens"])?).query(&Of { user }).query(query);
        let response = self.send(request).await?;
        self.read(response).await
    }

    /// Makes a token for oneself. It is shown this once.
    pub async fn create_token(&self, body: &NewToken, how: &How) -> Answer<Changed<TokenMade>> {
        self.change(Method::POST, &["tokens"], how, &NOTHING, Some(body)).await
    }

    /// Revokes a token.
    pub async fn revoke_token(&self, token: &str, how: &How) -> Answer<Changed> {
        self.delete(&["tokens", token], how, &NOTHING).await
    }

    /// The views that one saved.
    pub async fn my_views(&self, query: &ListQuery) -> Answer<Page<SavedViewView>> {
        self.get_with(&["me", "views"], query).await
    }

    /// A view that one saved.
    pub async fn my_view(&self, page: &str, name: &str) -> Answer<SavedViewView> {
        self.get(&["me", "views", page, name]).await
    }

    /// Saves a view of a page, in the place of the one that has this name.
    pub async fn save_my_view(&self, page: &str, name: &str, body: &SaveView, how: &How) -> Answer<Changed> {
        self.change(Method::PUT, &["me", "views", page, name], how, &NOTHING, Some(body)).await
    }

    /// Deletes a view that one saved.
    pub async fn delete_my_view(&self, page: &str, name: &str, how: &How) -> Answer<Changed> {
        self.delete(&["me", "views", page, name], how, &NOTHING).await
    }

    /// Of each thing of a list, as `["vms"]`, only these fields.
    pub async fn fields_of(
        &self,
        list: &[&str],
        fields: &[&str],
        query: &ListQuery,
    ) -> Answer<Page<Map<String, Value>>> {
        let request = self.request(Method::GET, self.at(list)?).query(query);
        let response = self.send(request.query(&[("fields", fields.join(","))])).await?;
        self.read(response).await
    }

    /// Users.
    pub async fn users(&self, query: &ListQuery) -> Answer<Page<UserView>> {
        self.get_with(&["users"], query).await
    }

    /// A user.
    pub async fn user(&self, user: &str) -> Answer<UserView> {
        self.get(&["users", user]).await
    }

    /// Makes a user.
    pub async fn create_user(&self, body: &NewUser, how: &How) -> Answer<Changed> {
        self.change(Method::POST, &["users"], how, &NOTHING, Some(body)).await
    }

    /// Changes a user.
    pub async fn edit_user(&self, user: &str, body: &ChangeUser, how: &How) -> Answer<Changed> {
        self.change(Method::PATCH, &["users", user], how, &NOTHING, Some(body)).await
    }

    /// Deletes a user with their tokens.
    pub async fn delete_user(&self, user: &str, how: &How) -> Answer<Changed> {
        self.delete(&["users", user], how, &NOTHING).await
    }

    /// Machines.
    pub async fn vms(&self, query: &ListQuery) -> Answer<Page<VmView>> {
        self.get_with(&["vms"], query).await
    }

    /// A machine; as it was at a time or a revision, where that is given.
    pub async fn vm(&self, vm: &str, as_of: Option<&str>) -> Answer<VmView> {
        let as_of: Vec<(&str, &str)> = as_of.iter().map(|at| ("as_of", *at)).collect();
        self.get_with(&["vms", vm], &as_of).await
    }

    /// The versions of a machine, newest first.
    pub async fn vm_history(&self, vm: &str, query: &HistoryQuery) -> Answer<Page<FeedEvent>> {
        self.get_with(&["vms", vm, "history"], query).await
    }

    /// The machine's screen as a PNG image, at most so many pixels wide.
    pub async fn vm_screenshot(&self, vm: &str, width: Option<u32>) -> Answer<Bytes> {
        let width: Vec<(&str, u32)> = width.iter().map(|width| ("width", *width)).collect();
        self.get_bytes(&["vms", vm, "screenshot"], &width).await
    }

    /// How a machine was loaded over the last day.
    pub async fn vm_performance(&self, vm: &str, query: &PerformanceQuery) -> Answer<Performance> {
        self.get_with(&["vms", vm, "performance"], query).await
    }

    /// How a host was loaded over the last day.
    pub async fn host_performance(&self, host: &str, query: &PerformanceQuery) -> Answer<Performance> {
        self.get_with(&["hosts", host, "performance"], query).await
    }

    /// The file systems of a host, and how much is free on them now.
    pub async fn host_file_systems(&self, host: &str) -> Answer<Vec<FileSystem>> {
        self.get(&["hosts", host, "file-systems"]).await
    }

    /// The addresses that its guest has, as the guest's agent tells.
    pub async fn vm_addresses(&self, vm: &str) -> Answer<Vec<GuestAddress>> {
        self.get(&["vms", vm, "addresses"]).await
    }

    /// The machine's definition on its host, libvirt's XML.
    pub async fn vm_definition(&self, vm: &str) -> Answer<Bytes> {
        self.get_bytes(&["vms", vm, "definition"], &NOTHING).await
    }

    /// A file inside the guest, read by the guest's agent.
    pub async fn vm_guest_file(&self, vm: &str, path: &str) -> Answer<Bytes> {
        self.get_bytes(&["vms", vm, "guest-file"], &[("path", path)]).await
    }

    /// Makes a machine.
    pub async fn create_vm(&self, body: &CreateVm, how: &How) -> Answer<Changed> {
        self.change(Method::POST, &["vms"], how, &NOTHING, Some(body)).await
    }

    /// Changes name, notes or tags of a machine.
    pub async fn edit_vm(&self, vm: &str, body: &EditVm, how: &How) -> Answer<Changed> {
        self.change(Method::PATCH, &["vms", vm], how, &NOTHING, Some(body)).await
    }

    /// Deletes a machine with its disks, or forgets it and leaves them.
    pub async fn delete_vm(&self, vm: &str, disks: bool, how: &How) -> Answer<Changed> {
        self.delete(&["vms", vm], how, &[("disks", disks)]).await
    }

    /// Does what needs nothing but the machine: start, turn off, pause, resume, reset, save, discard the saved state,
    /// adopt, refresh.
    pub async fn act_on_vm(&self, vm: &str, action: VmAction, how: &How) -> Answer<Changed> {
        self.change(Method::POST, &["vms", vm, action.word()], how, &NOTHING, None).await
    }

    /// Asks the guest to shut down.
    pub async fn shut_down_vm(&self, vm: &str, body: &ShutDown, how: &How) -> Answer<Changed> {
        self.change(Method::POST, &["vms", vm, "shut-down"], how, &NOTHING, Some(body)).await
    }

    /// Moves a running machine to another host.
    pub async fn migrate_vm(&self, vm: &str, body: &Migrate, how: &How) -> Answer<Changed> {
        self.change(Method::POST, &["vms", vm, "migrate"], how, &NOTHING, Some(body)).await
    }

    /// Rates every other host for a machine that is to move, best first.
    pub async fn migration_targets(&self, vm: &str) -> Answer<Vec<RatingView>> {
        self.get(&["vms", vm, "migration-targets"]).await
    }

    /// Finds out which of two hosts has a machine.
    pub async fn settle_vm(&self, vm: &str, body: &Settle, how: &How) -> Answer<Changed> {
        self.change(Method::POST, &["vms", vm, "settle"], how, &NOTHING, Some(body)).await
    }

    /// Changes processors or memory of a machine.
    pub async fn set_vm_hardware(&self, vm: &str, body: &ChangeHardware, how: &How) -> Answer<Changed> {
        self.change(Method::PATCH, &["vms", vm, "hardware"], how, &NOTHING, Some(body)).await
    }

    /// Attaches a new disk, or again one that was detached.
    pub async fn attach_disk(&self, vm: &str, body: &NewDisk, how: &How) -> Answer<Changed> {
        self.change(Method::POST, &["vms", vm, "disks"], how, &NOTHING, Some(body)).await
    }

    /// Detaches a disk, and deletes its file where asked; also of one that was detached before.
    pub async fn detach_disk(&self, vm: &str, disk: u32, delete: bool, how: &How) -> Answer<Changed> {
        self.delete(&["vms", vm, "disks", &disk.to_string()], how, &[("delete", delete)]).await
    }

    /// Puts an ISO image into the DVD drive, or empties it.
    pub async fn set_dvd(&self, vm: &str, body: &ChangeDvd, how: &How) -> Answer<Changed> {
        self.change(Method::PUT, &["vms", vm, "dvd"], how, &NOTHING, Some(body)).await
    }

    /// Rates every host for a machine, best first.
    pub async fn rate(&self, body: &CreateVm) -> Answer<Vec<RatingView>> {
        let response = self.send(self.request(Method::POST, self.at(&["ratings"])?).json(body)).await?;
        self.read(response).await
    }

    /// Hosts.
    pub async fn hosts(&self, query: &ListQuery) -> Answer<Page<HostView>> {
        self.get_with(&["hosts"], query).await
    }

    /// A host.
    pub async fn host(&self, host: &str) -> Answer<HostView> {
        self.get(&["hosts", host]).await
    }

    /// The versions of a host, newest first.
    pub async fn host_history(&self, host: &str, query: &HistoryQuery) -> Answer<Page<FeedEvent>> {
        self.get_with(&["hosts", host, "history"], query).await
    }

    /// Stops a host's machines as each says, restarts it, and starts again what was stopped.
    pub async fn restart_host(&self, host: &str, how: &How) -> Answer<Changed> {
        self.change(Method::POST, &["hosts", host, "restart"], how, &NOTHING, None).await
    }

    /// Stops a host's machines as each says, and shuts it down.
    pub async fn shut_down_host(&self, host: &str, how: &How) -> Answer<Changed> {
        self.change(Method::POST, &["hosts", host, "shut-down"], how, &NOTHING, None).await
    }

    /// Changes what administrators set for a host; what is absent stays.
    pub async fn edit_host(&self, host: &str, body: &EditHost, how: &How) -> Answer<Changed> {
        self.change(Method::PATCH, &["hosts", host], how, &NOTHING, Some(body)).await
    }

    /// Puts a host into another group.
    pub async fn move_host(&self, host: &str, body: &MoveTo, how: &How) -> Answer<Changed> {
        self.change(Method::POST, &["hosts", host, "move"], how, &NOTHING, Some(body)).await
    }

    /// Groups of hosts, with the hosts and machines in and below each.
    pub async fn host_groups(&self, query: &ListQuery) -> Answer<Page<HostGroupView>> {
        self.get_with(&["host-groups"], query).await
    }

    /// A group of hosts, by path (`/All Hosts/Site A`) or id.
    pub async fn host_group(&self, group: &str) -> Answer<HostGroupView> {
        self.get(&["host-groups", group]).await
    }

    /// The versions of a group of hosts, newest first.
    pub async fn host_group_history(&self, group: &str, query: &HistoryQuery) -> Answer<Page<FeedEvent>> {
        self.get_with(&["host-groups", group, "history"], query).await
    }

    /// Makes a group of hosts.
    pub async fn create_host_group(&self, body: &NewHostGroup, how: &How) -> Answer<Changed> {
        self.change(Method::POST, &["host-groups"], how, &NOTHING, Some(body)).await
    }

    /// Changes a group of hosts; what is absent stays.
    pub async fn edit_host_group(&self, group: &str, body: &EditHostGroup, how: &How) -> Answer<Changed> {
        self.change(Method::PATCH, &["host-groups", group], how, &NOTHING, Some(body)).await
    }

    /// Puts a group of hosts, with all that is in it, into another one.
    pub async fn move_host_group(&self, group: &str, body: &MoveTo, how: &How) -> Answer<Changed> {
        self.change(Method::POST, &["host-groups", group, "move"], how, &NOTHING, Some(body)).await
    }

    /// Deletes a group of hosts in which there are neither hosts nor groups.
    pub async fn delete_host_group(&self, group: &str, how: &How) -> Answer<Changed> {
        self.delete(&["host-groups", group], how, &NOTHING).await
    }

    /// Reads a host anew.
    pub async fn refresh_host(&self, host: &str, how: &How) -> Answer<Changed> {
        self.change(Method::POST, &["hosts", host, "refresh"], how, &NOTHING, None).await
    }

    /// Declares that a host will never return.
    pub async fn declare_host_dead(&self, host: &str, body: &DeclareDead, how: &How) -> Answer<Changed> {
        self.change(Method::POST, &["hosts", host, "declare-dead"], how, &NOTHING, Some(body)).await
    }

    /// Library shares.
    pub async fn shares(&self, query: &ListQuery) -> Answer<Page<ShareView>> {
        self.get_with(&["library-shares"], query).await
    }

    /// A library share.
    pub async fn share(&self, share: &str) -> Answer<ShareView> {
        self.get(&["library-shares", share]).await
    }

    /// Adds a library share.
    pub async fn add_share(&self, body: &NewShare, how: &How) -> Answer<Changed> {
        self.change(Method::POST, &["library-shares"], how, &NOTHING, Some(body)).await
    }

    /// Reads a library share anew.
    pub async fn refresh_share(&self, share: &str, how: &How) -> Answer<Changed> {
        self.change(Method::POST, &["library-shares", share, "refresh"], how, &NOTHING, None).await
    }

    /// Begins to upload a file into a library share, or goes on with one of the same content.
    pub async fn begin_upload(&self, share: &str, body: &NewUpload) -> Answer<UploadView> {
        let request = self.request(Method::POST, self.at(&["library-shares", share, "uploads"])?).json(body);
        let response = self.send(request).await?;
        self.read(response).await
    }

    /// How far an upload is.
    pub async fn upload(&self, upload: &str) -> Answer<UploadView> {
        self.get(&["uploads", upload]).await
    }

    /// Sends a piece of an upload, from `offset` on.
    pub async fn put_upload(&self, upload: &str, offset: u64, piece: Vec<u8>) -> Answer<UploadView> {
        let request = self.request(Method::PUT, self.at(&["uploads", upload])?).timeout(PIECE);
        let request = request.query(&[("offset", offset)]).body(piece);
        let response = self.send(request).await?;
        self.read(response).await
    }

    /// Gives up an upload.
    pub async fn remove_upload(&self, upload: &str) -> Answer<()> {
        self.send(self.request(Method::DELETE, self.at(&["uploads", upload])?)).await.map(drop)
    }

    /// Has an upload that has arrived named, and its share read anew.
    pub async fn finish_upload(&self, upload: &str, how: &How) -> Answer<Changed> {
        self.change(Method::POST, &["uploads", upload, "finish"], how, &NOTHING, None).await
    }

    /// Removes a library share from the record; its files stay.
    pub async fn remove_share(&self, share: &str, how: &How) -> Answer<Changed> {
        self.delete(&["library-shares", share], how, &NOTHING).await
    }

    /// Library items: of all shares, or of one.
    pub async fn items(&self, share: Option<&str>, query: &ListQuery) -> Answer<Page<ItemView>> {
        let share: Vec<(&str, &str)> = share.iter().map(|share| ("share", *share)).collect();
        let request = self.request(Method::GET, self.at(&["library-items"])?).query(&share).query(query);
        let response = self.send(request).await?;
        self.read(response).await
    }

    /// A library item.
    pub async fn item(&self, item: &str) -> Answer<ItemView> {
        self.get(&["library-items", item]).await
    }

    /// A library item that can be used as this: one that is not, or is missing, does not get in the way of one that is.
    pub async fn usable_item(&self, item: &str, wanted: ItemKind) -> Answer<ItemView> {
        self.get_with(&["library-items", item], &[("usable_as", wanted)]).await
    }

    /// Templates.
    pub async fn templates(&self, query: &ListQuery) -> Answer<Page<TemplateView>> {
        self.get_with(&["templates"], query).await
    }

    /// A template.
    pub async fn template(&self, template: &str) -> Answer<TemplateView> {
        self.get(&["templates", template]).await
    }

    /// Makes a template.
    pub async fn create_template(&self, body: &TemplateSpec, how: &How) -> Answer<Changed> {
        self.change(Method::POST, &["templates"], how, &NOTHING, Some(body)).await
    }

    /// Changes a template, whole.
    pub async fn edit_template(&self, template: &str, body: &TemplateSpec, how: &How) -> Answer<Changed> {
        self.change(Method::PUT, &["templates", template], how, &NOTHING, Some(body)).await
    }

    /// Deletes a template.
    pub async fn delete_template(&self, template: &str, how: &How) -> Answer<Changed> {
        self.delete(&["templates", template], how, &NOTHING).await
    }

    /// Jobs, newest first.
    pub async fn jobs(&self, query: &JobsQuery) -> Answer<Page<JobView>> {
        self.get_with(&["jobs"], query).await
    }

    /// A job.
    pub async fn job(&self, job: JobId) -> Answer<JobView> {
        self.get(&["jobs", &job.to_string()]).await
    }

    /// A job, and the cursor behind which the feed tells what happened to it since.
    pub(crate) async fn job_tagged(&self, job: JobId) -> Answer<(JobView, Option<String>)> {
        self.get_tagged(&["jobs", &job.to_string()]).await
    }

    /// What a job changed: property, value before, value after.
    pub async fn job_changes(&self, job: JobId) -> Answer<Vec<PropertyChangeView>> {
        self.get(&["jobs", &job.to_string(), "changes"]).await
    }

    /// Cancels a job: it is taken back if it can be.
    pub async fn cancel_job(&self, job: JobId, how: &How) -> Answer<Changed> {
        self.change(Method::POST, &["jobs", &job.to_string(), "cancel"], how, &NOTHING, None).await
    }

    /// Ends a job for its caller, while what a host owes stands.
    pub async fn abandon_job(&self, job: JobId, how: &How) -> Answer<Changed> {
        self.change(Method::POST, &["jobs", &job.to_string(), "abandon"], how, &NOTHING, None).await
    }

    /// Asks for the same again, as a new job.
    pub async fn again(&self, job: JobId, how: &How) -> Answer<Changed> {
        self.change(Method::POST, &["jobs", &job.to_string(), "again"], how, &NOTHING, None).await
    }

    /// Agents.
    pub async fn agents(&self, query: &ListQuery) -> Answer<Page<AgentView>> {
        self.get_with(&["agents"], query).await
    }

    /// An agent.
    pub async fn agent(&self, agent: &str) -> Answer<AgentView> {
        self.get(&["agents", agent]).await
    }

    /// Removes an agent with its host and shares; with `force` also where it has machines or is silent, with `keep` without
    /// anything being removed on its computer.
    pub async fn remove_agent(&self, agent: &str, force: bool, keep: bool, how: &How) -> Answer<Changed> {
        self.delete(&["agents", agent], how, &[("force", force), ("keep", keep)]).await
    }

    /// Puts the server's agent program in the place of the one that an agent is; with `force` also the same version.
    pub async fn upgrade_agent(&self, agent: &str, force: bool, how: &How) -> Answer<Changed> {
        self.change(Method::POST, &["agents", agent, "upgrade"], how, &[("force", force)], None).await
    }

    /// The SSH host keys that a computer shows to the server, best first.
    pub async fn host_keys(&self, body: &AskHostKeys) -> Answer<Vec<HostKey>> {
        let response = self.send(self.request(Method::POST, self.at(&["host-keys"])?).json(body)).await?;
        self.read(response).await
    }

    /// Adds a host: the server installs the agent there by SSH.
    pub async fn add_host(&self, body: &NewHost, how: &How) -> Answer<Changed> {
        self.change(Method::POST, &["hosts"], how, &NOTHING, Some(body)).await
    }

    /// Enrolment tokens, without the tokens.
    pub async fn enrolments(&self, query: &ListQuery) -> Answer<Page<EnrolmentView>> {
        self.get_with(&["enrolments"], query).await
    }

    /// Makes a token with which one computer can enrol. It is shown this once.
    pub async fn create_enrolment(&self, body: &NewEnrolment, how: &How) -> Answer<Changed<TokenMade>> {
        self.change(Method::POST, &["enrolments"], how, &NOTHING, Some(body)).await
    }

    /// Revokes an enrolment token.
    pub async fn revoke_enrolment(&self, enrolment: &str, how: &How) -> Answer<Changed> {
        self.delete(&["enrolments", enrolment], how, &NOTHING).await
    }

    /// The server itself, with the settings in force.
    pub async fn server_itself(&self) -> Answer<ServerView> {
        self.get(&["server"]).await
    }

    /// What each setting means.
    pub async fn settings_reference(&self) -> Answer<Vec<SettingView>> {
        self.get(&["settings-reference"]).await
    }

    /// Changes settings: the members of `Settings` that are to change; the others stay.
    pub async fn set_settings(&self, changes: &serde_json::Value, how: &How) -> Answer<Changed> {
        self.change(Method::PUT, &["settings"], how, &NOTHING, Some(changes)).await
    }

    /// Writes a backup of the store on the server's computer.
    pub async fn backup(&self, body: &NewBackup) -> Answer<BackupMade> {
        // As long as the store is large.
        let hour = std::time::Duration::from_secs(3_600);
        let request = self.request(Method::POST, self.at(&["backup"])?).timeout(hour);
        let response = self.send(request.json(body)).await?;
        self.read(response).await
    }

    pub(crate) async fn delete(
        &self,
        path: &[&str],
        how: &How,
        query: &(impl Serialize + ?Sized),
    ) -> Answer<Changed> {
        self.change(Method::DELETE, path, how, &query, None).await
    }
}
