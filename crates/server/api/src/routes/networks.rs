//! Networks: those of one name on all hosts are one. They are put together from what hosts last said, when they are
//! asked for; who has which address, the hosts themselves are asked.

use std::collections::{BTreeMap, HashMap};

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use futures_util::{StreamExt, stream};
use hostler_model::access::Right;
use hostler_model::channel::Query;
use hostler_model::host::Host;
use hostler_model::mac_pool::{MacConflict, MacPoolView, MacUser};
use hostler_model::network::{
    ConnectedVm, HostNetwork, Lease, LeaseView, LeasesView, NetworkDetail, NetworkOnHost, NetworkView,
    SilentHost, adapters_of, logical,
};
use hostler_model::new_network::{NetworkSpec, NewNetwork};
use hostler_model::request::Request;
use hostler_model::view::Page;
use hostler_model::vm::Vm;
use hostler_model::{HostId, Kind, Object, Refusal, VmId};
use hostler_server::Picture;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::routes;

use super::one;
use crate::app::App;
use crate::change::{Changed, change};
use crate::extract::{Asking, At, ChangeQuery};
use crate::json::{Body, shown};
use crate::problem::Problem;
use crate::rights::Routes;
use crate::tagged::{Holds, tagged};
use crate::told::told;

/// How many hosts are asked at the same time who has which address.
const ASKED_AT_ONCE: usize = 16;
/// How many addresses that several machines have are named; all are counted.
const MOST_CONFLICTS: usize = 100;

pub(super) fn routes(routes: Routes) -> Routes {
    routes
        .add(Right::See, routes!(list_networks))
        .add(Right::Change, routes!(create_network))
        .add(Right::See, routes!(get_network))
        .add(Right::Change, routes!(remove_network))
        .add(Right::See, routes!(list_network_leases))
        .add(Right::See, routes!(get_mac_pool))
}

/// List networks, by name: those of one name on several hosts are one network. Where hosts differ is named.
#[utoipa::path(get, path = "/networks", responses((status = 200, body = Page<NetworkView>)))]
async fn list_networks(State(app): State<App>) -> Json<Page<NetworkView>> {
    let picture = app.picture();
    let connected = Connected::of(&picture, |_| true);
    let mut by_name: BTreeMap<&str, Vec<NetworkOnHost>> = BTreeMap::new();
    for host in hosts(&picture) {
        for network in &host.facts.host_networks {
            let on = by_name.entry(&network.name).or_default();
            on.push(connected.on(&picture, host, network));
        }
    }
    let items: Vec<NetworkView> = by_name.into_iter().map(|(name, on)| logical(name, on)).collect();
    let total = Some(items.len() as u64);
    Json(Page { items, next: None, total })
}

/// Show a network: the hosts that have it, where they differ, and the machines that are connected to it.
#[utoipa::path(get, path = "/networks/{network}", responses((status = 200, body = NetworkDetail)))]
async fn get_network(
    State(app): State<App>,
    At(network): At<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let picture = app.picture();
    let view = detail(&picture, &network)?;
    // No object of the record has a version for it: what is shown is told apart by what it is.
    tagged(&headers, picture.head, 0, Holds::Computed, &view)
}

/// Make a network on hosts, the same on each. One that takes an adapter is on trial: a host that the server does not
/// reach over it within 30 seconds takes it back by itself.
#[utoipa::path(
    post, path = "/networks", params(ChangeQuery), request_body = NewNetwork, responses(Changed)
)]
async fn create_network(State(app): State<App>, asking: Asking, body: Body) -> Result<Changed, Problem> {
    let NewNetwork { name, kind, hosts, address, dhcp, adapter, vlan } = body.typed()?;
    let picture = app.picture();
    let hosts = hosts.iter().map(|written| Ok(one::<Host>(&picture, written)?.1.id));
    let hosts = hosts.collect::<Result<Vec<_>, Refusal>>()?;
    let network = NetworkSpec { name, kind, address, dhcp, adapter, vlan };
    change(&app, asking, Request::CreateNetwork { network, hosts }).await
}

/// From which hosts.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct RemoveQuery {
    /// The hosts from which it is removed, joined by commas; all that have it when absent.
    hosts: Option<String>,
}

/// Remove a network from hosts on which no machine is connected to it.
#[utoipa::path(delete, path = "/networks/{network}", params(ChangeQuery, RemoveQuery), responses(Changed))]
async fn remove_network(
    State(app): State<App>,
    At(network): At<String>,
    asking: Asking<RemoveQuery>,
) -> Result<Changed, Problem> {
    let picture = app.picture();
    let known = detail(&picture, &network)?.network;
    let hosts = match &asking.more.hosts {
        None => known.hosts.iter().map(|on| on.host).collect(),
        Some(hosts) => {
            let hosts = hosts.split(',').map(|written| Ok(one::<Host>(&picture, written)?.1.id));
            hosts.collect::<Result<Vec<_>, Refusal>>()?
        }
    };
    change(&app, asking, Request::RemoveNetwork { name: known.name, hosts }).await
}

/// The addresses that hosts have given on a network: the hosts themselves are asked now.
#[utoipa::path(get, path = "/networks/{network}/leases", responses((status = 200, body = LeasesView)))]
async fn list_network_leases(
    State(app): State<App>,
    At(network): At<String>,
) -> Result<Json<LeasesView>, Problem> {
    let picture = app.picture();
    let NetworkDetail { network, connected } = detail(&picture, &network)?;
    let by_mac: HashMap<(HostId, String), &ConnectedVm> =
        connected.iter().map(|one| ((one.host, one.mac.to_string()), one)).collect();
    // A host that gives none on this network is not asked.
    let giving = network.hosts.into_iter().filter(|on| !on.network.dhcp.is_empty());
    let asked = stream::iter(giving.map(|on| {
        let query = Query::Leases { network: on.network.name.clone() };
        let app = app.clone();
        async move { (told::<Vec<Lease>>(&app, on.host.into(), query).await, on) }
    }));
    // In the order of the hosts, however long each takes.
    let answers: Vec<_> = asked.buffered(ASKED_AT_ONCE).collect().await;
    let mut view = LeasesView::default();
    for (answer, on) in answers {
        let (host, host_name) = (on.host, on.host_name);
        match answer {
            Err(why) => view.silent.push(SilentHost { host, host_name, why }),
            Ok(leases) => view.leases.extend(leases.into_iter().map(|lease| {
                let vm = by_mac.get(&(host, lease.mac.to_lowercase()));
                LeaseView {
                    host,
                    host_name: host_name.clone(),
                    vm: vm.map(|vm| vm.vm),
                    vm_name: vm.map(|vm| vm.name.clone()),
                    lease,
                }
            })),
        }
    }
    Ok(Json(view))
}

/// Show the addresses that adapters of machines are given: the range (the settings `mac_pool_first` and `mac_pool_last`),
/// how many are used, and which addresses more than one machine has.
#[utoipa::path(get, path = "/mac-pool", responses((status = 200, body = MacPoolView)))]
async fn get_mac_pool(State(app): State<App>) -> Json<MacPoolView> {
    let picture = app.picture();
    let (pool, used) = picture.volatile.mac_pool;
    let left = pool.left(used);
    let all = &picture.volatile.mac_conflicts;
    let conflicts = all.iter().take(MOST_CONFLICTS).map(|(mac, vms)| {
        let mut machines: Vec<MacUser> = vms.iter().filter_map(|vm| user(&picture, *vm)).collect();
        machines.sort_by(|one, other| (&one.name, one.vm).cmp(&(&other.name, other.vm)));
        MacConflict { mac: *mac, machines }
    });
    Json(MacPoolView {
        first: pool.first,
        last: pool.last,
        size: left.size,
        used,
        free: left.free,
        low: left.is_low(),
        conflicting: all.len() as u64,
        conflicts: conflicts.collect(),
    })
}

/// A machine that has an address.
fn user(picture: &Picture, id: VmId) -> Option<MacUser> {
    let vm = picture.vm(id)?;
    let host_name = vm.host.and_then(|host| picture.host(host)).map(|host| host.name.to_string());
    Some(MacUser {
        vm: id,
        name: vm.spec.name.to_string(),
        host: vm.host,
        host_name: host_name.unwrap_or_default(),
    })
}

/// Which machines are connected to what, by host and source.
struct Connected<'p>(HashMap<HostId, HashMap<&'p str, Vec<ConnectedVm>>>);

impl<'p> Connected<'p> {
    /// Of the machines on some hosts.
    fn of(picture: &'p Picture, on: impl Fn(HostId) -> bool) -> Self {
        let mut all: HashMap<HostId, HashMap<&str, Vec<ConnectedVm>>> = HashMap::new();
        for stored in picture.of_kind(Kind::Vm) {
            let Object::Vm(vm) = &stored.object else { continue };
            let Some(host) = vm.host.filter(|host| on(*host)) else { continue };
            let vm: &Vm = vm;
            let host_name = picture.host(host).map(|host| host.name.to_string()).unwrap_or_default();
            for (mac, source) in adapters_of(vm) {
                let name = vm.spec.name.to_string();
                let one = ConnectedVm { vm: vm.id, name, host, host_name: host_name.clone(), mac };
                all.entry(host).or_default().entry(source).or_default().push(one);
            }
        }
        Self(all)
    }

    /// Those on a network of a host, adapter by adapter.
    fn to(&self, host: HostId, network: &HostNetwork) -> Vec<&ConnectedVm> {
        let Some(sources) = self.0.get(&host) else { return Vec::new() };
        let mut names = vec![network.name.as_str()];
        if !network.bridge.is_empty() && network.bridge != network.name {
            names.push(&network.bridge);
        }
        names.into_iter().filter_map(|name| sources.get(name)).flatten().collect()
    }

    /// A network of a host, with how many machines are connected to it.
    fn on(&self, picture: &Picture, host: &Host, network: &HostNetwork) -> NetworkOnHost {
        let mut machines: Vec<_> = self.to(host.id, network).iter().map(|one| one.vm).collect();
        machines.sort_unstable();
        machines.dedup();
        NetworkOnHost {
            host: host.id,
            host_name: host.name.to_string(),
            answers: picture.answers(host.id.into()),
            network: network.clone(),
            machines: u32::try_from(machines.len()).unwrap_or(u32::MAX),
        }
    }
}

fn hosts(picture: &Picture) -> impl Iterator<Item = &Host> {
    picture.of_kind(Kind::Host).filter_map(|stored| match &stored.object {
        Object::Host(host) => Some(&**host),
        _ => None,
    })
}

/// A logical network with its machines.
fn detail(picture: &Picture, name: &str) -> Result<NetworkDetail, Refusal> {
    let found: Vec<_> = hosts(picture)
        .filter_map(|host| {
            Some((host, host.facts.host_networks.iter().find(|network| network.name == name)?))
        })
        .collect();
    if found.is_empty() {
        let remedy = "See which there are: hostler network list";
        return Err(Refusal::not_found(format!("network {}", shown(name))).remedy(remedy));
    }
    let connected = Connected::of(picture, |id| found.iter().any(|(host, _)| host.id == id));
    let mut machines: Vec<ConnectedVm> = Vec::new();
    for (host, network) in &found {
        machines.extend(connected.to(host.id, network).into_iter().cloned());
    }
    machines.sort_by(|one, other| (&one.name, one.vm, one.mac).cmp(&(&other.name, other.vm, other.mac)));
    let on = found.iter().map(|(host, network)| connected.on(picture, host, network)).collect();
    Ok(NetworkDetail { network: logical(name, on), connected: machines })
}
