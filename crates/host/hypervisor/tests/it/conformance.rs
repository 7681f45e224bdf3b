//! The simulated host does what every driver must.

use std::cell::Cell;

use hostler_hypervisor::conformance::{Subject, Verdict, suite};
use hostler_hypervisor::simulated::{LibraryFile, Outside};
use hostler_hypervisor::{Disks, Machines};
use hostler_model::Timestamp;
use hostler_model::command::Definition;
use hostler_model::hardware::Disk;
use hostler_model::library::{ItemKind, SeenItem};
use uuid::Uuid;

use crate::bench::{self, Bench};

struct Simulated {
    bench: Bench,
    drawn: Cell<u128>,
}

impl Subject for Simulated {
    fn machines(&self) -> &dyn Machines {
        &self.bench.host
    }
    fn disks(&self) -> &dyn Disks {
        &self.bench.host
    }
    fn fresh(&self) -> Definition {
        self.drawn.set(self.drawn.get() + 1);
        let definition = bench::definition(self.drawn.get());
        self.bench.add_disk(self.drawn.get(), 0);
        definition
    }
    fn fresh_disk(&self, of: &Definition, no: u32) -> Disk {
        self.bench.add_disk(of.identity.domain.as_u128(), no)
    }
    fn written(&self, domain: Uuid) -> Option<String> {
        serde_json::to_string(&bench::definition(domain.as_u128())).ok()
    }

    fn iso(&self) -> Option<String> {
        let path = format!("{}/library/cd.iso", bench::FOLDER);
        let item = SeenItem {
            path: "cd.iso".into(),
            kind: ItemKind::Iso,
            size_bytes: 1,
            modified: Timestamp(0),
            image: None,
            problem: None,
        };
        let file = LibraryFile { item, sha256: "00".into(), virtual_size_bytes: 1 };
        self.bench.host.folder(&path)?.put_library_file(&path, file);
        Some(path)
    }
    fn outside(&self, what: &Outside) -> Result<bool, String> {
        self.bench.host.outside(what).map(|()| true).map_err(|trouble| trouble.to_string())
    }
    fn pass(&self, ms: u64) {
        self.bench.pass(ms);
    }
    fn changed(&self) -> Option<Vec<Uuid>> {
        Some(self.bench.host.take_changed())
    }
}

#[test]
fn the_simulated_host_does_what_every_driver_must() {
    let subject = Simulated { bench: Bench::new(), drawn: Cell::new(100) };
    let mut wrong = Vec::new();
    let cases = suite();
    assert!(cases.len() >= 30, "only {} cases", cases.len());
    for case in cases {
        match (case.run)(&subject) {
            Ok(Verdict::Holds) => {}
            Ok(Verdict::NotHere) => wrong.push(format!("{}: not tried", case.name)),
            Err(why) => wrong.push(format!("{}: {why}", case.name)),
        }
        assert!(subject.bench.host.truth().is_empty(), "{} leaves a machine behind", case.name);
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
