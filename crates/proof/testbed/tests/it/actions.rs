//! Each action on a machine, on one with a guest and on one without.

use hostler_client::How;
use hostler_model::action::VmAction;
use hostler_model::body::{ChangeDvd, ChangeHardware, NewDisk, ShutDown};
use hostler_model::request::{EditVm, VmSource};
use hostler_model::status::VmStatus;
use hostler_model::{Code, Name};
use hostler_testbed::{Site, create, success, taken};

use crate::sets::{agree, images, libvirt};
use crate::world::{BOOTS, code_of, guest_runs, library, read_token, with_seed};

fn how() -> How {
    How::default()
}

#[test]
#[ignore = "needs root and libvirt"]
fn a_machine_without_a_guest_does_what_it_is_told() {
    let site = Site::with_host().unwrap();
    site.create_empty("web").unwrap();
    let is = |site: &Site, status: VmStatus| assert_eq!(site.vm("web").unwrap().status, status);
    is(&site, VmStatus::Off);
    for (action, then) in [
        (VmAction::Start, VmStatus::Running),
        (VmAction::Pause, VmStatus::Paused),
        (VmAction::Resume, VmStatus::Running),
        (VmAction::Reset, VmStatus::Running),
        (VmAction::Save, VmStatus::Saved),
        (VmAction::Start, VmStatus::Running),
        (VmAction::Save, VmStatus::Saved),
        (VmAction::DiscardSaved, VmStatus::Off),
        (VmAction::Start, VmStatus::Running),
        (VmAction::TurnOff, VmStatus::Off),
    ] {
        site.doing("web", action).unwrap();
        is(&site, then);
    }
    assert_eq!(code_of(site.act("web", VmAction::Resume)), Code::VmStateForbids);

    // Nobody hears the power button.
    site.doing("web", VmAction::Start).unwrap();
    let asked = site.run(site.client().shut_down_vm("web", &ShutDown { limit_s: Some(5) }, &how()));
    let job = site.ended(taken(asked.unwrap()).unwrap().job).unwrap();
    assert_eq!(job.job.error.as_ref().map(|error| error.code), Some(Code::GuestIgnored));
    is(&site, VmStatus::Running);
    site.doing("web", VmAction::TurnOff).unwrap();

    let c = site.client().clone();
    let edit = EditVm {
        name: Some(Name::new("shop").unwrap()),
        notes: Some("Sells things.".into()),
        tags: Some(vec![Name::new("blue").unwrap()]),
        ..EditVm::default()
    };
    site.change(c.edit_vm("web", &edit, &how())).unwrap();
    let shop = site.vm("shop").unwrap();
    assert_eq!((shop.vm.spec.notes.as_str(), shop.vm.spec.tags.len()), ("Sells things.", 1));
    let domain = shop.vm.domain.to_string();
    assert_eq!(site.hosts[0].virsh(&["desc", "--title", &domain]).unwrap().trim(), "shop");

    let hardware = ChangeHardware { cpus: Some(2), memory_mib: Some(192) };
    site.change(c.set_vm_hardware("shop", &hardware, &how())).unwrap();
    let info = site.hosts[0].virsh(&["dominfo", &domain]).unwrap();
    assert!(
        info.contains("196608 KiB") && info.lines().any(|l| l.starts_with("CPU(s):") && l.ends_with('2')),
        "{info}"
    );

    site.change(c.attach_disk("shop", &NewDisk::of_size(32 << 20), &how())).unwrap();
    assert_eq!(site.vm("shop").unwrap().vm.spec.hardware.disks.len(), 2);
    agree(&site);
    site.change(c.detach_disk("shop", 1, true, &how())).unwrap();
    assert_eq!(site.vm("shop").unwrap().vm.spec.hardware.disks.len(), 1);
    agree(&site);

    // Detached and kept, a disk is the machine's still: attached again, and gone with the machine.
    site.change(c.attach_disk("shop", &NewDisk::of_size(32 << 20), &how())).unwrap();
    let file = site.vm("shop").unwrap().vm.spec.hardware.disks[1].file.clone();
    site.change(c.detach_disk("shop", 1, false, &how())).unwrap();
    agree(&site);
    let shop = site.vm("shop").unwrap().vm;
    assert_eq!((shop.spec.hardware.disks.len(), shop.spec.detached[0].file.as_str()), (1, file.as_str()));
    site.change(c.attach_disk("shop", &NewDisk::again(1), &how())).unwrap();
    agree(&site);
    assert_eq!(site.vm("shop").unwrap().vm.spec.hardware.disks[1].file, file);
    site.change(c.detach_disk("shop", 1, false, &how())).unwrap();

    site.change(c.delete_vm("shop", true, &how())).unwrap();
    assert!(site.vms().unwrap().is_empty());
    agree(&site);

    // To forget is to leave the disks.
    site.create_empty("kept").unwrap();
    site.change(c.delete_vm("kept", false, &how())).unwrap();
    assert!(site.vms().unwrap().is_empty() && libvirt(&site.hosts[0]).unwrap().is_empty());
    assert_eq!(images(&site.hosts[0].vm_folder()).unwrap().len(), 1);
}

#[test]
#[ignore = "needs root, libvirt and the tiny Linux disk"]
fn a_guest_shuts_down_by_agent_and_by_button_lets_go_of_disks_and_finds_a_dvd() {
    let mut site = Site::with_host().unwrap();
    let template = library(&mut site);
    let iso = site.hosts[0].folder().join("library/tools.iso");
    std::fs::write(&iso, iso_image()).unwrap();
    let c = site.client().clone();
    site.change(c.refresh_share("main", &how())).unwrap();
    let tools = site.item("tools").unwrap().to_string();

    let mut web = with_seed(create("web", VmSource::Template { template }).unwrap());
    web.start = true;
    let made = site.run(c.create_vm(&web, &how())).unwrap();
    site.done(taken(made).unwrap().job).unwrap();
    read_token(&site, "web");

    let disks = "ls /sys/block | grep -c ^vd";
    assert_eq!(guest_runs(&site, "web", disks), "2");
    site.change(c.attach_disk("web", &NewDisk::of_size(32 << 20), &how())).unwrap();
    let three = "n=0; while [ $n -lt 20 ] && [ ! -e /sys/block/vdc ]; do n=$((n+1)); sleep 1; done; ls /sys/block | grep -c ^vd";
    assert_eq!(guest_runs(&site, "web", three), "3");
    let no = site.vm("web").unwrap().vm.spec.hardware.disks.last().unwrap().no;
    site.change(c.detach_disk("web", no, true, &how())).unwrap();
    // Done means gone: nothing is waited for here.
    assert_eq!(guest_runs(&site, "web", disks), "2");
    agree(&site);

    let put = ChangeDvd { item: Some(tools) };
    site.change(c.set_dvd("web", &put, &how())).unwrap();
    // A drive that was empty needs a look or two before its guest believes the disc.
    let look = "n=0; until head -c 5 /dev/sr0 2> /run/why; do n=$((n+1)); [ $n -lt 20 ] || break; sleep 1; done; cat /run/why";
    assert_eq!(guest_runs(&site, "web", look), "TOOLS");
    site.change(c.set_dvd("web", &ChangeDvd { item: None }, &how())).unwrap();
    assert!(site.vm("web").unwrap().vm.spec.hardware.dvd.is_none());

    site.change(c.shut_down_vm("web", &ShutDown::default(), &how())).unwrap();
    assert_eq!(site.vm("web").unwrap().status, VmStatus::Off);

    // Without its agent a guest hears the power button all the same.
    site.doing("web", VmAction::Start).unwrap();
    read_token(&site, "web");
    guest_runs(
        &site,
        "web",
        "(sleep 0.5; mv /usr/sbin/qemu-ga /gone; kill $(pidof qemu-ga)) > /dev/null 2>&1 &",
    );
    site.until("the guest's agent is gone", BOOTS, async |client| {
        let view = client.vm("web", None).await?;
        Ok(view.vm.seen().is_some_and(|seen| !seen.guest_agent).then_some(()))
    })
    .unwrap();
    let asked = site.run(c.shut_down_vm("web", &ShutDown::default(), &how())).unwrap();
    success(site.ended(taken(asked).unwrap().job).unwrap()).unwrap();
    assert_eq!(site.vm("web").unwrap().status, VmStatus::Off);
}

/// The smallest thing that is an ISO image by its marks.
fn iso_image() -> Vec<u8> {
    let mut image = vec![0; 64 * 1024];
    image[..5].copy_from_slice(b"TOOLS");
    image[0x8000..0x8007].copy_from_slice(b"\x01CD001\x01");
    image[0x8800..0x8807].copy_from_slice(b"\xffCD001\x01");
    image
}
