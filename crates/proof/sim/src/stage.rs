//! The stage on which a kind of job is tried: something for every kind to be about.

use hostler_hypervisor::simulated::Outside;
use hostler_model::command::Definition;
use hostler_model::hardware::Hardware;
use hostler_model::ids::Ids;
use hostler_model::job::{Job, JobKind};
use hostler_model::request::{CreateVm, Request, VmSource};
use hostler_model::seen::{Identity, Power};
use hostler_model::template::Deploy;
use hostler_model::{ItemId, Name, Object, VmId};
use hostler_store::Store;
use uuid::Uuid;

use crate::clients::Client;
use crate::story::set_up;
use crate::world::World;

impl World {
    /// A client that asks now and is answered before anything else happens.
    pub(crate) fn ask_now(&mut self, request: Request, key: &str) -> usize {
        self.clients.push(Client {
            request,
            key: key.to_owned(),
            wait: false,
            acknowledged: None,
            refused: None,
            cancels: false,
        });
        let client = self.clients.len() - 1;
        self.ask(client);
        client
    }

    /// Asks and waits until the job has ended.
    fn finish(&mut self, request: Option<Request>) {
        let Some(request) = request else { return self.fail("the stage cannot be set".into()) };
        let key = format!("stage-{}", self.clients.len());
        let words = format!("{request:?}");
        let client = self.ask_now(request, &key);
        for _ in 0..2_000 {
            self.run_until(self.now + 50);
            let job = self.job_of(client);
            if let Some(job) = job.filter(|job| !job.is_open()) {
                if !job.state.is_success() {
                    self.fail(format!("the stage cannot be set: {words} {:?}", job.error));
                }
                return;
            }
        }
        self.fail(format!("the stage cannot be set: {words} {:?}", self.clients[client].refused));
    }

    pub(crate) fn job_of(&self, client: usize) -> Option<Job> {
        let id = self.clients[client].acknowledged?;
        let job = self.store.reader().ok()?.job(id).ok()??;
        Some((*job.object).clone())
    }

    /// Something for every kind of job to be about.
    pub(crate) fn set_stage(&mut self, kind: JobKind) {
        self.stormy = false;
        set_up(self, 3);
        self.run_until(5_000);
        let image = ItemId(Uuid::from_u128(0xC000));
        let copied = VmSource::Disk { item: image, deploy: Deploy::Copy };
        for (name, from, start) in [
            ("runs", VmSource::Empty, true),
            ("off", copied, false),
            ("paused", VmSource::Empty, true),
            ("saved", VmSource::Empty, true),
        ] {
            let request = creation(name, from, start);
            self.finish(request);
            let vm = self.clients.last().and_then(|_| self.newest_vm());
            match (name, vm) {
                ("paused", Some(vm)) => self.finish(Some(Request::PauseVm { vm })),
                ("saved", Some(vm)) => self.finish(Some(Request::SaveVm { vm })),
                _ => {}
            }
        }
        self.define_behind();
        for kind in [
            JobKind::AddShare,
            JobKind::CreateTemplate,
            JobKind::CreateUser,
            JobKind::CreateToken,
            JobKind::CreateEnrolment,
            JobKind::EnrolAgent,
            JobKind::CreateEnrolment,
        ] {
            let request = self.request_of(kind);
            self.finish(request);
        }
        // Only where it is about groups: what is by chance for the other kinds stays as it was.
        if matches!(
            kind,
            JobKind::MoveHost | JobKind::EditHostGroup | JobKind::MoveHostGroup | JobKind::DeleteHostGroup
        ) {
            for _ in 0..2 {
                let request = self.request_of(JobKind::CreateHostGroup);
                self.finish(request);
            }
        }
        if kind == JobKind::RemoveNetwork {
            let request = self.request_of(JobKind::CreateNetwork);
            self.finish(request);
        }
        if kind == JobKind::DeleteView {
            let request = self.request_of(JobKind::SaveView);
            self.finish(request);
        }
        if kind == JobKind::DeclareHostDead {
            self.power_off(2, true);
        }
        if kind == JobKind::SettleVm {
            self.define_twice();
        }
        self.run_until(self.now + 20_000);
    }

    fn newest_vm(&self) -> Option<VmId> {
        let mut vms: Vec<VmId> = self
            .record()
            .iter()
            .filter_map(|object| match object {
                Object::Vm(vm) => Some(vm.id),
                _ => None,
            })
            .collect();
        vms.sort_unstable();
        vms.last().copied()
    }

    /// Defines a machine that runs on one host on another one too, by hand, and lets the server see that.
    fn define_twice(&mut self) {
        let runs = self.record().into_iter().find_map(|object| match object {
            Object::Vm(vm) if vm.power() == Power::Running => Some(vm),
            _ => None,
        });
        let Some(vm) = runs else { return self.fail("the stage cannot be set: nothing runs".into()) };
        let other = self.agents.iter().position(|agent| Some(agent.id.into()) != vm.host);
        let Some(other) = other else { return self.fail("the stage cannot be set: one host".into()) };
        let identity = Identity { vm: vm.id, domain: vm.domain, installation: self.installation };
        let hardware = Hardware { disks: Vec::new(), ..vm.spec.hardware.clone() };
        let definition = Definition { identity, name: "twice".into(), title: "twice".into(), hardware };
        if self.agents[other].host.outside(&Outside::Define(Box::new(definition), false)).is_err() {
            self.fail("the stage cannot be set: it is not defined twice".into());
        }
        self.host_moved(other);
        self.run_until(self.now + 15_000);
        // Looked at again, it has been shown by both for long enough.
        self.picture_everything();
        self.run_until(self.now + 15_000);
    }

    fn define_behind(&mut self) {
        let id = self.ids.draw();
        let identity = Identity { vm: VmId(id), domain: id, installation: self.installation };
        let hardware = Hardware {
            cpus: 1,
            memory_mib: 128,
            firmware: Default::default(),
            disks: Vec::new(),
            dvd: None,
            adapters: Vec::new(),
        };
        let definition = Definition { identity, name: "by-hand".into(), title: "by-hand".into(), hardware };
        if self.agents[0].host.outside(&Outside::Define(Box::new(definition), false)).is_err() {
            self.fail("the stage cannot be set: nothing is defined by hand".into());
        }
        self.host_moved(0);
    }
}

fn creation(name: &str, from: VmSource, start: bool) -> Option<Request> {
    Some(Request::CreateVm(Box::new(CreateVm {
        name: Name::new(name).ok()?,
        from,
        cpus: None,
        memory_mib: Some(256),
        firmware: None,
        disk_bytes: None,
        host: None,
        path: None,
        start,
        notes: String::new(),
        tags: Vec::new(),
        network: None,
        mac: None,
        vlan: None,
        allow_mac_spoofing: None,
        seed: [("token".to_owned(), "abc".to_owned())].into(),
        candidates: Vec::new(),
    })))
}
