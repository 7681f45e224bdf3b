//! The routes of networks.

use hostler_model::mac_pool::MacPoolView;
use hostler_model::network::{LeasesView, NetworkDetail, NetworkView};
use hostler_model::new_network::NewNetwork;
use hostler_model::view::Page;

use reqwest::Method;

use crate::client::{Changed, Client, How};
use crate::error::ClientError;

const NOTHING: [(&str, &str); 0] = [];

impl Client {
    /// The networks: those of one name on several hosts are one.
    pub async fn networks(&self) -> Result<Page<NetworkView>, ClientError> {
        self.get(&["networks"]).await
    }

    /// A network with the machines that are connected to it.
    pub async fn network(&self, name: &str) -> Result<NetworkDetail, ClientError> {
        self.get(&["networks", name]).await
    }

    /// The addresses that adapters of machines are given: range, use, and those that several machines have.
    pub async fn mac_pool(&self) -> Result<MacPoolView, ClientError> {
        self.get(&["mac-pool"]).await
    }

    /// Makes a network on hosts.
    pub async fn create_network(&self, body: &NewNetwork, how: &How) -> Result<Changed, ClientError> {
        self.change(Method::POST, &["networks"], how, &NOTHING, Some(body)).await
    }

    /// Removes a network from these hosts; from all that have it where none is named.
    pub async fn remove_network(
        &self,
        name: &str,
        hosts: &[String],
        how: &How,
    ) -> Result<Changed, ClientError> {
        let query: Vec<(&str, String)> =
            if hosts.is_empty() { Vec::new() } else { vec![("hosts", hosts.join(","))] };
        self.delete(&["networks", name], how, &query).await
    }

    /// The addresses that hosts have given on a network, as they say now.
    pub async fn network_leases(&self, name: &str) -> Result<LeasesView, ClientError> {
        self.get(&["networks", name, "leases"]).await
    }
}
