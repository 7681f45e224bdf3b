//! Where a machine's serial port leads: the terminal on which its host speaks to it, and the log of what it wrote.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use hostler_hypervisor::Trouble;
use uuid::Uuid;

use super::Driver;
use super::changes::remove_log;
use crate::tree::Element;
use crate::xml::definition;

/// A machine's first serial port.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Serial {
    /// The terminal on which QEMU takes input and writes output; none while the machine is off.
    pub terminal: Option<PathBuf>,
    /// Where all output since power-on is kept, and what was rotated out of it beside it. None for machines that
    /// somebody else made: no file is opened because a definition names it.
    pub log: Option<PathBuf>,
}

impl Driver {
    /// A machine's first serial port; none where it has none that a console can be joined to.
    ///
    /// # Errors
    /// `hypervisor.no.vm`, or what libvirt says.
    pub fn serial(&self, domain: Uuid) -> Result<Option<Serial>, Trouble> {
        let tree = self.on_domain(domain, |_, domain| Ok(Element::parse(&domain.xml()?)?))?;
        Ok(serial_of(&tree, &definition::serial_log(&self.folder_of(domain))))
    }

    /// Puts what the machine wrote since its last power-on aside, so that its log begins with the next.
    pub(super) fn begin_log(&self, domain: Uuid) {
        let log = definition::serial_log(&self.folder_of(domain));
        let before = definition::log_before(&log);
        // libvirt begins a new one. Where the old one cannot be moved it is gone on with: no reason not to start.
        match fs::rename(&log, &before) {
            Ok(()) => remove_log(&log),
            Err(why) if why.kind() == io::ErrorKind::NotFound => {}
            Err(why) => tracing::warn!(file = %log.display(), %why, "the log is not put aside"),
        }
    }
}

fn serial_of(domain: &Element, own_log: &Path) -> Option<Serial> {
    let port = domain.first("devices")?.first("serial")?;
    if port.get("type") != Some("pty") {
        return None;
    }
    let path = port.first("source").and_then(|source| source.get("path"));
    let terminal = path.map(PathBuf::from).filter(|path| path.starts_with("/dev/pts"));
    let log = port.first("log").and_then(|log| log.get("file")).map(PathBuf::from);
    Some(Serial { terminal, log: log.filter(|log| log == own_log) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_terminal_of_the_host_and_the_machines_own_log_are_taken_from_a_definition() {
        let own = Path::new("/vms/1/serial.log");
        let of = |serial: &str| {
            let xml = format!("<domain><devices>{serial}</devices></domain>");
            serial_of(&Element::parse(&xml).unwrap(), own)
        };
        let whole = "<serial type='pty'><source path='/dev/pts/3'/><log file='/vms/1/serial.log' append='on'/></serial>";
        let wanted = Serial { terminal: Some("/dev/pts/3".into()), log: Some(own.into()) };
        assert_eq!(of(whole), Some(wanted));
        let off = "<serial type='pty'><log file='/vms/1/serial.log'/></serial>";
        assert_eq!(of(off), Some(Serial { terminal: None, log: Some(own.into()) }));
        let led = "<serial type='pty'><source path='/etc/shadow'/><log file='/etc/shadow'/></serial>";
        assert_eq!(of(led), Some(Serial::default()));
        assert_eq!(of("<serial type='tcp'><source mode='bind' host='::' service='1'/></serial>"), None);
        assert_eq!(of(""), None);
    }
}
