//! An authority, agents with its certificates, and a pair of them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use hostler_model::AgentId;
use hostler_model::agent::CERTIFICATE_NAME;
use hostler_transfer::{
    Credentials, Limits, Link, Listening, Offers, Peer, Ticket, TransferError, dial, listen,
};
use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    SanType, SerialNumber,
};

pub const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// Any port: many tests run at a time.
pub const ANY: std::ops::RangeInclusive<u16> = 0..=0;
/// Long enough for a busy computer.
pub const GENEROUS: Duration = Duration::from_secs(60);

pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    pub fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// A certificate as the real authority makes it: good for dialling only, the agent's name in a URI.
    pub fn agent(&self, agent: AgentId, serial: u64) -> Credentials {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.subject_alt_names =
            vec![SanType::URI(format!("{CERTIFICATE_NAME}{agent}").try_into().unwrap())];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.serial_number = Some(SerialNumber::from(serial));
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Credentials {
            certificate_pem: certificate.pem(),
            key_pem: key.serialize_pem(),
            authority_pem: self.pem.clone(),
        }
    }
}

pub fn agent(n: u128) -> AgentId {
    AgentId(uuid::Uuid::from_u128(n))
}

pub fn ticket(text: &str, peer: AgentId) -> Ticket {
    Ticket { id: text.into(), peer: Peer { agent: peer, serials: Vec::new() } }
}

/// Patient enough for a busy computer, and not for long with a peer that is gone.
pub fn limits() -> Limits {
    Limits { claim: GENEROUS, whole: GENEROUS, silence: Duration::from_secs(5), handshake: GENEROUS }
}

/// Agents 1 and 2 of one authority: 1 listens for 2.
pub struct Two {
    pub authority: Authority,
    pub first: Credentials,
    pub second: Credentials,
}

impl Two {
    pub fn new() -> Self {
        let authority = Authority::new();
        let (first, second) = (authority.agent(agent(1), 1), authority.agent(agent(2), 2));
        Self { authority, first, second }
    }

    pub async fn listen(&self, offers: Offers) -> Listening {
        self.listen_with(offers, limits()).await
    }

    pub async fn listen_with(&self, offers: Offers, limits: Limits) -> Listening {
        listen(HERE, ANY, &self.first, ticket("t-1", agent(2)), offers, limits).await.unwrap()
    }

    pub async fn dial(&self, to: &Listening) -> Result<Link, TransferError> {
        dial(at(to), &self.second, ticket("t-1", agent(1)), limits()).await
    }
}

pub fn at(listening: &Listening) -> SocketAddr {
    SocketAddr::new(HERE, listening.port())
}
