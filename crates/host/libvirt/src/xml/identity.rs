//! The three ids that Hostler keeps in a domain's metadata.

use hostler_model::seen::Identity;
use hostler_model::{InstallationId, VmId};
use uuid::Uuid;

use crate::tree::Element;

/// The namespace of our metadata. Its number changes when an older reader would misunderstand what is written.
pub(crate) const NAMESPACE: &str = "urn:hostler:machine:1";
/// The prefix that libvirt is asked to use; a reader goes by the namespace.
pub(crate) const PREFIX: &str = "hostler";

/// The element, without a prefix, as `virDomainSetMetadata` wants it.
pub(crate) fn element(identity: &Identity) -> Element {
    Element::new("machine")
        .with("vm", identity.vm.to_string())
        .with("domain", identity.domain.to_string())
        .with("installation", identity.installation.to_string())
}

/// The element as it stands in a definition.
pub(crate) fn prefixed(identity: &Identity) -> Element {
    let mut element = element(identity);
    element.name = format!("{PREFIX}:machine");
    element.with(&format!("xmlns:{PREFIX}"), NAMESPACE)
}

/// Who says to manage this domain; none when nobody does or what stands there is not three ids.
pub(crate) fn of(domain: &Element) -> Option<Identity> {
    let metadata = domain.first("metadata")?;
    let found = metadata.elements().find(|element| {
        let (prefix, name) = element.name.split_once(':').unwrap_or(("", &element.name));
        name == "machine"
            && [*element, metadata, domain].iter().find_map(|e| declared(e, prefix)) == Some(NAMESPACE)
    })?;
    let id = |name: &str| found.get(name)?.parse::<Uuid>().ok();
    Some(Identity {
        vm: VmId(id("vm")?),
        domain: id("domain")?,
        installation: InstallationId(id("installation")?),
    })
}

/// The namespace that an element declares for a prefix.
fn declared<'e>(element: &'e Element, prefix: &str) -> Option<&'e str> {
    if prefix.is_empty() { element.get("xmlns") } else { element.get(&format!("xmlns:{prefix}")) }
}
