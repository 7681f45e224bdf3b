//! Renewal: on the connection of its open session an agent gets another certificate, for a key that it has just made.
//! Until the new one is used the old one is good as well, so that nothing is lost whoever dies on the way.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hostler_model::time::Ms;
use hostler_model::{AgentId, Code, Refusal, Timestamp};
use serde::{Deserialize, Serialize};

use crate::admission::Peer;
use crate::authority::{AGENT_LIFE_MS, Issued, timestamp};
use crate::backoff::jitter;
use crate::connect::{ConnectError, Http2};
use crate::generated::wire_client::WireClient;
use crate::identity::{About, Identity};
use crate::key::{AgentKey, renewal_binding, verify_possession};

/// How long the answer may take: longer than the server takes to give up.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);
/// Between two tries that failed, at most.
const LONGEST_WAIT_MS: Ms = 3_600_000;
/// And at least.
const SHORTEST_WAIT_MS: Ms = 500;

/// What the agent sends.
#[derive(Serialize, Deserialize)]
pub(crate) struct RenewRequest {
    /// Who it says that it is; the connection's certificate says it too.
    pub(crate) agent: AgentId,
    /// The new key's public point, base64url.
    pub(crate) point: String,
    /// The proof that the sender holds that key, base64url.
    pub(crate) signature: String,
}

/// What the server answers.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "is")]
pub(crate) enum RenewReply {
    Renewed { renewed: Renewed },
    Refused { refusal: Refusal },
}

/// A request for another certificate, as the server's code gets it. Who asks is known from the connection, and that the
/// sender holds the new key has been proven.
#[derive(Clone, Debug)]
pub struct RenewAsk {
    /// Which agent, as the connection's certificate says.
    pub agent: AgentId,
    /// The serial number of that certificate, 32 hexadecimal digits.
    pub serial: String,
    /// The public point for [`Authority::sign_agent`](crate::Authority::sign_agent).
    pub public_point: Vec<u8>,
    /// Where it calls from.
    pub remote: IpAddr,
}

/// What an agent gets when it renews.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Renewed {
    /// Its new certificate, PEM.
    pub certificate_pem: String,
    /// When that was issued.
    pub certificate_from: Timestamp,
    /// When it runs out.
    pub certificate_until: Timestamp,
}

impl From<Issued> for Renewed {
    fn from(issued: Issued) -> Self {
        Self {
            certificate_pem: issued.certificate_pem,
            certificate_from: issued.from,
            certificate_until: issued.until,
        }
    }
}

/// Checks what can be checked without the record.
pub(crate) fn asked(
    request: RenewRequest,
    peer: Peer,
    exporter: &[u8; 32],
    remote: IpAddr,
) -> Result<RenewAsk, Refusal> {
    let refused = |why: &str| Refusal::new(Code::EnrolmentRefused, format!("agent {}", peer.agent), why);
    if request.agent != peer.agent {
        return Err(refused(&format!("it asks for a certificate of agent {}", request.agent)));
    }
    let decoded = |text| URL_SAFE_NO_PAD.decode(text).map_err(|_| refused("a field is not base64url"));
    let (public_point, signature) = (decoded(request.point)?, decoded(request.signature)?);
    verify_possession(&public_point, &renewal_binding(peer.agent, exporter), &signature)
        .map_err(|e| refused(&e.to_string()))?;
    Ok(RenewAsk { agent: peer.agent, serial: peer.serial, public_point, remote })
}

/// Asks for another certificate on the connection of an open session.
#[derive(Clone)]
pub struct Renewal {
    client: WireClient<Http2>,
    server: String,
    exporter: [u8; 32],
}

impl Renewal {
    pub(crate) fn new(client: WireClient<Http2>, server: &str, exporter: [u8; 32]) -> Self {
        Self { client, server: server.to_owned(), exporter }
    }

    /// Makes a key and gets a certificate for it. What is returned is to be [saved](Identity::save) before it is used:
    /// from its first use on the certificate before is good no more.
    ///
    /// # Errors
    /// The server refused, is older than renewal, or did not answer. The session goes on.
    pub async fn renew(&self, identity: &Identity) -> Result<Identity, ConnectError> {
        let own = |e: &dyn std::fmt::Display| ConnectError::Own(e.to_string());
        let unreachable = |cause: &str| ConnectError::Unreachable {
            server: self.server.clone(),
            cause: format!("the renewal: {cause}"),
        };
        let key = AgentKey::generate().map_err(|e| own(&e))?;
        let agent = identity.about.agent;
        let proof = key.prove(&renewal_binding(agent, &self.exporter)).map_err(|e| own(&e))?;
        let request = RenewRequest {
            agent,
            point: URL_SAFE_NO_PAD.encode(key.public_point()),
            signature: URL_SAFE_NO_PAD.encode(proof),
        };
        let mut client = self.client.clone();
        match tokio::time::timeout(ANSWER_LIMIT, client.renew(request)).await {
            Ok(Ok(reply)) => match reply.into_inner() {
                RenewReply::Renewed { renewed } => identity.renewed(key, renewed).map_err(|e| own(&e)),
                RenewReply::Refused { refusal } => Err(ConnectError::Refused(refusal)),
            },
            Ok(Err(status)) if status.code() == tonic::Code::Unimplemented => {
                let cause = "the server is of a version that renews no certificates";
                let refusal = Refusal::new(Code::AgentUnsupported, "renewal", cause);
                Err(ConnectError::Refused(refusal.remedy("Update the server")))
            }
            Ok(Err(status)) => Err(unreachable(status.message())),
            Err(_) => Err(unreachable("the server does not answer")),
        }
    }
}

impl About {
    fn life(&self) -> Ms {
        match self.certificate_from {
            // Of a server that did not say it.
            Timestamp(0) => AGENT_LIFE_MS,
            from => self.certificate_until.since(from),
        }
    }

    /// When the certificate is to be renewed: when two thirds of its life are over, or up to a thirtieth of its life
    /// earlier, by chance: computers that were enrolled together do not ask together.
    pub fn renewal_due(&self) -> Timestamp {
        let life = self.life();
        let left = i64::try_from(life / 3 + jitter(life / 30)).unwrap_or(i64::MAX);
        Timestamp(self.certificate_until.0.saturating_sub(left))
    }

    /// How long to wait after a renewal that failed: a twentieth of the time left, half a second to an hour, with
    /// jitter. When no time is left, a minute.
    pub fn renewal_again(&self) -> Duration {
        let full = match self.certificate_until.since(timestamp(SystemTime::now())) {
            0 => 60_000,
            left => (left / 20).clamp(SHORTEST_WAIT_MS, LONGEST_WAIT_MS),
        };
        Duration::from_millis(jitter(full))
    }

    /// Whether so little of the certificate's life is left that somebody should look why it is not renewed: a sixth.
    pub fn renewal_is_late(&self) -> bool {
        self.certificate_until.since(timestamp(SystemTime::now())) < self.life() / 6
    }
}
