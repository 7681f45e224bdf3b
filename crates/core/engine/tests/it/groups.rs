//! Groups of hosts: a tree in which every host has one place, and what is in force in it.

use hostler_model::agent::Roles;
use hostler_model::host::EditHost;
use hostler_model::host_group::{ALL_HOSTS, ALL_HOSTS_NAME, DEEPEST, EditHostGroup, HostGroup};
use hostler_model::request::{EnrolAgent, Request};
use hostler_model::reserve::{EditReserve, OwnReserve, Reserve};
use hostler_model::{AgentId, Code, HostGroupId, HostId, Key, Object, Refusal, Timestamp};
use uuid::Uuid;

use crate::world::{World, agent, create, name};

fn host(n: u128) -> HostId {
    agent(n).into()
}

fn world(hosts: u128) -> World {
    World::with(hosts, vec![Object::from(HostGroup::all_hosts(Timestamp(0)))])
}

fn making(parent: HostGroupId, text: &str, memory_mib: Option<u64>) -> Request {
    Request::CreateHostGroup {
        parent: Some(parent),
        name: name(text),
        notes: String::new(),
        reserve: OwnReserve { memory_mib, ..OwnReserve::default() },
        unencrypted_transfers: None,
    }
}

/// Makes a group, and says which it is.
fn made(world: &mut World, parent: HostGroupId, text: &str) -> HostGroupId {
    let job = world.ask(making(parent, text, None)).unwrap();
    match world.jobs[&job].about[0] {
        Key::HostGroup(id) => id,
        other => panic!("{other}"),
    }
}

fn rename(group: HostGroupId, text: &str) -> Request {
    let edit = EditHostGroup { name: Some(name(text)), ..EditHostGroup::default() };
    Request::EditHostGroup { group, edit }
}

fn refused(world: &mut World, request: Request) -> Refusal {
    world.ask(request).unwrap_err()
}

fn reserve_of(world: &World, n: u128) -> Reserve {
    let inv = world.engine.inventory();
    inv.in_force(inv.host(host(n)).unwrap()).reserve
}

#[test]
fn all_hosts_is_made_once_and_stays_as_it_is() {
    let mut world = World::new(1);
    let first = |text: &str| Request::CreateHostGroup {
        parent: None,
        name: name(text),
        notes: String::new(),
        reserve: OwnReserve::default(),
        unencrypted_transfers: None,
    };
    assert_eq!(refused(&mut world, first("Everything")).code, Code::HostGroupFixed);
    world.ask(first(ALL_HOSTS_NAME)).unwrap();
    let a = made(&mut world, ALL_HOSTS, "a");
    for request in [
        first(ALL_HOSTS_NAME),
        rename(ALL_HOSTS, "Everything"),
        Request::MoveHostGroup { group: ALL_HOSTS, to: a },
        Request::DeleteHostGroup { group: ALL_HOSTS },
    ] {
        let refusal = refused(&mut world, request);
        assert_eq!(refusal.code, Code::HostGroupFixed);
        assert!(refusal.object.contains(ALL_HOSTS_NAME) && !refusal.remedy.is_empty(), "{refusal:?}");
    }
    // What it sets may be changed, and it may be called what it is called.
    let edit = EditHostGroup {
        name: Some(name(ALL_HOSTS_NAME)),
        notes: Some("everything".into()),
        reserve: EditReserve { memory_mib: Some(Some(1000)), ..EditReserve::default() },
        ..EditHostGroup::default()
    };
    world.ask(Request::EditHostGroup { group: ALL_HOSTS, edit }).unwrap();
    assert_eq!(reserve_of(&world, 0).memory_mib, 1000);
}

#[test]
fn a_name_is_taken_once_in_a_group_and_may_repeat_in_another() {
    let mut world = world(0);
    let a = made(&mut world, ALL_HOSTS, "a");
    let b = made(&mut world, ALL_HOSTS, "b");
    let in_a = made(&mut world, a, "rack");
    let in_b = made(&mut world, b, "rack");
    for same in ["rack", "RACK", "r\u{430}ck"] {
        assert_eq!(refused(&mut world, making(a, same, None)).code, Code::NameTaken, "{same}");
    }
    assert_eq!(refused(&mut world, rename(b, "a")).code, Code::NameTaken);
    assert_eq!(refused(&mut world, Request::MoveHostGroup { group: in_b, to: a }).code, Code::NameTaken);
    world.ask(rename(in_a, "Rack")).unwrap();
    world.ask(rename(in_b, "other")).unwrap();
    world.ask(Request::MoveHostGroup { group: in_b, to: a }).unwrap();
    world.ask(making(b, "rack", None)).unwrap();
    world.ask(Request::DeleteHostGroup { group: in_a }).unwrap();
    world.ask(making(a, "rack", None)).unwrap();
}

#[test]
fn a_group_is_never_in_itself_and_the_tree_is_never_too_deep() {
    let mut world = world(0);
    let mut line = vec![ALL_HOSTS];
    for n in 1..DEEPEST {
        line.push(made(&mut world, *line.last().unwrap(), &format!("level-{n}")));
    }
    assert_eq!(refused(&mut world, making(line[DEEPEST - 1], "deeper", None)).code, Code::HostGroupTooDeep);
    for below in 1..DEEPEST {
        let refusal = refused(&mut world, Request::MoveHostGroup { group: line[1], to: line[below] });
        assert_eq!(refusal.code, Code::HostGroupCycle, "{refusal:?}");
    }
    // With what is below it, a group is as deep as that.
    let other = made(&mut world, ALL_HOSTS, "other");
    let refusal = refused(&mut world, Request::MoveHostGroup { group: line[1], to: other });
    assert_eq!(refusal.code, Code::HostGroupTooDeep);
    world.ask(Request::MoveHostGroup { group: line[DEEPEST - 1], to: other }).unwrap();
    world.ask(Request::MoveHostGroup { group: line[1], to: other }).unwrap();
}

#[test]
fn a_group_with_something_in_it_is_not_deleted_and_says_what_that_is() {
    let mut world = world(8);
    let a = made(&mut world, ALL_HOSTS, "a");
    let b = made(&mut world, a, "b");
    let refusal = refused(&mut world, Request::DeleteHostGroup { group: a });
    assert_eq!((refusal.code, refusal.cause.as_str()), (Code::ObjectInUse, "in it are host group b"));
    world.ask(Request::MoveHost { host: host(3), to: b }).unwrap();
    let refusal = refused(&mut world, Request::DeleteHostGroup { group: b });
    assert_eq!(refusal.cause, "in it are host host-3");
    for n in 0..8 {
        world.ask(Request::MoveHost { host: host(n), to: b }).unwrap();
    }
    let refusal = refused(&mut world, Request::DeleteHostGroup { group: b });
    assert!(refusal.cause.ends_with("host host-4, more"), "{}", refusal.cause);
    for n in 0..8 {
        world.ask(Request::MoveHost { host: host(n), to: ALL_HOSTS }).unwrap();
    }
    world.ask(Request::DeleteHostGroup { group: b }).unwrap();
    world.ask(Request::DeleteHostGroup { group: a }).unwrap();
    for request in [
        Request::DeleteHostGroup { group: a },
        Request::MoveHost { host: host(0), to: a },
        Request::MoveHostGroup { group: a, to: ALL_HOSTS },
        making(a, "c", None),
        rename(a, "d"),
    ] {
        assert_eq!(refused(&mut world, request).code, Code::ObjectNotFound);
    }
}

#[test]
fn a_reserve_is_the_nearest_that_is_set_field_by_field() {
    let mut world = world(2);
    let a = made(&mut world, ALL_HOSTS, "a");
    let b = made(&mut world, a, "b");
    world.ask(Request::MoveHost { host: host(0), to: b }).unwrap();
    let usual = Reserve::default();
    let set = |world: &mut World, group: HostGroupId, reserve: EditReserve| {
        let edit = EditHostGroup { reserve, ..EditHostGroup::default() };
        world.ask(Request::EditHostGroup { group, edit }).unwrap();
    };
    set(
        &mut world,
        a,
        EditReserve { memory_mib: Some(Some(1000)), cpu_percent: Some(Some(5)), ..EditReserve::default() },
    );
    assert_eq!(reserve_of(&world, 0), Reserve { memory_mib: 1000, cpu_percent: 5, ..usual });
    assert_eq!(reserve_of(&world, 1), usual, "it is not below that group");
    set(&mut world, b, EditReserve { memory_mib: Some(Some(2000)), ..EditReserve::default() });
    assert_eq!(reserve_of(&world, 0), Reserve { memory_mib: 2000, cpu_percent: 5, ..usual });
    let own = EditReserve { memory_mib: Some(Some(3000)), ..EditReserve::default() };
    let edit = EditHost { reserve: own, ..EditHost::default() };
    world.ask(Request::EditHost { host: host(0), edit }).unwrap();
    assert_eq!(reserve_of(&world, 0).memory_mib, 3000);
    let edit = EditHost { reserve: EditReserve::inherit(), ..EditHost::default() };
    world.ask(Request::EditHost { host: host(0), edit }).unwrap();
    set(&mut world, b, EditReserve::inherit());
    assert_eq!(reserve_of(&world, 0), Reserve { memory_mib: 1000, cpu_percent: 5, ..usual });
    world.ask(Request::MoveHostGroup { group: b, to: ALL_HOSTS }).unwrap();
    assert_eq!(reserve_of(&world, 0), usual);
    let much = EditReserve { cpu_percent: Some(Some(101)), ..EditReserve::default() };
    let edit = EditHostGroup { reserve: much, ..EditHostGroup::default() };
    let refusal = refused(&mut world, Request::EditHostGroup { group: a, edit });
    assert_eq!((refusal.code, refusal.object.as_str()), (Code::ValueInvalid, "processor reserve"));
}

#[test]
fn what_is_set_below_a_group_gives_way_where_that_is_asked_and_nowhere_else() {
    let mut world = world(4);
    let a = made(&mut world, ALL_HOSTS, "a");
    let b = made(&mut world, a, "b");
    let aside = made(&mut world, ALL_HOSTS, "aside");
    for (n, group) in [(0, a), (1, b), (2, aside)] {
        world.ask(Request::MoveHost { host: host(n), to: group }).unwrap();
    }
    let own =
        EditReserve { memory_mib: Some(Some(3000)), cpu_percent: Some(Some(7)), ..EditReserve::default() };
    for n in 0..4 {
        let edit = EditHost { reserve: own, notes: Some("rack 3".into()), ..EditHost::default() };
        world.ask(Request::EditHost { host: host(n), edit }).unwrap();
    }
    for group in [b, aside] {
        let edit = EditHostGroup { reserve: own, ..EditHostGroup::default() };
        world.ask(Request::EditHostGroup { group, edit }).unwrap();
    }
    let reserve = EditReserve { memory_mib: Some(Some(1000)), ..EditReserve::default() };
    let edit = EditHostGroup { reserve, ..EditHostGroup::default() };
    world.ask(Request::EditHostGroup { group: a, edit: edit.clone() }).unwrap();
    assert_eq!(reserve_of(&world, 0).memory_mib, 3000, "what is nearer holds");

    let edit = EditHostGroup { overwrite_below: true, ..edit };
    let job = world.ask(Request::EditHostGroup { group: a, edit }).unwrap();
    let all = Reserve { memory_mib: 1000, ..Reserve::default() };
    let inv = world.engine.inventory();
    for n in 0..2 {
        assert_eq!(reserve_of(&world, n), all, "all of it, as in the group");
        let spec = &inv.host(host(n)).unwrap().spec;
        assert_eq!((spec.reserve, spec.notes.as_str()), (OwnReserve::default(), "rack 3"));
    }
    assert_eq!(inv.host_group(b).unwrap().reserve, OwnReserve::default());
    for n in 2..4 {
        assert_eq!(reserve_of(&world, n).memory_mib, 3000, "it is not below");
    }
    assert_eq!(inv.host_group(aside).unwrap().reserve.cpu_percent, Some(7));
    let about = &world.jobs[&job].about;
    assert_eq!(about[0], Key::HostGroup(a));
    assert!(about.len() == 4 && about.contains(&Key::HostGroup(b)) && about.contains(&Key::Host(host(1))));
}

#[test]
fn no_machine_is_placed_on_what_a_group_keeps_for_its_hosts() {
    let mut world = world(1);
    let a = made(&mut world, ALL_HOSTS, "a");
    world.ask(Request::MoveHost { host: host(0), to: a }).unwrap();
    let keep = |memory_mib: u64| {
        let reserve = EditReserve { memory_mib: Some(Some(memory_mib)), ..EditReserve::default() };
        Request::EditHostGroup { group: a, edit: EditHostGroup { reserve, ..EditHostGroup::default() } }
    };
    // A machine takes 256 of 8,192 MiB.
    world.ask(keep(8_192 - 255)).unwrap();
    let refusal = refused(&mut world, create("web"));
    assert_eq!(refusal.code, Code::PlacementNoHost);
    assert!(refusal.cause.contains("7937 MiB are kept for the host"), "{}", refusal.cause);
    world.ask(keep(8_192 - 256)).unwrap();
    world.ask(create("web")).unwrap();
}

#[test]
fn of_two_edits_of_one_version_neither_takes_back_the_other() {
    let mut world = world(1);
    let memory = EditReserve { memory_mib: Some(Some(1024)), ..EditReserve::default() };
    for edit in [
        EditHost { notes: Some("rack 3".into()), ..EditHost::default() },
        EditHost { reserve: memory, ..EditHost::default() },
        EditHost { available: Some(false), ..EditHost::default() },
    ] {
        world.ask(Request::EditHost { host: host(0), edit }).unwrap();
    }
    let spec = world.engine.inventory().host(host(0)).unwrap().spec.clone();
    assert_eq!((spec.notes.as_str(), spec.available), ("rack 3", false));
    assert_eq!(spec.reserve, OwnReserve { memory_mib: Some(1024), ..OwnReserve::default() });
}

#[test]
fn a_computer_comes_into_the_group_of_its_token_and_into_all_hosts_where_that_is_gone() {
    let mut world = world(0);
    let groups = [made(&mut world, ALL_HOSTS, "stays"), made(&mut world, ALL_HOSTS, "goes")];
    let gone = HostGroupId(Uuid::from_u128(1));
    let token = |group| Request::CreateEnrolment {
        sha256: Default::default(),
        roles: Roles { host: true, library: false },
        host_name: None,
        group,
        valid_ms: 60_000,
    };
    assert_eq!(refused(&mut world, token(Some(gone))).code, Code::ObjectNotFound);
    let enrol = |world: &mut World, n: u128, group: Option<HostGroupId>, delete: bool| {
        let job = world.ask(token(group)).unwrap();
        let Key::Enrolment(token) = world.jobs[&job].about[0] else { panic!("no token") };
        if let (true, Some(group)) = (delete, group) {
            world.ask(Request::DeleteHostGroup { group }).unwrap();
        }
        let agent = AgentId(Uuid::from_u128(0xB000 + n));
        let facts = crate::world::facts(n);
        world
            .ask(Request::EnrolAgent(Box::new(EnrolAgent {
                agent,
                token,
                version: "1".into(),
                certificate: "aa".into(),
                certificate_until: Timestamp(i64::MAX),
                facts,
            })))
            .unwrap();
        world.engine.inventory().host(agent.into()).unwrap().group
    };
    assert_eq!(enrol(&mut world, 1, None, false), ALL_HOSTS);
    assert_eq!(enrol(&mut world, 2, Some(groups[0]), false), groups[0]);
    assert_eq!(enrol(&mut world, 3, Some(groups[1]), true), ALL_HOSTS);
}

/// A sequence of numbers that looks like chance.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % n
    }
}

/// What is in force where nothing is looked up but each group's own word, from the top down.
fn naively(groups: &[HostGroup], host: &hostler_model::host::Host) -> (Reserve, usize) {
    let mut line = vec![groups.iter().find(|group| group.id == host.group).unwrap()];
    while let Some(parent) = line.last().unwrap().parent {
        assert!(line.len() <= groups.len(), "a circle: {line:?}");
        line.push(groups.iter().find(|group| group.id == parent).unwrap());
    }
    assert_eq!(line.last().unwrap().id, ALL_HOSTS);
    let mut kept = Reserve::default();
    for own in line.iter().rev().map(|group| group.reserve).chain([host.spec.reserve]) {
        kept.memory_mib = own.memory_mib.unwrap_or(kept.memory_mib);
        kept.network_percent = own.network_percent.unwrap_or(kept.network_percent);
    }
    (kept, line.len())
}

#[test]
fn whatever_is_asked_groups_are_a_tree_and_what_is_in_force_is_what_a_walk_finds() {
    let (mut refusals, mut deepest) = (0, 0);
    for seed in 1..=30 {
        let (mut world, mut dice) = (world(4), Dice(seed));
        for _ in 0..60 {
            let groups: Vec<HostGroupId> =
                world.engine.inventory().host_groups().map(|group| group.id).collect();
            let any = |dice: &mut Dice| groups[dice.below(groups.len())];
            let (one, other) = (any(&mut dice), any(&mut dice));
            let sizes = [None, Some(None), Some(Some(256)), Some(Some(1024))];
            let percents = [None, Some(None), Some(Some(5)), Some(Some(50))];
            let reserve = EditReserve {
                memory_mib: sizes[dice.below(4)],
                network_percent: percents[dice.below(4)],
                ..EditReserve::default()
            };
            let text = format!("g{}", dice.below(6));
            let some_host = host(dice.below(4) as u128);
            let request = match dice.below(8) {
                0..3 => making(one, &text, [None, Some(777)][dice.below(2)]),
                3 => Request::MoveHostGroup { group: one, to: other },
                4 => Request::MoveHost { host: some_host, to: one },
                5 => Request::DeleteHostGroup { group: one },
                6 => Request::EditHost { host: some_host, edit: EditHost { reserve, ..EditHost::default() } },
                _ => {
                    let name = (dice.below(2) == 0).then(|| name(&text));
                    Request::EditHostGroup {
                        group: one,
                        edit: EditHostGroup { name, reserve, ..EditHostGroup::default() },
                    }
                }
            };
            refusals += u32::from(world.ask(request).is_err());
            let groups: Vec<HostGroup> =
                world.engine.inventory().host_groups().map(|group| (**group).clone()).collect();
            let mut names: Vec<_> = groups.iter().map(|group| (group.parent, group.name.folded())).collect();
            names.sort();
            names.dedup();
            assert_eq!(names.len(), groups.len(), "a name is there twice: {groups:?}");
            for n in 0..4 {
                let it = world.engine.inventory().host(host(n)).unwrap();
                let (kept, deep) = naively(&groups, it);
                assert_eq!(reserve_of(&world, n), kept);
                deepest = deepest.max(deep);
                assert!(deep <= DEEPEST);
            }
        }
    }
    assert!(refusals > 100 && deepest > 4, "{refusals} refusals, {deepest} deep");
}
