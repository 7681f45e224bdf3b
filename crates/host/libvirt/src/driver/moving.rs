//! Machines that come and go: what one needs elsewhere, whether one can run here, and the move itself, peer to peer
//! between the two libvirts over sockets that somebody carries.

use std::path::Path;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use hostler_hypervisor::{MoveLimits, Trouble, Watch};
use hostler_model::command::Leaving;
use hostler_model::{Code, Refusal};
use uuid::Uuid;

use super::Driver;
use super::filter;
use super::trouble::Subject;
use crate::raw::Error;
use crate::tree::Element;

/// How often progress is asked for, limits are looked at, and a wish to stop is seen.
const LOOK_EVERY: Duration = Duration::from_millis(100);

impl Driver {
    /// What a running machine needs of another host.
    ///
    /// # Errors
    /// libvirt does not say.
    pub fn needs(&self, domain: Uuid) -> Result<Leaving, Trouble> {
        self.on_domain(domain, |_, domain| {
            let definition = domain.migratable_xml()?;
            let tree = Element::parse(&definition)?;
            let none = Element::default();
            let devices = tree.first("devices").unwrap_or(&none);
            let of = |element: &Element, attribute: &str| {
                element.first("source").and_then(|source| source.get(attribute)).map(str::to_owned)
            };
            let files = devices.all("disk").filter(|disk| disk.first("readonly").is_none());
            let networks = devices.all("interface").filter(|adapter| adapter.get("type") == Some("network"));
            Ok(Leaving {
                files: files.filter_map(|disk| of(disk, "file")).collect(),
                networks: networks.filter_map(|adapter| of(adapter, "network")).collect(),
                bases: Vec::new(),
                autostart: domain.is_persistent()? && domain.autostarts()?,
                definition,
            })
        })
    }

    /// Whether a machine with this definition of a running one can run here: its processor as the guest sees it, its
    /// machine type, its networks.
    ///
    /// # Errors
    /// What is lacking, in words.
    pub fn can_run(&self, domain: Uuid, leaving: &Leaving) -> Result<(), Trouble> {
        let unsuitable = |cause: String, remedy: &str| {
            let refusal = Refusal::new(Code::MigrationUnsuitable, format!("domain {domain}"), cause);
            Trouble::Refused(refusal.remedy(remedy))
        };
        let wrong = |why| Subject::Domain(domain).trouble(Error::from(why));
        let tree = Element::parse(&leaving.definition).map_err(wrong)?;
        let kind = tree.get("type").unwrap_or("qemu").to_owned();
        let none = Element::default();
        let os = tree.first("os").and_then(|os| os.first("type")).unwrap_or(&none);
        let arch = os.get("arch").unwrap_or("x86_64").to_owned();
        let machine = os.get("machine").unwrap_or_default().to_owned();
        let offered =
            self.pool.with(|connection| connection.offers(&arch, &machine, &kind)).map_err(|why| match why {
                why if why.is_lost() => Subject::Host.trouble(why),
                why => unsuitable(
                    format!("machine type {machine} ({kind}) is not offered: {}", why.message),
                    "Choose a host with the same or a newer QEMU",
                ),
            });
        offered?;
        // A processor that is the host's own, or none, is libvirt's business: it refuses by itself.
        if let Some(cpu) = tree.first("cpu").filter(|cpu| cpu.get("mode") == Some("custom")) {
            let compared =
                self.pool.with(|connection| connection.has_processor(&arch, &machine, &kind, &cpu.to_xml()));
            compared.map_err(|why| match why {
                why if why.is_lost() => Subject::Host.trouble(why),
                why => unsuitable(
                    format!("its processor is not like the one that the guest sees: {}", why.message),
                    "Choose a host with the same processor, or give the machine an older model while it is off",
                ),
            })?;
        }
        self.pool.with(|connection| filter::ready_for(&tree, connection)).map_err(|why| match why {
            why if why.is_lost() => Subject::Host.trouble(why),
            why => unsuitable(
                format!("what its adapter sends under another address cannot be dropped: {}", why.message),
                "Mend that on the host, or choose another host",
            ),
        })?;
        let there = self.on_host(|connection| connection.active_networks())?;
        match leaving.networks.iter().find(|network| !there.contains(network)) {
            None => Ok(()),
            Some(network) => Err(unsuitable(
                format!("there is no active network {network}"),
                "Start a network of that name on the host, or choose another host",
            )),
        }
    }

    /// Moves a running machine to the libvirt behind one socket, its memory through the other, both of this computer.
    /// The disks must be known to be the same files there.
    ///
    /// # Errors
    /// Any says nothing about where the machine is.
    pub fn move_away(
        &self,
        domain: Uuid,
        libvirt: &Path,
        memory: &Path,
        limits: MoveLimits,
        watch: &dyn Watch,
    ) -> Result<(), Trouble> {
        if watch.aborted() {
            return Err(Trouble::Aborted);
        }
        let to = format!("qemu+unix:///system?socket={}", libvirt.display());
        let through = format!("unix://{}", memory.display());
        // What libvirt knows to be shared it lets pass; of files on what it does not know our mark is the proof, and only
        // without a cache that the other host does not see. Of anything else it is the judge.
        let uncached = self.on_domain(domain, |_, domain| {
            let tree = Element::parse(&domain.xml()?)?;
            let proven = |disk: &Element| match disk.get("type") {
                Some("network") => true,
                Some("file") => disk.first("driver").and_then(|driver| driver.get("cache")) == Some("none"),
                _ => false,
            };
            let writes = |disk: &&Element| disk.first("readonly").is_none() && disk.first("source").is_some();
            Ok(tree.first("devices").is_none_or(|devices| devices.all("disk").filter(writes).all(proven)))
        })?;
        let begun = Instant::now();
        let (ended, end) = mpsc::channel();
        let mut over = None;
        let result = std::thread::scope(|scope| {
            let moving = std::thread::Builder::new().name("migrate".into()).spawn_scoped(scope, || {
                // The receiver outlives this thread.
                let _ =
                    ended.send(self.on_domain(domain, |_, domain| domain.migrate(&to, &through, uncached)));
            });
            if let Err(why) = moving {
                return Err(Trouble::Interrupted(format!("no thread to migrate with: {why}")));
            }
            loop {
                match end.recv_timeout(LOOK_EVERY) {
                    Ok(result) => return result,
                    Err(RecvTimeoutError::Timeout) => {
                        if over.is_none() && begun.elapsed().as_millis() > u128::from(limits.whole_ms) {
                            over = Some(format!("it took longer than {} s", limits.whole_ms / 1_000));
                        }
                        self.look_at_move(domain, limits, &mut over, watch);
                    }
                    Err(RecvTimeoutError::Disconnected) => {
                        return Err(Trouble::Interrupted("the thread that migrated has ended".into()));
                    }
                }
            }
        });
        match (result, over) {
            // A move that is stopped may end with whatever broke first, a socket of QEMU's among it *(seen)*.
            (Err(Trouble::Aborted | Trouble::Failed(_)), Some(why)) => Err(Trouble::Failed(
                Refusal::new(Code::MigrationFailed, format!("domain {domain}"), why)
                    .remedy("Try when the guest is less busy, or over a faster network, or raise the limit"),
            )),
            (Err(Trouble::Failed(_)), None) if watch.aborted() => Err(Trouble::Aborted),
            (result, _) => result,
        }
    }

    /// Passes on how far it is, or stops it. Neither may fail the move: its own call says how it ended.
    fn look_at_move(&self, domain: Uuid, limits: MoveLimits, over: &mut Option<String>, watch: &dyn Watch) {
        let looked = self.pool.with(|connection| {
            let domain = connection.domain(domain)?;
            let job = domain.job()?;
            let count = |name: &str| job.count(name).unwrap_or(0);
            let rounds = count("memory_iteration");
            if over.is_none() && rounds > u64::from(limits.rounds) {
                *over = Some(format!(
                    "it went through the memory {rounds} times: the guest changes it faster than it is carried"
                ));
            }
            // Bytes carried in all only grow; what remains does not: so a guest that keeps changing memory shows
            // progress all the same, and only one that stands still does not.
            let (done, left) = (count("memory_processed"), count("memory_remaining"));
            if done > 0 {
                watch.progress(done, done.saturating_add(left));
            }
            // Before it has begun, and after it has ended, there is nothing to stop: the next look tries again.
            if watch.aborted() || over.is_some() { domain.abort_job() } else { Ok(()) }
        });
        if let Err(why) = looked {
            tracing::debug!(subject = ?Subject::Domain(domain), %why, "no look at the migration");
        }
    }

    /// Whether libvirt starts a machine with the host.
    ///
    /// # Errors
    /// libvirt does not say.
    pub fn autostarts(&self, domain: Uuid) -> Result<bool, Trouble> {
        self.on_domain(domain, |_, domain| Ok(domain.is_persistent()? && domain.autostarts()?))
    }

    /// Has libvirt start a machine with the host, or not. One that is not here is left at that.
    ///
    /// # Errors
    /// libvirt refuses.
    pub fn set_autostart(&self, domain: Uuid, is: bool) -> Result<(), Trouble> {
        match self.on_domain(domain, |_, domain| domain.set_autostart(is)) {
            Err(Trouble::Failed(refusal)) if refusal.code == Code::HypervisorNoVm => Ok(()),
            set => set,
        }
    }

    /// Whether libvirt is still moving a machine away; it is asked to stop that.
    ///
    /// # Errors
    /// libvirt does not say.
    pub fn stops_leaving(&self, domain: Uuid) -> Result<bool, Trouble> {
        let looked = self.on_domain(domain, |_, domain| {
            if !domain.is_active()? || !domain.is_at_work()? {
                return Ok(false);
            }
            // One that ends by itself meanwhile refuses; the next look tells.
            let _ = domain.abort_job();
            Ok(true)
        });
        match looked {
            Err(Trouble::Failed(refusal)) if refusal.code == Code::HypervisorNoVm => Ok(false),
            other => other,
        }
    }

    /// Removes the definition of a machine that is off and touches none of its files: another host uses them.
    ///
    /// # Errors
    /// It is on, or libvirt refuses.
    pub fn forget_definition(&self, domain: Uuid) -> Result<(), Trouble> {
        self.on_domain(domain, |_, domain| {
            if domain.is_active()? {
                return Err(Error { code: 55, domain: 0, message: "the machine is on".into() });
            }
            domain.undefine_only()
        })
    }
}
