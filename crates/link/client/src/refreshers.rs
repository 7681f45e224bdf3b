//! The routes of refreshers.

use hostler_model::refresher::{LookView, RefresherRun, RefresherView, RunRefresher, VmLookView};
use hostler_model::view::Page;
use reqwest::Method;
use serde::Serialize;

use crate::client::Client;
use crate::error::ClientError;

impl Client {
    /// The refreshers.
    pub async fn refreshers(&self) -> Result<Vec<RefresherView>, ClientError> {
        self.get(&["refreshers"]).await
    }

    /// How far a refresher is with each host or library share, at most a thousand: those that failed first.
    pub async fn looks_of(&self, refresher: &str, failing: bool) -> Result<Page<LookView>, ClientError> {
        #[derive(Serialize)]
        struct Which {
            failing: bool,
            limit: u32,
        }
        self.get_with(&["refreshers", refresher, "looks"], &Which { failing, limit: 1_000 }).await
    }

    /// How far the refreshers are with a host and the library shares on it.
    pub async fn looks_at_host(&self, host: &str) -> Result<Vec<LookView>, ClientError> {
        self.get(&["hosts", host, "looks"]).await
    }

    /// When a machine was last read as a whole.
    pub async fn look_at_vm(&self, vm: &str) -> Result<VmLookView, ClientError> {
        self.get(&["vms", vm, "look"]).await
    }

    /// Lets a refresher look now.
    pub async fn run_refresher(
        &self,
        refresher: &str,
        body: &RunRefresher,
    ) -> Result<RefresherRun, ClientError> {
        let request = self.request(Method::POST, self.at(&["refreshers", refresher, "run"])?).json(body);
        let response = self.send(request).await?;
        self.read(response).await
    }
}
