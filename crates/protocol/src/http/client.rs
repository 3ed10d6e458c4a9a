//! The typed client of the HTTP API, for the command line, agents and tests: one HTTP/2 connection,
//! made when needed and made again when lost.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::Mutex;

use super::problem::ProblemDocument;
use crate::tls::{self, Trust};

/// Why a call did not yield what was asked for.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The server refused, and says why.
    #[error("{}", .0.detail)]
    Problem(Box<ProblemDocument>),
    /// The server could not be reached, or the connection broke.
    #[error("{0}")]
    Transport(String),
    /// The server is not one of ours, or of another version.
    #[error("the server's answer cannot be read: {0}")]
    Answer(String),
}

impl ClientError {
    /// The stable code, when the server refused.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Problem(problem) => Some(&problem.code),
            _ => None,
        }
    }

    /// Whether the same call may succeed later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Problem(problem) => problem.status == 503,
            Self::Transport(_) => true,
            Self::Answer(_) => false,
        }
    }
}

/// A result of the client.
pub type Result<T, E = ClientError> = std::result::Result<T, E>;

/// Where a server is: scheme `https`, host, port and an optional path prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// Host name or address.
    pub host: String,
    /// Port; 8443 when the URL names none.
    pub port: u16,
    /// Path prefix without a trailing slash.
    pub prefix: String,
}

impl std::str::FromStr for Address {
    type Err = String;

    fn from_str(url: &str) -> std::result::Result<Self, String> {
        let uri: Uri = url.parse().map_err(|_| format!("`{url}` is not a URL; write https://HOST:PORT"))?;
        if uri.scheme_str() != Some("https") {
            return Err(format!("`{url}` does not begin with https://; Synod always uses TLS"));
        }
        let host = uri.host().ok_or_else(|| format!("`{url}` names no host"))?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        Ok(Self { host, port: uri.port_u16().unwrap_or(8443), prefix: uri.path().trim_end_matches('/').to_owned() })
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.host.contains(':') {
            write!(f, "https://[{}]:{}{}", self.host, self.port, self.prefix)
        } else {
            write!(f, "https://{}:{}{}", self.host, self.port, self.prefix)
        }
    }
}

/// A client of one server.
pub struct Client {
    address: Address,
    tls: Arc<ClientConfig>,
    token: Option<String>,
    sender: Mutex<Option<SendRequest<Full<Bytes>>>>,
}

impl Client {
    /// A client that trusts as told and signs in with a token, when it has one.
    pub fn new(address: Address, trust: &Trust, token: Option<String>) -> Result<Self> {
        Self::over(b"h2", address, trust, token)
    }

    /// A client for a machine that joins: it is shown Synod's own authority, also where people are shown another.
    pub fn to_join(address: Address, trust: &Trust) -> Result<Self> {
        Self::over(crate::agent::ENROL_ALPN, address, trust, None)
    }

    fn over(alpn: &[u8], address: Address, trust: &Trust, token: Option<String>) -> Result<Self> {
        let tls = tls::client_config(trust, None, alpn).map_err(|e| ClientError::Transport(e.to_string()))?;
        Ok(Self { address, tls: Arc::new(tls), token, sender: Mutex::new(None) })
    }

    /// The same server with another token, over a connection of its own.
    pub fn with_token(&self, token: Option<String>) -> Self {
        Self { address: self.address.clone(), tls: self.tls.clone(), token, sender: Mutex::new(None) }
    }

    /// Where the server is.
    pub fn address(&self) -> &Address {
        &self.address
    }

    async fn sender(&self) -> Result<SendRequest<Full<Bytes>>> {
        let mut slot = self.sender.lock().await;
        if let Some(sender) = slot.as_ref().filter(|sender| !sender.is_closed()) {
            return Ok(sender.clone());
        }
        let connected = tokio::time::timeout(CONNECT_WITHIN, self.connect()).await;
        let sender = connected.map_err(|_| ClientError::Transport(format!("cannot reach {}: it does not answer", self.address)))??;
        *slot = Some(sender.clone());
        Ok(sender)
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>> {
        let unreachable = |e: &dyn std::fmt::Display| ClientError::Transport(format!("cannot reach {}: {e}", self.address));
        let tcp = tokio::net::TcpStream::connect((self.address.host.as_str(), self.address.port)).await.map_err(|e| unreachable(&e))?;
        tcp.set_nodelay(true).map_err(|e| unreachable(&e))?;
        let name = ServerName::try_from(self.address.host.clone()).map_err(|e| unreachable(&e))?;
        let stream = tokio_rustls::TlsConnector::from(self.tls.clone()).connect(name, tcp).await.map_err(|e| unreachable(&e))?;
        let (sender, connection) = hyper::client::conn::http2::Builder::new(TokioExecutor::new())
            .initial_stream_window_size(1 << 20)
            .initial_connection_window_size(2 << 20)
            .timer(TokioTimer::new())
            .keep_alive_interval(KEEP_ALIVE)
            .keep_alive_timeout(KEEP_ALIVE)
            .keep_alive_while_idle(false)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|e| unreachable(&e))?;
        tokio::spawn(connection);
        Ok(sender)
    }

    /// Sends a request and returns the answer's head and body stream, whatever its status.
    pub async fn raw(&self, method: Method, path: &str, headers: &[(&'static str, &str)], body: Bytes) -> Result<Response<Incoming>> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.address))
            .body(Full::new(body))
            .map_err(|e| ClientError::Transport(format!("not a request: {e}")))?;
        let map = request.headers_mut();
        map.insert(ACCEPT, HeaderValue::from_static("application/json"));
        map.insert(http::header::USER_AGENT, HeaderValue::from_static(concat!("synod/", env!("CARGO_PKG_VERSION"))));
        if let Some(token) = &self.token {
            let mut value = HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| ClientError::Transport("the token is not one of ours".into()))?;
            value.set_sensitive(true);
            map.insert(AUTHORIZATION, value);
        }
        for (name, value) in headers {
            let value = HeaderValue::from_str(value).map_err(|_| ClientError::Transport(format!("the header {name} cannot hold this value")))?;
            map.insert(http::HeaderName::from_static(name), value);
        }
        let mut sender = self.sender().await?;
        sender.ready().await.map_err(|e| ClientError::Transport(format!("the connection to {} broke: {e}", self.address)))?;
        sender.send_request(request).await.map_err(|e| ClientError::Transport(format!("the connection to {} broke: {e}", self.address)))
    }

    /// Sends a JSON body (or none) and reads a JSON answer.
    pub async fn call<B: Serialize + ?Sized, T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        headers: &[(&'static str, &str)],
        body: Option<&B>,
    ) -> Result<T> {
        let bytes = match body {
            None => Bytes::new(),
            Some(body) => serde_json::to_vec(body).map_err(|e| ClientError::Answer(e.to_string()))?.into(),
        };
        let mut all = headers.to_vec();
        if body.is_some() {
            all.push((CONTENT_TYPE_NAME, "application/json"));
        }
        let answer = accept(self.raw(method, path, &all, bytes).await?).await?;
        let bytes = collect(answer).await?;
        // An empty answer reads as `null`, for operations that return nothing.
        let bytes = if bytes.is_empty() { Bytes::from_static(b"null") } else { bytes };
        serde_json::from_slice(&bytes).map_err(|e| ClientError::Answer(e.to_string()))
    }

    /// `GET`, JSON.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        self.call::<(), T>(Method::GET, path, &[], None).await
    }

    /// `GET` with a query made from a struct.
    pub async fn query<Q: Serialize, T: DeserializeOwned>(&self, path: &str, query: &Q) -> Result<T> {
        self.get(&with_query(path, query)).await
    }

    /// `POST`, JSON both ways.
    pub async fn post<B: Serialize + ?Sized, T: DeserializeOwned>(&self, path: &str, body: &B) -> Result<T> {
        self.call(Method::POST, path, &[], Some(body)).await
    }

    /// `PATCH`, JSON both ways.
    pub async fn patch<B: Serialize + ?Sized, T: DeserializeOwned>(&self, path: &str, body: &B) -> Result<T> {
        self.call(Method::PATCH, path, &[], Some(body)).await
    }

    /// `DELETE`.
    pub async fn delete(&self, path: &str) -> Result<()> {
        self.call::<(), serde_json::Value>(Method::DELETE, path, &[], None).await.map(|_| ())
    }

    /// `GET` as a stream of server-sent events.
    pub async fn events(&self, path: &str, last_event_id: Option<&str>) -> Result<EventStream> {
        let mut headers = vec![("accept", "text/event-stream")];
        if let Some(id) = last_event_id {
            headers.push(("last-event-id", id));
        }
        let answer = accept(self.raw(Method::GET, path, &headers, Bytes::new()).await?).await?;
        Ok(EventStream { body: answer.into_body(), buffer: Vec::new() })
    }
}

/// How long a server may take to accept a connection.
const CONNECT_WITHIN: std::time::Duration = std::time::Duration::from_secs(10);
/// How long a connection with open requests may be silent before the other side is asked whether it lives.
const KEEP_ALIVE: std::time::Duration = std::time::Duration::from_secs(20);
const CONTENT_TYPE_NAME: &str = "content-type";

/// Turns a refusal into an error and lets every other answer pass.
pub async fn accept(answer: Response<Incoming>) -> Result<Response<Incoming>> {
    if answer.status().is_success() {
        return Ok(answer);
    }
    let status = answer.status();
    let is_json = answer.headers().get(CONTENT_TYPE).is_some_and(|v| v.as_bytes().starts_with(b"application/problem+json"));
    let body = collect(answer).await?;
    match serde_json::from_slice::<ProblemDocument>(&body) {
        Ok(problem) if is_json => Err(ClientError::Problem(Box::new(problem))),
        _ => Err(ClientError::Answer(format!("HTTP status {status}"))),
    }
}

/// Reads a whole body.
pub async fn collect(answer: Response<Incoming>) -> Result<Bytes> {
    answer
        .into_body()
        .collect()
        .await
        .map(http_body_util::Collected::to_bytes)
        .map_err(|e| ClientError::Transport(format!("the answer broke off: {e}")))
}

/// Appends the fields of a struct to a path; absent ones are left out.
pub fn with_query<Q: Serialize>(path: &str, query: &Q) -> String {
    let mut text = path.to_owned();
    let mut mark = '?';
    if let Ok(serde_json::Value::Object(fields)) = serde_json::to_value(query) {
        for (name, value) in fields {
            let value = match value {
                serde_json::Value::Null | serde_json::Value::Bool(false) => continue,
                serde_json::Value::String(value) => value,
                other => other.to_string(),
            };
            text.push(mark);
            text.push_str(&name);
            text.push('=');
            text.push_str(&escape(&value));
            mark = '&';
        }
    }
    text
}

/// Percent-encodes one part of a path or one value of a query.
pub fn escape(part: &str) -> String {
    use std::fmt::Write as _;
    let mut text = String::new();
    for byte in part.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            text.push(byte as char);
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

/// One server-sent event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServerSentEvent {
    /// The event's name; empty for a plain message.
    pub event: String,
    /// The id to resume after.
    pub id: String,
    /// The data.
    pub data: String,
}

/// A stream of server-sent events (HTML standard, section 9.2).
pub struct EventStream {
    body: Incoming,
    buffer: Vec<u8>,
}

impl EventStream {
    /// The next event; `None` when the server ended the stream.
    pub async fn next(&mut self) -> Result<Option<ServerSentEvent>> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|pair| pair == b"\n\n") {
                let block: Vec<u8> = self.buffer.drain(..end + 2).collect();
                if let Some(event) = parse_event(&String::from_utf8_lossy(&block)) {
                    return Ok(Some(event));
                }
                continue;
            }
            match self.body.frame().await {
                None => return Ok(None),
                Some(Err(e)) => return Err(ClientError::Transport(format!("the stream broke off: {e}"))),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.buffer.extend_from_slice(&data);
                    }
                }
            }
        }
    }
}

fn parse_event(block: &str) -> Option<ServerSentEvent> {
    let mut event = ServerSentEvent::default();
    let mut data: Vec<&str> = Vec::new();
    for line in block.lines() {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => event.event = value.to_owned(),
            "id" => event.id = value.to_owned(),
            "data" => data.push(value),
            _ => {}
        }
    }
    event.data = data.join("\n");
    (!data.is_empty()).then_some(event)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_read_as_written() {
        let address: Address = "https://127.0.0.1:9443/ops/".parse().unwrap();
        assert_eq!((address.host.as_str(), address.port, address.prefix.as_str()), ("127.0.0.1", 9443, "/ops"));
        assert_eq!(address.to_string(), "https://127.0.0.1:9443/ops");
        assert_eq!("https://synod.example".parse::<Address>().unwrap().port, 8443);
        assert_eq!("https://[::1]:1".parse::<Address>().unwrap().to_string(), "https://[::1]:1");
        for wrong in ["http://a", "a:1", "https://", ""] {
            assert!(wrong.parse::<Address>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn queries_leave_out_what_is_absent() {
        let query = super::super::run::RunQuery { phase: Some("pending,running".into()), limit: Some(5), ..Default::default() };
        assert_eq!(with_query("/runs", &query), "/runs?phase=pending%2Crunning&limit=5");
    }

    #[test]
    fn events_are_parsed() {
        let event = parse_event(": note\nid: 7\nevent: run\ndata: {\"a\":\ndata: 1}\n\n").unwrap();
        assert_eq!((event.id.as_str(), event.event.as_str(), event.data.as_str()), ("7", "run", "{\"a\":\n1}"));
        assert_eq!(parse_event(": keep-alive\n\n"), None);
    }
}
