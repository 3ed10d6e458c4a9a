//! The way to one server: TCP, TLS with both certificates, HTTP/2.

use std::error::Error as StdError;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use synod_domain::error::code;
use synod_protocol::agent::agent_client::AgentClient;
use synod_protocol::agent::{ALPN, MAX_MESSAGE_BYTES};
use synod_protocol::http::client::Address;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{self, AlertDescription, CertificateError, ClientConfig};
use tonic::transport::{Channel, Endpoint};

const STREAM_WINDOW: u32 = 64 * 1024;
const CONNECTION_WINDOW: u32 = 128 * 1024;
const KEEPALIVE: Duration = Duration::from_secs(20);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);

/// Connects; the text of a failure names the server and its reason.
pub(crate) async fn connect(tls: ClientConfig, address: &Address) -> Result<AgentClient<Channel>, String> {
    let name = ServerName::try_from(address.host.clone()).map_err(|e| format!("{address}: {e}"))?;
    let connector = TlsConnector::from(Arc::new(tls));
    let place = (address.host.clone(), address.port);
    // The connector does the TLS, so tonic is told of plain HTTP.
    let endpoint = Endpoint::from_static("http://agent")
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .http2_adaptive_window(false)
        .http2_keep_alive_interval(KEEPALIVE)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT)
        .keep_alive_while_idle(true)
        .buffer_size(16);
    let service = tower::service_fn(move |_: http::Uri| {
        let (connector, name, place) = (connector.clone(), name.clone(), place.clone());
        async move {
            let tcp = TcpStream::connect((place.0.as_str(), place.1)).await?;
            tcp.set_nodelay(true)?;
            let stream = connector.connect(name, tcp).await?;
            if stream.get_ref().1.alpn_protocol() != Some(ALPN) {
                return Err(io::Error::other("this is no port for agents"));
            }
            Ok::<_, io::Error>(TokioIo::new(stream))
        }
    });
    let channel = endpoint.connect_with_connector(service).await.map_err(|e| format!("cannot reach {address}: {}", reason(&e)))?;
    Ok(AgentClient::new(channel).max_decoding_message_size(MAX_MESSAGE_BYTES).max_encoding_message_size(MAX_MESSAGE_BYTES))
}

/// Why something failed: the innermost cause, or, where one side does not take the other's certificate, what to do about it.
pub(crate) fn reason(error: &(dyn StdError + 'static)) -> String {
    let mut at = error;
    loop {
        if let Some(words) = of_tls(at).and_then(foreign) {
            return format!("{words} ({at}) [{}]", code::NODE_REVOKED.id);
        }
        match at.source() {
            Some(cause) => at = cause,
            None => return at.to_string(),
        }
    }
}

/// An error of TLS, which comes wrapped into one of input and output.
fn of_tls<'e>(error: &'e (dyn StdError + 'static)) -> Option<&'e rustls::Error> {
    match error.downcast_ref::<io::Error>() {
        Some(wrapping) => wrapping.get_ref()?.downcast_ref(),
        None => error.downcast_ref(),
    }
}

/// What is told when two certificates are of different authorities. Every installation's authority has the same name, so a
/// foreign one shows as one whose signature is wrong.
fn foreign(error: &rustls::Error) -> Option<&'static str> {
    match error {
        rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature) => Some(
            "its certificate is not of this node's authority: it is another installation, or one set up anew; \
             to join it, start the agent with a new join token after its identity folder was removed",
        ),
        rustls::Error::AlertReceived(
            AlertDescription::UnknownCA | AlertDescription::DecryptError | AlertDescription::BadCertificate | AlertDescription::CertificateUnknown,
        ) => Some(
            "it does not take this node's certificate, which is of another authority or damaged; \
             the machine must join again: remove the node, then the agent's identity folder",
        ),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_foreign_certificate_is_told_with_what_to_do() {
        let wrapped = |error: rustls::Error| io::Error::new(io::ErrorKind::InvalidData, error);
        for theirs in [CertificateError::UnknownIssuer, CertificateError::BadSignature] {
            let words = reason(&wrapped(rustls::Error::InvalidCertificate(theirs)));
            assert!(words.contains("not of this node's authority") && words.contains("new join token") && words.ends_with("[SYN-5002]"), "{words}");
        }
        for ours in [AlertDescription::UnknownCA, AlertDescription::DecryptError] {
            // As it comes over a stream that stood already.
            let status = tonic::Status::from_error(Box::new(wrapped(rustls::Error::AlertReceived(ours))));
            let words = reason(&status);
            assert!(words.contains("does not take this node's certificate") && words.contains("join again"), "{words}");
        }
        // Whatever else is wrong is said in its own words.
        let name = rustls::Error::InvalidCertificate(CertificateError::NotValidForName);
        assert_eq!(reason(&wrapped(name.clone())), name.to_string());
        assert_eq!(reason(&io::Error::other("this is no port for agents")), "this is no port for agents");
    }
}
