//! Disks and the DVD drive.

use hostler_model::Code;
use hostler_model::command::{Command, Outcome};
use hostler_model::seen::Power;

use super::{Case, Guest, Subject, Tried, Verdict, code_of, holds_if, must};
use crate::simulated::Outside;

pub(super) fn cases() -> Vec<Case> {
    macro_rules! cases {
        ($($name:ident),* $(,)?) => { vec![$(Case { name: stringify!($name), run: $name }),*] };
    }
    cases![
        a_file_names_the_machines_that_have_it_also_when_they_are_off,
        a_disk_comes_and_goes_at_once_while_the_machine_is_off,
        a_disk_is_attached_to_a_running_machine_and_to_its_definition,
        a_target_that_is_taken_is_not_attached_again,
        a_detach_that_the_guest_ignores_is_accepted_and_not_done,
        a_disk_that_a_guest_kept_is_gone_when_it_is_off,
        a_command_to_detach_waits_for_the_guest_and_fails_at_its_limit,
        a_command_to_attach_or_detach_what_is_already_so_is_done,
        an_image_is_not_open_in_two_machines,
        a_machine_whose_disk_file_is_missing_does_not_start,
        a_dvd_is_put_in_and_taken_out,
    ]
}

fn a_file_names_the_machines_that_have_it_also_when_they_are_off(subject: &dyn Subject) -> Tried {
    let guest = Guest::defined(subject)?;
    let file = &guest.definition.hardware.disks[0].file;
    let users = |what: &str| guest.did(what, subject.machines().users_of(file));
    let listed = users("users_of while off")?;
    must(listed == [guest.domain], || format!("off: {listed:?}"))?;
    guest.did("start", subject.machines().start(guest.domain))?;
    let listed = users("users_of while on")?;
    must(listed == [guest.domain], || format!("on: {listed:?}"))?;
    guest.did("turn_off", subject.machines().turn_off(guest.domain))?;
    guest.did("undefine", subject.machines().undefine(guest.domain))?;
    let listed = users("users_of after")?;
    holds_if(listed.is_empty(), || format!("undefined: {listed:?}"))
}

fn a_disk_comes_and_goes_at_once_while_the_machine_is_off(subject: &dyn Subject) -> Tried {
    let guest = Guest::defined(subject)?;
    let disk = subject.fresh_disk(&guest.definition, 1);
    guest.did("attach_disk", subject.machines().attach_disk(guest.domain, &disk))?;
    let held = guest.holds(&disk.target())?;
    must(held.as_ref() == Some(&disk.file), || format!("it holds {held:?}"))?;
    let seen = guest.read()?;
    let found = seen.disks.iter().find(|there| there.target == disk.target());
    must(
        found.is_some_and(|found| found.file.as_ref() == Some(&disk.file) && found.format == disk.format),
        || format!("it shows {found:?}"),
    )?;
    let target = disk.target();
    guest.did("ask_to_detach_disk", subject.machines().ask_to_detach_disk(guest.domain, &target))?;
    let held = guest.holds(&target)?;
    must(held.is_none(), || format!("it still holds {held:?}"))?;
    guest.did_not("detach of no disk", subject.machines().ask_to_detach_disk(guest.domain, &target))?;
    Ok(Verdict::Holds)
}

fn a_disk_is_attached_to_a_running_machine_and_to_its_definition(subject: &dyn Subject) -> Tried {
    let guest = Guest::started(subject)?;
    let disk = subject.fresh_disk(&guest.definition, 1);
    guest.did("attach_disk", subject.machines().attach_disk(guest.domain, &disk))?;
    let held = guest.holds(&disk.target())?;
    must(held.as_ref() == Some(&disk.file), || format!("running it holds {held:?}"))?;
    let defined = guest.read()?.disks;
    must(defined.iter().any(|there| there.file.as_ref() == Some(&disk.file)), || {
        format!("its definition has {defined:?}")
    })?;
    guest.did("turn_off", subject.machines().turn_off(guest.domain))?;
    guest.is(Power::Off)?;
    let held = guest.holds(&disk.target())?;
    holds_if(held.as_ref() == Some(&disk.file), || format!("off it holds {held:?}"))
}

fn a_target_that_is_taken_is_not_attached_again(subject: &dyn Subject) -> Tried {
    let guest = Guest::started(subject)?;
    let mut disk = subject.fresh_disk(&guest.definition, 1);
    disk.no = 0;
    guest.did_not("attach to a taken target", subject.machines().attach_disk(guest.domain, &disk))?;
    let held = guest.holds("vda")?;
    let own = &guest.definition.hardware.disks[0].file;
    must(held.as_ref() == Some(own), || format!("it holds {held:?}"))?;
    let outcome = guest.carry_out(Command::AttachDisk { domain: guest.domain, disk: Box::new(disk) });
    holds_if(matches!(outcome, Outcome::Refused { .. }), || format!("{outcome:?}"))
}

fn a_detach_that_the_guest_ignores_is_accepted_and_not_done(subject: &dyn Subject) -> Tried {
    let guest = Guest::started(subject)?;
    let disk = &guest.definition.hardware.disks[0];
    let target = disk.target();
    guest.did("ask_to_detach_disk", subject.machines().ask_to_detach_disk(guest.domain, &target))?;
    let held = guest.holds(&target)?;
    must(held.as_ref() == Some(&disk.file), || format!("it holds {held:?}"))?;
    let users = guest.did("users_of", subject.machines().users_of(&disk.file))?;
    holds_if(users == [guest.domain], || format!("the file is used by {users:?}"))
}

fn a_disk_that_a_guest_kept_is_gone_when_it_is_off(subject: &dyn Subject) -> Tried {
    let guest = Guest::started(subject)?;
    let target = guest.definition.hardware.disks[0].target();
    guest.did("ask_to_detach_disk", subject.machines().ask_to_detach_disk(guest.domain, &target))?;
    guest.did("turn_off", subject.machines().turn_off(guest.domain))?;
    guest.is(Power::Off)?;
    let held = guest.holds(&target)?;
    holds_if(held.is_none(), || format!("it holds {held:?}"))
}

fn a_command_to_detach_waits_for_the_guest_and_fails_at_its_limit(subject: &dyn Subject) -> Tried {
    let guest = Guest::started(subject)?;
    let disk = &guest.definition.hardware.disks[0];
    let outcome = guest.carry_out(Command::DetachDisk {
        domain: guest.domain,
        target: disk.target(),
        file: disk.file.clone(),
        limit_ms: 1_000,
    });
    holds_if(code_of(&outcome) == Some(Code::GuestIgnored), || format!("{outcome:?}"))
}

fn a_command_to_attach_or_detach_what_is_already_so_is_done(subject: &dyn Subject) -> Tried {
    let guest = Guest::defined(subject)?;
    let disk = subject.fresh_disk(&guest.definition, 1);
    let domain = guest.domain;
    let attach = || Command::AttachDisk { domain, disk: Box::new(disk.clone()) };
    let detach =
        || Command::DetachDisk { domain, target: disk.target(), file: disk.file.clone(), limit_ms: 1_000 };
    for command in [attach(), attach(), detach(), detach()] {
        let word = command.word();
        let outcome = guest.carry_out(command);
        must(outcome == Outcome::done(), || format!("{word}: {outcome:?}"))?;
    }
    Ok(Verdict::Holds)
}

fn an_image_is_not_open_in_two_machines(subject: &dyn Subject) -> Tried {
    let first = Guest::started(subject)?;
    let mut second = subject.fresh();
    second.hardware.disks.clone_from(&first.definition.hardware.disks);
    let second = Guest::of(subject, second);
    second.did("define", subject.machines().define(&second.definition))?;
    let started = subject.machines().start(second.domain);
    second.failed_with(Code::DiskInUse, "start with an image in use", started)?;
    second.is(Power::Off)?;
    first.did("turn_off", subject.machines().turn_off(first.domain))?;
    second.did("start once it is free", subject.machines().start(second.domain))?;
    Ok(Verdict::Holds)
}

fn a_machine_whose_disk_file_is_missing_does_not_start(subject: &dyn Subject) -> Tried {
    let mut definition = subject.fresh();
    definition.hardware.disks[0].file.push_str(".missing");
    let guest = Guest::of(subject, definition);
    guest.did("define", subject.machines().define(&guest.definition))?;
    let started = subject.machines().start(guest.domain);
    guest.failed_with(Code::DiskFailed, "start without its disk", started)?;
    guest.is(Power::Off)?;
    Ok(Verdict::Holds)
}

fn a_dvd_is_put_in_and_taken_out(subject: &dyn Subject) -> Tried {
    let Some(iso) = subject.iso() else { return Ok(Verdict::NotHere) };
    let guest = Guest::defined(subject)?;
    let machines = subject.machines();
    let has = |wanted: Option<&str>| -> Result<(), String> {
        let seen = guest.read()?;
        let found = seen.disks.iter().find(|disk| disk.dvd).and_then(|drive| drive.file.as_deref());
        must(found == wanted, || format!("in the drive lies {found:?}"))
    };
    has(None)?;
    guest.did("set_media while off", machines.set_media(guest.domain, Some(&iso)))?;
    has(Some(&iso))?;
    guest.did("start", machines.start(guest.domain))?;
    guest.did("empty the drive while on", machines.set_media(guest.domain, None))?;
    has(None)?;
    guest.did("set_media while on", machines.set_media(guest.domain, Some(&iso)))?;
    has(Some(&iso))?;
    let _ = subject.outside(&Outside::TurnOff(guest.domain))?;
    Ok(Verdict::Holds)
}
