//! Definitions and power.

use hostler_model::Code;
use hostler_model::command::{Command, Outcome};
use hostler_model::seen::Power;
use uuid::Uuid;

use super::{Case, Guest, Subject, Tried, Verdict, code_of, holds_if, must};
use crate::simulated::Outside;
use crate::{Trouble, Watch};

pub(super) fn cases() -> Vec<Case> {
    macro_rules! cases {
        ($($name:ident),* $(,)?) => { vec![$(Case { name: stringify!($name), run: $name }),*] };
    }
    cases![
        a_defined_machine_is_off_and_looks_as_it_was_defined,
        a_machine_that_the_host_does_not_have_is_told_as_such,
        a_name_that_another_machine_has_is_not_defined_again,
        a_machine_starts_once,
        a_machine_that_is_off_is_not_paused_reset_turned_off_or_asked,
        a_paused_machine_runs_again_and_can_be_turned_off,
        a_reset_machine_runs_on,
        a_saved_machine_continues,
        a_saved_state_can_be_discarded,
        a_save_that_is_stopped_lets_the_machine_run_on,
        a_machine_with_a_saved_state_can_be_undefined,
        a_guest_that_ignores_the_button_runs_on,
        a_shut_down_that_is_ignored_fails_and_says_what_to_do,
        a_guard_is_checked_at_the_machine_itself,
        hardware_changes_in_the_definition,
        a_title_is_written_whether_it_runs_or_not,
        an_identity_is_written_and_survives_a_start,
        what_others_do_is_seen,
        a_running_machine_without_definition_is_gone_when_it_is_off,
        a_machine_whose_process_died_is_crashed,
        an_event_names_a_machine_that_started,
    ]
}

struct Aborted;

impl Watch for Aborted {
    fn progress(&self, _done: u64, _of: u64) {}
    fn aborted(&self) -> bool {
        true
    }
}

fn a_defined_machine_is_off_and_looks_as_it_was_defined(subject: &dyn Subject) -> Tried {
    let guest = Guest::defined(subject)?;
    let (seen, wanted) = (guest.read()?, &guest.definition);
    must(seen.power == Power::Off, || format!("it is {}", seen.power.words()))?;
    must(seen.name == wanted.name, || format!("its name is {}", seen.name))?;
    must(seen.title.as_deref() == Some(&wanted.title), || format!("its title is {:?}", seen.title))?;
    must(seen.identity == Some(wanted.identity), || format!("its identity is {:?}", seen.identity))?;
    must(seen.persistent, || "it is not persistent".into())?;
    let hardware = (seen.cpus, seen.memory_mib);
    let asked = (wanted.hardware.cpus, wanted.hardware.memory_mib);
    must(hardware == asked, || format!("it has {hardware:?} instead of {asked:?}"))?;
    for disk in &wanted.hardware.disks {
        let found = seen.disks.iter().find(|there| there.target == disk.target());
        must(
            found.is_some_and(|found| found.file.as_ref() == Some(&disk.file) && found.format == disk.format),
            || format!("disk {} is {found:?}", disk.target()),
        )?;
    }
    must(seen.disks.iter().filter(|disk| disk.dvd).count() == 1, || "it should have one DVD drive".into())?;
    let macs: Vec<_> = seen.adapters.iter().map(|adapter| adapter.mac).collect();
    let asked: Vec<_> = wanted.hardware.adapters.iter().map(|adapter| adapter.mac).collect();
    must(macs == asked, || format!("its adapters are {macs:?} instead of {asked:?}"))?;
    let listed = guest.did("list", guest.machines().list())?;
    holds_if(listed.contains(&seen), || "the list shows another machine".into())
}

fn a_machine_that_the_host_does_not_have_is_told_as_such(subject: &dyn Subject) -> Tried {
    let machines = subject.machines();
    let domain = subject.fresh().identity.domain;
    must(machines.read(domain) == Ok(None), || "a machine that was never defined is read".into())?;
    let calls: [(&str, Result<(), Trouble>); 8] = [
        ("start", machines.start(domain)),
        ("turn_off", machines.turn_off(domain)),
        ("pause", machines.pause(domain)),
        ("undefine", machines.undefine(domain)),
        ("retitle", machines.retitle(domain, "x")),
        ("set_hardware", machines.set_hardware(domain, 1, 64)),
        ("holds_disk", machines.holds_disk(domain, "vda").map(drop)),
        ("ask_to_detach_disk", machines.ask_to_detach_disk(domain, "vda")),
    ];
    for (what, result) in calls {
        let said = matches!(&result, Err(Trouble::Failed(refusal) | Trouble::Refused(refusal))
            if refusal.code == Code::HypervisorNoVm);
        must(said, || format!("{what} of no machine: {result:?}"))?;
    }
    Ok(Verdict::Holds)
}

fn a_name_that_another_machine_has_is_not_defined_again(subject: &dyn Subject) -> Tried {
    let guest = Guest::defined(subject)?;
    let mut other = subject.fresh();
    other.name.clone_from(&guest.definition.name);
    let other = Guest::of(subject, other);
    guest.did_not("define with a taken name", subject.machines().define(&other.definition))?;
    other.is_gone()?;
    Ok(Verdict::Holds)
}

fn a_machine_starts_once(subject: &dyn Subject) -> Tried {
    let guest = Guest::started(subject)?;
    guest.did_not("start of a running machine", subject.machines().start(guest.domain))?;
    guest.is(Power::Running)?;
    guest.did("turn_off", subject.machines().turn_off(guest.domain))?;
    guest.is(Power::Off)?;
    Ok(Verdict::Holds)
}

fn a_machine_that_is_off_is_not_paused_reset_turned_off_or_asked(subject: &dyn Subject) -> Tried {
    let guest = Guest::defined(subject)?;
    let (machines, domain) = (subject.machines(), guest.domain);
    guest.did_not("pause", machines.pause(domain))?;
    guest.did_not("resume", machines.resume(domain))?;
    guest.did_not("reset", machines.reset(domain))?;
    guest.did_not("turn_off", machines.turn_off(domain))?;
    guest.did_not("ask_to_shut_down", machines.ask_to_shut_down(domain, None))?;
    guest.did_not("save", machines.save(domain, &crate::NoWatch))?;
    guest.is(Power::Off)?;
    Ok(Verdict::Holds)
}

fn a_paused_machine_runs_again_and_can_be_turned_off(subject: &dyn Subject) -> Tried {
    let guest = Guest::started(subject)?;
    guest.did("pause", subject.machines().pause(guest.domain))?;
    guest.is(Power::Paused)?;
    guest.did("resume", subject.machines().resume(guest.domain))?;
    guest.is(Power::Running)?;
    guest.did("pause", subject.machines().pause(guest.domain))?;
    guest.did("turn_off", subject.machines().turn_off(guest.domain))?;
    guest.is(Power::Off)?;
    Ok(Verdict::Holds)
}

fn a_reset_machine_runs_on(subject: &dyn Subject) -> Tried {
    let guest = Guest::started(subject)?;
    guest.did("reset", subject.machines().reset(guest.domain))?;
    guest.is(Power::Running)?;
    Ok(Verdict::Holds)
}

fn a_saved_machine_continues(subject: &dyn Subject) -> Tried {
    let guest = Guest::started(subject)?;
    guest.did("save", subject.machines().save(guest.domain, &crate::NoWatch))?;
    guest.is(Power::Saved)?;
    guest.did("start", subject.machines().start(guest.domain))?;
    guest.is(Power::Running)?;
    guest.did("turn_off", subject.machines().turn_off(guest.domain))?;
    guest.is(Power::Off)?;
    Ok(Verdict::Holds)
}

fn a_saved_state_can_be_discarded(subject: &dyn Subject) -> Tried {
    let guest = Guest::started(subject)?;
    guest.did("save", subject.machines().save(guest.domain, &crate::NoWatch))?;
    guest.did("discard_saved", subject.machines().discard_saved(guest.domain))?;
    guest.is(Power::Off)?;
    Ok(Verdict::Holds)
}

fn a_save_that_is_stopped_lets_the_machine_run_on(subject: &dyn Subject) -> Tried {
    let guest = Guest::started(subject)?;
    match subject.machines().save(guest.domain, &Aborted) {
        Err(Trouble::Aborted) => guest.is(Power::Running)?,
        // A small machine may be saved before anybody can stop it.
        Ok(()) => guest.is(Power::Saved)?,
        Err(other) => return Err(format!("a stopped save came to: {other}")),
    }
    Ok(Verdict::Holds)
}

fn a_machine_with_a_saved_state_can_be_undefined(subject: &dyn Subject) -> Tried {
    let guest = Guest::started(subject)?;
    guest.did("save", subject.machines().save(guest.domain, &crate::NoWatch))?;
    guest.did("undefine", subject.machines().undefine(guest.domain))?;
    guest.is_gone()?;
    // Defined again it is off: no saved state of the old one comes back.
    guest.did("define", subject.machines().define(&guest.definition))?;
    guest.is(Power::Off)?;
    Ok(Verdict::Holds)
}

fn a_guest_that_ignores_the_button_runs_on(subject: &dyn Subject) -> Tried {
    let guest = Guest::started(subject)?;
    guest.did("ask_to_shut_down", subject.machines().ask_to_shut_down(guest.domain, None))?;
    subject.pass(1_000);
    let power = guest.read()?.power;
    holds_if(power.is_on(), || format!("it is {}", power.words()))
}

fn a_shut_down_that_is_ignored_fails_and_says_what_to_do(subject: &dyn Subject) -> Tried {
    let guest = Guest::started(subject)?;
    let outcome = guest.carry_out(Command::ShutDown { domain: guest.domain, limit_ms: 2_000 });
    let said = matches!(&outcome, Outcome::Failed { refusal } if !refusal.remedy.is_empty());
    must(said && code_of(&outcome) == Some(Code::GuestIgnored), || format!("{outcome:?}"))?;
    let outcome = guest.carry_out(Command::TurnOff { domain: guest.domain });
    holds_if(outcome == Outcome::done(), || format!("{outcome:?}"))
}

fn a_guard_is_checked_at_the_machine_itself(subject: &dyn Subject) -> Tried {
    let guest = Guest::started(subject)?;
    let domain = guest.domain;
    for command in [
        Command::Start { domain },
        Command::Resume { domain },
        Command::Undefine { domain },
        Command::DiscardSaved { domain },
        Command::SetHardware { domain, cpus: 7, memory_mib: 77 },
    ] {
        let word = command.word();
        let outcome = guest.carry_out(command);
        must(code_of(&outcome) == Some(Code::GuardRefused), || format!("{word}: {outcome:?}"))?;
    }
    guest.is(Power::Running)?;
    Ok(Verdict::Holds)
}

fn hardware_changes_in_the_definition(subject: &dyn Subject) -> Tried {
    let guest = Guest::defined(subject)?;
    guest.did("set_hardware", subject.machines().set_hardware(guest.domain, 2, 96))?;
    let seen = guest.read()?;
    must((seen.cpus, seen.memory_mib) == (2, 96), || format!("{} and {}", seen.cpus, seen.memory_mib))?;
    must(seen.identity == Some(guest.definition.identity), || "its identity is lost".into())?;
    must(seen.title.is_some(), || "its title is lost".into())?;
    guest.did("start", subject.machines().start(guest.domain))?;
    guest.is(Power::Running)?;
    Ok(Verdict::Holds)
}

fn a_title_is_written_whether_it_runs_or_not(subject: &dyn Subject) -> Tried {
    let guest = Guest::defined(subject)?;
    let has = |title: &str| -> Result<(), String> {
        let seen = guest.read()?;
        must(seen.title.as_deref() == Some(title), || format!("its title is {:?}", seen.title))
    };
    guest.did("retitle", subject.machines().retitle(guest.domain, "one & <two>"))?;
    has("one & <two>")?;
    guest.did("start", subject.machines().start(guest.domain))?;
    guest.did("retitle", subject.machines().retitle(guest.domain, "drei – vier"))?;
    has("drei – vier")?;
    guest.did("turn_off", subject.machines().turn_off(guest.domain))?;
    guest.is(Power::Off)?;
    has("drei – vier")?;
    Ok(Verdict::Holds)
}

fn an_identity_is_written_and_survives_a_start(subject: &dyn Subject) -> Tried {
    let guest = Guest::defined(subject)?;
    let mut identity = guest.definition.identity;
    identity.vm = hostler_model::VmId(Uuid::from_u128(identity.domain.as_u128() ^ 1));
    let has = || -> Result<(), String> {
        let seen = guest.read()?;
        must(seen.identity == Some(identity), || format!("its identity is {:?}", seen.identity))
    };
    guest.did("adopt", subject.machines().adopt(&identity))?;
    has()?;
    guest.did("start", subject.machines().start(guest.domain))?;
    has()?;
    guest.did("turn_off", subject.machines().turn_off(guest.domain))?;
    guest.is(Power::Off)?;
    has()?;
    Ok(Verdict::Holds)
}

fn what_others_do_is_seen(subject: &dyn Subject) -> Tried {
    let guest = Guest::defined(subject)?;
    if !subject.outside(&Outside::Start(guest.domain))? {
        return Ok(Verdict::NotHere);
    }
    guest.is(Power::Running)?;
    if subject.outside(&Outside::Pause(guest.domain))? {
        guest.is(Power::Paused)?;
    }
    if subject.outside(&Outside::TurnOff(guest.domain))? {
        guest.is(Power::Off)?;
    }
    if subject.outside(&Outside::SetHardware { domain: guest.domain, cpus: 1, memory_mib: 128 })? {
        let seen = guest.read()?;
        must(seen.memory_mib == 128, || format!("it has {} MiB", seen.memory_mib))?;
    }
    Ok(Verdict::Holds)
}

fn a_running_machine_without_definition_is_gone_when_it_is_off(subject: &dyn Subject) -> Tried {
    let guest = Guest::started(subject)?;
    if !subject.outside(&Outside::Undefine(guest.domain))? {
        return Ok(Verdict::NotHere);
    }
    let seen = guest.read()?;
    must(seen.power == Power::Running, || format!("it is {}", seen.power.words()))?;
    must(!seen.persistent, || "it should not be persistent".into())?;
    guest.did("turn_off", subject.machines().turn_off(guest.domain))?;
    guest.is_gone()?;
    Ok(Verdict::Holds)
}

fn a_machine_whose_process_died_is_crashed(subject: &dyn Subject) -> Tried {
    let guest = Guest::started(subject)?;
    if !subject.outside(&Outside::Crash(guest.domain))? {
        return Ok(Verdict::NotHere);
    }
    guest.is(Power::Crashed)?;
    guest.did("start", subject.machines().start(guest.domain))?;
    guest.is(Power::Running)?;
    Ok(Verdict::Holds)
}

fn an_event_names_a_machine_that_started(subject: &dyn Subject) -> Tried {
    let guest = Guest::defined(subject)?;
    if subject.changed().is_none() {
        return Ok(Verdict::NotHere);
    }
    guest.did("start", subject.machines().start(guest.domain))?;
    for _ in 0..50 {
        if subject.changed().is_some_and(|changed| changed.contains(&guest.domain)) {
            return Ok(Verdict::Holds);
        }
        subject.pass(100);
    }
    Err("no event named it within 5 s".into())
}
