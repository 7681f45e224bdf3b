//! What clients ask for: for every kind of job a request that fits the world as it is. A kind without one does not
//! compile.

use hostler_hypervisor::import;
use hostler_model::access::Role;
use hostler_model::agent::{Certificate, Roles};
use hostler_model::command::Definition;
use hostler_model::hardware::{GIB, Hardware};
use hostler_model::host::EditHost;
use hostler_model::ids::Ids;
use hostler_model::job::JobKind;
use hostler_model::request::{CreateVm, EditVm, Request, Secret, VmSource};
use hostler_model::reserve::EditReserve;
use hostler_model::seen::{Identity, Power};
use hostler_model::setting::Settings;
use hostler_model::template::{Deploy, TemplateSpec};
use hostler_model::vm::{Origin, Presence, StopAction, Vm};
use hostler_model::{Name, Object, VmId};

use crate::story::ALONE;
use crate::world::World;

/// The folder of the library share on every simulated computer.
pub const LIBRARY: &str = "/srv/library";
/// Where the folders of library shares lie, side by side.
pub const SHARES: &str = "/srv";
/// The folder of the machines.
pub const VMS: &str = "/vms";

impl World {
    /// Every object of the durable record.
    pub fn record(&self) -> Vec<Object> {
        use hostler_store::Store;
        let mut store = self.store.clone();
        store.load().map(|loaded| loaded.objects.into_iter().map(|s| s.object).collect()).unwrap_or_default()
    }

    /// A machine for which `fits`, by chance.
    fn some_vm(&mut self, fits: impl Fn(&Vm) -> bool) -> Option<VmId> {
        let drive = self.drive.as_ref()?;
        let found: Vec<VmId> =
            drive.engine().inventory().vms().filter(|vm| fits(vm)).map(|vm| vm.id).collect();
        self.dice.pick(&found).copied()
    }

    /// A name that is most likely free.
    pub(crate) fn some_name(&mut self, word: &str) -> Option<Name> {
        let number = self.dice.between(0, 100_000);
        Name::new(&format!("{word}-{number}")).ok()
    }

    /// A request of a kind that fits the world as it is.
    pub fn request_of(&mut self, kind: JobKind) -> Option<Request> {
        let on = |vm: &Vm| vm.power() == Power::Running;
        let off = |vm: &Vm| matches!(vm.power(), Power::Off | Power::Crashed);
        Some(match kind {
            JobKind::CreateVm => Request::CreateVm(Box::new(self.creation()?)),
            JobKind::StartVm => {
                let vm = self.some_vm(|vm| off(vm) || vm.power() == Power::Saved)?;
                Request::StartVm { vm }
            }
            JobKind::ShutDownVm => {
                let limit_s = self.dice.chance(500).then_some(20);
                Request::ShutDownVm { vm: self.some_vm(on)?, limit_s }
            }
            JobKind::TurnOffVm => Request::TurnOffVm { vm: self.some_vm(|vm| vm.power().is_on())? },
            JobKind::PauseVm => Request::PauseVm { vm: self.some_vm(on)? },
            JobKind::ResumeVm => Request::ResumeVm { vm: self.some_vm(|vm| vm.power().is_paused())? },
            JobKind::ResetVm => Request::ResetVm { vm: self.some_vm(on)? },
            JobKind::SaveVm => {
                Request::SaveVm { vm: self.some_vm(|vm| on(vm) || vm.power() == Power::Paused)? }
            }
            JobKind::DiscardSavedVm => {
                Request::DiscardSavedVm { vm: self.some_vm(|vm| vm.power() == Power::Saved)? }
            }
            JobKind::EditVm => {
                let name = if self.dice.chance(600) { self.some_name("renamed") } else { None };
                let stop_action = self.dice.pick(&StopAction::ALL).copied();
                let edit = EditVm { name, notes: Some("seen to".into()), tags: None, stop_action };
                Request::EditVm { vm: self.some_vm(|_| true)?, edit }
            }
            JobKind::SetVmHardware => {
                let cpus = Some(1 + self.dice.between(0, 3) as u32);
                Request::SetVmHardware { vm: self.some_vm(off)?, cpus, memory_mib: Some(256) }
            }
            JobKind::AttachDisk => {
                // One that was detached is attached again, where there is one.
                let detached = self.some_vm(|vm| (on(vm) || off(vm)) && !vm.spec.detached.is_empty());
                match detached.filter(|_| self.dice.chance(600)) {
                    Some(vm) => {
                        let known = self.drive.as_ref()?.engine().inventory().vm(vm)?;
                        Request::ReattachDisk { vm, disk: known.spec.detached.first()?.no }
                    }
                    None => {
                        let vm = self.some_vm(|vm| on(vm) || off(vm))?;
                        Request::AttachDisk { vm, size_bytes: GIB }
                    }
                }
            }
            JobKind::DetachDisk => {
                let detached = self.some_vm(|vm| (on(vm) || off(vm)) && !vm.spec.detached.is_empty());
                if let Some(vm) = detached.filter(|_| self.dice.chance(300)) {
                    let known = self.drive.as_ref()?.engine().inventory().vm(vm)?;
                    let disk = known.spec.detached.first()?.no;
                    return Some(Request::DetachDisk { vm, disk, delete: true });
                }
                let vm = self.some_vm(|vm| (on(vm) || off(vm)) && vm.spec.hardware.disks.len() > 1)?;
                let found = self.drive.as_ref()?.engine().inventory().vm(vm)?.spec.hardware.disks.last()?.no;
                let delete = self.dice.chance(500);
                Request::DetachDisk { vm, disk: found, delete }
            }
            JobKind::SetVmMedia => {
                let item = if self.dice.chance(700) { self.item("install.iso") } else { None };
                Request::SetVmMedia { vm: self.some_vm(|vm| on(vm) || off(vm))?, item }
            }
            JobKind::MigrateVm => {
                let hosts: Vec<_> = self.agents.iter().skip(ALONE).map(|agent| agent.id.into()).collect();
                let vm = self.some_vm(|vm| on(vm) && vm.host.is_some_and(|host| hosts.contains(&host)))?;
                let here = self.drive.as_ref()?.engine().inventory().vm(vm)?.host;
                let others: Vec<_> = hosts.into_iter().filter(|host| Some(*host) != here).collect();
                let to = self.dice.pick(&others).copied();
                Request::MigrateVm { vm, to: to.filter(|_| self.dice.chance(700)) }
            }
            JobKind::SettleVm => {
                let shown_twice = |vm: &Vm| matches!(vm.presence, Presence::Conflict { .. });
                Request::SettleVm { vm: self.some_vm(shown_twice)?, keep: None }
            }
            JobKind::DeleteVm => {
                let disks = self.dice.chance(700);
                let vm = self.some_vm(|vm| !vm.power().is_on() && (!disks || vm.origin != Origin::Found))?;
                Request::DeleteVm { vm, disks }
            }
            JobKind::AdoptVm => Request::AdoptVm { vm: self.some_vm(|vm| vm.origin == Origin::Found)? },
            JobKind::ImportVm => self.left_machine()?,
            JobKind::RefreshVm => Request::RefreshVm { vm: self.some_vm(|_| true)? },
            JobKind::RefreshHost => Request::RefreshHost { host: self.some_host()? },
            JobKind::RestartHost => Request::RestartHost { host: self.some_host()? },
            JobKind::ShutDownHost => Request::ShutDownHost { host: self.some_host()? },
            JobKind::EditHost => {
                let available = Some(self.dice.chance(900));
                let host = self.some_host()?;
                let memory_mib = self.dice.chance(500).then(|| self.dice.chance(500).then_some(1024));
                let reserve = EditReserve { memory_mib, ..EditReserve::default() };
                Request::EditHost { host, edit: EditHost { available, reserve, ..EditHost::default() } }
            }
            JobKind::MakeFolder => {
                let path = format!("{VMS}/tier-{}", self.dice.between(0, 100_000));
                Request::MakeFolder { host: self.some_host()?, path }
            }
            JobKind::MoveHost
            | JobKind::CreateHostGroup
            | JobKind::EditHostGroup
            | JobKind::MoveHostGroup
            | JobKind::DeleteHostGroup => return self.group_request_of(kind),
            JobKind::CreateNetwork => self.new_network()?,
            JobKind::RemoveNetwork => self.network_to_remove()?,
            JobKind::DeclareHostDead => {
                let at = self.agents.iter().position(|agent| agent.is_dead())?;
                let host = self.agents[at].id.into();
                let known = self.drive.as_ref()?.engine().inventory().host(host);
                let confirm = known.map_or_else(String::new, |host| host.name.to_string());
                Request::DeclareHostDead { host: self.agents[at].id.into(), confirm }
            }
            JobKind::AddHost => self.computer_to_add(),
            JobKind::EnrolAgent => Request::EnrolAgent(Box::new(self.enrolment()?)),
            JobKind::RenewAgent => {
                // Those that have a computer renew by themselves.
                let known: Vec<_> = self.agents.iter().map(|agent| agent.id).collect();
                let (agent, uses) = self.record().iter().find_map(|object| match object {
                    Object::Agent(agent) if !known.contains(&agent.id) => {
                        Some((agent.id, agent.certificate.clone()))
                    }
                    _ => None,
                })?;
                let serial = format!("{:x}", self.dice.bits());
                let until = hostler_model::Timestamp(2_000_000_000_000);
                Request::RenewAgent { agent, uses, next: Some(Certificate { serial, until }) }
            }
            JobKind::RemoveAgent => {
                // Only agents that were enrolled in passing: those with machines stay.
                let known: Vec<_> = self.agents.iter().map(|agent| agent.id).collect();
                let objects = self.record();
                let agent = objects.iter().find_map(|object| match object {
                    Object::Agent(agent) if !known.contains(&agent.id) => Some(agent.id),
                    _ => None,
                })?;
                // They have no computer that could be asked, or one that is about to become one of them.
                self.fleet.removed.insert(agent);
                Request::RemoveAgent { agent, force: true, keep: self.dice.chance(500) }
            }
            JobKind::UpgradeAgent => {
                let at = self.dice.between(0, self.agents.len() as u64) as usize;
                self.upgrade_of(at)
            }
            JobKind::AddShare => {
                let at = self.dice.between(0, self.agents.len() as u64) as usize;
                let name = self.some_name("share")?;
                let folder = format!("{SHARES}/{}", name.as_str());
                Request::AddShare { name, agent: self.agents[at].id, folder }
            }
            JobKind::RefreshShare => Request::RefreshShare { share: self.share(false)? },
            JobKind::RemoveShare => Request::RemoveShare { share: self.share(true)? },
            JobKind::CreateTemplate => {
                let name = self.some_name("template")?;
                Request::CreateTemplate { spec: template(name, self.item("base.qcow2")?) }
            }
            JobKind::EditTemplate => {
                let (id, mut spec) = self.template(false)?;
                spec.cpus = 2;
                Request::EditTemplate { template: id, spec }
            }
            JobKind::DeleteTemplate => Request::DeleteTemplate { template: self.template(true)?.0 },
            JobKind::CreateUser => {
                let name = self.some_name("user")?;
                Request::CreateUser { name, role: Role::ReadOnly, hash: Secret("hash".into()) }
            }
            JobKind::EditUser => {
                Request::EditUser { user: self.user(true)?, role: None, disabled: Some(true), hash: None }
            }
            JobKind::DeleteUser => Request::DeleteUser { user: self.user(true)? },
            JobKind::CreateToken => {
                let name = self.some_name("token")?;
                let sha256 = Secret("00".into());
                Request::CreateToken { user: self.user(false)?, name, sha256, expires: None, session: false }
            }
            JobKind::RevokeToken => {
                let token = self.record().iter().find_map(|object| match object {
                    Object::Token(token) => Some(token.id),
                    _ => None,
                })?;
                Request::RevokeToken { token }
            }
            JobKind::CreateEnrolment => Request::CreateEnrolment {
                sha256: Secret("11".into()),
                roles: Roles { host: true, library: true },
                host_name: None,
                group: self.newest_group(),
                valid_ms: 3_600_000,
            },
            JobKind::SaveView => {
                let state = format!("filter=cpus%3D{}", self.dice.between(1, 9));
                let name =
                    if self.dice.chance(400) { Name::new("mine").ok()? } else { self.some_name("view")? };
                Request::SaveView { user: self.user(false)?, page: "vms".into(), name, state }
            }
            JobKind::DeleteView => {
                let view = self.record().iter().find_map(|object| match object {
                    Object::View(view) => Some(view.id),
                    _ => None,
                })?;
                Request::DeleteView { view }
            }
            JobKind::SetSettings => {
                let starts_per_host = 2 + self.dice.between(0, 4) as u32;
                Request::SetSettings { settings: Settings { starts_per_host, ..Settings::default() } }
            }
            JobKind::Refresher | JobKind::Unknown => return None,
        })
    }

    /// A kind by chance: what touches machines most often.
    pub fn some_request(&mut self) -> Option<Request> {
        if self.restless
            && self.dice.chance(600)
            && let Some(request) = self.request_of(JobKind::MigrateVm)
        {
            return Some(request);
        }
        // Newer kinds are tried kind by kind: in a storm all would be otherwise than it was in seeds that are kept.
        let apart = |kind: JobKind| {
            matches!(
                kind,
                JobKind::CreateNetwork
                    | JobKind::RemoveNetwork
                    | JobKind::MakeFolder
                    | JobKind::ImportVm
                    | JobKind::AddHost
            )
        };
        let stormy = |kind: &JobKind| !apart(*kind);
        let kinds: Vec<JobKind> = JobKind::ALL.iter().copied().filter(stormy).collect();
        for _ in 0..8 {
            let kind = if self.dice.chance(350) { JobKind::CreateVm } else { *self.dice.pick(&kinds)? };
            if let Some(request) = self.request_of(kind) {
                return Some(request);
            }
        }
        None
    }

    fn creation(&mut self) -> Option<CreateVm> {
        let name = if self.dice.chance(50) { Name::new("twin").ok()? } else { self.some_name("vm")? };
        let from = match self.dice.between(0, 4) {
            0 => VmSource::Empty,
            1 => VmSource::Disk { item: self.item("base.qcow2")?, deploy: Deploy::Copy },
            2 => VmSource::Disk { item: self.item("base.qcow2")?, deploy: Deploy::Overlay },
            _ => VmSource::Template { template: self.template(false)?.0 },
        };
        let seed =
            if self.dice.chance(400) { [("token".to_owned(), "abc".to_owned())].into() } else { [].into() };
        Some(CreateVm {
            name,
            from,
            cpus: None,
            memory_mib: Some(256),
            firmware: None,
            disk_bytes: None,
            host: None,
            path: None,
            start: self.dice.chance(600),
            notes: String::new(),
            tags: Vec::new(),
            network: None,
            mac: None,
            vlan: None,
            allow_mac_spoofing: None,
            seed,
            candidates: Vec::new(),
        })
    }

    /// A machine that somebody left on a host's storage and that its hypervisor does not know.
    fn left_machine(&mut self) -> Option<Request> {
        let at = self.dice.between(0, self.agents.len() as u64) as usize;
        let (domain, name) = (self.ids.draw(), self.some_name("left")?);
        let identity = Identity { vm: VmId(domain), domain, installation: self.installation };
        let hardware = Hardware {
            cpus: 1,
            memory_mib: 128,
            firmware: Default::default(),
            disks: Vec::new(),
            dvd: None,
            adapters: Vec::new(),
        };
        let definition = Definition { identity, name: name.to_string(), title: name.to_string(), hardware };
        let (file, host) = (format!("{VMS}/left/{domain}.xml"), &self.agents[at].host);
        host.folder(&file)?.put_definition(&file, definition);
        let found = import::look(host, host, &file).ok()?;
        Some(Request::ImportVm { host: self.agents[at].id.into(), found: Box::new(found), name: None })
    }

    pub(crate) fn some_host(&mut self) -> Option<hostler_model::HostId> {
        let all: Vec<_> =
            self.agents.iter().filter(|agent| !agent.is_dead()).map(|agent| agent.id.into()).collect();
        self.dice.pick(&all).copied()
    }

    /// A group into which a computer is to come: the newest, where there is one below *All Hosts*. No chance in it.
    fn newest_group(&self) -> Option<hostler_model::HostGroupId> {
        let drive = self.drive.as_ref()?;
        let below = drive.engine().inventory().host_groups().filter(|group| group.parent.is_some());
        below.map(|group| group.id).last()
    }

    fn enrolment(&mut self) -> Option<hostler_model::request::EnrolAgent> {
        let token = self.record().iter().find_map(|object| match object {
            Object::Enrolment(enrolment) if enrolment.used_by.is_none() => Some(enrolment.id),
            _ => None,
        })?;
        let number = self.dice.bits();
        Some(hostler_model::request::EnrolAgent {
            agent: hostler_model::AgentId(uuid::Uuid::from_u128(
                0xE000_0000 + u128::from(number % 1_000_000),
            )),
            token,
            version: "1.0.0".into(),
            certificate: "aa".into(),
            certificate_until: hostler_model::Timestamp(2_000_000_000_000),
            facts: hostler_model::host::HostFacts {
                host_name: format!("late-{}", number % 1000),
                ..Default::default()
            },
        })
    }

    fn item(&mut self, path: &str) -> Option<hostler_model::ItemId> {
        let found: Vec<_> = self
            .record()
            .iter()
            .filter_map(|object| match object {
                Object::Item(item) if item.seen.path == path && item.missing_since.is_none() => Some(item.id),
                _ => None,
            })
            .collect();
        self.dice.pick(&found).copied()
    }

    fn template(&mut self, added: bool) -> Option<(hostler_model::TemplateId, TemplateSpec)> {
        let found: Vec<_> = self
            .record()
            .iter()
            .filter_map(|object| match object {
                Object::Template(t) if !added || t.spec.name.as_str() != "tiny" => {
                    Some((t.id, t.spec.clone()))
                }
                _ => None,
            })
            .collect();
        self.dice.pick(&found).cloned()
    }

    fn share(&mut self, added: bool) -> Option<hostler_model::ShareId> {
        let found: Vec<_> = self
            .record()
            .iter()
            .filter_map(|object| match object {
                Object::Share(share) if !added || share.folder != LIBRARY => Some(share.id),
                _ => None,
            })
            .collect();
        self.dice.pick(&found).copied()
    }

    fn user(&mut self, added: bool) -> Option<hostler_model::UserId> {
        let found: Vec<_> = self
            .record()
            .iter()
            .filter_map(|object| match object {
                Object::User(user) if !added || user.role != Role::Administrator => Some(user.id),
                _ => None,
            })
            .collect();
        self.dice.pick(&found).copied()
    }
}

/// A template of a disk.
pub fn template(name: Name, disk: hostler_model::ItemId) -> TemplateSpec {
    TemplateSpec {
        name,
        notes: String::new(),
        disk,
        cpus: 1,
        memory_mib: 256,
        firmware: hostler_model::hardware::Firmware::Bios,
        deploy: Deploy::Overlay,
    }
}
