//! The routes of hosts' folders.

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
