//! A simulated computer that restarts: at once, since no machine runs on it then. One that is shut down is switched on again
//! by somebody just as fast.

use crate::simulated::{SimulatedHost, What};
use crate::{Boots, Trouble};

impl SimulatedHost {
    /// Which start of the computer this is, from now on.
    pub fn set_boot(&self, boot: &str) {
        boot.clone_into(&mut self.lock().boot);
    }
}

impl Boots for SimulatedHost {
    fn boot(&self) -> String {
        self.lock().boot.clone()
    }

    fn restart(&self) -> Result<(), Trouble> {
        self.change(What::Restarted, "", |inner, _| {
            inner.boot.push('+');
            Ok(())
        })
    }

    fn shut_down(&self) -> Result<(), Trouble> {
        self.restart()
    }
}
