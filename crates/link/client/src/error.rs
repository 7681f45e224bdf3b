//! What goes wrong between a client and its server, told apart by what a person can do about it.

use std::error::Error as _;

use hostler_model::Refusal;

/// Why there is no answer, or not the one that was hoped for.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The server answered no. The text is the server's own.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// No connection could be made, or it was lost before the answer was whole.
    #[error("{server}: {cause}")]
    Unreachable {
        /// The server's address.
        server: String,
        /// What happened, in words.
        cause: String,
    },
    /// Who answered there is not the server that is trusted.
    #[error("{server}: {cause}")]
    Untrusted {
        /// The server's address.
        server: String,
        /// Why, in words.
        cause: String,
    },
    /// The answer is not one that this version understands.
    #[error("the server's answer to {asked} is not understood: {cause}")]
    Answer {
        /// Method and path.
        asked: String,
        /// Why, in words.
        cause: String,
    },
    /// The client cannot be made as it was asked for: an address or an authority that is none.
    #[error("{0}")]
    Config(String),
}

impl ClientError {
    /// Whether trying again later can help without anybody doing anything.
    pub fn is_passing(&self) -> bool {
        match self {
            ClientError::Unreachable { .. } => true,
            ClientError::Refused(refusal) => matches!(refusal.code.http_status(), 429 | 503),
            ClientError::Untrusted { .. } | ClientError::Answer { .. } | ClientError::Config(_) => false,
        }
    }

    /// What reqwest says, in the words that help: the innermost cause, which names the port or the certificate.
    pub(crate) fn of(server: &str, error: &reqwest::Error) -> Self {
        let mut innermost = String::new();
        let mut cause = error.source();
        while let Some(inner) = cause {
            if let Some(tls) = tls_error(inner) {
                return ClientError::Untrusted { server: server.to_owned(), cause: untrusted(tls) };
            }
            innermost = inner.to_string();
            cause = inner.source();
        }
        let cause = match (error.is_timeout(), innermost.is_empty()) {
            (true, _) => "no answer in time".to_owned(),
            (false, true) => error.to_string(),
            (false, false) => plain(&innermost),
        };
        ClientError::Unreachable { server: server.to_owned(), cause }
    }
}

/// A TLS error says of itself why a certificate was not taken. It hides inside I/O errors, one in the other, which do
/// not name it as their source.
fn tls_error<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a rustls::Error> {
    if let Some(tls) = error.downcast_ref::<rustls::Error>() {
        return Some(tls);
    }
    tls_error(error.downcast_ref::<std::io::Error>()?.get_ref()?)
}

fn untrusted(error: &rustls::Error) -> String {
    use rustls::CertificateError as Certificate;
    match error {
        rustls::Error::InvalidCertificate(Certificate::UnknownIssuer | Certificate::BadSignature) => {
            "its certificate is not of the authority that is trusted".to_owned()
        }
        rustls::Error::InvalidCertificate(Certificate::Expired | Certificate::ExpiredContext { .. }) => {
            "its certificate has run out".to_owned()
        }
        rustls::Error::InvalidCertificate(cause) => format!("its certificate is refused: {cause}"),
        other => format!("no TLS connection: {other}"),
    }
}

/// Without what is added for programmers: the number of the operating system, the address of a library's manual.
fn plain(cause: &str) -> String {
    let end = [" (os error ", ": https://docs.rs/"].iter().filter_map(|added| cause.find(added)).min();
    cause[..end.unwrap_or(cause.len())].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_told_without_what_is_meant_for_programmers() {
        assert_eq!(plain("Connection refused (os error 111)"), "Connection refused");
        let eof = "peer closed connection without sending TLS close_notify: https://docs.rs/rustls/latest/rustls/manual/_03_howto/index.html#unexpected-eof";
        assert_eq!(plain(eof), "peer closed connection without sending TLS close_notify");
    }
}
