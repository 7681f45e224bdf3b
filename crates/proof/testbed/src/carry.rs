//! One end of a carried line between two hosts, by hand: what agents do for a migration, without agents, so that libvirt's own
//! migration can be measured over the same line.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use hostler_model::AgentId;
use hostler_transfer::{
    Access, Credentials, Encryption, Limits, Offers, PORTS, Peer, SocketOffer, Ticket, dial, listen,
};
use hostler_wire::Identity;

use crate::trouble::{Result, Trouble};

/// What is written when the line stands.
pub(crate) const STANDS: &str = "stands at port ";

/// An end.
#[derive(Debug, clap::Args)]
pub struct Carry {
    /// The identity of the agent in whose place this stands.
    #[arg(long)]
    identity: PathBuf,
    /// The agent at the other end, and its certificate.
    #[arg(long)]
    peer: AgentId,
    #[arg(long)]
    serial: String,
    /// What both ends know.
    #[arg(long)]
    ticket: String,
    /// The other end, which waits there; waits itself when absent.
    #[arg(long)]
    dial: Option<SocketAddr>,
    /// libvirt's socket: where it is, or where it is to be.
    #[arg(long)]
    libvirt: PathBuf,
    /// The socket of memory.
    #[arg(long)]
    memory: PathBuf,
}

fn said(why: impl std::fmt::Display) -> Trouble {
    Trouble::Answer(why.to_string())
}

/// Carries until it is killed.
///
/// # Errors
/// The line does not come about, or ends.
pub(crate) fn run_carry(carry: &Carry) -> Result<()> {
    let identity = Identity::load(&carry.identity).map_err(said)?;
    let credentials = Credentials {
        key_pem: identity.key.to_pem(),
        certificate_pem: identity.certificate_pem,
        authority_pem: identity.authority_pem,
    };
    let peer = Peer { agent: carry.peer, serials: vec![carry.serial.clone()] };
    let ticket = Ticket { id: carry.ticket.clone(), peer };
    let runtime = tokio::runtime::Runtime::new().map_err(said)?;
    runtime.block_on(async {
        match carry.dial {
            None => {
                let mut offers = Offers::default();
                for (name, path) in [("libvirt", &carry.libvirt), ("memory", &carry.memory)] {
                    let offer = SocketOffer { path: path.clone(), encryption: Encryption::Kept };
                    offers.sockets.insert(name.into(), offer);
                }
                let any = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
                let door = listen(any, PORTS, &credentials, ticket, offers, Limits::default()).await;
                let mut door = door.map_err(said)?;
                println!("{STANDS}{}", door.port());
                Err(said(format!("{:?}", door.ended().await)))
            }
            Some(address) => {
                let link = dial(address, &credentials, ticket, Limits::default()).await.map_err(said)?;
                let access = || Access { mode: 0o666, owner: None };
                let _libvirt =
                    link.carry("libvirt", &carry.libvirt, access(), Encryption::Kept).map_err(said)?;
                let _memory =
                    link.carry("memory", &carry.memory, access(), Encryption::Kept).map_err(said)?;
                println!("{STANDS}{}", address.port());
                Err(said(link.over().await))
            }
        }
    })
}
