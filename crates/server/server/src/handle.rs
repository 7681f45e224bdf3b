//! The one handle on a deciding server: what the REST interface and the tests hold.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hostler_drive::Picture;
use hostler_model::access::Actor;
use hostler_model::agent::Roles;
use hostler_model::channel::{Query, StreamKind};
use hostler_model::host::Load;
use hostler_model::job::{DryRun, Job};
use hostler_model::push::{AskHostKeys, HostKey, SshSecrets};
use hostler_model::request::{CreateVm, Request};
use hostler_model::setting::Settings;
use hostler_model::{
    AgentId, HostGroupId, HostId, InstallationId, JobId, Ms, Object, Refusal, Timestamp, VmId,
};
use hostler_placement::Rating;
use hostler_store::{Reader, StoreError};
use hostler_wire::ByteStream;
use tokio::sync::watch;

use crate::ask;
use crate::decide::Shared;
use crate::news::Watch;
use crate::program::Program;
use crate::push;

/// Something that somebody wants.
#[derive(Clone, Debug)]
pub struct Ask {
    /// Who asks.
    pub actor: Actor,
    /// The caller's idempotency key, as [`Job::key`] keeps it: asked again with it within 24 hours, the answer is the same
    /// job, or `idempotency.key.reused` where another digest stands behind it.
    pub key: Option<String>,
    /// Whether to queue behind a job that is in the way, rather than be refused.
    pub wait: bool,
    /// The object as the caller saw it: has it changed since, nothing is done (`revision.stale`), and nothing is queued.
    pub unchanged: Option<Object>,
    /// The job that this repeats.
    pub again_of: Option<JobId>,
    /// What.
    pub request: Request,
}

impl Ask {
    /// An ask without key, that does not wait.
    pub fn new(actor: Actor, request: Request) -> Self {
        Self { actor, key: None, wait: false, unchanged: None, again_of: None, request }
    }
}

/// A handle on a deciding server. Clones are cheap and mean the same server.
#[derive(Clone)]
pub struct Handle {
    pub(crate) shared: Arc<Shared>,
}

impl Handle {
    /// The committed inventory of this moment.
    pub fn picture(&self) -> Arc<Picture> {
        self.shared.picture.load_full()
    }

    /// Asks for something. When this returns a job, it is committed and in the picture.
    ///
    /// # Errors
    /// As the engine refuses; `server.overloaded` when too much is queued; `store.unavailable` while the store takes
    /// no changes; `server.stopping`.
    pub async fn ask(&self, ask: Ask) -> Result<JobId, Refusal> {
        ask::ask(&self.shared, ask).await
    }

    /// Cancels a job: it is taken back if it can be.
    ///
    /// # Errors
    /// `job.ended`, `job.past.no.return`, and as [`Handle::ask`].
    pub async fn cancel(&self, job: JobId, actor: Actor) -> Result<JobId, Refusal> {
        ask::cancel(&self.shared, job, actor).await
    }

    /// Ends a job for its caller, while what a host owes stands.
    ///
    /// # Errors
    /// `job.ended`, and as [`Handle::ask`].
    pub async fn abandon(&self, job: JobId, actor: Actor) -> Result<JobId, Refusal> {
        ask::abandon(&self.shared, job, actor).await
    }

    /// Runs an ended job again, as a new job linked to it.
    ///
    /// # Errors
    /// `object.busy` while it has not ended, `job.owes.cleanup` while it owes something, `value.invalid` when its
    /// request held a secret or was the server's own, `object.not.found`, and as [`Handle::ask`].
    pub async fn again(
        &self,
        job: JobId,
        actor: Actor,
        key: Option<String>,
        wait: bool,
    ) -> Result<JobId, Refusal> {
        ask::again(&self.shared, job, actor, key, wait).await
    }

    /// What a request would do, without doing it.
    ///
    /// # Errors
    /// As the request itself would be refused.
    pub async fn dry_run(&self, request: Request) -> Result<DryRun, Refusal> {
        ask::dry_run(&self.shared, request).await
    }

    /// Rates every host for a machine, best first, on the committed picture and the newest loads.
    ///
    /// # Errors
    /// When the template or disk cannot be used.
    pub async fn rate(&self, create: &CreateVm) -> Result<Vec<Rating>, Refusal> {
        ask::rate(&self.shared, create).await
    }

    /// Rates every other host for a machine that is to move, best first.
    ///
    /// # Errors
    /// There is no such machine, or it is on no host.
    pub fn rate_targets(&self, vm: VmId) -> Result<Vec<Rating>, Refusal> {
        ask::rate_targets(&self.shared, vm)
    }

    /// Makes an enrolment token: the job, and the token's text, which is shown this once. There is no text when the
    /// idempotency key was used before: the token of that time is known to nobody any more.
    ///
    /// # Errors
    /// As [`Handle::ask`].
    pub async fn create_enrolment(
        &self,
        actor: Actor,
        key: Option<String>,
        roles: Roles,
        host_name: Option<String>,
        group: Option<HostGroupId>,
        valid_ms: Ms,
    ) -> Result<(JobId, Option<String>), Refusal> {
        ask::create_enrolment(&self.shared, actor, key, roles, host_name, group, valid_ms).await
    }

    /// Reads the store on a blocking thread. Errors that the caller tells apart (`StoreError::FeedGone`) are to be
    /// turned into values inside `read`.
    ///
    /// # Errors
    /// `object.not.found` for what is no longer kept, `store.unavailable` for the rest.
    pub async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&mut dyn Reader) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Refusal> {
        self.shared.readers.read(read).await
    }

    /// The SSH host keys that a computer shows, best first. Nobody signs in for that. Takes 15 s at most.
    ///
    /// # Errors
    /// `value.invalid` for what is no address, `ssh.unreachable`.
    pub async fn host_keys(&self, asked: &AskHostKeys) -> Result<Vec<HostKey>, Refusal> {
        push::host_keys(asked).await
    }

    /// Asks for a computer to be added. `asked` is a [`Request::AddHost`] without its secrets: they are kept in memory until
    /// the job has ended.
    ///
    /// # Errors
    /// `value.invalid` for secrets with which nobody can sign in, `object.not.found` where this server has no agent program,
    /// and as [`Handle::ask`].
    pub async fn add_host(&self, asked: Ask, secrets: SshSecrets) -> Result<JobId, Refusal> {
        push::add(&self.shared, asked, secrets).await
    }

    /// Every commit from now on. Subscribe first, then look at the picture, and nothing is missed.
    pub fn watch(&self) -> Watch {
        Watch::new(&self.shared)
    }

    /// Changes whenever something changed that is in no commit: which agents answer, how far steps are.
    pub fn watch_volatile(&self) -> watch::Receiver<u64> {
        self.shared.volatile.subscribe()
    }

    /// Asks an agent a question whose answer is not recorded. Waits 15 s at most.
    ///
    /// # Errors
    /// `host.not.responding`, and what the agent answers.
    pub async fn query(&self, agent: AgentId, query: Query) -> Result<Vec<u8>, Refusal> {
        self.shared.hub.query(agent, query).await
    }

    /// Asks an agent for a byte stream, which lives no longer than the agent's connection. Waits 10 s at most; an agent
    /// has 10 streams at most.
    ///
    /// # Errors
    /// `host.not.responding`, `too.many.requests`, `agent.unsupported` from an agent that does not know the kind, and
    /// what else the agent answers.
    pub async fn open_stream(&self, agent: AgentId, what: StreamKind) -> Result<ByteStream, Refusal> {
        self.shared.hub.open_stream(agent, what).await
    }

    /// A host's newest load; none while its agent is not connected.
    pub fn load(&self, host: HostId) -> Option<Load> {
        self.shared.hub.load(host.into())
    }

    /// By how many milliseconds a host's clock is ahead of this computer's; none while that is not known.
    pub fn clock_ahead_ms(&self, host: HostId) -> Option<i64> {
        self.shared.hub.clock_ahead_ms(host.into())
    }

    /// When an agent was last heard since this server started.
    pub fn last_contact(&self, agent: AgentId) -> Option<Timestamp> {
        self.shared.hub.last_contact(agent)
    }

    /// From which address an agent that is connected calls.
    pub fn address(&self, agent: AgentId) -> Option<IpAddr> {
        self.shared.hub.address(agent)
    }

    /// The agent program that belongs to this server, as it was read last; none where there is none.
    pub fn agent_program(&self) -> Option<Arc<Program>> {
        self.shared.offered.known()
    }

    /// The same as it is now: read anew where its file was replaced, which may take a second.
    pub async fn newest_agent_program(&self) -> Option<Arc<Program>> {
        let shared = self.shared.clone();
        tokio::task::spawn_blocking(move || shared.offered.look()).await.ok().flatten()
    }

    /// A job, open or ended.
    ///
    /// # Errors
    /// `object.not.found`.
    pub async fn job(&self, job: JobId) -> Result<Arc<Job>, Refusal> {
        ask::job(&self.shared, job).await
    }

    /// Waits until a job has ended for its caller, or the time is over, and returns it as it then is.
    ///
    /// # Errors
    /// `object.not.found`.
    pub async fn wait_for_job(&self, job: JobId, timeout: Duration) -> Result<Arc<Job>, Refusal> {
        ask::wait_for_job(&self.shared, job, timeout).await
    }

    /// The settings in force.
    pub fn settings(&self) -> Settings {
        ask::settings(&self.picture())
    }

    /// Copies a committed state of the store into a new file, while commits go on.
    ///
    /// # Errors
    /// `value.invalid` when the file exists or cannot be written.
    pub async fn backup(&self, to: PathBuf) -> Result<(), Refusal> {
        ask::backup(&self.shared, to).await
    }

    /// Why the store takes no changes at this moment; none while all is well.
    pub fn trouble(&self) -> Option<Refusal> {
        ask::trouble(&self.shared)
    }

    /// The installation.
    pub fn installation(&self) -> InstallationId {
        self.shared.installation
    }

    /// The epoch: how often a deciding server was started on this store.
    pub fn epoch(&self) -> u32 {
        self.shared.epoch.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// When this server was started.
    pub fn started(&self) -> Timestamp {
        self.shared.started
    }

    /// The time of day, as the server counts it.
    pub fn now(&self) -> Timestamp {
        crate::clock::now()
    }

    /// Says goodbye to the agents, decides on what is queued, and stops. Returns when the decision thread has ended;
    /// later asks get `server.stopping`.
    pub async fn shutdown(&self) {
        ask::shutdown(&self.shared).await;
    }
}
