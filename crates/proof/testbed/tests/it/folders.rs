//! Machines in other folders that the administrator of a host allows: made, looked for, imported; and nothing outside.

use std::path::PathBuf;
use std::time::Duration;

use hostler_client::How;
use hostler_model::action::VmAction;
use hostler_model::host::EditHost;
use hostler_model::importable::ImportVm;
use hostler_model::machine_folder::NewFolder;
use hostler_model::request::VmSource;
use hostler_model::status::VmStatus;
use hostler_model::vm::Presence;
use hostler_model::{Code, Name};
use hostler_testbed::{Site, taken};

use crate::world::{TOKEN, code_of, library, read_token, with_seed};

const SOON: Duration = Duration::from_secs(60);

/// A host that allows another folder for machines, with that folder.
fn with_more_folders() -> (Site, PathBuf) {
    let mut site = Site::with_host().unwrap();
    let host = site.host();
    let more = host.folder().join("more");
    host.shell(&format!("install -d -m 755 {}", more.display())).unwrap();
    host.agent_kill().unwrap();
    host.agent_set(&format!("machine_folders = [\"{}\"]", more.display())).unwrap();
    host.agent_start().unwrap();
    site.until("the other folder is known", SOON, async |client| {
        let host = client.host("a").await?;
        Ok((host.answers && host.host.facts.machine_folders.len() == 2).then_some(()))
    })
    .unwrap();
    (site, more)
}

#[test]
#[ignore = "needs root, libvirt and the tiny Linux disk"]
fn a_machine_is_made_in_another_allowed_folder_boots_and_leaves_nothing_when_it_goes() {
    let (mut site, more) = with_more_folders();
    let template = library(&mut site);
    let tier = more.join("tier1").display().to_string();
    let asked =
        site.run(site.client().make_host_folder("a", &NewFolder { path: tier.clone() }, &How::default()));
    site.done(taken(asked.unwrap()).unwrap().job).unwrap();
    let edit = EditHost { vm_path: Some(Some(tier.clone())), ..EditHost::default() };
    let asked = site.run(site.client().edit_host("a", &edit, &How::default()));
    site.done(taken(asked.unwrap()).unwrap().job).unwrap();

    let mut create = with_seed(hostler_testbed::create("web", VmSource::Template { template }).unwrap());
    create.start = true;
    let asked = site.run(site.client().create_vm(&create, &How::default()));
    site.done(taken(asked.unwrap()).unwrap().job).unwrap();
    assert_eq!(read_token(&site, "web"), TOKEN);
    let vm = site.vm("web").unwrap().vm;
    let own = format!("{tier}/{}", vm.id);
    assert!(vm.spec.hardware.disks.iter().all(|disk| disk.file.starts_with(&own)), "{:?}", vm.spec.hardware);
    let files = site.host().shell(&format!("ls {own}")).unwrap();
    assert!(files.contains("serial.log"), "what belongs to it lies beside its disks: {files}");
    // Hot-plugged, another one lies beside them, too.
    let body = serde_json::from_value(serde_json::json!({ "size_bytes": 16 << 20 })).unwrap();
    let asked = site.run(site.client().attach_disk("web", &body, &How::default()));
    site.done(taken(asked.unwrap()).unwrap().job).unwrap();
    assert!(site.vm("web").unwrap().vm.spec.hardware.disks.iter().all(|disk| disk.file.starts_with(&own)));

    site.doing("web", VmAction::TurnOff).unwrap();
    let asked = site.run(site.client().delete_vm("web", true, &How::default()));
    site.done(taken(asked.unwrap()).unwrap().job).unwrap();
    let left = site.host().shell(&format!("ls -A {tier}")).unwrap();
    assert_eq!(left.trim(), "", "its folder went with it, and the one above stays");
}

#[test]
#[ignore = "needs root and libvirt"]
fn the_browser_shows_what_is_allowed_and_does_not_get_out() {
    let (mut site, more) = with_more_folders();
    let at = more.display().to_string();
    let make = format!(
        "mkdir -p {at}/tier1 && ln -s /etc {at}/out && ln -s tier1 {at}/in && touch {at}/tier1/a.qcow2 {at}/.hidden.qcow2"
    );
    site.host().shell(&make).unwrap();
    let folders = |site: &Site, path: Option<&str>| site.run(site.client().host_folders("a", path));
    let top = folders(&site, None).unwrap();
    assert_eq!(top.allowed.len(), 2);
    assert!(top.listing.is_none() && top.allowed[0].is_default && !top.allowed[1].is_default, "{top:?}");
    // The first heartbeat tells how full they are.
    let space = site.until("the space is known", SOON, async |client| {
        Ok(client.host_folders("a", None).await?.allowed[1].total_mib)
    });
    assert!(space.unwrap() > 0);
    let listing = folders(&site, Some(&at)).unwrap().listing.unwrap();
    let names: Vec<&str> = listing.folders.iter().map(|folder| folder.name.as_str()).collect();
    assert_eq!(names, ["in", "tier1"]);
    let inside = folders(&site, Some(&format!("{at}/tier1"))).unwrap().listing.unwrap();
    assert_eq!(inside.images[0].name, "a.qcow2");
    for outside in [
        "/etc",
        "/",
        "/etc/passwd",
        &format!("{at}/out"),
        &format!("{at}/../agent"),
        &format!("{at}/out/ssh"),
    ] {
        let refused = folders(&site, Some(outside)).map_err(Into::into);
        assert_eq!(
            code_of::<()>(refused.map(|view| panic!("{outside}: {view:?}"))),
            Code::PathForbidden,
            "{outside}"
        );
        let new = NewFolder { path: format!("{outside}/new") };
        let asked = site.run(site.client().make_host_folder("a", &new, &How::default()));
        let job = asked.map(|asked| site.done(taken(asked).unwrap().job));
        assert!(!matches!(job, Ok(Ok(()))), "{outside}");
    }
    assert!(site.host().shell("ls /etc/new").is_err());
    let listed = site.command_line(&["host", "folders", "a", &at], "").unwrap();
    let is_listed = |name: &str| listed.lines().any(|line| line.split(' ').next() == Some(name));
    assert!(is_listed("tier1") && !is_listed("out"), "{listed}");
}

#[test]
#[ignore = "needs root, libvirt and the tiny Linux disk"]
fn a_machine_that_somebody_undefined_is_imported_from_the_storage_and_starts() {
    let (mut site, more) = with_more_folders();
    let template = library(&mut site);
    let at = more.display().to_string();
    let mut create = with_seed(hostler_testbed::create("old", VmSource::Template { template }).unwrap());
    create.path = Some(at.clone());
    let asked = site.run(site.client().create_vm(&create, &How::default()));
    site.done(taken(asked.unwrap()).unwrap().job).unwrap();
    let vm = site.vm("old").unwrap().vm;
    let (domain, folder) = (vm.domain.to_string(), format!("{at}/{}", vm.id));
    let xml = site.host().virsh(&["dumpxml", &domain]).unwrap();
    let file = format!("{folder}/old.xml");
    std::fs::write(&file, &xml).unwrap();
    // A copy that names a device of the host, and a file outside.
    let evil = xml
        .replace(&domain, "5b0c1d3e-8a4f-4c55-9d07-2f0f5f3a9b11")
        .replace("</devices>", "<hostdev mode='subsystem' type='pci'/></devices>")
        .replace("disk-0.qcow2", "../../../../etc/shadow");
    std::fs::write(format!("{at}/evil.xml"), &evil).unwrap();
    let asked = site.run(site.client().delete_vm("old", false, &How::default()));
    site.done(taken(asked.unwrap()).unwrap().job).unwrap();
    assert!(site.host().virsh(&["dominfo", &domain]).is_err(), "libvirt knows it no more");

    let found = site.run(site.client().host_importable("a")).unwrap();
    assert_eq!(found.machines.len(), 2, "{found:?}");
    let of = |file: &str| found.machines.iter().find(|machine| machine.file == file).unwrap();
    assert_eq!(of(&file).refused, Vec::<String>::new());
    assert_eq!((of(&file).seen.memory_mib, of(&file).seen.disks.len()), (128, 3));
    let evil = format!("{at}/evil.xml");
    assert!(of(&evil).refused.iter().any(|why| why.contains("<hostdev")), "{:?}", of(&evil));
    let import = |file: &str, name: Option<&str>| {
        let body = ImportVm { file: file.to_owned(), name: name.map(|name| Name::new(name).unwrap()) };
        site.run(site.client().import_vm("a", &body, &How::default()))
    };
    assert_eq!(code_of(import(&evil, None).map_err(Into::into)), Code::ImportRefused);
    assert_eq!(code_of(import("/etc/passwd", None).map_err(Into::into)), Code::PathForbidden);

    let asked = import(&file, Some("back")).unwrap();
    site.done(taken(asked).unwrap().job).unwrap();
    let back = site.vm("back").unwrap().vm;
    assert_eq!((back.presence, back.id), (Presence::Here, vm.id), "its disks bear its id");
    site.doing("back", VmAction::Start).unwrap();
    site.becomes("back", VmStatus::Running).unwrap();
    assert_eq!(read_token(&site, "back"), TOKEN);
    assert!(
        site.run(site.client().host_importable("a")).unwrap().machines.iter().all(|one| one.file != file)
    );
}
