//! How soon a client that watches hears of what was done with `virsh` on a host.

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use hostler_client::{Feed, Word};
use hostler_model::Kind;
use hostler_model::seen::{Power, Seen};
use hostler_model::vm::Vm;

use super::figures::Line;
use super::machines::{shell, virsh};
use crate::site::Site;
use crate::trouble::{Result, Trouble};

/// After so long it was not told at all.
const NEVER: Duration = Duration::from_secs(60);

/// What is done on the host, and what the client is to see then.
type Deed = (&'static str, fn(&Seen) -> bool);

/// The machine's name in libvirt is put for `VM`, a disk's file for `FILE`, the machine's definition for `XML`.
const STATUS: [Deed; 4] = [
    ("suspend VM", |seen| seen.power == Power::Paused),
    ("resume VM", |seen| seen.power == Power::Running),
    ("destroy VM", |seen| seen.power == Power::Off),
    ("start VM", |seen| seen.power == Power::Running),
];
const DEFINITION: [Deed; 8] = [
    ("setmaxmem VM 192M --config", |seen| seen.memory_mib == 192),
    ("snapshot-create-as VM first", |seen| seen.snapshots.len() == 1),
    ("snapshot-delete VM first", |seen| seen.snapshots.is_empty()),
    ("attach-disk VM FILE vdc --config", |seen| seen.disks.iter().any(|disk| disk.target == "vdc")),
    ("autostart VM", |seen| seen.autostart),
    ("autostart --disable VM", |seen| !seen.autostart),
    ("detach-disk VM vdc --config", |seen| seen.disks.iter().all(|disk| disk.target != "vdc")),
    ("define XML", |seen| seen.memory_mib == 128),
];

/// From the moment at which `virsh` is begun until the change is in the client's hands.
pub(super) fn freshness(runs: u32) -> Result<Vec<Line>> {
    let mut site = Site::with_hosts(1)?;
    site.create_empty("m")?;
    let vm = site.vm("m")?.vm;
    let domain = vm.domain.to_string();
    let virsh = virsh(&site)?;
    let folder = site.host().scratch("bench")?;
    let (file, xml) = (folder.join("more.raw"), folder.join("m.xml"));
    std::fs::write(&file, vec![0; 1 << 20]).map_err(Trouble::file(&file))?;
    shell(&format!("{virsh} dumpxml --inactive {domain} > '{}'", xml.display()))?;
    let mut feed = site.client().watch(None, &[Kind::Vm]);
    let flows = site.run(async { feed.next().await });
    if !matches!(flows, Some(Ok(Word::Flows))) {
        return Err(Trouble::Answer("the feed does not flow".into()));
    }
    let mut measured = |deeds: &[Deed]| -> Result<Vec<Duration>> {
        let mut times = Vec::new();
        // The first round warms what is cached and is not counted.
        for round in 0..=runs {
            for (deed, is_seen) in deeds {
                let words = deed
                    .replace("FILE", &file.to_string_lossy())
                    .replace("XML", &xml.to_string_lossy())
                    .replace("VM", &domain);
                let begun = Instant::now();
                shell(&format!("{virsh} {words}"))?;
                let told = site.run(async { tokio::time::timeout(NEVER, told(&mut feed, *is_seen)).await });
                told.map_err(|_| Trouble::Late { what: format!("virsh {deed} is seen"), limit: NEVER })??;
                if round > 0 {
                    times.push(begun.elapsed());
                }
            }
        }
        Ok(times)
    };
    let definition = measured(&DEFINITION)?;
    shell(&format!("{virsh} start {domain}"))?;
    let status = measured(&STATUS)?;
    Ok(vec![
        Line::tail("status changed with virsh, until a client has it", &status, "< 1 s"),
        Line::tail("definition changed with virsh, until a client has it", &definition, "< 2 s"),
    ])
}

/// Reads on until the machine is seen like that.
async fn told(feed: &mut Feed, is_seen: fn(&Seen) -> bool) -> Result<()> {
    loop {
        let word = feed.next().await.ok_or_else(|| Trouble::Answer("the feed has ended".into()))?;
        let Word::Change { event, .. } = word.map_err(Trouble::Client)? else { continue };
        let vm = event.body.and_then(|body| serde_json::from_value::<Vm>(body).ok());
        if vm.and_then(|vm| vm.seen().cloned()).is_some_and(|seen| is_seen(&seen)) {
            return Ok(());
        }
    }
}
