//! Whether hardware virtualization works here. That it works is remembered until the computer starts anew. That it does not may
//! be mended while the computer runs (a module is loaded, a busy computer had no time for the test boot), so it is tried again.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::UNIX_EPOCH;

use hostler_model::host::Kvm;
use serde::{Deserialize, Serialize};

use crate::computer::kernel_boot_id;

/// Tries it with this QEMU; takes some seconds.
type Probe = Box<dyn Fn(&Path) -> Kvm + Send + Sync>;

/// What is known of hardware virtualization.
pub(crate) struct Virtualization {
    /// The file that outlasts the agent.
    remembered: PathBuf,
    qemu: PathBuf,
    probe: Probe,
    said: Mutex<Kvm>,
    /// Whether an earlier run of the agent said it.
    old: bool,
    /// Held while it is tried.
    tried: Mutex<()>,
}

/// What the probe said, and for which start of the computer and which QEMU.
#[derive(Serialize, Deserialize, PartialEq, Eq)]
struct Probed {
    boot: String,
    qemu: String,
    kvm: Kvm,
}

impl Virtualization {
    /// What is remembered since the computer's start with this QEMU. Where nothing is, it is tried before this returns. A
    /// failure that is remembered counts until [`Self::again`] is asked.
    pub(crate) fn new(
        remembered: PathBuf,
        qemu: PathBuf,
        probe: impl Fn(&Path) -> Kvm + Send + Sync + 'static,
    ) -> Self {
        let mut new = Self {
            remembered,
            qemu,
            probe: Box::new(probe),
            said: Mutex::new(Kvm::Untried),
            old: false,
            tried: Mutex::default(),
        };
        let remembered = new.read();
        new.old = remembered.is_some();
        let said = remembered.unwrap_or_else(|| new.tried());
        new.says(said);
        new
    }

    /// What was said last.
    pub(crate) fn said(&self) -> Kvm {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether it works, by the last word.
    pub(crate) fn works(&self) -> bool {
        self.said() == Kvm::Works
    }

    /// Whether an earlier run of the agent has found that it fails, and this one has not tried.
    pub(crate) fn failed_before(&self) -> bool {
        self.old && !self.works()
    }

    /// Tries again what did not work, for some seconds; nothing where it works, or where somebody is trying already. Answers
    /// whether it has come to work.
    pub(crate) fn again(&self) -> bool {
        let Ok(_one) = self.tried.try_lock() else { return false };
        if self.works() {
            return false;
        }
        let said = self.tried();
        self.says(said);
        self.works()
    }

    fn says(&self, said: Kvm) {
        let mut before = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        match &said {
            Kvm::Works if *before != Kvm::Untried => tracing::info!("hardware virtualization works now"),
            // The same words at each look would fill the log.
            Kvm::Fails { why } if *before != said => {
                tracing::warn!(
                    why,
                    "hardware virtualization does not work: machines run under emulation, slowly"
                );
            }
            _ => {}
        }
        *before = said;
    }

    fn read(&self) -> Option<Kvm> {
        let text = fs::read(&self.remembered).ok()?;
        let known: Probed = serde_json::from_slice(&text).ok()?;
        (known.boot == kernel_boot_id() && known.qemu == which(&self.qemu)).then_some(known.kvm)
    }

    fn tried(&self) -> Kvm {
        // Which QEMU it is, is looked at before: one that is installed meanwhile is tried anew.
        let (boot, qemu) = (kernel_boot_id(), which(&self.qemu));
        let probed = Probed { boot, qemu, kvm: (self.probe)(&self.qemu) };
        // Not remembered, it is tried at the next start, and the agent waits for it.
        if let Ok(text) = serde_json::to_vec(&probed) {
            let _ = fs::write(&self.remembered, text);
        }
        probed.kvm
    }
}

/// The program and when it was installed.
fn which(program: &Path) -> String {
    let changed = fs::metadata(program).and_then(|m| m.modified()).ok();
    let at = changed.and_then(|t| t.duration_since(UNIX_EPOCH).ok()).map_or(0, |age| age.as_millis());
    format!("{} {at}", program.display())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// A computer on which it works from a certain try on.
    fn start(folder: &Path, tries: &Arc<AtomicUsize>, works_from: usize) -> Virtualization {
        let tries = Arc::clone(tries);
        Virtualization::new(folder.join("kvm.json"), "/no/such/qemu".into(), move |_| {
            match tries.fetch_add(1, Ordering::Relaxed) + 1 >= works_from {
                true => Kvm::Works,
                false => Kvm::Fails { why: "busy".into() },
            }
        })
    }

    #[test]
    fn a_failure_is_tried_again_without_a_start_of_the_computer_and_what_works_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let tries = Arc::new(AtomicUsize::new(0));
        let kvm = start(folder.path(), &tries, 3);
        assert_eq!((kvm.said(), tries.load(Ordering::Relaxed)), (Kvm::Fails { why: "busy".into() }, 1));
        assert!(!kvm.again() && !kvm.works());
        // The next run of the agent does not wait for what failed, and tries it beside all else.
        assert!(!kvm.failed_before(), "this run has tried it itself");
        let kvm = start(folder.path(), &tries, 3);
        assert_eq!((kvm.failed_before(), tries.load(Ordering::Relaxed)), (true, 2));
        assert!(kvm.again() && kvm.works());
        assert!(!kvm.again(), "it has not come to work: it did");
        let kvm = start(folder.path(), &tries, 9);
        assert!(kvm.works() && !kvm.failed_before() && !kvm.again());
        assert_eq!(tries.load(Ordering::Relaxed), 3, "what works is remembered");
    }

    #[test]
    fn one_try_at_a_time_and_the_last_word_is_told_meanwhile() {
        let folder = tempfile::tempdir().unwrap();
        let tries = Arc::new(AtomicUsize::new(0));
        let kvm = start(folder.path(), &tries, 2);
        let trying = kvm.tried.lock().unwrap();
        assert!(!kvm.again() && matches!(kvm.said(), Kvm::Fails { .. }));
        assert_eq!(tries.load(Ordering::Relaxed), 1);
        drop(trying);
        assert!(kvm.again());
    }

    #[test]
    fn another_start_of_the_computer_or_another_qemu_is_tried_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let tries = Arc::new(AtomicUsize::new(0));
        start(folder.path(), &tries, 1);
        let known =
            Probed { boot: "before".into(), qemu: which(Path::new("/no/such/qemu")), kvm: Kvm::Works };
        fs::write(folder.path().join("kvm.json"), serde_json::to_vec(&known).unwrap()).unwrap();
        start(folder.path(), &tries, 1);
        assert_eq!(tries.load(Ordering::Relaxed), 2);
    }
}
