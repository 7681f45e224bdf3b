//! A library on a host of a site, and a template in it.

use std::path::Path;
use std::time::Duration;

use hostler_client::{How, ListQuery};
use hostler_model::body::NewShare;
use hostler_model::hardware::Firmware;
use hostler_model::template::{Deploy, TemplateSpec};
use hostler_model::{ItemId, Name, TemplateId};

use crate::site::{Site, refused};
use crate::trouble::{Result, Trouble};

/// How long a share may take to show a file that was just put into it.
const SHOWN: Duration = Duration::from_secs(20);

impl Site {
    /// Puts a disk image into a library share of this name on a host, and makes a template of the image's name, whose
    /// machines are small.
    ///
    /// # Errors
    /// The image cannot be copied, or the server refuses.
    pub fn template_of(&self, host: &str, share: &str, disk: &Path, called: &str) -> Result<TemplateId> {
        let on = self.hosts.iter().find(|one| one.name() == host);
        let on = on.ok_or_else(|| Trouble::Host { name: host.into(), is: "not one of this site" })?;
        let folder = on.scratch("library")?;
        let file = folder.join(format!("{called}.qcow2"));
        std::fs::copy(disk, &file).map_err(Trouble::file(&file))?;
        let share = NewShare {
            name: Name::new(share).map_err(refused)?,
            agent: host.into(),
            folder: folder.to_string_lossy().into_owned(),
        };
        self.change(self.client().add_share(&share, &How::default()))?;
        let spec = TemplateSpec {
            name: Name::new(called).map_err(refused)?,
            notes: String::new(),
            disk: self.item(called)?,
            cpus: 1,
            memory_mib: 128,
            firmware: Firmware::Bios,
            deploy: Deploy::Overlay,
        };
        self.change(self.client().create_template(&spec, &How::default()))?;
        Ok(self.run(self.client().template(called))?.template.id)
    }

    /// A library item, as soon as its share was read.
    ///
    /// # Errors
    /// It does not come.
    pub fn item(&self, name: &str) -> Result<ItemId> {
        let found = self.until(&format!("item {name} is there"), SHOWN, async |client| {
            let items = client.items(None, &ListQuery::default()).await?.items;
            Ok(items.into_iter().find(|view| view.item.name.as_str() == name))
        })?;
        Ok(found.item.id)
    }
}
