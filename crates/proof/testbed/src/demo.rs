//! A fleet shown in a minute: what is done to it, what followed, and how long each took.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Subcommand;
use hostler_client::How;
use hostler_model::body::{Migrate, MoveTo, NewHostGroup};
use hostler_model::request::{CreateVm, VmSource};
use hostler_model::status::{HostStatus, VmStatus};
use hostler_model::{Name, TemplateId};

use crate::site::{FOLLOWS, Site, create, refused, taken};
use crate::trouble::Result;

/// What is shown.
#[derive(Debug, Subcommand)]
pub(crate) enum Demo {
    /// Three hosts in two groups, ten machines on them, one that moves while it runs, a host that is cut off and comes
    /// back. Takes itself away again.
    Fleet {
        /// The disk that the machines boot from, as `cargo xtask tiny-linux` prints it.
        #[arg(long, value_name = "FILE")]
        disk: PathBuf,
    },
}

/// The groups, and the hosts in each.
const GROUPS: [(&str, &[&str]); 2] = [("Site A", &["a", "b"]), ("Site B", &["c"])];
/// How many machines are made, and how many of them are started: on two processors, no more boot at once.
const MACHINES: usize = 10;
const STARTED: usize = 4;

/// Shows it.
///
/// # Errors
/// Something does not happen that should.
pub(crate) fn show(demo: &Demo) -> Result<()> {
    let Demo::Fleet { disk } = demo;
    let mut told = Told { begun: Instant::now(), last: Instant::now() };
    let mut site = Site::with_hosts(3)?;
    site.share_machines()?;
    told.that("a server and three hosts, each with its own libvirt and agent");

    for (group, hosts) in GROUPS {
        let body = NewHostGroup {
            name: Name::new(group).map_err(refused)?,
            parent: None,
            notes: String::new(),
            reserve: hostler_model::reserve::OwnReserve::default(),
            unencrypted_transfers: None,
        };
        site.change(site.client().create_host_group(&body, &How::default()))?;
        for host in hosts {
            let to = MoveTo { to: format!("/All Hosts/{group}") };
            site.change(site.client().move_host(host, &to, &How::default()))?;
        }
    }
    told.that("two host groups: a and b in Site A, c in Site B");

    let hosts: Vec<String> = site.hosts.iter().map(|host| host.name().to_owned()).collect();
    let templates: Vec<TemplateId> = hosts
        .iter()
        .map(|host| site.template_of(host, &format!("library-{host}"), disk, &format!("tiny-{host}")))
        .collect::<Result<_>>()?;
    told.that("a library on each host, a template in each");

    let machine = |no: usize, template: TemplateId| -> Result<CreateVm> {
        let start = no < STARTED;
        Ok(CreateVm { start, ..create(&format!("web-{no}"), VmSource::Template { template })? })
    };
    let each = (0..MACHINES).zip(templates.into_iter().cycle());
    let asked: Vec<_> = each
        .map(|(no, template)| {
            taken(site.run(site.client().create_vm(&machine(no, template)?, &How::default()))?)
        })
        .collect::<Result<_>>()?;
    asked.iter().try_for_each(|accepted| site.done(accepted.job))?;
    told.that(&format!("{MACHINES} machines deployed from them, {STARTED} of them started"));

    let from = site.vm("web-0")?.host_name.unwrap_or_default();
    let to = hosts.iter().find(|host| **host != from).cloned();
    let body = Migrate { to: to.clone() };
    site.change(site.client().migrate_vm("web-0", &body, &How::default()))?;
    site.becomes("web-0", VmStatus::Running)?;
    told.that(&format!("web-0 moved from {from} to {} while it ran", to.unwrap_or_default()));

    site.host_named("c").cut()?;
    site.until("c does not answer", FOLLOWS, async |client| {
        Ok((client.host("c").await?.status == HostStatus::NotResponding).then_some(()))
    })?;
    told.that("c was cut off, and is shown as not responding");
    site.host_named("c").heal()?;
    site.host_answers("c")?;
    told.that("c was plugged in again, and answers");

    println!();
    print!("{}", site.command_line(&["host-group", "list"], "")?);
    println!();
    print!("{}", site.command_line(&["vm", "list"], "")?);
    println!("\nAll of it took {:.1} s and is taken away now.", told.begun.elapsed().as_secs_f32());
    Ok(())
}

/// What has happened, as it happens.
struct Told {
    begun: Instant,
    last: Instant,
}

impl Told {
    /// Says what has happened since the last time.
    fn that(&mut self, what: &str) {
        let took: Duration = self.last.elapsed();
        println!("{:>7.2} s  {what}", took.as_secs_f32());
        self.last = Instant::now();
    }
}
