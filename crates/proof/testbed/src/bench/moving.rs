//! A machine that moves between two hosts while it runs: through Hostler, by `virsh migrate` over the same carried and
//! encrypted sockets, by `virsh migrate` with its memory over plain TCP, and through Hostler where the network is trusted.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use hostler_client::{Changed, How};
use hostler_model::body::Migrate;
use hostler_model::host_group::{ALL_HOSTS, EditHostGroup};
use hostler_model::request::VmSource;
use hostler_model::status::VmStatus;

use super::figures::Line;
use super::machines::template;
use crate::carry::STANDS;
use crate::commands::program;
use crate::process::wait_for;
use crate::site::{Site, create, taken};
use crate::trouble::{Result, Trouble};

/// How long what follows by itself may take.
const FOLLOWS: Duration = Duration::from_secs(120);
/// Where sockets of moves by hand are, on both hosts.
const SOCKETS: &str = "/run/libvirt/by-hand";

fn said(why: impl Into<String>) -> Trouble {
    Trouble::Answer(why.into())
}

/// How long moves took, and how long the guest stood still.
#[derive(Default)]
struct Moves {
    whole: Vec<Duration>,
    still: Vec<Duration>,
}

/// Moves the machine, and says how long that took.
type Way = fn(&mut Bench) -> Result<Duration>;

struct Bench {
    site: Site,
    domain: String,
}

/// Pairs in turns, there and back.
pub(super) fn migrate(runs: u32) -> Result<Vec<Line>> {
    let mut site = Site::with_hosts(2)?;
    site.share_machines()?;
    let template = template(&mut site)?;
    let mut body = create("web", VmSource::Template { template })?;
    body.start = true;
    // What it is given at its first start tells when it is up.
    body.seed = BTreeMap::from([("hostname".into(), "web".into())]);
    site.done(taken(site.run(site.client().create_vm(&body, &How::default()))?)?.job)?;
    site.until("the guest answers", Duration::from_secs(300), async |client| {
        Ok(client.vm_guest_file("web", "/run/seed").await.ok())
    })?;
    let domain = site.vm("web")?.vm.domain.to_string();
    let mut bench = Bench { site, domain };
    let (mut ours, mut carried) = (Moves::default(), Moves::default());
    let (mut plain, mut trusted) = (Moves::default(), Moves::default());
    // The first round warms both hosts' libvirts and is not counted.
    for round in 0..=runs {
        let kinds: [(&mut Moves, bool, Way); 4] = [
            (&mut ours, false, Bench::by_hostler),
            (&mut carried, false, |bench| bench.by_virsh(true)),
            (&mut plain, false, |bench| bench.by_virsh(false)),
            (&mut trusted, true, Bench::by_hostler),
        ];
        for (moves, trusted, by) in kinds {
            bench.trusts(trusted)?;
            let whole = by(&mut bench)?;
            let still = bench.stood_still()?;
            bench.follows()?;
            if round > 0 {
                moves.whole.push(whole);
                moves.still.push(still);
            }
        }
    }
    Ok(vec![
        Line::times("live migration through Hostler", &ours.whole, ""),
        Line::times("`virsh migrate` through the same carried, encrypted sockets", &carried.whole, ""),
        Line::ratio(&ours.whole, &carried.whole, "≤ 1.1× or ≤ 400 ms more"),
        Line::times("`virsh migrate`, memory over plain TCP", &plain.whole, ""),
        Line::times("through Hostler, its network trusted", &trusted.whole, ""),
        Line::times("downtime through Hostler", &ours.still, ""),
        Line::times("downtime of `virsh migrate`, carried", &carried.still, ""),
        Line::ratio(&ours.still, &carried.still, "≤ 50 ms more"),
        Line::times("downtime of `virsh migrate`, plain TCP", &plain.still, ""),
    ])
}

impl Bench {
    /// The number of the host on which the machine is, and of the other one.
    fn places(&self) -> Result<(usize, usize)> {
        let name = self.site.vm("web")?.host_name.unwrap_or_default();
        let here = self.site.hosts.iter().position(|host| host.name() == name);
        here.map(|here| (here, 1 - here)).ok_or_else(|| said("the machine is nowhere"))
    }

    /// Whether the network between the hosts is trusted.
    fn trusts(&self, trusted: bool) -> Result<()> {
        let unencrypted_transfers = Some(Some(trusted));
        let edit = EditHostGroup { unencrypted_transfers, ..EditHostGroup::default() };
        self.site.change(self.site.client().edit_host_group(&ALL_HOSTS.to_string(), &edit, &How::default()))
    }

    /// Until its job is done, and so until what was only for the move is taken away.
    fn by_hostler(&mut self) -> Result<Duration> {
        let (_, to) = self.places()?;
        let to = self.site.hosts[to].name().to_owned();
        let begun = Instant::now();
        let (body, how) = (Migrate { to: Some(to) }, How::default());
        match self.site.run(self.site.client().migrate_vm("web", &body, &how))? {
            Changed::Taken(taken) => self.site.done(taken.job)?,
            Changed::Planned(_) => return Err(said("a plan in place of a job")),
        }
        Ok(begun.elapsed())
    }

    /// Until it returns. Whatever carries its sockets stands before that.
    fn by_virsh(&mut self, carried: bool) -> Result<Duration> {
        let (from, to) = self.places()?;
        let ticket = format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple());
        let folder = format!("{SOCKETS}/{}", &ticket[..8]);
        for host in &self.site.hosts {
            host.shell(&format!("mkdir -p {folder} && chmod 777 {SOCKETS} {folder}"))?;
        }
        let port = self.carry(to, from, &ticket, &folder, None)?;
        self.carry(from, to, &ticket, &folder, Some(port))?;
        let libvirt = format!("qemu+unix:///system?socket={folder}/libvirt");
        let memory = match carried {
            true => format!("unix://{folder}/memory"),
            false => format!("tcp://{}", self.site.hosts[to].address()),
        };
        let words =
            ["migrate", &self.domain, &libvirt, "--live", "--p2p", "--persistent", "--undefinesource"];
        let more = ["--abort-on-error", "--auto-converge", "--unsafe", "--migrateuri", &memory];
        let words: Vec<&str> = words.into_iter().chain(more).collect();
        let begun = Instant::now();
        self.site.hosts[from].virsh(&words)?;
        let whole = begun.elapsed();
        for at in [from, to] {
            self.site.hosts[at].kill("carry")?;
        }
        Ok(whole)
    }

    /// Starts one end of the line at a host, and answers its port.
    fn carry(
        &mut self,
        at: usize,
        peer: usize,
        ticket: &str,
        folder: &str,
        dial: Option<u16>,
    ) -> Result<u16> {
        let name = self.site.hosts[peer].name().to_owned();
        let other = self.site.run(self.site.client().agent(&name))?.agent;
        let address = self.site.hosts[peer].address().to_owned();
        let host = &mut self.site.hosts[at];
        let testbed = program("hostler-testbed")?.to_string_lossy().into_owned();
        let identity = host.agent_state().join("identity").to_string_lossy().into_owned();
        let (id, memory) = (other.id.to_string(), format!("{folder}/memory"));
        let libvirt = match dial {
            None => "/run/libvirt/libvirt-sock".to_owned(),
            Some(_) => format!("{folder}/libvirt"),
        };
        let to = dial.map(|port| format!("{address}:{port}"));
        let mut words = vec![testbed.as_str(), "carry", "--identity", &identity, "--peer", &id];
        words.extend(["--serial", &other.certificate, "--ticket", ticket]);
        words.extend(["--libvirt", &libvirt, "--memory", &memory]);
        if let Some(to) = &to {
            words.extend(["--dial", to]);
        }
        let before = host.log_of("carry").lines().count();
        host.launch("carry", &words)?;
        let port = wait_for(FOLLOWS, "the line stands", || {
            let log = host.log_of("carry");
            log.lines().skip(before).find_map(|line| line.strip_prefix(STANDS)?.parse().ok())
        });
        port.map_err(|why| said(format!("{why}: {}", host.log_of("carry"))))
    }

    /// How long the guest stood still in the move that has just ended, as the new host's libvirt says.
    fn stood_still(&self) -> Result<Duration> {
        let told = self
            .site
            .hosts
            .iter()
            .find_map(|host| host.virsh(&["domjobinfo", "--completed", &self.domain]).ok());
        let told = told.ok_or_else(|| said("no libvirt says how long it stood still"))?;
        let ms = told
            .lines()
            .find_map(|line| line.trim().strip_prefix("Total downtime:")?.split_whitespace().next());
        let ms = ms.and_then(|ms| ms.parse().ok()).ok_or_else(|| said(told.clone()))?;
        Ok(Duration::from_millis(ms))
    }

    /// Waits until the record has followed.
    fn follows(&self) -> Result<()> {
        let on = |at: usize| {
            self.site.hosts[at].virsh(&["domstate", &self.domain]).is_ok_and(|is| is.trim() == "running")
        };
        let at = wait_for(FOLLOWS, "it runs", || (0..2).find(|at| on(*at)))?;
        let name = self.site.hosts[at].name().to_owned();
        self.site.until("the record follows", FOLLOWS, async |client| {
            let view = client.vm("web", None).await?;
            Ok((view.host_name.as_deref() == Some(&name) && view.status == VmStatus::Running).then_some(()))
        })
    }
}
