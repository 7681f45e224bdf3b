//! What people do meanwhile: each has a few machines and does this and that to them, as what they are allows. Some keep
//! one machine whose guest counts, and see to it that it mostly runs.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hostler_client::{Changed, Client, ClientError, How, ListQuery};
use hostler_model::action::VmAction;
use hostler_model::body::{ChangeHardware, Migrate, NewDisk, Settle, ShutDown};
use hostler_model::request::{CreateVm, EditVm, VmSource};
use hostler_model::view::{Accepted, VmView};
use hostler_model::{HostId, JobId, TemplateId};
use hostler_testbed::counting::PORT;
use hostler_testbed::{Dice, Result, Site, create, empty};
use tokio::task::JoinHandle;

use crate::world::tiny_linux;

/// As many machines has each who keeps none that counts.
const MACHINES: usize = 4;
/// What is done to a machine that is to go on counting.
const KEEPS: [VmAction; 9] = [
    VmAction::Migrate,
    VmAction::Settle,
    VmAction::Edit,
    VmAction::Pause,
    VmAction::Resume,
    VmAction::Save,
    VmAction::Start,
    VmAction::AttachDisk,
    VmAction::Refresh,
];
/// How long somebody waits who was refused, or whom nobody answers.
const PAUSE: Duration = Duration::from_millis(200);
/// How long a machine that counts is left alone after each time.
const KEEPERS_PAUSE: Duration = Duration::from_secs(3);
/// How long somebody goes on asking when the work is over.
const PATIENCE: Duration = Duration::from_secs(300);

/// A library on each host, as machines are made only where their disk is, and a template of it.
pub fn libraries(site: &Site) -> Vec<TemplateId> {
    let one = |name: &str| {
        site.template_of(name, &format!("library-{name}"), &tiny_linux(), &format!("tiny-{name}")).unwrap()
    };
    site.hosts.iter().map(|host| one(host.name())).collect()
}

/// Makes a machine of each template that counts, for whoever will keep it.
pub fn counting(site: &Site, templates: &[TemplateId]) {
    for (no, template) in templates.iter().enumerate() {
        let machine = counting_machine(&format!("{}-0", called(no)), *template).unwrap();
        site.change(site.client().create_vm(&machine, &How::default())).unwrap();
    }
}

fn counting_machine(name: &str, template: TemplateId) -> Result<CreateVm> {
    Ok(CreateVm {
        seed: BTreeMap::from([("count".into(), PORT.into()), ("hostname".into(), name.into())]),
        start: true,
        ..create(name, VmSource::Template { template })?
    })
}

/// What the person with this number is called; its machines begin with it.
fn called(no: usize) -> String {
    format!("p{no}")
}

/// People at work, until it is ended.
pub struct Work {
    over: Arc<AtomicBool>,
    people: Vec<JoinHandle<Done>>,
}

/// What became of what they asked.
#[derive(Clone, Debug, Default)]
pub struct Done {
    taken: usize,
    refused: BTreeMap<String, usize>,
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} were taken on; refused were {:?}", self.taken, self.refused)
    }
}

/// Begins to work: so many with machines of their own, and one for each template who keeps a machine that counts.
pub fn begin(site: &Site, people: usize, seed: u64, templates: &[TemplateId]) -> Work {
    let over = Arc::new(AtomicBool::new(false));
    let hosts = site.run(site.client().hosts(&ListQuery::default())).unwrap();
    let hosts: Vec<HostId> = hosts.items.iter().map(|view| view.host.id).collect();
    let keeping = templates.iter().copied().map(Some).chain((0..people).map(|_| None));
    let one = |(no, keeps): (usize, Option<TemplateId>)| {
        let person = Person {
            name: called(no),
            client: site.client().clone(),
            dice: Dice::new(seed.wrapping_mul(1_000) + no as u64),
            keeps,
            hosts: hosts.clone(),
            asked: 0,
            done: Done::default(),
        };
        site.spawn(person.works(Arc::clone(&over)))
    };
    Work { people: keeping.enumerate().map(one).collect(), over }
}

impl Work {
    /// Ends it: everybody finishes what they are at.
    pub fn end(self, site: &Site) -> Done {
        self.over.store(true, Ordering::Relaxed);
        let mut all = Done::default();
        for person in self.people {
            let ended = site.run(async { tokio::time::timeout(PATIENCE, person).await });
            let done = ended.expect("nobody waits for ever").unwrap();
            all.taken += done.taken;
            for (code, count) in done.refused {
                *all.refused.entry(code).or_default() += count;
            }
        }
        all
    }
}

struct Person {
    name: String,
    client: Client,
    dice: Dice,
    /// Of which template it keeps a machine that counts.
    keeps: Option<TemplateId>,
    hosts: Vec<HostId>,
    asked: u32,
    done: Done,
}

/// Something to be asked for.
#[derive(Clone, Debug)]
enum Ask {
    Create(Box<CreateVm>),
    Act(String, VmAction),
    Edit(String, String),
    Hardware(String, u64),
    Attach(String),
    Detach(String, u32, bool),
    Delete(String),
    Migrate(String, HostId),
    Settle(String),
    RefreshHost(String),
}

impl Person {
    async fn works(mut self, over: Arc<AtomicBool>) -> Done {
        while !over.load(Ordering::Relaxed) {
            let Ok(own) = self.own().await else {
                tokio::time::sleep(PAUSE).await;
                continue;
            };
            let ask = self.next(&own);
            self.does(&ask).await;
            if self.keeps.is_some() {
                tokio::time::sleep(KEEPERS_PAUSE).await;
            }
        }
        self.done
    }

    /// Its machines.
    async fn own(&self) -> std::result::Result<Vec<VmView>, ClientError> {
        let query = ListQuery { limit: Some(1_000), ..ListQuery::default() };
        let begins = format!("{}-", self.name);
        let mut own = self.client.vms(&query).await?.items;
        own.retain(|view| view.vm.spec.name.as_str().starts_with(&begins));
        Ok(own)
    }

    /// What comes to its mind.
    fn next(&mut self, own: &[VmView]) -> Ask {
        self.asked += 1;
        let most = if self.keeps.is_some() { 1 } else { MACHINES };
        if own.len() < most && (own.is_empty() || self.dice.below(2) == 0) {
            let name = format!("{}-{}", self.name, self.asked);
            return Ask::Create(Box::new(self.machine(&name).expect("a name of letters and digits")));
        }
        let Some(view) = own.get(self.dice.below(own.len())) else {
            return Ask::RefreshHost("a".into());
        };
        let vm = view.vm.id.to_string();
        let may = VmAction::ALL.iter().copied().filter(|action| action.allowed_in().contains(&view.status));
        let may: Vec<_> = may.filter(|action| self.keeps.is_none() || KEEPS.contains(action)).collect();
        let Some(action) = may.get(self.dice.below(may.len())).copied() else {
            return Ask::RefreshHost(view.host_name.clone().unwrap_or_else(|| "a".into()));
        };
        let disks = &view.vm.spec.hardware.disks;
        match action {
            VmAction::Edit => Ask::Edit(vm, format!("{} thought of it {} times.", self.name, self.asked)),
            VmAction::SetHardware => Ask::Hardware(vm, 128 + 32 * self.dice.below(3) as u64),
            VmAction::AttachDisk if disks.len() < 4 => Ask::Attach(vm),
            VmAction::DetachDisk | VmAction::AttachDisk | VmAction::SetMedia => match disks.last() {
                // The first two are what it boots from and its seed.
                Some(disk) if disk.no > 1 => Ask::Detach(vm, disk.no, true),
                _ => Ask::Act(vm, VmAction::Refresh),
            },
            VmAction::Delete => Ask::Delete(vm),
            VmAction::Migrate => {
                let others: Vec<_> = self.hosts.iter().filter(|host| Some(**host) != view.vm.host).collect();
                Ask::Migrate(vm, *others[self.dice.below(others.len())])
            }
            VmAction::Settle => Ask::Settle(vm),
            // Its files would be left, and nobody's.
            VmAction::Forget => Ask::Act(vm, VmAction::Refresh),
            action => Ask::Act(vm, action),
        }
    }

    fn machine(&mut self, name: &str) -> Result<CreateVm> {
        if let Some(template) = self.keeps {
            return counting_machine(name, template);
        }
        // Left to placement, all would stand on the emptiest host.
        let host = self.hosts.get(self.dice.below(self.hosts.len())).copied();
        Ok(CreateVm { host, start: self.dice.below(2) == 0, ..empty(name)? })
    }

    /// Asks with one key until there is an answer, now and then cancels, and waits for the end.
    async fn does(&mut self, ask: &Ask) {
        let key = format!("{}-{}", self.name, self.asked);
        let how = How { key: Some(key), ..How::default() };
        let answer = loop {
            match self.asks(ask, &how).await {
                Err(why) if why.is_passing() => tokio::time::sleep(PAUSE).await,
                answer => break answer,
            }
        };
        match answer {
            Ok(Changed::Taken(Accepted { job, .. })) => {
                self.done.taken += 1;
                if self.dice.below(10) == 0 {
                    tokio::time::sleep(Duration::from_millis(self.dice.below(400) as u64)).await;
                    // One that has ended, or is past cancelling, is refused.
                    let _ = self.client.cancel_job(job, &How::default()).await;
                }
                self.waits(job).await;
            }
            Ok(Changed::Planned(_)) => {}
            Err(ClientError::Refused(refusal)) => {
                *self.done.refused.entry(refusal.code.to_string()).or_default() += 1;
                tokio::time::sleep(PAUSE).await;
            }
            Err(why) => panic!("{ask:?}: {why}"),
        }
    }

    async fn asks(&self, ask: &Ask, how: &How) -> std::result::Result<Changed, ClientError> {
        let client = &self.client;
        match ask {
            Ask::Create(machine) => client.create_vm(machine, how).await,
            Ask::Act(vm, VmAction::ShutDown) => {
                client.shut_down_vm(vm, &ShutDown { limit_s: Some(20) }, how).await
            }
            Ask::Act(vm, action) => client.act_on_vm(vm, *action, how).await,
            Ask::Edit(vm, notes) => {
                let edit = EditVm { notes: Some(notes.clone()), ..EditVm::default() };
                client.edit_vm(vm, &edit, how).await
            }
            Ask::Hardware(vm, memory_mib) => {
                let change = ChangeHardware { cpus: None, memory_mib: Some(*memory_mib) };
                client.set_vm_hardware(vm, &change, how).await
            }
            Ask::Attach(vm) => client.attach_disk(vm, &NewDisk::of_size(16 << 20), how).await,
            Ask::Detach(vm, disk, delete) => client.detach_disk(vm, *disk, *delete, how).await,
            Ask::Delete(vm) => client.delete_vm(vm, true, how).await,
            Ask::Migrate(vm, to) => client.migrate_vm(vm, &Migrate { to: Some(to.to_string()) }, how).await,
            Ask::Settle(vm) => client.settle_vm(vm, &Settle::default(), how).await,
            Ask::RefreshHost(host) => client.refresh_host(host, how).await,
        }
    }

    async fn waits(&self, job: JobId) {
        loop {
            match self.client.wait_for_job(job, |_| ()).await {
                Ok(_) => return,
                Err(why) if why.is_passing() => {}
                Err(why) => panic!("job {job}: {why}"),
            }
        }
    }
}
