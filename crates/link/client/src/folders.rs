//! The routes of hosts' folders.

use hostler_model::importable::{ImportVm, ImportablesView};
use hostler_model::machine_folder::{FoldersView, NewFolder};
use reqwest::Method;

use crate::client::{Changed, Client, How};
use crate::error::ClientError;

const NOTHING: [(&str, &str); 0] = [];

impl Client {
    /// The folders in which a host may keep machines, and what lies in one of them or below where one is named.
    pub async fn host_folders(&self, host: &str, path: Option<&str>) -> Result<FoldersView, ClientError> {
        match path {
            Some(path) => self.get_with(&["hosts", host, "folders"], &[("path", path)]).await,
            None => self.get(&["hosts", host, "folders"]).await,
        }
    }

    /// Machines on a host's storage that its hypervisor does not know.
    pub async fn host_importable(&self, host: &str) -> Result<ImportablesView, ClientError> {
        self.get(&["hosts", host, "importable"]).await
    }

    /// Defines a machine that lies on a host's storage.
    pub async fn import_vm(&self, host: &str, body: &ImportVm, how: &How) -> Result<Changed, ClientError> {
        self.change(Method::POST, &["hosts", host, "import"], how, &NOTHING, Some(body)).await
    }

    /// Makes a folder on a host, within one that its administrator allows.
    pub async fn make_host_folder(
        &self,
        host: &str,
        body: &NewFolder,
        how: &How,
    ) -> Result<Changed, ClientError> {
        self.change(Method::POST, &["hosts", host, "folders"], how, &NOTHING, Some(body)).await
    }
}
