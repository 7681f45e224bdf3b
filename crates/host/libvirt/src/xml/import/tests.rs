use hostler_model::{InstallationId, VmId};
use uuid::Uuid;

use super::*;

const ID: &str = "5b0c1d3e-8a4f-4c55-9d07-2f0f5f3a9b11";

/// A definition with these parts more: in the domain, in its devices.
fn with(domain: &str, devices: &str) -> String {
    format!(
        "<domain type='kvm' id='3'><name>old</name><uuid>{ID}</uuid><memory unit='KiB'>131072</memory><vcpu>2</vcpu>\
         <os><type arch='x86_64' machine='pc-q35-7.2'>hvm</type><boot dev='hd'/></os>{domain}<devices>\
         <emulator>/tmp/evil</emulator><disk type='file' device='disk'><driver name='qemu' type='qcow2'/>\
         <source file='/srv/vms/old/disk.qcow2' index='1'/><backingStore/><target dev='vda' bus='virtio'/></disk>\
         {devices}</devices></domain>"
    )
}

fn identity() -> Identity {
    let id = Uuid::from_u128(9);
    Identity { vm: VmId(id), domain: ID.parse().unwrap(), installation: InstallationId(id) }
}

#[test]
fn what_libvirt_and_hostler_write_is_taken_and_made_our_own() {
    let whole = with(
        "<title>Old mail</title><metadata><x:y xmlns:x='urn:x'/><h:machine xmlns:h='urn:hostler:machine:1' vm='1'/>\
         </metadata><resource><partition>/machine</partition></resource><features><acpi/></features>\
         <cpu mode='host-model'/><clock offset='utc'/><on_crash>destroy</on_crash><pm><suspend-to-mem enabled='no'/></pm>\
         <seclabel type='dynamic' model='dac' relabel='yes'><label>+0:+0</label></seclabel>",
        "<disk type='file' device='cdrom'><driver name='qemu'/><target dev='sda' bus='sata'/><readonly/></disk>\
         <controller type='pci' index='0' model='pcie-root'/><interface type='network'><mac address='52:54:00:00:00:01'/>\
         <source network='default' portid='x' bridge='virbr0'/><target dev='vnet0'/><model type='virtio'/></interface>\
         <serial type='pty'><source path='/dev/pts/3'/><log file='/etc/cron.d/x' append='on'/><target port='0'/></serial>\
         <console type='pty' tty='/dev/pts/3'><source path='/dev/pts/3'/></console>\
         <channel type='unix'><source mode='bind' path='/run/x'/><target type='virtio' name='org.qemu.guest_agent.0'/></channel>\
         <input type='tablet' bus='usb'/><graphics type='vnc' port='5900' listen='0.0.0.0' passwd='x'><listen type='address' address='0.0.0.0'/></graphics>\
         <video><model type='vga'/></video><memballoon model='virtio'/><rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>",
    );
    let taken = Taken::of(&whole).unwrap();
    assert_eq!(taken.refused, Vec::<String>::new());
    assert_eq!((taken.view.name.as_str(), taken.view.cpus, taken.view.memory_mib), ("old", 2, 128));
    assert_eq!(taken.domain(), ID.parse().ok());
    let made = taken.prepared(&identity(), "Old mail", false, false).to_xml();
    for gone in [
        "/tmp/evil",
        "0.0.0.0",
        "passwd",
        "/etc/cron.d",
        "/dev/pts",
        "vnet0",
        "seclabel",
        "resource",
        "backingStore",
        "vm=\"1\"",
        "/run/x",
        "id=\"3\"",
    ] {
        assert!(!made.contains(gone), "{gone}: {made}");
    }
    for kept in [
        "<x:y xmlns:x=\"urn:x\"/>",
        "type=\"qemu\"",
        "org.qemu.guest_agent.0",
        "network=\"default\"",
        "type=\"none\"",
    ] {
        assert!(made.contains(kept), "{kept}: {made}");
    }
    assert_eq!(super::identity::of(&Element::parse(&made).unwrap()), Some(identity()));
    assert_eq!(Taken::of(&made).unwrap().refused, Vec::<String>::new(), "what was made is taken again");
}

/// What stands twice may not even be read; anything else is read and refused with these words.
fn is_refused(text: &str, named: &str) {
    match Taken::of(text) {
        Err(_) => assert!(named.contains("stands twice"), "{text}"),
        Ok(taken) => {
            assert!(taken.refused.iter().any(|why| why.contains(named)), "{text}: {:?}", taken.refused);
        }
    }
}

#[test]
fn what_could_reach_the_host_is_refused_by_name() {
    let disk = |inside: &str| {
        format!("<disk type='file' device='disk'>{inside}<target dev='vdb' bus='virtio'/></disk>")
    };
    let in_domain = [
        (
            "<qemu:commandline xmlns:qemu='u'><qemu:arg value='-device'/></qemu:commandline>",
            "<qemu:commandline>",
        ),
        ("<commandline xmlns='http://libvirt.org/schemas/domain/qemu/1.0'/>", "<commandline>"),
        ("<seclabel type='none'/>", "<seclabel>"),
        ("<seclabel type='static' model='dac'><label>0:0</label></seclabel>", "<seclabel>"),
        ("<seclabel type='dynamic'><baselabel>x</baselabel></seclabel>", "<seclabel>"),
        ("<sysinfo type='fwcfg'><entry name='x' file='/etc/shadow'/></sysinfo>", "<sysinfo>"),
        ("<memoryBacking><source type='file'/></memoryBacking>", "<memoryBacking>"),
        ("<launchSecurity type='sev'/>", "<launchSecurity>"),
        ("<devices><hostdev mode='subsystem' type='pci'/></devices>", "<devices> stands twice"),
        ("<os><kernel>/etc/shadow</kernel></os>", "<os> stands twice"),
        ("<uuid>5b0c1d3e-8a4f-4c55-9d07-2f0f5f3a9b12</uuid>", "<uuid> stands twice"),
        ("<cpu xmlns='urn:other'/>", "namespace of its own"),
    ];
    for (part, named) in in_domain {
        is_refused(&with(part, ""), named);
    }
    let in_devices = [
        ("<hostdev mode='subsystem' type='usb'/>".to_owned(), "<hostdev"),
        ("<filesystem type='mount'><source dir='/'/><target dir='x'/></filesystem>".to_owned(), "<filesystem"),
        ("<shmem name='x'/>".to_owned(), "<shmem>"),
        ("<tpm model='tpm-crb'><backend type='passthrough'/></tpm>".to_owned(), "<tpm>"),
        ("<redirdev bus='usb' type='tcp'/>".to_owned(), "<redirdev"),
        ("<smartcard mode='host'/>".to_owned(), "<smartcard>"),
        ("<memory model='nvdimm'><source><path>/etc/shadow</path></source></memory>".to_owned(), "<memory>"),
        ("<vsock model='virtio'/>".to_owned(), "<vsock>"),
        ("<serial type='file'><source path='/etc/cron.d/x'/></serial>".to_owned(), "<serial type=\"file\">"),
        ("<serial type='dev'><source path='/dev/sda'/></serial>".to_owned(), "<serial type=\"dev\">"),
        ("<console type='pipe'><source path='/x'/></console>".to_owned(), "<console type=\"pipe\">"),
        ("<parallel type='file'><source path='/x'/></parallel>".to_owned(), "<parallel"),
        ("<channel type='unix'><source mode='connect' path='/run/libvirt/libvirt-sock'/><target type='guestfwd'/></channel>".to_owned(), "<channel>"),
        ("<input type='evdev'><source dev='/dev/input/event0'/></input>".to_owned(), "<input type=\"evdev\">"),
        ("<input type='passthrough' bus='virtio'/>".to_owned(), "<input"),
        ("<graphics type='egl-headless'><gl rendernode='/dev/dri/x'/></graphics>".to_owned(), "<graphics"),
        ("<audio id='1' type='file' path='/etc/x'/>".to_owned(), "<audio type=\"file\">"),
        ("<rng model='virtio'><backend model='random'>/dev/mem</backend></rng>".to_owned(), "<rng>"),
        ("<rng model='virtio'><backend model='egd' type='tcp'/></rng>".to_owned(), "<rng>"),
        ("<video><model type='virtio'><acceleration/></model><driver name='vhostuser'/></video>".to_owned(), "<video>"),
        ("<video><model type='virtio'><acceleration accel3d='yes' rendernode='/dev/dri/renderD128'/></model></video>".to_owned(), "<acceleration>"),
        ("<controller type='usb'><driver file='/etc/shadow'/></controller>".to_owned(), "<driver> in <controller>"),
        ("<interface type='direct'><source dev='eth0'/></interface>".to_owned(), "<interface type=\"direct\">"),
        ("<interface type='ethernet'><script path='/tmp/x'/></interface>".to_owned(), "<script>"),
        ("<interface type='network'><source network='a'/><rom file='/x'/></interface>".to_owned(), "<rom>"),
        ("<interface type='network'><source network='a'/><backend tap='/x'/></interface>".to_owned(), "<backend>"),
        ("<disk type='block' device='disk'><source dev='/dev/sda'/><target dev='vdb'/></disk>".to_owned(), "disk vdb of type block"),
        ("<disk type='network' device='disk'><source protocol='nbd'/><target dev='vdb'/></disk>".to_owned(), "of type network"),
        ("<disk type='dir' device='cdrom'><source dir='/etc'/><target dev='vdb'/></disk>".to_owned(), "of type dir"),
        ("<disk type='volume' device='disk'><source pool='p' volume='v'/><target dev='vdb'/></disk>".to_owned(), "of type volume"),
        ("<disk type='file' device='lun'><source file='/a'/><target dev='vdb'/></disk>".to_owned(), "only disks and DVD"),
        ("<disk type='file' device='disk' rawio='yes'><source file='/a'/><target dev='vdb'/></disk>".to_owned(), "rawio"),
        (disk("<source file='../a'/>"), "no absolute path"),
        (disk("<source file='/srv/vms/../../etc/shadow'/>"), "no absolute path"),
        (disk("<source file='/a'/><source file='/etc/shadow'/>"), "<source> stands twice"),
        (disk("<source file='/a'><seclabel model='dac' relabel='no'/></source>"), "<seclabel> in <source>"),
        (disk("<source file='/a'><dataStore type='file'/></source>"), "<dataStore> in <source>"),
        (disk("<source file='/a' fdgroup='x'/>"), "fdgroup"),
        (disk("<driver name='qemu' type='vmdk'/><source file='/a'/>"), "only raw and qcow2"),
        (disk("<driver name='tap2' type='raw'/><source file='/a'/>"), "its driver"),
        (disk("<driver name='qemu' type='qcow2'><metadata_cache/></driver><source file='/a'/>"), "its driver"),
        (disk("<source file='/a'/><mirror type='file' file='/etc/x'/>"), "<mirror>"),
        (disk("<source file='/a'/><encryption format='luks'/>"), "<encryption>"),
        (disk("<source file='/a'/><shareable/>"), "<shareable>"),
    ];
    for (part, named) in in_devices {
        is_refused(&with("", &part), named);
    }
}

#[test]
fn firmware_is_the_distributions_and_its_variables_are_a_file_that_is_checked() {
    let os = |inside: &str| {
        let text = format!(
            "<domain type='kvm'><name>a</name><uuid>{ID}</uuid><os><type>hvm</type>{inside}</os></domain>"
        );
        Taken::of(&text).unwrap()
    };
    let good = os(
        "<loader type='pflash' readonly='yes'>/usr/share/OVMF/OVMF_CODE.fd</loader><nvram template='/usr/share/OVMF/VARS.fd'>/srv/vms/a/nvram.fd</nvram>",
    );
    assert_eq!((good.refused, good.files), (vec![], vec!["/srv/vms/a/nvram.fd".to_owned()]));
    for bad in [
        "<loader>/tmp/evil</loader>",
        "<loader>/usr/share/../../tmp/evil</loader>",
        "<loader><![CDATA[/tmp/evil]]></loader>",
        "<kernel>/etc/shadow</kernel>",
        "<initrd>/x</initrd>",
        "<cmdline>x</cmdline>",
        "<dtb>/x</dtb>",
        "<acpi><table type='slic'>/etc/shadow</table></acpi>",
        "<nvram template='/tmp/x'>/a</nvram>",
        "<nvram type='network'><source protocol='nbd'/></nvram>",
        "<nvram/>",
    ] {
        assert!(!os(bad).refused.is_empty(), "{bad}");
    }
}

#[test]
fn hostile_xml_and_what_is_no_machine_is_no_definition() {
    let bomb = "<!DOCTYPE d [<!ENTITY a SYSTEM 'file:///etc/shadow'>]><domain><name>&a;</name></domain>";
    for text in [
        bomb,
        "",
        "<network><name>a</name></network>",
        "<domain>",
        "<domain>&a;</domain>",
        "not xml",
        "<a><domain/></a>",
    ] {
        assert!(Taken::of(text).is_err(), "{text}");
    }
    assert!(matches!(Taken::of(&" ".repeat(MOST_BYTES + 1)), Err(Wrong::Large)));
    let nothing = Taken::of("<domain/>").unwrap();
    assert!(nothing.refused.len() >= 3, "{:?}", nothing.refused);
    assert_eq!(nothing.domain(), None);
}

#[test]
fn what_is_text_to_libvirt_alone_is_not_written_again() {
    let text = format!(
        "<domain type='kvm'><name>a</name><uuid>{ID}</uuid><os><type>hvm</type>\
         <nvram>/srv/vms/a<![CDATA[/../../etc/shadow]]></nvram></os><!-- by hand --></domain>"
    );
    let taken = Taken::of(&text).unwrap();
    assert_eq!(taken.files, ["/srv/vms/a"]);
    let made = taken.prepared(&identity(), "a", true, false).to_xml();
    assert!(made.contains("<nvram>/srv/vms/a</nvram>") && !made.contains("CDATA"), "{made}");
}
