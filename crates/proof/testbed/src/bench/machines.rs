//! Machines on a real host, through Hostler and by the tools that are there without it.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use hostler_client::How;
use hostler_model::Name;
use hostler_model::action::VmAction;
use hostler_model::body::NewShare;
use hostler_model::hardware::Firmware;
use hostler_model::request::VmSource;
use hostler_model::template::{Deploy, TemplateSpec};

use super::figures::Line;
use crate::commands::run;
use crate::site::{Site, create, taken};
use crate::trouble::{Result, Trouble};

/// `virsh` on the host's libvirt, from outside: no other process stands in between.
pub(super) fn virsh(site: &Site) -> Result<String> {
    let host = site.hosts.first();
    let first =
        host.and_then(|host| host.first()).ok_or_else(|| Trouble::Answer("the host is off".into()))?;
    let socket = format!("/proc/{}/root/run/libvirt/libvirt-sock", first.pid);
    Ok(format!("virsh -q -c 'qemu+unix:///system?socket={socket}'"))
}

pub(super) fn shell(script: &str) -> Result<String> {
    run(Command::new("sh").args(["-ec", script]))
}

fn timed(what: impl FnOnce() -> Result<()>) -> Result<Duration> {
    let begun = Instant::now();
    what().map(|()| begun.elapsed())
}

/// Start: through Hostler until its job is done, by `virsh start` until it returns; libvirt says *running* after both.
pub(super) fn start(runs: u32) -> Result<Vec<Line>> {
    let site = Site::with_host()?;
    site.create_empty("m")?;
    let (domain, virsh) = (site.vm("m")?.vm.domain, virsh(&site)?);
    let runs_now = || match shell(&format!("{virsh} domstate {domain}"))?.trim() {
        "running" => Ok(()),
        other => Err(Trouble::Answer(format!("it is {other}"))),
    };
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    // The first pair warms libvirt's caches and is not counted.
    for at in 0..=runs {
        let by_hostler = timed(|| site.doing("m", VmAction::Start))?;
        runs_now()?;
        site.doing("m", VmAction::TurnOff)?;
        let by_virsh = timed(|| shell(&format!("{virsh} start {domain}")).map(drop))?;
        runs_now()?;
        site.becomes("m", hostler_model::status::VmStatus::Running)?;
        site.doing("m", VmAction::TurnOff)?;
        if at > 0 {
            ours.push(by_hostler);
            theirs.push(by_virsh);
        }
    }
    Ok(vec![
        Line::times("start through Hostler", &ours, ""),
        Line::times("`virsh start`", &theirs, ""),
        Line::ratio(&ours, &theirs, "≤ 1.1× or ≤ 40 ms more"),
    ])
}

/// Template to running: through Hostler until its job is done, by a script that makes the overlay, defines and starts.
pub(super) fn deploy(runs: u32) -> Result<Vec<Line>> {
    let mut site = Site::with_host()?;
    let template = template(&mut site)?;
    let folder = site.host().scratch("by-hand")?;
    let virsh = virsh(&site)?;
    let make = |name: &str| {
        let mut body = create(name, VmSource::Template { template })?;
        body.start = true;
        let accepted = taken(site.run(site.client().create_vm(&body, &How::default()))?)?;
        site.done(accepted.job)
    };
    // The first brings the base to the host, and shows what such a machine is like.
    make("pattern")?;
    let pattern = site.vm("pattern")?.vm;
    site.doing("pattern", VmAction::TurnOff)?;
    let xml = shell(&format!("{virsh} dumpxml --inactive {}", pattern.domain))?;
    let disk = pattern.spec.hardware.disks.first().ok_or_else(|| Trouble::Answer("it has no disk".into()))?;
    let disk_file = Path::new(&disk.file);
    let own = disk_file.parent().unwrap_or(disk_file);
    // The same file name in a folder of its own.
    let file = folder.join(disk_file.file_name().unwrap_or_default());
    let base = shell(&format!("qemu-img info --output=json '{}'", disk.file))?;
    let base: serde_json::Value =
        serde_json::from_str(&base).map_err(|why| Trouble::Answer(format!("qemu-img: {why}")))?;
    let base =
        base.get("full-backing-filename").and_then(|name| name.as_str()).unwrap_or_default().to_owned();
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for at in 0..=runs {
        let by_hostler = timed(|| make("web"))?;
        site.doing("web", VmAction::TurnOff)?;
        site.change(site.client().delete_vm("web", true, &How::default()))?;

        let domain = uuid::Uuid::new_v4();
        let definition = folder.join("web.xml");
        let title = xml.find("<metadata>").zip(xml.find("</metadata>"));
        let bare = title.map_or_else(
            || xml.clone(),
            |(from, to)| format!("{}{}", &xml[..from], &xml[to + "</metadata>".len()..]),
        );
        let of_its_own = bare
            .replace(&*own.to_string_lossy(), &folder.to_string_lossy())
            .replace(&pattern.domain.to_string(), &domain.to_string())
            .replace("<title>pattern</title>", "<title>by hand</title>");
        let name = pattern.observed.as_ref().map(|seen| seen.seen.name.clone()).unwrap_or_default();
        let of_its_own = of_its_own.replace(&format!("<name>{name}</name>"), "<name>by-hand</name>");
        std::fs::write(&definition, of_its_own).map_err(Trouble::file(&definition))?;
        let script = format!(
            "qemu-img create -q -f qcow2 -b '{base}' -F qcow2 '{}'; {virsh} define '{}'; {virsh} start by-hand",
            file.display(),
            definition.display()
        );
        let by_hand = timed(|| shell(&script).map(drop))?;
        shell(&format!("{virsh} destroy by-hand; {virsh} undefine by-hand"))?;
        if at > 0 {
            ours.push(by_hostler);
            theirs.push(by_hand);
        }
    }
    Ok(vec![
        Line::times("template to running through Hostler", &ours, ""),
        Line::times("`qemu-img create -b`, `virsh define`, `virsh start`", &theirs, ""),
        Line::ratio(&ours, &theirs, "≤ 1.2×"),
    ])
}

/// A template of the tiny Linux disk.
pub(super) fn template(site: &mut Site) -> Result<hostler_model::TemplateId> {
    let folder = site.host().scratch("library")?;
    let image = std::env::var_os("HOSTLER_TINY_LINUX")
        .ok_or_else(|| Trouble::Answer("HOSTLER_TINY_LINUX does not name the tiny Linux disk".into()))?;
    let to = folder.join("tiny-linux.qcow2");
    std::fs::copy(&image, &to).map_err(Trouble::file(&to))?;
    let named = |name: &str| Name::new(name).map_err(|why| Trouble::Client(why.into()));
    let folder = folder.to_string_lossy().into_owned();
    let share = NewShare { name: named("main")?, agent: "a".into(), folder };
    site.change(site.client().add_share(&share, &How::default()))?;
    let disk = site.until("the item is there", Duration::from_secs(20), async |client| {
        let items = client.items(None, &hostler_client::ListQuery::default()).await?.items;
        Ok(items.into_iter().next().map(|view| view.item.id))
    })?;
    let spec = TemplateSpec {
        name: named("tiny-linux")?,
        notes: String::new(),
        disk,
        cpus: 1,
        memory_mib: 128,
        firmware: Firmware::Bios,
        deploy: Deploy::Overlay,
    };
    site.change(site.client().create_template(&spec, &How::default()))?;
    Ok(site.run(site.client().template("tiny-linux"))?.template.id)
}
