//! What several stories begin with.

use std::path::PathBuf;
use std::time::Duration;

use hostler_client::{How, ListQuery};
use hostler_model::body::NewShare;
use hostler_model::hardware::Firmware;
use hostler_model::template::{Deploy, TemplateSpec};
use hostler_model::{ItemId, Name, TemplateId};
use hostler_testbed::Site;

/// What the guest is to read back.
pub const TOKEN: &str = "8c1f0b5e";
/// How long a guest may take to boot, under emulation on a busy computer.
pub const BOOTS: Duration = Duration::from_secs(90);

/// The tiny Linux disk.
pub fn tiny_linux() -> PathBuf {
    let named = std::env::var_os("HOSTLER_TINY_LINUX");
    PathBuf::from(named.expect("HOSTLER_TINY_LINUX names the disk that `cargo xtask tiny-linux` prints"))
}

/// A library share with the tiny Linux disk, and a template of it.
pub fn library(site: &mut Site) -> TemplateId {
    let folder = site.host().scratch("library").unwrap();
    std::fs::copy(tiny_linux(), folder.join("tiny-linux.qcow2")).unwrap();
    let share = NewShare {
        name: Name::new("main").unwrap(),
        agent: "a".into(),
        folder: folder.to_string_lossy().into_owned(),
    };
    site.change(site.client().add_share(&share, &How::default())).unwrap();
    let spec = TemplateSpec {
        name: Name::new("tiny-linux").unwrap(),
        notes: String::new(),
        disk: item(site, "tiny-linux"),
        cpus: 1,
        memory_mib: 128,
        firmware: Firmware::Bios,
        deploy: Deploy::Overlay,
    };
    site.change(site.client().create_template(&spec, &How::default())).unwrap();
    site.run(site.client().template("tiny-linux")).unwrap().template.id
}

/// A library item, as soon as its share was read.
pub fn item(site: &Site, name: &str) -> ItemId {
    let found = site.until(&format!("item {name} is there"), Duration::from_secs(20), async |client| {
        let items = client.items(None, &ListQuery::default()).await?.items;
        Ok(items.into_iter().find(|view| view.item.name.as_str() == name))
    });
    found.unwrap().item.id
}

/// The token in the guest's seed, as soon as the guest can say it.
pub fn read_token(site: &Site, vm: &str) -> String {
    let seed = site.until(&format!("the guest of {vm} reads its seed"), BOOTS, async |client| {
        Ok(client.vm_guest_file(vm, "/run/seed").await.ok())
    });
    let seed = String::from_utf8(seed.unwrap().to_vec()).unwrap();
    let token = seed.lines().find_map(|line| line.strip_prefix("token="));
    token.expect("the seed has a token").to_owned()
}
