//! The client: one connection to one server, and how requests and answers pass over it.

use std::fmt::Write as _;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use hostler_model::job::DryRun;
use hostler_model::view::{Accepted, ServerView};
use hostler_model::{Code, Refusal};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, ETAG, HeaderValue, IF_MATCH};
use reqwest::{Method, RequestBuilder, Response, StatusCode, Url};
use ring::rand::{SecureRandom, SystemRandom};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use crate::error::ClientError;
use crate::trust::{Authority, Seen, looking, trusting};

/// How long a connection may take to come about: longer, and nobody answers there.
const CONNECT: Duration = Duration::from_secs(5);
/// How long an answer may take: a question to a guest's agent waits 15 s on the server.
const ANSWER: Duration = Duration::from_secs(60);

/// How much of an answer may be on its way: a list of 1,000 machines comes in one go.
const STREAM_BYTES: u32 = 4 << 20;
/// How many feeds are open at most for those who wait for jobs. Feeds stay open while their waiters ask for other things
/// on the same connection, on which a server takes 128 requests at a time: were all of them feeds, each would wait for
/// the others for ever.
const FEEDS: u16 = 16;
/// How much of all answers may be on its way: more than what those feeds hold while nobody reads them.
const CONNECTION_BYTES: u32 = STREAM_BYTES * (FEEDS as u32 + 1);

/// Where a server is and how to ask it.
#[derive(Clone)]
pub struct Config {
    /// Its address, `https://host:8470`.
    pub server: String,
    /// The only authority that is trusted.
    pub authority: Authority,
    /// The token; without one only what is public is answered.
    pub token: Option<String>,
}

/// A client of one server. Clones are cheap and share its connection.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    /// For what becomes a WebSocket, which HTTP/2 has no way to.
    upgrades: reqwest::Client,
    base: Url,
    token: Option<HeaderValue>,
    /// One permit for each feed that may be open for a wait.
    pub(crate) feeds: Arc<Semaphore>,
}

/// How a change is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct How {
    /// Answer what would be done, and do nothing.
    pub dry_run: bool,
    /// Queue behind a job that is in the way, rather than be refused.
    pub wait: bool,
    /// The idempotency key: asked again with it within 24 hours, the answer is the same job. A fresh random one when
    /// absent.
    pub key: Option<String>,
    /// Do it only to this version of the thing: its revision, or `<history>-<revision>`.
    pub if_match: Option<String>,
}

/// What became of a change that was asked for.
#[derive(Clone, Debug, PartialEq)]
pub enum Changed<T = Accepted> {
    /// It was taken on.
    Taken(T),
    /// It was a dry run: this is what would be done.
    Planned(DryRun),
}

impl Client {
    /// Makes a client; nothing is sent yet.
    ///
    /// # Errors
    /// [`ClientError::Config`] when the address, the authority or the token cannot be one.
    pub fn new(config: Config) -> Result<Self, ClientError> {
        let base = address(&config.server)?;
        let token = config.token.as_deref().map(bearer).transpose()?;
        let tls = trusting(&config.authority)?;
        let upgrades = http(only_http1(tls.clone()))?;
        Ok(Self { upgrades, http: http(tls)?, base, token, feeds: Arc::new(Semaphore::new(FEEDS.into())) })
    }

    /// The authority that a server shows, without trusting it: for a person to compare its fingerprint. Nothing is
    /// sent to that server.
    ///
    /// # Errors
    /// [`ClientError::Unreachable`] when nobody speaks TLS there.
    pub async fn look(server: &str) -> Result<Authority, ClientError> {
        let base = address(server)?;
        let seen = Seen::default();
        let answer = http(looking(&seen)?)?.get(base.clone()).send().await;
        if let Some(authority) = seen.lock().unwrap_or_else(PoisonError::into_inner).take() {
            return Ok(authority);
        }
        let cause = match answer {
            Err(error) => return Err(ClientError::of(base.as_str(), &error)),
            Ok(_) => "it showed no certificate".to_owned(),
        };
        Err(ClientError::Unreachable { server: server.to_owned(), cause })
    }

    /// The server's address.
    pub fn server(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    /// The same server with another token.
    ///
    /// # Errors
    /// [`ClientError::Config`] when the token cannot be one.
    pub fn with_token(&self, token: &str) -> Result<Self, ClientError> {
        Ok(Self { token: Some(bearer(token)?), ..self.clone() })
    }

    /// A path below `/api/v1`; what people wrote is escaped. What cannot stand in a path as a name of its own is the name
    /// of nothing: sent, it would mean the list, or another thing.
    pub(crate) fn at(&self, path: &[&str]) -> Result<Url, ClientError> {
        if let Some(name) = path.iter().find(|part| matches!(**part, "" | "." | "..")) {
            let noun = path.first().map_or("thing", |list| list.trim_end_matches('s'));
            return Err(Refusal::not_found(format!("{noun} \"{name}\"")).into());
        }
        Ok(self.outside(&[&["api", "v1"], path].concat()))
    }

    pub(crate) fn outside(&self, path: &[&str]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        url
    }

    pub(crate) fn request(&self, method: Method, url: Url) -> RequestBuilder {
        let request = self.http.request(method, url).timeout(ANSWER);
        match &self.token {
            Some(token) => request.header(AUTHORIZATION, token.clone()),
            None => request,
        }
    }

    /// A request on a connection of its own that is to become something else, and then has no end.
    pub(crate) fn upgrading(&self, url: Url) -> RequestBuilder {
        let request = self.upgrades.get(url);
        match &self.token {
            Some(token) => request.header(AUTHORIZATION, token.clone()),
            None => request,
        }
    }

    /// Sends a request; anything but success is an error.
    pub(crate) async fn send(&self, request: RequestBuilder) -> Result<Response, ClientError> {
        let response = request.send().await.map_err(|error| ClientError::of(self.server(), &error))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let asked = response.url().path().to_owned();
        let status = response.status();
        let body = self.whole(response).await?;
        Err(refused(&asked, status, &body))
    }

    async fn whole(&self, response: Response) -> Result<Bytes, ClientError> {
        response.bytes().await.map_err(|error| ClientError::of(self.server(), &error))
    }

    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &[&str]) -> Result<T, ClientError> {
        self.get_with(path, &()).await
    }

    pub(crate) async fn get_with<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &impl Serialize,
    ) -> Result<T, ClientError> {
        let response = self.send(self.request(Method::GET, self.at(path)?).query(query)).await?;
        self.read(response).await
    }

    /// A thing with its version as the feed names it.
    pub(crate) async fn get_tagged<T: DeserializeOwned>(
        &self,
        path: &[&str],
    ) -> Result<(T, Option<String>), ClientError> {
        let response = self.send(self.request(Method::GET, self.at(path)?)).await?;
        let tag = response.headers().get(ETAG).and_then(|tag| tag.to_str().ok()).map(|tag| {
            let tag = tag.trim_start_matches("W/").trim_matches('"');
            // Behind a dot stands what only tells views apart.
            tag.split('.').next().unwrap_or(tag).to_owned()
        });
        Ok((self.read(response).await?, tag))
    }

    /// Bytes as they are.
    pub(crate) async fn get_bytes(
        &self,
        path: &[&str],
        query: &impl Serialize,
    ) -> Result<Bytes, ClientError> {
        let response = self.send(self.request(Method::GET, self.at(path)?).query(query)).await?;
        self.whole(response).await
    }

    pub(crate) async fn read<T: DeserializeOwned>(&self, response: Response) -> Result<T, ClientError> {
        let asked = response.url().path().to_owned();
        let body = self.whole(response).await?;
        understood(&asked, &body)
    }

    /// A version as an ETag. A revision alone is one of the history that the server has now.
    async fn etag(&self, version: &str) -> Result<String, ClientError> {
        if version == "*" || version.contains('-') {
            return Ok(if version == "*" {
                version.to_owned()
            } else {
                format!("\"{}\"", version.trim_matches('"'))
            });
        }
        let head = self.get::<ServerView>(&["server"]).await?.head;
        let history = head.rsplit_once('-').map_or("", |(history, _)| history);
        Ok(format!("\"{history}-{version}\""))
    }

    /// Asks for a change.
    pub(crate) async fn change<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &[&str],
        how: &How,
        query: &impl Serialize,
        body: Option<&(dyn erased::Json + Sync)>,
    ) -> Result<Changed<T>, ClientError> {
        let mut flags = Vec::new();
        if how.dry_run {
            flags.push(("dry_run", "true"));
        }
        if how.wait {
            flags.push(("wait", "true"));
        }
        let key = match &how.key {
            Some(key) => key.clone(),
            None => fresh_key()?,
        };
        let mut request =
            self.request(method, self.at(path)?).query(query).query(&flags).header("idempotency-key", key);
        if let Some(version) = &how.if_match {
            request = request.header(IF_MATCH, self.etag(version).await?);
        }
        if let Some(body) = body {
            let text = body.text().map_err(|cause| ClientError::Config(cause.to_string()))?;
            request = request.header(CONTENT_TYPE, "application/json").body(text);
        }
        let response = self.send(request).await?;
        let planned = how.dry_run && response.status() == StatusCode::OK;
        match planned {
            true => self.read(response).await.map(Changed::Planned),
            false => self.read(response).await.map(Changed::Taken),
        }
    }
}

pub(crate) mod erased {
    //! Any body, so that there is one function that sends changes and not one per body.

    /// What can be written as JSON.
    pub(crate) trait Json {
        /// Its text.
        fn text(&self) -> Result<String, serde_json::Error>;
    }

    impl<T: serde::Serialize> Json for T {
        fn text(&self) -> Result<String, serde_json::Error> {
            serde_json::to_string(self)
        }
    }
}

fn only_http1(mut tls: rustls::ClientConfig) -> rustls::ClientConfig {
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    tls
}

fn http(tls: rustls::ClientConfig) -> Result<reqwest::Client, ClientError> {
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        // The server stands in one's own network, and a token is sent to it alone: no proxy, no redirection.
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT)
        .http2_initial_stream_window_size(STREAM_BYTES)
        .http2_initial_connection_window_size(CONNECTION_BYTES)
        .user_agent(concat!("hostler/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|cause| ClientError::Config(cause.to_string()))
}

fn address(written: &str) -> Result<Url, ClientError> {
    let wrong = |cause: &str| ClientError::Config(format!("server \"{written}\": {cause}"));
    let with_scheme = if written.contains("://") { written.to_owned() } else { format!("https://{written}") };
    let mut url = Url::parse(&with_scheme).map_err(|cause| wrong(&cause.to_string()))?;
    if url.scheme() != "https" {
        return Err(wrong("only https:// is spoken"));
    }
    if !url.has_host() || url.query().is_some() || !url.username().is_empty() {
        return Err(wrong("it is to be written as https://host:8470"));
    }
    // Without a port Hostler's own is meant; who means 443 writes it.
    if url.port().is_none() && !written.ends_with(":443") {
        let _ = url.set_port(Some(8470));
    }
    Ok(url)
}

fn bearer(token: &str) -> Result<HeaderValue, ClientError> {
    let header = HeaderValue::from_str(&format!("Bearer {}", token.trim()));
    let mut header =
        header.map_err(|_| ClientError::Config("the token holds what no token holds".to_owned()))?;
    header.set_sensitive(true);
    Ok(header)
}

/// 128 random bits, hexadecimal.
fn fresh_key() -> Result<String, ClientError> {
    let mut bytes = [0_u8; 16];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| ClientError::Config("the system has no randomness".to_owned()))?;
    Ok(bytes.iter().fold(String::with_capacity(32), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    }))
}

pub(crate) fn understood<T: DeserializeOwned>(asked: &str, body: &[u8]) -> Result<T, ClientError> {
    serde_json::from_slice(body)
        .map_err(|cause| ClientError::Answer { asked: asked.to_owned(), cause: cause.to_string() })
}

/// What of a problem is told to people.
#[derive(Deserialize)]
struct Problem {
    code: Code,
    object: String,
    cause: String,
    #[serde(default)]
    remedy: String,
}

pub(crate) fn refused(asked: &str, status: StatusCode, body: &[u8]) -> ClientError {
    match serde_json::from_slice::<Problem>(body) {
        Ok(Problem { code, object, cause, remedy }) => Refusal { code, object, cause, remedy }.into(),
        Err(_) => ClientError::Answer {
            asked: asked.to_owned(),
            cause: format!("{status}, and no word of why: is this a Hostler server?"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_needs_no_scheme_and_no_port_and_is_never_plain_http() {
        assert_eq!(address("manager").unwrap().as_str(), "https://manager:8470/");
        assert_eq!(address("https://[::1]:9000").unwrap().as_str(), "https://[::1]:9000/");
        assert_eq!(address("https://manager:443").unwrap().as_str(), "https://manager/");
        for wrong in ["http://manager", "https://bob@manager", "https://manager/?x=1", "", "ftp://x"] {
            assert!(address(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_cannot_be_a_name_in_a_path_is_not_found_before_anything_is_sent() {
        let client = Client {
            http: http(looking(&Seen::default()).unwrap()).unwrap(),
            upgrades: http(looking(&Seen::default()).unwrap()).unwrap(),
            base: address("manager").unwrap(),
            token: None,
            feeds: Arc::new(Semaphore::new(0)),
        };
        for name in ["", ".", ".."] {
            match client.at(&["vms", name, "start"]) {
                Err(ClientError::Refused(refusal)) => {
                    assert_eq!(refusal.code, Code::ObjectNotFound);
                    assert_eq!(refusal.object, format!("vm \"{name}\""));
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(client.at(&["vms", "a/.."]).unwrap().path(), "/api/v1/vms/a%2F..");
    }

    #[test]
    fn a_key_is_fresh_each_time() {
        let keys: std::collections::BTreeSet<String> = (0..100).map(|_| fresh_key().unwrap()).collect();
        assert_eq!(keys.len(), 100);
        assert!(keys.iter().all(|key| key.len() == 32));
    }

    #[test]
    fn a_problem_is_read_as_the_refusal_it_is_and_a_newer_code_does_not_hide_it() {
        let body =
            br#"{"type":"urn:x","title":"T","status":409,"detail":"d","code":"vm.busy","object":"vm web-1",
            "cause":"job 7 is at work on it","remedy":"Wait"}"#;
        match refused("/x", StatusCode::CONFLICT, body) {
            ClientError::Refused(refusal) => assert_eq!(refusal.code, Code::VmBusy),
            other => panic!("{other}"),
        }
        let newer = br#"{"code":"some.newer.code","object":"o","cause":"c"}"#;
        assert!(matches!(refused("/x", StatusCode::CONFLICT, newer), ClientError::Refused(_)));
        assert!(matches!(refused("/x", StatusCode::BAD_GATEWAY, b"<html>"), ClientError::Answer { .. }));
    }
}
