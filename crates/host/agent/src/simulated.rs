//! Hands on a simulated host: an agent over a host without a computer, for scale tests and demonstrations.

use std::io::{ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use hostler_hypervisor::simulated::SimulatedHost;
use hostler_hypervisor::{Boots, Machines, import};
use hostler_libvirt::Changed;
use hostler_model::channel::Query;
use hostler_model::host::{HostFacts, Load};
use hostler_model::host_hardware::FileSystem;
use hostler_model::importable::ImportablesView;
use hostler_model::machine_folder::{FolderListing, SeenFolder};
use hostler_model::network::Lease;
use hostler_model::refresher::{MachineLoad, Refreshed, RefresherKind};
use hostler_model::seen::Seen;
use hostler_model::{Code, Refusal};
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::hands::{Hands, Host};
use crate::libvirt::told;
use crate::performance::{self, Frame, UNKNOWN, Values};
use crate::screens::{self, Screens};

/// How often simulated time moves and events are fetched.
const TICK: Duration = Duration::from_millis(50);
/// What an RFB server says first.
const RFB_GREETING: &[u8] = b"RFB 003.008\n";
/// Changes that wait.
const CHANGES: usize = 1_024;

struct SimulatedComputer {
    host: SimulatedHost,
    facts: HostFacts,
    load: Box<dyn Fn() -> Load + Send + Sync>,
    screens: Screens,
}

impl SimulatedComputer {
    fn refreshed(&self, refresher: RefresherKind) -> Refreshed {
        let at = crate::status::now();
        let on = |seen: &Seen| seen.power.is_on();
        let loads = match (refresher, self.host.list()) {
            (RefresherKind::Performance, Ok(all)) => {
                all.iter().filter(|seen| on(seen)).map(|seen| seen.domain).collect()
            }
            _ => Vec::new(),
        };
        let load = |domain| MachineLoad { domain, load: performance::load(at, waves(domain, at.0)) };
        Refreshed { loads: loads.into_iter().map(load).collect(), troubles: Vec::new() }
    }
}

impl Host for SimulatedComputer {
    fn facts(&self) -> HostFacts {
        let host_networks = self.host.true_networks();
        let active = host_networks.iter().filter(|network| network.active);
        HostFacts {
            libvirt_answers: self.host.list().is_ok(),
            networks: active.map(|network| network.name.clone()).collect(),
            host_networks,
            boot_id: self.host.boot(),
            ..self.facts.clone()
        }
    }

    fn load(&self) -> Load {
        (self.load)()
    }

    fn answer(&self, query: &Query) -> Result<Vec<u8>, Refusal> {
        match query {
            Query::Performance { domain, now, from, to, points } => {
                let on = |domain| {
                    self.host.read(domain).is_ok_and(|seen| seen.is_some_and(|seen| seen.power.is_on()))
                };
                let runs = domain.is_none_or(on);
                let frame = Frame::of(*now, *from, *to, *points);
                told(
                    &frame.filled(
                        |begin, _| if runs { waves(domain.unwrap_or_default(), begin) } else { UNKNOWN },
                    ),
                )
            }
            Query::Screenshot { domain, width } => self.screens.newest(*domain, *width, || {
                let seen = self.host.read(*domain).map_err(|trouble| trouble.into_refusal("host"))?;
                match seen.is_some_and(|seen| seen.power.is_on()) {
                    true => test_card(*domain),
                    false => Err(Refusal::new(Code::HypervisorFailed, "screen", "the machine does not run")),
                }
            }),
            Query::FileSystems => {
                let load = (self.load)();
                told(&[FileSystem {
                    path: "/var/lib".into(),
                    source: "/dev/sdb1".into(),
                    kind: "xfs".into(),
                    size_bytes: load.disk_total_mib << 20,
                    free_bytes: load.disk_free_mib << 20,
                    has_machines: true,
                    ..FileSystem::default()
                }])
            }
            Query::Folder { path } => {
                let Some(folder) = self.host.folder(&format!("{path}/x")) else {
                    let cause = "it is outside the folders of this computer";
                    return Err(Refusal::new(Code::PathForbidden, path, cause));
                };
                let made = folder.folders();
                let below = made.iter().filter_map(|made| made.strip_prefix(&format!("{path}/")));
                let direct = below.filter(|name| !name.contains('/'));
                let folders = direct.map(|name| SeenFolder { name: name.into(), ..SeenFolder::default() });
                told(&FolderListing {
                    path: path.clone(),
                    folders: folders.collect(),
                    ..FolderListing::default()
                })
            }
            // A simulated storage holds what was put there, and nobody puts any into a fleet.
            Query::Importable { file: None } => told(&ImportablesView::default()),
            Query::Importable { file: Some(file) } => {
                let found =
                    import::look(&self.host, &self.host, file).map_err(|why| why.into_refusal(file))?;
                told(&ImportablesView { machines: vec![found], more: false })
            }
            Query::Refresh { refresher } => told(&self.refreshed(*refresher)),
            // No guest of a simulated machine asks for an address.
            Query::Leases { .. } => told::<[Lease]>(&[]),
            Query::GuestFile { .. }
            | Query::GuestAddresses { .. }
            | Query::DefinitionXml { .. }
            | Query::Upload { .. }
            | Query::Share { .. }
            | Query::Unknown => {
                Err(Refusal::new(Code::AgentUnsupported, "question", "a simulated host has nothing to show"))
            }
        }
    }

    /// A screen that greets and then says back what it is told: enough to see that bytes come through.
    fn open_graphics(&self, domain: Uuid) -> Result<OwnedFd, Refusal> {
        let failed = |why: std::io::Error| {
            Refusal::new(Code::HypervisorFailed, format!("domain {domain}"), why.to_string())
        };
        let (ours, theirs) = UnixStream::pair().map_err(failed)?;
        let (host, mut write) = (self.host.clone(), ours.try_clone().map_err(failed)?);
        let echo = move || -> std::io::Result<()> {
            write.write_all(RFB_GREETING)?;
            let mut read = ours.try_clone()?;
            // Off, it closes as a real one does.
            read.set_read_timeout(Some(TICK))?;
            let mut part = [0; 4096];
            loop {
                match read.read(&mut part) {
                    Ok(0) => return Ok(()),
                    Ok(some) => write.write_all(&part[..some])?,
                    Err(why) if matches!(why.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                        if !matches!(host.read(domain), Ok(Some(seen)) if seen.power.is_on()) {
                            return Ok(());
                        }
                    }
                    Err(why) => return Err(why),
                }
            }
        };
        std::thread::Builder::new().name("screen".into()).spawn(echo).map_err(failed)?;
        Ok(theirs.into())
    }
}

/// A load that looks like one, the same at each look: 20,000 machines keep no history.
fn waves(of: Uuid, at_ms: i64) -> Values {
    let (seed, _) = of.as_u64_pair();
    // Between 0 and 1, each series with a period and a phase of its own.
    let wave = |series: u32, period_s: f64| {
        let phase = f64::from(seed.rotate_left(series * 11) as u16) / 65_536.0;
        let turn =
            |period_s: f64| ((at_ms as f64 / 1_000.0 / period_s + phase) * std::f64::consts::TAU).sin();
        ((turn(period_s) + 0.5 * turn(period_s / 7.3) + 0.25 * turn(period_s / 31.0)) / 3.5 + 0.5) as f32
    };
    [
        wave(0, 1_800.0) * 80.0,
        256.0 + wave(1, 7_200.0) * 512.0,
        wave(2, 900.0).powi(4) * 2e7,
        wave(3, 1_200.0).powi(4) * 1e7,
        wave(4, 1_500.0).powi(3) * 5e6,
        wave(5, 1_500.0).powi(3) * 2e6,
    ]
}

/// What a simulated machine shows: stripes in colours of its own, and a bar that moves on each second.
fn test_card(of: Uuid) -> Result<Vec<u8>, Refusal> {
    const WIDTH: usize = 640;
    const HEIGHT: usize = 400;
    let colours = of.as_bytes();
    let bar = (now_ms() / 1_000 * 8) as usize % WIDTH;
    let mut pixels = Vec::with_capacity(WIDTH * HEIGHT * 3);
    for y in 0..HEIGHT {
        for x in 0..WIDTH {
            let stripe = x / 80;
            let dark = if y > HEIGHT * 3 / 4 { 4 } else { 1 };
            match x.abs_diff(bar) < 4 {
                true => pixels.extend([255; 3]),
                false => pixels.extend([0, 3, 7].map(|at| colours[(stripe + at) % 16] / dark)),
            }
        }
    }
    screens::written(&pixels, WIDTH, HEIGHT, 3)
        .map_err(|why| Refusal::new(Code::Internal, "screen", why.to_string()))
}

/// Hands on `host`, whose time moves with the clock from now on and whose events are told unless `events` is false.
/// Its load is what `load` says at each asking.
/// To be called within a tokio runtime; what it starts ends with the hands.
pub fn hands(
    host: &SimulatedHost,
    facts: HostFacts,
    load: impl Fn() -> Load + Send + Sync + 'static,
    events: bool,
) -> Hands {
    let (tell, changes) = mpsc::channel(CHANGES);
    host.set_boot(&facts.boot_id);
    let ticking = host.clone();
    tokio::spawn(async move {
        let mut tick = tokio::time::interval(TICK);
        while !tell.is_closed() {
            tick.tick().await;
            ticking.tick(now_ms());
            for domain in ticking.take_changed() {
                // One that is not told is found by the next listing, as with libvirt.
                let _ = if events { tell.try_send(Changed::Domain(domain)) } else { Ok(()) };
            }
        }
    });
    for network in &facts.host_networks {
        host.put_network(network.clone());
    }
    Hands {
        moves: Arc::new(host.clone()),
        boots: Arc::new(host.clone()),
        networks: Arc::new(host.clone()),
        machines: Arc::new(host.clone()),
        disks: Arc::new(host.clone()),
        host: Arc::new(SimulatedComputer {
            host: host.clone(),
            facts,
            load: Box::new(load),
            screens: Screens::default(),
        }),
        changes,
    }
}

/// One clock for all simulated hosts of the process, so that a host's time goes on with its next agent.
fn now_ms() -> u64 {
    static BEGUN: OnceLock<Instant> = OnceLock::new();
    u64::try_from(BEGUN.get_or_init(Instant::now).elapsed().as_millis()).unwrap_or(u64::MAX)
}
