//! The way to one server: TCP, TLS with both certificates, HTTP/2.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use synod_protocol::agent::agent_client::AgentClient;
use synod_protocol::agent::{ALPN, MAX_MESSAGE_BYTES};
use synod_protocol::http::client::Address;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;
use tonic::transport::{Channel, Endpoint};

const STREAM_WINDOW: u32 = 64 * 1024;
const CONNECTION_WINDOW: u32 = 128 * 1024;
const KEEPALIVE: Duration = Duration::from_secs(20);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);

/// Connects; the text of a failure names the server and the innermost cause.
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
    let channel = endpoint.connect_with_connector(service).await.map_err(|e| format!("cannot reach {address}: {}", innermost(&e)))?;
    Ok(AgentClient::new(channel).max_decoding_message_size(MAX_MESSAGE_BYTES).max_encoding_message_size(MAX_MESSAGE_BYTES))
}

fn innermost(error: &dyn std::error::Error) -> String {
    let mut at = error;
    while let Some(cause) = at.source() {
        at = cause;
    }
    at.to_string()
}
