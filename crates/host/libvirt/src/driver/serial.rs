//! Where a machine's serial port leads: the terminal on which its host speaks to it, and the log of what it wrote.

use std::fs;
use std::io;
use std::path::PathBuf;

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
        Ok(serial_of(&tree, self.own_log(domain, &tree)))
    }

    /// Puts what the machine wrote since its last power-on aside, so that its log begins with the next.
    pub(super) fn begin_log(&self, domain: Uuid, tree: &Element) {
        let Some(log) = self.own_log(domain, tree) else { return };
        let before = definition::log_before(&log);
        // libvirt begins a new one. Where the old one cannot be moved it is gone on with: no reason not to start.
        match fs::rename(&log, &before) {
            Ok(()) => remove_log(&log),
            Err(why) if why.kind() == io::ErrorKind::NotFound => {}
            Err(why) => tracing::warn!(file = %log.display(), %why, "the log is not put aside"),
        }
    }
}

fn serial_of(domain: &Element, own_log: Option<PathBuf>) -> Option<Serial> {
    let port = domain.first("devices")?.first("serial")?;
    if port.get("type") != Some("pty") {
        return None;
    }
    let path = port.first("source").and_then(|source| source.get("path"));
    let terminal = path.map(PathBuf::from).filter(|path| path.starts_with("/dev/pts"));
    Some(Serial { terminal, log: own_log })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_terminal_of_the_host_is_taken_from_a_definition() {
        let own = Some(PathBuf::from("/vms/1/serial.log"));
        let of = |serial: &str| {
            let xml = format!("<domain><devices>{serial}</devices></domain>");
            serial_of(&Element::parse(&xml).unwrap(), own.clone())
        };
        let whole = "<serial type='pty'><source path='/dev/pts/3'/></serial>";
        assert_eq!(of(whole), Some(Serial { terminal: Some("/dev/pts/3".into()), log: own.clone() }));
        assert_eq!(of("<serial type='pty'/>"), Some(Serial { terminal: None, log: own.clone() }));
        let led = "<serial type='pty'><source path='/etc/shadow'/></serial>";
        assert_eq!(of(led), Some(Serial { terminal: None, log: own.clone() }));
        assert_eq!(of("<serial type='tcp'><source mode='bind' host='::' service='1'/></serial>"), None);
        assert_eq!(of(""), None);
    }
}
