//! Starting a server: its state folder, authority, first administrator, and everything that runs.

use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hostler_drive::Drive;
use hostler_model::access::{Actor, Role};
use hostler_model::host_group::{ALL_HOSTS, ALL_HOSTS_NAME};
use hostler_model::request::{Request, Secret};
use hostler_model::reserve::OwnReserve;
use hostler_model::{Key, Kind, Name, Object, Refusal, UserId};
use hostler_store::{SqliteStore, Store, StoreError};
use hostler_wire::{
    Admission, Authority, AuthorityError, Limits, ListenConfig, Listening, ServerCertificate,
};
use tokio::sync::{broadcast, watch};
use uuid::Uuid;

use crate::ask;
use crate::clock::now;
use crate::decide::{self, MOST_QUEUED, Queue, Shared};
use crate::handle::{Ask, Handle};
use crate::hub::Hub;
use crate::looks::Looks;
use crate::news::{KEPT_NEWS, News, Watch};
use crate::password::{PasswordError, hash_password, verify_password};
use crate::program::{self, Offered};
use crate::push::Push;
use crate::readers::{READERS, Readers};
use crate::refresh;
use crate::renewal;
use crate::session::Agents;

/// The first administrator's name.
const ADMINISTRATOR: &str = "administrator";
/// Where the first administrator's password is, until it is changed.
const INITIAL_PASSWORD: &str = "initial-password";
/// Where `ssh` finds what it needs while it runs.
const SSH: &str = "ssh";
/// Longer than any silence that the settings allow: sessions are watched by the setting.
const NEVER_SILENT: Duration = Duration::from_secs(3_600);
/// How often the server's own certificate is looked at.
const CERTIFICATE_EVERY: Duration = Duration::from_secs(12 * 3_600);
/// How long a first job may take.
const FIRST_JOB: Duration = Duration::from_secs(30);

/// How a server is started.
#[derive(Clone, Debug)]
pub struct Config {
    /// The folder that holds everything: `store.db`, `pki/`, `initial-password`, and `ssh/` while a computer is
    /// added. Made if it is not there; narrowed to
    /// 0700.
    pub state_dir: PathBuf,
    /// Where agents dial in; port 8471 by custom, 0 for any that is free.
    pub agent_listen: SocketAddr,
    /// Host names and addresses that stand in the server's certificate, for browsers and the command line.
    pub server_names: Vec<String>,
    /// The file with the agent program that belongs to this server, where there is one.
    pub agent_program: Option<PathBuf>,
}

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A file or folder could not be made or read.
    #[error("{path}: {cause}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// The store cannot be used; among others because another server has it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The authority cannot be used, or the agents' port not be opened.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// The first administrator could not be made.
    #[error("the first administrator: {0}")]
    Administrator(#[from] Refusal),
    /// The group that holds all others could not be made.
    #[error("the first group of hosts: {0}")]
    AllHosts(Refusal),
    /// The first administrator's password could not be hashed.
    #[error("the first administrator: {0}")]
    Password(#[from] PasswordError),
    /// The decision thread could not be started.
    #[error("the decision thread: {0}")]
    Thread(std::io::Error),
}

/// A running server. [`Server::stop`] ends everything in order and waits for it; dropping it ends everything too, but
/// waits for nothing.
pub struct Server {
    /// The handle that the REST interface works with.
    pub handle: Handle,
    /// The authority: its fingerprint is what people compare.
    pub authority: Arc<Authority>,
    /// The certificate for the HTTPS port; renewed while the server runs.
    pub certificate: Arc<ServerCertificate>,
    /// Where agents dial in.
    pub agent_address: SocketAddr,
    /// Where the first administrator's password is, while that is unchanged.
    pub initial_password: Option<PathBuf>,
    listening: Option<Listening>,
}

impl Server {
    /// Starts a server on its state folder.
    ///
    /// # Errors
    /// When the folder, the store or the authority cannot be used, or another server has them.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        private_folder(&config.state_dir)?;
        let file = config.state_dir.join("store.db");
        let path = file.clone();
        // Opening also locks: a second server is refused here, before it touches anything.
        let opened = tokio::task::spawn_blocking(move || SqliteStore::open(&path)).await;
        let store = opened.map_err(|e| StoreError::Failed { cause: e.to_string() })??;
        Self::start_on(config, store, Some(file)).await
    }

    /// Starts a server on a store of the caller's: what tests and sizing do with one in memory. `store_file` is what
    /// a backup copies.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub async fn start_on<S: Store + 'static>(
        config: Config,
        store: S,
        store_file: Option<PathBuf>,
    ) -> Result<Self, StartError> {
        private_folder(&config.state_dir)?;
        let pki = config.state_dir.join("pki");
        let authority = Arc::new(match Authority::exists(&pki) {
            true => Authority::open(&pki)?,
            false => Authority::create(&pki)?,
        });
        let certificate = authority.server_certificate(&config.server_names)?;
        let push = Push::new(Some(config.state_dir.join(SSH)));
        let shared = begin(store, store_file, Some(authority.clone()), config.agent_program, push)?;
        let handle = Handle { shared: shared.clone() };
        let initial = config.state_dir.join(INITIAL_PASSWORD);
        let initial_password = first_administrator(&handle, &initial).await?;
        all_hosts(&handle).await.map_err(StartError::AllHosts)?;
        let limits = Limits { read_timeout: NEVER_SILENT, ..Limits::default() };
        let listen = ListenConfig {
            address: config.agent_listen,
            authority: &authority,
            certificate: certificate.clone(),
            admission: shared.admission.clone(),
            limits,
        };
        let listening = hostler_wire::listen(listen, Arc::new(Agents::new(shared.clone())))?;
        let agent_address = listening.address();
        shared.push.listens(agent_address.port());
        tokio::spawn(refresh::run(shared.clone()));
        tokio::spawn(program::look_again_and_again(shared.clone()));
        if let Some(file) = initial_password.clone() {
            tokio::spawn(remove_when_changed(handle.clone(), file));
        }
        tokio::spawn(renew(shared, authority.clone(), certificate.clone(), config.server_names));
        tracing::info!(%agent_address, epoch = handle.epoch(), installation = %handle.installation(), "the server has started");
        Ok(Self {
            handle,
            authority,
            certificate,
            agent_address,
            initial_password,
            listening: Some(listening),
        })
    }

    /// Says goodbye to the agents, decides on what is queued, closes everything.
    pub async fn stop(mut self) {
        self.handle.shutdown().await;
        if let Some(listening) = self.listening.take() {
            listening.stop().await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        ask::begin_to_stop(&self.handle.shared);
    }
}

/// Everything but the network.
pub(crate) fn begin<S: Store + 'static>(
    store: S,
    store_file: Option<PathBuf>,
    authority: Option<Arc<Authority>>,
    agent_program: Option<PathBuf>,
    push: Push,
) -> Result<Arc<Shared>, StartError> {
    let started = now();
    let mut drive = Drive::start(store, started)?;
    let readers = (0..READERS).map(|_| drive.store().reader()).collect::<Result<Vec<_>, _>>()?;
    let (queue, exit) = Queue::new(MOST_QUEUED);
    let shared = Arc::new(Shared {
        queue,
        picture: drive.picture(),
        news: broadcast::Sender::new(KEPT_NEWS),
        volatile: watch::Sender::new(0),
        hub: Hub::default(),
        looks: Looks::default(),
        admission: Admission::new(),
        authority,
        readers: Readers::new(readers),
        store_file,
        offered: Offered::at(agent_program),
        push,
        installation: drive.engine().inventory().installation_id(),
        epoch: AtomicU32::new(drive.engine().epoch()),
        started,
        asks: AtomicU64::new(1),
        turning: decide::Turning::default(),
        trouble: Mutex::new(None),
        stopping: AtomicBool::new(false),
        stop: watch::Sender::new(false),
        thread: Mutex::new(None),
    });
    let thread = decide::spawn(drive, exit, shared.clone()).map_err(StartError::Thread)?;
    *shared.thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread);
    Ok(shared)
}

fn private_folder(dir: &Path) -> Result<(), StartError> {
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir);
    let narrowed = made.and_then(|()| std::fs::set_permissions(dir, PermissionsExt::from_mode(0o700)));
    narrowed.map_err(|cause| StartError::File { path: dir.into(), cause })
}

/// Makes the group that holds all others where the record does not have it: in a new one, and in one of before there were
/// groups.
async fn all_hosts(handle: &Handle) -> Result<(), Refusal> {
    if handle.picture().host_group(ALL_HOSTS).is_some() {
        return Ok(());
    }
    let request = Request::CreateHostGroup {
        parent: None,
        name: Name::new(ALL_HOSTS_NAME)?,
        notes: String::new(),
        reserve: OwnReserve::default(),
        unencrypted_transfers: None,
    };
    let job = handle.ask(Ask::new(Actor::System, request)).await?;
    match &handle.wait_for_job(job, FIRST_JOB).await?.error {
        Some(why) => Err(why.clone()),
        None => Ok(()),
    }
}

/// Makes the first administrator when there is no user at all, and says where the password is, if it is still the
/// one that was made here.
async fn first_administrator(handle: &Handle, file: &Path) -> Result<Option<PathBuf>, StartError> {
    let picture = handle.picture();
    if picture.of_kind(Kind::User).next().is_none() {
        let password = random_password();
        let hash = hash_password(&password)?;
        // The file first: a crash in between leaves a file without a user, and the next start makes both anew.
        write_secret(file, &password).map_err(|cause| StartError::File { path: file.into(), cause })?;
        let name = Name::new(ADMINISTRATOR)?;
        let request = Request::CreateUser { name, role: Role::Administrator, hash: Secret(hash) };
        let job = handle.ask(Ask::new(Actor::System, request)).await?;
        let job = handle.wait_for_job(job, FIRST_JOB).await?;
        if let Some(why) = &job.error {
            return Err(why.clone().into());
        }
        tracing::info!(file = %file.display(), "the first administrator was made; the password is in this file");
        return Ok(Some(file.to_owned()));
    }
    if !file.exists() {
        return Ok(None);
    }
    let kept = std::fs::read_to_string(file).unwrap_or_default();
    let hash = administrator(handle).and_then(|id| credential(handle, id));
    if hash.is_some_and(|hash| verify_password(kept.trim(), Some(&hash))) {
        return Ok(Some(file.to_owned()));
    }
    remove(file);
    Ok(None)
}

fn administrator(handle: &Handle) -> Option<UserId> {
    let name = Name::new(ADMINISTRATOR).ok()?;
    handle.picture().named(Kind::User, &name.folded()).into_iter().find_map(|stored| match &stored.object {
        Object::User(user) => Some(user.id),
        _ => None,
    })
}

fn credential(handle: &Handle, id: UserId) -> Option<String> {
    match handle.picture().get(Key::Credential(id)).map(|stored| &stored.object) {
        Some(Object::Credential(credential)) => Some(credential.hash.clone()),
        _ => None,
    }
}

/// Removes the file with the initial password as soon as the password is another one.
async fn remove_when_changed(handle: Handle, file: PathBuf) {
    let mut watch = Watch::new(&handle.shared);
    let Some(id) = administrator(&handle) else { return };
    let at_first = credential(&handle, id);
    while let Some(news) = watch.next().await {
        let concerns = match &news {
            News::Committed(committed) => {
                committed.changes.iter().any(|change| change.key == Key::Credential(id))
            }
            News::Missed => true,
        };
        if concerns && credential(&handle, id) != at_first {
            return remove(&file);
        }
    }
}

fn remove(file: &Path) {
    match std::fs::remove_file(file) {
        Ok(()) => {
            tracing::info!(file = %file.display(), "the initial password was changed; its file is gone")
        }
        Err(why) => {
            tracing::error!(file = %file.display(), %why, "the initial password's file was not removed")
        }
    }
}

/// 24 hexadecimal digits in four groups, 94 random bits: the digits of the id that are always the same are left out or
/// count for less.
fn random_password() -> String {
    let digits = Uuid::new_v4().simple().to_string();
    let groups: Vec<&str> = [0, 6, 14, 20].iter().filter_map(|at| digits.get(*at..at + 6)).collect();
    groups.join("-")
}

fn write_secret(file: &Path, text: &str) -> std::io::Result<()> {
    match std::fs::remove_file(file) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let mut opened = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
    writeln!(opened, "{text}")?;
    opened.sync_all()
}

/// Renews the server's own certificate long before it runs out.
async fn renew(
    shared: Arc<Shared>,
    authority: Arc<Authority>,
    certificate: Arc<ServerCertificate>,
    names: Vec<String>,
) {
    let mut stop = shared.stop.subscribe();
    loop {
        tokio::select! {
            () = tokio::time::sleep(CERTIFICATE_EVERY) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        if let Err(why) = authority.renew_server_certificate(&certificate, &names) {
            tracing::error!(%why, "the server's certificate could not be renewed");
        }
        renewal::warn_of_ends(&shared.picture.load());
    }
}
