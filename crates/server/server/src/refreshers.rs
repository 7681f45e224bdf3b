//! What people see of refreshers, and how they let them look by hand.

use hostler_drive::Picture;
use hostler_model::refresher::{LookView, RefresherKind, RefresherRun, RefresherView, VmLookView};
use hostler_model::setting::Settings;
use hostler_model::vm::Vm;
use hostler_model::{AgentId, Code, HostId, Kind, Object, Refusal};
use uuid::Uuid;

use crate::clock::now;
use crate::handle::Handle;
use crate::looks::Look;
use crate::refresh::{Place, places};

impl Handle {
    /// Every refresher, and how far it is.
    pub fn refreshers(&self) -> Vec<RefresherView> {
        let (picture, settings) = (self.picture(), self.settings());
        RefresherKind::ALL.into_iter().map(|kind| self.refresher(&picture, &settings, kind)).collect()
    }

    fn refresher(&self, picture: &Picture, settings: &Settings, kind: RefresherKind) -> RefresherView {
        let places = places(picture, kind);
        let left_alone = places.iter().filter(|place| place.left_alone).count();
        let looks: Vec<Look> = places
            .iter()
            .filter(|place| !place.left_alone)
            .map(|place| self.shared.looks.look((kind, place.id)))
            .collect();
        let failing = looks.iter().filter(|look| look.last.as_ref().is_some_and(|last| last.error.is_some()));
        let interval_s = kind.interval_s(settings);
        RefresherView {
            refresher: kind,
            does: kind.does().to_owned(),
            setting: kind.setting().to_owned(),
            interval_s,
            looks_at: counted(looks.len()),
            left_alone: counted(left_alone),
            failing: counted(failing.count()),
            last: looks.iter().filter_map(|look| Some(look.last.as_ref()?.at)).max(),
            // One that was switched off a moment ago has turns still, and does not take them.
            next: looks.iter().filter_map(|look| look.next).min().filter(|_| interval_s > 0),
        }
    }

    /// How far a refresher is with everything that it looks at: what failed first, else by name.
    pub fn looks_of(&self, kind: RefresherKind) -> Vec<LookView> {
        let (picture, settings) = (self.picture(), self.settings());
        let mut looks: Vec<LookView> =
            places(&picture, kind).into_iter().map(|place| self.look(&settings, kind, place)).collect();
        looks.sort_by(|a, b| b.error.is_some().cmp(&a.error.is_some()).then_with(|| a.name.cmp(&b.name)));
        looks
    }

    /// How far all refreshers are with a host, and with the shares on it.
    pub fn looks_at(&self, host: HostId) -> Vec<LookView> {
        let (picture, settings) = (self.picture(), self.settings());
        let shares = picture.of_kind(Kind::Share).filter_map(|stored| match &stored.object {
            Object::Share(share) if share.agent == AgentId::from(host) => Some(share.id.0),
            _ => None,
        });
        let shares: Vec<Uuid> = shares.collect();
        let mut looks = Vec::new();
        for kind in RefresherKind::ALL {
            let here = |id: Uuid| if kind.is_of_shares() { shares.contains(&id) } else { id == host.0 };
            let here = places(&picture, kind).into_iter().filter(|place| here(place.id));
            looks.extend(here.map(|place| self.look(&settings, kind, place)));
        }
        looks
    }

    fn look(&self, settings: &Settings, kind: RefresherKind, place: Place) -> LookView {
        let look = self.shared.looks.look((kind, place.id));
        let interval_s = kind.interval_s(settings);
        LookView {
            refresher: kind,
            id: place.id.to_string(),
            name: place.name.to_string(),
            interval_s,
            last: look.last.as_ref().map(|last| last.at),
            took_ms: look.last.as_ref().map(|last| last.took_ms),
            error: look.last.and_then(|last| last.error),
            next: look.next.filter(|_| !place.left_alone && interval_s > 0),
            is_looking: look.under_way || look.wanted,
            is_left_alone: place.left_alone,
        }
    }

    /// When a machine was last read as a whole, what was wrong then, and how loaded it was when its host was asked.
    pub fn look_at_vm(&self, vm: &Vm) -> VmLookView {
        let Some(host) = vm.host else { return VmLookView::default() };
        let (last, trouble, load) = self.shared.looks.of_vm(vm.id, vm.domain, host.into());
        let picture = self.picture();
        let alone = picture.host(host).is_none_or(|host| host.spec.maintenance);
        let next = self.shared.looks.look((RefresherKind::VmHeavy, host.0)).next;
        // A machine that was made after the host was read was read when it was made.
        let last = last.filter(|last| last.at >= vm.created);
        let wrong = trouble.filter(|_| last.is_some()).map(|cause| {
            Refusal::new(Code::HypervisorFailed, vm.label(), cause)
                .remedy("Look at it on its host, then refresh it")
        });
        VmLookView {
            error: wrong.or_else(|| last.as_ref().and_then(|last| last.error.clone())),
            last: last.map(|last| last.at),
            next: next.filter(|_| !alone && RefresherKind::VmHeavy.interval_s(&self.settings()) > 0),
            load,
        }
    }

    /// Lets a refresher look at one place, or at all that are not in maintenance, as soon as there is room.
    pub fn run_refresher(&self, kind: RefresherKind, at: Option<Uuid>) -> RefresherRun {
        let mut run = RefresherRun { at: now(), ..RefresherRun::default() };
        for place in places(&self.picture(), kind) {
            match at {
                Some(at) if at != place.id => {}
                None if place.left_alone => run.left_alone += 1,
                _ => {
                    self.shared.looks.want((kind, place.id));
                    run.asked += 1;
                }
            }
        }
        run
    }
}

fn counted(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
