//! The contract with the agent, each call in a line or two: what they have in common stands here, what they do beside.

use hostler_hypervisor::{Examined, Machines, Run, Trouble, Watch};
use hostler_model::command::Definition;
use hostler_model::hardware::Disk;
use hostler_model::seen::{Identity, Seen};
use uuid::Uuid;

use super::Driver;

impl Machines for Driver {
    fn list(&self) -> Result<Vec<Seen>, Trouble> {
        self.see_all()
    }

    fn read(&self, domain: Uuid) -> Result<Option<Seen>, Trouble> {
        self.see_one(domain)
    }

    fn define(&self, definition: &Definition) -> Result<(), Trouble> {
        self.define_new(definition)
    }

    fn undefine(&self, domain: Uuid) -> Result<(), Trouble> {
        self.remove_definition(domain)
    }

    fn sweep(&self, domain: Uuid) {
        self.remove_leftovers(domain);
    }

    fn start(&self, domain: Uuid) -> Result<(), Trouble> {
        self.bring_up(domain)
    }

    fn ask_to_shut_down(&self, domain: Uuid, only: Option<Run>) -> Result<Option<Run>, Trouble> {
        self.ask_guest_to_shut_down(domain, only)
    }

    fn turn_off(&self, domain: Uuid) -> Result<(), Trouble> {
        self.on_domain(domain, |_, domain| domain.destroy())
    }

    fn pause(&self, domain: Uuid) -> Result<(), Trouble> {
        self.on_domain(domain, |_, domain| domain.suspend())
    }

    fn resume(&self, domain: Uuid) -> Result<(), Trouble> {
        self.on_domain(domain, |_, domain| domain.resume())
    }

    fn reset(&self, domain: Uuid) -> Result<(), Trouble> {
        self.on_domain(domain, |_, domain| domain.reset())
    }

    fn save(&self, domain: Uuid, watch: &dyn Watch) -> Result<(), Trouble> {
        self.save_memory(domain, watch)
    }

    fn discard_saved(&self, domain: Uuid) -> Result<(), Trouble> {
        self.on_domain(domain, |_, domain| domain.discard_saved())
    }

    fn set_hardware(&self, domain: Uuid, cpus: u32, memory_mib: u64) -> Result<(), Trouble> {
        self.write_hardware(domain, cpus, memory_mib)
    }

    fn retitle(&self, domain: Uuid, title: &str) -> Result<(), Trouble> {
        self.write_title(domain, title)
    }

    fn attach_disk(&self, domain: Uuid, disk: &Disk) -> Result<(), Trouble> {
        self.add_disk(domain, disk)
    }

    fn ask_to_detach_disk(&self, domain: Uuid, target: &str) -> Result<(), Trouble> {
        self.take_disk(domain, target)
    }

    fn holds_disk(&self, domain: Uuid, target: &str) -> Result<Option<String>, Trouble> {
        self.holds(domain, target)
    }

    fn set_media(&self, domain: Uuid, file: Option<&str>) -> Result<(), Trouble> {
        self.change_medium(domain, file)
    }

    fn adopt(&self, identity: &Identity) -> Result<(), Trouble> {
        self.write_identity(identity)
    }

    fn examine(&self, text: &str) -> Result<Examined, Trouble> {
        Self::examined(text)
    }

    fn import(&self, text: &str, identity: &Identity, title: &str) -> Result<(), Trouble> {
        self.define_imported(text, identity, title)
    }

    fn users_of(&self, file: &str) -> Result<Vec<Uuid>, Trouble> {
        self.using(file)
    }
}
