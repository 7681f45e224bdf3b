//! The networks of this computer as they are changed: libvirt's, and bridges over adapters, of which a note is kept.
//!
//! A bridge over an adapter may cut the line over which it was asked for. So the note says that it is on trial before
//! anything is done; who is not told within the time that it stays takes it back, and so does the next run of the agent
//! where this one dies. What stays is made again when the computer was started anew: the kernel forgets bridges. A removal is
//! noted as well before it begins, so that one that is cut short is ended and no bridge stays that is nobody's.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use hostler_hypervisor::networks::TRIAL_MS;
use hostler_hypervisor::{Networks, Trouble};
use hostler_libvirt::{Driver, KeptNetwork};
use hostler_model::network::{HostNetwork, NetworkKind};
use hostler_model::new_network::NetworkSpec;
use hostler_model::{Code, Refusal};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::bridge::Bridge;

/// How often libvirt is tried where it does not answer.
const AGAIN: Duration = Duration::from_secs(2);

/// The networks of this computer.
#[derive(Clone)]
pub(crate) struct HostNetworks(Arc<Inner>);

struct Inner {
    driver: Arc<Driver>,
    folder: PathBuf,
    /// Held while something is changed: a trial may end at the moment in which it is confirmed.
    one: Mutex<()>,
}

/// What is known of a network that took an adapter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Note {
    id: Uuid,
    name: String,
    bridge: Bridge,
    /// Whether it goes unless it is confirmed.
    trial: bool,
    /// Whether it is being removed: its bridge goes as soon as libvirt does not have it any more.
    #[serde(default)]
    going: bool,
}

/// What becomes of a network with a note when the agent starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Begins {
    /// It was never confirmed.
    TakenBack,
    /// Its removal was cut short: libvirt knows how far it came.
    Settled,
    /// The kernel has forgotten its bridge.
    MadeAgain,
    /// Everything is there.
    Stays,
}

impl Note {
    fn begins(&self, bridge_is_there: bool) -> Begins {
        match (self.trial, self.going, bridge_is_there) {
            (true, ..) => Begins::TakenBack,
            (false, true, _) => Begins::Settled,
            (false, false, false) => Begins::MadeAgain,
            (false, false, true) => Begins::Stays,
        }
    }
}

/// What is known of a network that was removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Removed {
    libvirt: KeptNetwork,
    note: Option<Note>,
}

impl HostNetworks {
    /// The networks, with notes in this folder. What was on trial when the agent died is taken back, and what the kernel
    /// forgot is made again, before this returns; libvirt is told as soon as it answers.
    pub(crate) fn new(driver: Arc<Driver>, folder: PathBuf) -> Self {
        let networks = Self(Arc::new(Inner { driver, folder, one: Mutex::default() }));
        networks.begin();
        networks
    }

    fn begin(&self) {
        for note in self.notes() {
            match note.begins(note.bridge.is_there()) {
                Begins::TakenBack => {
                    tracing::warn!(network = note.name, "it was never confirmed: it is taken back");
                    self.take_back(note);
                }
                Begins::Settled => self.settle_removal(note.id),
                Begins::MadeAgain => self.make_again(&note),
                Begins::Stays => {}
            }
        }
    }

    fn make_again(&self, note: &Note) {
        let made = note.bridge.anew().and_then(|bridge| {
            bridge.up().inspect_err(|_| bridge.down(true))?;
            Ok(bridge)
        });
        match made {
            Ok(bridge) => {
                tracing::info!(network = note.name, bridge = bridge.name, "made again after a start");
                // The note of before does as well.
                let _ = self.write(&Note { bridge, ..note.clone() });
                let (driver, name) = (Arc::clone(&self.0.driver), note.name.clone());
                in_time(move || driver.start_network(&name));
            }
            Err(why) => {
                tracing::error!(network = note.name, cause = why.cause, remedy = why.remedy, "not made again")
            }
        }
    }

    /// Ends a removal that was cut short, as soon as libvirt answers. While it has the network, nothing was removed yet: a
    /// machine may have been connected since, so it stays until its removal is asked for again.
    fn settle_removal(&self, id: Uuid) {
        let networks = self.clone();
        in_time(move || {
            let _one = networks.lock();
            // It may have been removed or made again meanwhile.
            let Some(note) = networks.note(id).filter(|note| note.going) else { return Ok(()) };
            if networks.0.driver.kept_network(id, &note.name)?.is_none() {
                tracing::warn!(network = note.name, "its removal was cut short: its bridge is removed");
                note.bridge.down(false);
                networks.forget(id);
                return Ok(());
            }
            let note = Note { going: false, ..note };
            networks.write(&note)?;
            if !note.bridge.is_there() {
                networks.make_again(&note);
            }
            Ok(())
        });
    }

    fn lock(&self) -> MutexGuard<'_, ()> {
        self.0.one.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn notes(&self) -> Vec<Note> {
        let files = fs::read_dir(&self.0.folder).into_iter().flatten().flatten();
        let mut notes: Vec<Note> = files.filter_map(|file| read(&file.path())).collect();
        notes.sort_by(|one, other| one.name.cmp(&other.name));
        notes
    }

    fn note_file(&self, id: Uuid) -> PathBuf {
        self.0.folder.join(format!("{id}.json"))
    }

    fn removed_file(&self, id: Uuid) -> PathBuf {
        self.0.folder.join(format!("removed/{id}.json"))
    }

    fn note(&self, id: Uuid) -> Option<Note> {
        read(&self.note_file(id))
    }

    fn write(&self, note: &Note) -> Result<(), Trouble> {
        write(&self.note_file(note.id), note)
    }

    fn forget(&self, id: Uuid) {
        let _ = fs::remove_file(self.note_file(id));
    }

    /// Takes a network back that is on trial: the adapter first, over which perhaps nobody can be reached; libvirt as soon
    /// as it answers; the note at last.
    fn take_back(&self, note: Note) {
        note.bridge.down(true);
        let (networks, Note { id, name, .. }) = (self.clone(), note);
        in_time(move || {
            networks.0.driver.remove_network(id, &name)?;
            networks.forget(id);
            Ok(())
        });
    }

    /// Takes a network back when its time is over and nobody has confirmed it.
    fn watch_trial(&self, id: Uuid) {
        let networks = self.clone();
        let watch = move || {
            thread::sleep(Duration::from_millis(TRIAL_MS));
            let _one = networks.lock();
            if let Some(note) = networks.note(id).filter(|note| note.trial) {
                tracing::warn!(network = note.name, "nobody has confirmed it: it is taken back");
                networks.take_back(note);
            }
        };
        // Without a thread it is confirmed or stays until the agent starts anew.
        if let Err(why) = thread::Builder::new().name("trial".into()).spawn(watch) {
            tracing::error!(%why, "no thread to end the trial of a network with");
        }
    }

    fn make_over(&self, id: Uuid, network: &NetworkSpec, bridge: Bridge) -> Result<(), Trouble> {
        let note = Note { id, name: network.name.clone(), bridge, trial: true, going: false };
        self.write(&note)?;
        let made = note
            .bridge
            .up()
            .map_err(|refusal| match refusal.code {
                Code::NetworkVlanNotPossible => Trouble::Refused(refusal),
                _ => Trouble::Failed(refusal),
            })
            .and_then(|()| self.0.driver.make_network(id, network, Some(&note.bridge.name)));
        match made {
            Ok(()) => self.watch_trial(id),
            Err(_) => self.take_back(note),
        }
        made
    }
}

impl Networks for HostNetworks {
    fn networks(&self) -> Result<Vec<HostNetwork>, Trouble> {
        self.0.driver.networks()
    }

    fn make_network(&self, id: Uuid, network: &NetworkSpec) -> Result<(), Trouble> {
        let _one = self.lock();
        if network.kind != NetworkKind::External {
            return self.0.driver.make_network(id, network, None);
        }
        match Bridge::plan(network, id).map_err(Trouble::Refused)? {
            Some(bridge) => self.make_over(id, network, bridge),
            None => self.0.driver.make_network(id, network, network.adapter.as_deref()),
        }
    }

    fn confirm_network(&self, id: Uuid) -> Result<bool, Trouble> {
        let _one = self.lock();
        match self.note(id) {
            Some(note) if note.trial && !note.bridge.is_there() => Ok(false),
            Some(note) => self.write(&Note { trial: false, ..note }).map(|()| true),
            // Over a bridge that was there nothing is on trial.
            None => {
                let there = self.0.driver.networks()?.into_iter().find(|network| network.id == id);
                Ok(there.is_some_and(|network| super::bridge::exists(&network.bridge)))
            }
        }
    }

    fn remove_network(&self, id: Uuid, name: &str) -> Result<(), Trouble> {
        let _one = self.lock();
        let note = self.note(id);
        if let Some(libvirt) = self.0.driver.kept_network(id, name)? {
            let note = note.clone().map(|note| Note { going: false, ..note });
            write(&self.removed_file(id), &Removed { libvirt, note })?;
        }
        if let Some(note) = &note {
            self.write(&Note { going: true, ..note.clone() })?;
        }
        self.0.driver.remove_network(id, name)?;
        if let Some(note) = note {
            note.bridge.down(note.trial);
            self.forget(id);
        }
        Ok(())
    }

    fn is_left(&self, id: Uuid) -> bool {
        let _one = self.lock();
        self.note(id).is_some()
    }

    fn restore_network(&self, id: Uuid, _name: &str) -> Result<bool, Trouble> {
        let _one = self.lock();
        let file = self.removed_file(id);
        let Some(Removed { libvirt, note }) = read::<Removed>(&file) else { return Ok(false) };
        if let Some(note) = note {
            let bridge = if note.bridge.is_there() {
                note.bridge
            } else {
                let bridge = note.bridge.anew().map_err(Trouble::Failed)?;
                bridge.up().inspect_err(|_| bridge.down(true)).map_err(Trouble::Failed)?;
                bridge
            };
            self.write(&Note { id: note.id, name: note.name, bridge, trial: false, going: false })?;
        }
        self.0.driver.put_network(&libvirt)?;
        let _ = fs::remove_file(file);
        Ok(true)
    }
}

/// Tries until it is done: libvirt may not answer yet.
fn in_time(act: impl Fn() -> Result<(), Trouble> + Send + 'static) {
    if act().is_ok() {
        return;
    }
    let until_done = move || {
        while let Err(why) = act() {
            tracing::debug!(%why, "libvirt does not take a network yet");
            thread::sleep(AGAIN);
        }
    };
    if let Err(why) = thread::Builder::new().name("networks".into()).spawn(until_done) {
        tracing::error!(%why, "no thread to tell libvirt of a network with");
    }
}

fn read<T: serde::de::DeserializeOwned>(file: &Path) -> Option<T> {
    serde_json::from_slice(&fs::read(file).ok()?).ok()
}

/// Writes a note so that it is there whole or not at all, also after a loss of power.
fn write(file: &Path, note: &impl Serialize) -> Result<(), Trouble> {
    let wrong = |why: String| {
        Trouble::Failed(
            Refusal::new(Code::NetworkFailed, file.display().to_string(), why)
                .remedy("See whether the agent's state folder can be written"),
        )
    };
    let folder = file.parent().unwrap_or(file);
    let text = serde_json::to_vec(note).map_err(|why| wrong(why.to_string()))?;
    (|| {
        fs::create_dir_all(folder)?;
        let new = file.with_extension("new");
        let mut to = fs::File::create(&new)?;
        std::io::Write::write_all(&mut to, &text)?;
        to.sync_all()?;
        fs::rename(&new, file)?;
        fs::File::open(folder)?.sync_all()
    })()
    .map_err(|why: std::io::Error| wrong(why.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_whose_removal_was_cut_short_is_not_made_again_when_the_agent_starts() {
        // As a note of an older agent is: it knows of no removals.
        let kept: Note = serde_json::from_str(
            r#"{"id":"00000000-0000-0000-0000-000000000001","name":"lan","trial":false,
                "bridge":{"name":"br-lan","port":"eno1","vlan":null,"mac":"02:00:00:00:00:01",
                          "moved":{"addresses":[],"routes":[]}}}"#,
        )
        .unwrap();
        assert_eq!((kept.begins(true), kept.begins(false)), (Begins::Stays, Begins::MadeAgain));
        let going = Note { going: true, ..kept.clone() };
        assert_eq!((going.begins(true), going.begins(false)), (Begins::Settled, Begins::Settled));
        let read: Note = serde_json::from_slice(&serde_json::to_vec(&going).unwrap()).unwrap();
        assert_eq!(read, going, "the note says so after a loss of power");
        let trial = Note { trial: true, ..going };
        assert_eq!(trial.begins(true), Begins::TakenBack);
    }
}
