//! Machines whose definitions lie on the storage.

use hostler_model::seen::{Identity, Power};
use hostler_model::{InstallationId, VmId};
use uuid::Uuid;

use super::{Case, Guest, Subject, Tried, Verdict, holds_if, must};

pub(super) fn cases() -> Vec<Case> {
    macro_rules! cases {
        ($($name:ident),* $(,)?) => { vec![$(Case { name: stringify!($name), run: $name }),*] };
    }
    cases![
        a_definition_that_was_left_behind_is_examined_and_imported_under_another_identity,
        nothing_is_imported_in_the_place_of_a_machine_that_is_there,
        what_is_no_definition_is_not_imported,
    ]
}

/// Another identity than the one under which the machine was defined.
fn other(domain: Uuid) -> Identity {
    let id = Uuid::from_u128(0x1AB0);
    Identity { vm: VmId(id), domain, installation: InstallationId(id) }
}

fn a_definition_that_was_left_behind_is_examined_and_imported_under_another_identity(
    subject: &dyn Subject,
) -> Tried {
    let guest = Guest::defined(subject)?;
    let before = guest.read()?;
    let Some(text) = subject.written(guest.domain) else { return Ok(Verdict::NotHere) };
    guest.did("undefine", subject.machines().undefine(guest.domain))?;
    let examined = guest.did("examine", subject.machines().examine(&text))?;
    must(examined.refused.is_empty(), || format!("it is refused: {:?}", examined.refused))?;
    let seen = &examined.seen;
    must((seen.domain, seen.power) == (guest.domain, Power::Off), || format!("it is seen as {seen:?}"))?;
    must(seen.disks == before.disks, || format!("its disks are {:?}", seen.disks))?;
    must((seen.cpus, seen.memory_mib) == (before.cpus, before.memory_mib), || format!("it has {seen:?}"))?;
    guest.is_gone()?;
    let who = other(guest.domain);
    guest.did("import", subject.machines().import(&text, &who, "imported"))?;
    let after = guest.read()?;
    must(after.identity == Some(who), || format!("it bears {:?}", after.identity))?;
    must(after.title.as_deref() == Some("imported"), || format!("it is called {:?}", after.title))?;
    must(after.disks == before.disks && after.persistent, || format!("it became {after:?}"))?;
    guest.did("start", subject.machines().start(guest.domain))?;
    guest.is(Power::Running)?;
    Ok(Verdict::Holds)
}

fn nothing_is_imported_in_the_place_of_a_machine_that_is_there(subject: &dyn Subject) -> Tried {
    let guest = Guest::defined(subject)?;
    let Some(text) = subject.written(guest.domain) else { return Ok(Verdict::NotHere) };
    let before = guest.read()?;
    let who = other(guest.domain);
    guest.did_not("import", subject.machines().import(&text, &who, "imported"))?;
    let after = guest.read()?;
    holds_if(after == before, || format!("it became {after:?}"))
}

fn what_is_no_definition_is_not_imported(subject: &dyn Subject) -> Tried {
    let guest = Guest::defined(subject)?;
    guest.did("undefine", subject.machines().undefine(guest.domain))?;
    let who = other(guest.domain);
    for text in ["", "<network/>", "{}", "<domain>"] {
        guest.did_not("examine", subject.machines().examine(text))?;
        guest.did_not("import", subject.machines().import(text, &who, "imported"))?;
    }
    guest.is_gone().map(|()| Verdict::Holds)
}
