//! The filter that drops what an adapter sends under another address than its own. It is one of libvirt's, under a name
//! of ours: those that libvirt brings along may have been changed, or taken away.

use hostler_model::host::Ability;

use crate::raw::{Connection, Error};
use crate::tree::Element;
use crate::xml::SPOOFING_FILTER;

/// What the machine sends is dropped where a frame, or what ARP says in it, names another address than the adapter's.
const RULES: &str = "<rule action='drop' direction='out' priority='500'><mac match='no' srcmacaddr='$MAC'/></rule>\
                     <rule action='drop' direction='out' priority='500'><arp match='no' arpsrcmacaddr='$MAC'/></rule>";

/// Sees to it that the filter is there, and says whether libvirt can filter. Machines that come from other hosts need it
/// before they come.
pub(super) fn ready(connection: &Connection) -> Result<Ability, Error> {
    if connection.has_filter(SPOOFING_FILTER)? {
        return Ok(Ability::Has);
    }
    let xml = format!("<filter name='{SPOOFING_FILTER}' chain='root'>{RULES}</filter>");
    match connection.define_filter(&xml) {
        Ok(()) => Ok(Ability::Has),
        Err(why) if why.is_lost() => Err(why),
        Err(why) => Ok(Ability::Lacks { why: format!("its libvirt takes no filter: {why}") }),
    }
}

/// Sees to it that the filter is there if a definition names it: libvirt looks for it only when the machine starts.
pub(super) fn ready_for(definition: &Element, connection: &Connection) -> Result<(), Error> {
    let none = Element::default();
    let mut adapters = definition.first("devices").unwrap_or(&none).all("interface");
    let is_ours = |held: &Element| held.get("filter") == Some(SPOOFING_FILTER);
    if !adapters.any(|adapter| adapter.first("filterref").is_some_and(is_ours)) {
        return Ok(());
    }
    match ready(connection)? {
        Ability::Lacks { why } => Err(Error::own(why)),
        Ability::Has | Ability::Unknown => Ok(()),
    }
}
