//! A site: a server and hosts on one ground, and what a user asks of them, said plainly and waited for.

use std::time::{Duration, Instant};

use hostler_client::{Changed, Client, ClientError, How, ListQuery};
use hostler_model::action::VmAction;
use hostler_model::agent::Roles;
use hostler_model::body::NewEnrolment;
use hostler_model::job::JobState;
use hostler_model::request::{CreateVm, VmSource};
use hostler_model::status::VmStatus;
use hostler_model::view::{Accepted, JobView, VmView};
use hostler_model::{JobId, Name, Refusal};
use tokio::runtime::Runtime;

use crate::commands::{program, run_with};
use crate::computer::Manner;
use crate::ground::Ground;
use crate::host::Host;
use crate::process::wait_for;
use crate::server::{PROCESS, Server, answers};
use crate::trouble::{Result, Trouble};

/// How long a job may take here: five times the longest on a busy computer, short of what ends a hanging test.
const JOB: Duration = Duration::from_secs(120);
/// How long what follows by itself may take.
pub(crate) const FOLLOWS: Duration = Duration::from_secs(60);
/// How often is looked, where there is nothing to be told by.
const LOOK: Duration = Duration::from_millis(20);

/// The address of the server on its ground, and the first of a host.
pub(crate) const SERVER: u8 = 2;
pub(crate) const FIRST_HOST: usize = 3;

/// A server and its hosts.
pub struct Site {
    /// The server.
    pub server: Server,
    /// The hosts, in the order in which they came.
    pub hosts: Vec<Host>,
    client: Client,
    runtime: Runtime,
    /// How its hosts are made.
    manner: Manner,
    // Last: it takes the folders away.
    ground: Ground,
}

impl Site {
    /// A server without hosts.
    ///
    /// # Errors
    /// Something of it cannot be started.
    pub fn new() -> Result<Self> {
        let ground = Ground::claim()?;
        let server = Server::start(&ground, SERVER)?;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.map_err(Trouble::file("runtime"))?;
        let client = runtime.block_on(server.sign_in())?;
        Ok(Self { server, hosts: Vec::new(), client, runtime, manner: Manner::default(), ground })
    }

    /// A server with one host, `a`, whose agent runs and is connected.
    ///
    /// # Errors
    /// Something of it cannot be started.
    pub fn with_host() -> Result<Self> {
        let mut site = Self::new()?;
        site.add_host("a")?;
        Ok(site)
    }

    /// A server with so many hosts, `a`, `b` and so on, whose agents run and are connected.
    ///
    /// # Errors
    /// Something of it cannot be started.
    pub fn with_hosts(count: usize) -> Result<Self> {
        Self::with_hosts_of(count, Manner::default())
    }

    /// The same with hosts on which what guests say at [`crate::counting::PORT`] is written down, so that
    /// [`crate::counting::check`] can tell whether a machine ever ran twice.
    ///
    /// # Errors
    /// Something of it cannot be started.
    pub fn with_observed_hosts(count: usize) -> Result<Self> {
        Self::with_hosts_of(count, Manner { observed: true, ..Manner::default() })
    }

    fn with_hosts_of(count: usize, manner: Manner) -> Result<Self> {
        let mut site = Self::new()?;
        site.manner = manner;
        let names: Vec<String> = names(count).collect();
        site.add_hosts(&names.iter().map(String::as_str).collect::<Vec<_>>())?;
        Ok(site)
    }

    /// Adds a host, enrols its agent and waits until it answers.
    ///
    /// # Errors
    /// Something of it cannot be started.
    pub fn add_host(&mut self, name: &str) -> Result<()> {
        self.add_hosts(&[name])
    }

    /// Adds a host on which nothing of Hostler's is: what it keeps below `/var/lib` is the host's own, and empty.
    ///
    /// # Errors
    /// Something of it cannot be started.
    pub fn add_bare(&mut self, name: &str) -> Result<()> {
        let at = u8::try_from(self.hosts.len() + FIRST_HOST);
        let at = at.map_err(|_| Trouble::Answer("a testbed has no room for so many".into()))?;
        let mut host = Host::make(&self.ground, name, at, self.manner)?;
        host.be_fresh();
        host.boot()?;
        self.hosts.push(host);
        Ok(())
    }

    /// Adds hosts that boot at the same time.
    ///
    /// # Errors
    /// Something of one cannot be started.
    pub fn add_hosts(&mut self, names: &[&str]) -> Result<()> {
        let tokens = names.iter().map(|_| self.enrolment_token()).collect::<Result<Vec<_>>>()?;
        let begun = self.hosts.len() + FIRST_HOST;
        let hosts = enrolled(&self.ground, &self.server.agent_address(), begun, names, &tokens, self.manner)?;
        self.hosts.extend(hosts);
        names.iter().try_for_each(|name| self.host_answers(name))
    }

    /// Lets all hosts keep their machines in the folder that all see, so that machines can move between them. Bases stay
    /// each host's own, at one path.
    ///
    /// # Errors
    /// An agent does not come back.
    pub fn share_machines(&mut self) -> Result<()> {
        for host in &mut self.hosts {
            let vms = host.shared().join("vms");
            host.agent_kill()?;
            host.set_vm_folder(vms)?;
            host.agent_set("base_folder = \"/var/lib/libvirt/bases\"")?;
            host.agent_start()?;
        }
        for name in self.hosts.iter().map(|host| host.name().to_owned()) {
            self.until("the shared folder is known", FOLLOWS, async |client| {
                let host = client.host(&name).await?;
                Ok((host.answers && host.host.facts.vm_folder.ends_with("/shared/vms")).then_some(()))
            })?;
        }
        Ok(())
    }

    /// A token with which one computer can enrol as host and library server.
    ///
    /// # Errors
    /// As the server says.
    pub fn enrolment_token(&self) -> Result<String> {
        let roles = Roles { host: true, library: true };
        let body = NewEnrolment { roles, host_name: None, group: None, valid_s: None };
        match self.run(self.client.create_enrolment(&body, &How::default()))? {
            Changed::Taken(made) => Ok(made.token),
            Changed::Planned(_) => Err(Trouble::Answer("a plan in place of a token".into())),
        }
    }

    /// The ground on which all of it stands.
    pub fn ground(&self) -> &Ground {
        &self.ground
    }

    /// The host of this name.
    ///
    /// # Panics
    /// There is none.
    #[expect(clippy::expect_used, reason = "a story must not ask for a host that it did not make")]
    pub fn host_named(&mut self, name: &str) -> &mut Host {
        self.hosts.iter_mut().find(|host| host.name() == name).expect("the site has a host of this name")
    }

    /// The first host.
    ///
    /// # Panics
    /// There is none.
    #[expect(clippy::expect_used, reason = "a story without a host must not ask for one")]
    pub fn host(&mut self) -> &mut Host {
        self.hosts.first_mut().expect("the site has a host")
    }

    /// The client.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Does something with the client.
    pub fn run<T>(&self, what: impl Future<Output = T>) -> T {
        self.runtime.block_on(what)
    }

    /// Starts something with the client beside what follows.
    pub fn spawn<T: Send + 'static>(
        &self,
        what: impl Future<Output = T> + Send + 'static,
    ) -> tokio::task::JoinHandle<T> {
        self.runtime.spawn(what)
    }

    /// Runs the command line as the first administrator with this on its standard input, and answers what it wrote.
    ///
    /// # Errors
    /// As it says.
    pub fn command_line(&self, words: &[&str], input: &str) -> Result<String> {
        let token = self.run(self.server.token())?;
        let mut command = std::process::Command::new(program("hostler")?);
        command.args(words).env("HOSTLER_SERVER", self.client.server()).env("HOSTLER_TOKEN", token);
        command.env("HOSTLER_CA", self.server.state().join("pki/authority.crt"));
        run_with(&mut command, input)
    }

    /// Kills the server and starts it again.
    ///
    /// # Errors
    /// It does not go, or does not come.
    pub fn restart_server(&mut self) -> Result<()> {
        self.server.kill_it()?;
        self.restart_server_after_kill()
    }

    /// Starts the server after [`Server::kill_it`].
    ///
    /// # Errors
    /// It does not come.
    pub fn restart_server_after_kill(&mut self) -> Result<()> {
        self.server.launch_it()?;
        self.run(answers(&self.client))
    }

    /// Puts a new server in the place of this one: with nothing of its record, and an authority of its own.
    ///
    /// # Errors
    /// It does not come.
    pub fn replace_server(&mut self) -> Result<()> {
        self.server.kill_it()?;
        let (state, aside) = (self.server.state(), self.server.folder().join("state-before"));
        std::fs::rename(&state, &aside).map_err(Trouble::file(&aside))?;
        self.server.launch_new()?;
        self.client = self.runtime.block_on(self.server.sign_in())?;
        Ok(())
    }

    /// Waits until a host's agent answers.
    ///
    /// # Errors
    /// It does not.
    pub fn host_answers(&self, name: &str) -> Result<()> {
        let mut is = String::from("not in the record");
        let answers = || {
            let host = self.run(self.client.host(name)).ok()?;
            is = format!(
                "its agent answers: {}, its libvirt: {}",
                host.answers, host.host.facts.libvirt_answers
            );
            (host.answers && host.host.facts.libvirt_answers).then_some(())
        };
        wait_for(FOLLOWS, "the host answers", answers)
            .map_err(|_| Trouble::Late { what: format!("host {name} answers ({is})"), limit: FOLLOWS })
    }

    /// Asks for a machine with an empty disk, which boots nothing, and answers its job and its id.
    ///
    /// # Errors
    /// As the server refuses.
    pub fn ask_empty(&self, name: &str) -> Result<Accepted> {
        self.run(ask_empty(&self.client, name, &How::default()))
    }

    /// Makes a machine with an empty disk and waits for it.
    ///
    /// # Errors
    /// It is refused or fails.
    pub fn create_empty(&self, name: &str) -> Result<()> {
        let accepted = self.ask_empty(name)?;
        self.done(accepted.job)
    }

    /// Does something to a machine and waits for the job, whatever becomes of it.
    ///
    /// # Errors
    /// It is refused, or does not end.
    pub fn act(&self, vm: &str, action: VmAction) -> Result<JobView> {
        let changed = self.run(self.client.act_on_vm(vm, action, &How::default()))?;
        self.ended(taken(changed)?.job)
    }

    /// Does something to a machine, which has to succeed.
    ///
    /// # Errors
    /// It is refused or fails.
    pub fn doing(&self, vm: &str, action: VmAction) -> Result<()> {
        success(self.act(vm, action)?)
    }

    /// Carries a change out and waits until it is done.
    ///
    /// # Errors
    /// It is refused or fails.
    pub fn change(
        &self,
        asking: impl Future<Output = std::result::Result<Changed, ClientError>>,
    ) -> Result<()> {
        let changed = self.run(asking)?;
        self.done(taken(changed)?.job)
    }

    /// Waits until a job has ended.
    ///
    /// # Errors
    /// It does not.
    pub fn ended(&self, job: JobId) -> Result<JobView> {
        let waiting = self.client.wait_for_job(job, |_| ());
        let waited = self.run(async { tokio::time::timeout(JOB, waiting).await });
        match waited {
            Ok(job) => Ok(job?),
            Err(_) => {
                let view = self.run(self.client.job(job))?;
                let what = format!("job {job} has ended: {:?} {:?}", view.job.state, view.job.steps);
                Err(Trouble::Late { what, limit: JOB })
            }
        }
    }

    /// Waits until a job has succeeded.
    ///
    /// # Errors
    /// It fails or does not end.
    pub fn done(&self, job: JobId) -> Result<()> {
        success(self.ended(job)?)
    }

    /// A machine.
    ///
    /// # Errors
    /// There is none.
    pub fn vm(&self, name: &str) -> Result<VmView> {
        Ok(self.run(self.client.vm(name, None))?)
    }

    /// All machines.
    ///
    /// # Errors
    /// The server does not answer.
    pub fn vms(&self) -> Result<Vec<VmView>> {
        let query = ListQuery { limit: Some(1_000), ..ListQuery::default() };
        Ok(self.run(self.client.vms(&query))?.items)
    }

    /// Waits until a machine has a status.
    ///
    /// # Errors
    /// It does not come to have it.
    pub fn becomes(&self, vm: &str, status: VmStatus) -> Result<VmView> {
        self.becomes_within(FOLLOWS, vm, status)
    }

    /// Waits so long until a machine has a status.
    ///
    /// # Errors
    /// It does not come to have it.
    pub fn becomes_within(&self, limit: Duration, vm: &str, status: VmStatus) -> Result<VmView> {
        self.until(&format!("vm {vm} is {}", status.word()), limit, async |client| {
            Ok(client.vm(vm, None).await.ok().filter(|view| view.status == status))
        })
    }

    /// Looks again and again until something is seen.
    ///
    /// # Errors
    /// It is not within the limit, or looking fails.
    pub fn until<T>(
        &self,
        what: &str,
        limit: Duration,
        look: impl AsyncFn(&Client) -> Result<Option<T>>,
    ) -> Result<T> {
        self.run(async {
            let begun = Instant::now();
            loop {
                if let Some(found) = look(&self.client).await? {
                    return Ok(found);
                }
                if begun.elapsed() > limit {
                    return Err(Trouble::Late { what: what.into(), limit });
                }
                tokio::time::sleep(LOOK).await;
            }
        })
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        // Why a story ended badly is mostly in these.
        if std::thread::panicking() {
            let logs = [(&*self.server, PROCESS)];
            let hosts = self.hosts.iter().map(|host| (&**host, "agent"));
            for (computer, what) in logs.into_iter().chain(hosts) {
                let log = computer.log_of(what);
                let from = log.len().saturating_sub(8_000);
                let tail = log.get(from..).unwrap_or(&log);
                eprintln!("--- {what} on {} said last:\n{tail}", computer.name());
            }
        }
    }
}

/// What hosts are called that are not named: `a` to `z`, `a1` and so on.
pub(crate) fn names(count: usize) -> impl Iterator<Item = String> {
    let round = |n: usize| if n == 0 { String::new() } else { n.to_string() };
    (0..count).map(move |at| {
        let letter = char::from(b'a' + u8::try_from(at % 26).unwrap_or_default());
        format!("{letter}{}", round(at / 26))
    })
}

/// Makes hosts that boot at the same time, each with an agent that is enrolled by its token and runs.
pub(crate) fn enrolled(
    ground: &Ground,
    agents: &str,
    begun: usize,
    names: &[&str],
    tokens: &[String],
    manner: Manner,
) -> Result<Vec<Host>> {
    let one = |at: usize, name: &str, token: &str| -> Result<Host> {
        let n = u8::try_from(at).map_err(|_| Trouble::Answer("a testbed has no room for so many".into()))?;
        let mut host = Host::make(ground, name, n, manner)?;
        host.boot()?;
        host.agent_enrol(agents, token)?;
        host.agent_start()?;
        Ok(host)
    };
    std::thread::scope(|scope| {
        let each = names.iter().zip(tokens).zip(begun..);
        let booting: Vec<_> =
            each.map(|((name, token), at)| scope.spawn(move || one(at, name, token))).collect();
        let lost = || Trouble::Answer("a host's boot did not come to an end".into());
        let booted: Vec<Result<Host>> =
            booting.into_iter().map(|each| each.join().unwrap_or_else(|_| Err(lost()))).collect();
        booted.into_iter().collect()
    })
}

/// Asks for a machine with an empty disk.
///
/// # Errors
/// As the server refuses.
pub async fn ask_empty(client: &Client, name: &str, how: &How) -> Result<Accepted> {
    taken(client.create_vm(&empty(name)?, how).await?)
}

/// What asks for a small machine with an empty disk.
///
/// # Errors
/// The name cannot be one.
pub fn empty(name: &str) -> Result<CreateVm> {
    let mut create = create(name, VmSource::Empty)?;
    create.disk_bytes = Some(16 << 20);
    Ok(create)
}

/// What asks for a small machine.
///
/// # Errors
/// The name cannot be one.
pub fn create(name: &str, from: VmSource) -> Result<CreateVm> {
    Ok(CreateVm {
        name: Name::new(name).map_err(refused)?,
        from,
        cpus: Some(1),
        memory_mib: Some(128),
        firmware: None,
        disk_bytes: None,
        host: None,
        path: None,
        start: false,
        notes: String::new(),
        tags: Vec::new(),
        network: None,
        mac: None,
        vlan: None,
        allow_mac_spoofing: None,
        seed: std::collections::BTreeMap::new(),
        candidates: Vec::new(),
    })
}

/// That a change was taken on.
///
/// # Errors
/// It was only planned.
pub fn taken<T>(changed: Changed<T>) -> Result<T> {
    match changed {
        Changed::Taken(accepted) => Ok(accepted),
        Changed::Planned(_) => Err(Trouble::Answer("it was only planned".into())),
    }
}

/// That a job succeeded.
///
/// # Errors
/// It did not.
pub fn success(view: JobView) -> Result<()> {
    match (view.job.state, view.job.error) {
        (JobState::Completed | JobState::CompletedWithWarnings, _) => Ok(()),
        (_, Some(refusal)) => Err(refused(refusal)),
        (state, None) => Err(Trouble::Answer(format!("job {} is {}", view.job.id, state.word()))),
    }
}

pub(crate) fn refused(refusal: Refusal) -> Trouble {
    Trouble::Client(refusal.into())
}
