//! One port for everybody: people by TLS, agents by mutual TLS, and machines that join in between. Which of them a caller is
//! is told by the application protocol it offers in its first message.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use synod_domain::error::code;
use synod_domain::{Error, Result};
use synod_protocol::{agent, tls};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tower::ServiceExt as _;

use crate::app::App;
use crate::site::Site;

/// The node at the other end, as its certificate names it.
#[derive(Debug, Clone)]
pub struct Peer(pub String);

/// How often the server's certificates are made anew and the given ones are read again.
const RENEW_EVERY: Duration = Duration::from_secs(86_400);

/// The faces of the port, as they are at present.
pub struct Tls {
    names: Vec<String>,
    faces: ArcSwap<Faces>,
}

struct Faces {
    /// The given certificate, or one of Synod's own.
    people: Arc<ServerConfig>,
    /// Synod's own certificate always: those who join have been told of no other authority, and have no certificate yet.
    joining: Arc<ServerConfig>,
    /// Synod's own, to those who show one as well.
    agents: Arc<ServerConfig>,
}

impl Tls {
    /// Makes certificates for this server's names.
    pub fn new(app: &App, address: SocketAddr) -> Result<Self> {
        let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned(), crate::config::hostname()];
        if !address.ip().is_unspecified() {
            names.push(address.ip().to_string());
        }
        if let Ok(url) = app.url.parse::<synod_protocol::http::client::Address>() {
            names.push(url.host);
        }
        names.extend(app.config.names.iter().cloned());
        names.sort();
        names.dedup();
        Ok(Self { faces: ArcSwap::from_pointee(Faces::make(app, &names)?), names })
    }

    /// Makes the certificates anew, for the connections to come.
    pub fn renew(&self, app: &App) -> Result<()> {
        self.faces.store(Arc::new(Faces::make(app, &self.names)?));
        Ok(())
    }
}

impl Faces {
    fn make(app: &App, names: &[String]) -> Result<Self> {
        let own = app.authority.issue_server(names, app.clock.now())?;
        let (chain, key) = (format!("{}{}", own.certificate_pem, app.authority.pem), own.key_pem);
        let agents = config(&chain, &key, Some(&app.authority.pem), &[agent::ALPN])?;
        let joining = config(&chain, &key, None, &[agent::ENROL_ALPN])?;
        let people = match (&app.config.certificate_file, &app.config.key_file) {
            (Some(certificate), Some(key)) => {
                let read =
                    |path: &std::path::Path| std::fs::read_to_string(path).map_err(|e| Error::new(code::CONFIGURATION, format!("{}: {e}", path.display())));
                config(&read(certificate)?, &read(key)?, None, &[b"h2", b"http/1.1"])?
            }
            (None, None) => config(&chain, &key, None, &[b"h2", b"http/1.1"])?,
            _ => return Err(Error::new(code::CONFIGURATION, "`certificate_file` and `key_file` belong together; give both or none")),
        };
        Ok(Self { people: Arc::new(people), joining: Arc::new(joining), agents: Arc::new(agents) })
    }

    /// The face for a caller that offers these application protocols, and whether it is the agents'.
    fn choose<'a>(&self, offered: impl Iterator<Item = &'a [u8]>) -> (bool, Arc<ServerConfig>) {
        for name in offered {
            if name == agent::ALPN {
                return (true, self.agents.clone());
            } else if name == agent::ENROL_ALPN {
                return (false, self.joining.clone());
            }
        }
        (false, self.people.clone())
    }
}

fn config(chain_pem: &str, key_pem: &str, client_ca: Option<&str>, alpn: &[&[u8]]) -> Result<ServerConfig> {
    let wrong = |e: &dyn std::fmt::Display| Error::new(code::CONFIGURATION, format!("the server's certificate or key is unusable: {e}"));
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(chain_pem.as_bytes()).collect::<Result<_, _>>().map_err(|e| wrong(&e))?;
    let key = PrivateKeyDer::from_pem_slice(key_pem.as_bytes()).map_err(|e| wrong(&e))?;
    let builder = ServerConfig::builder_with_provider(tls::provider()).with_safe_default_protocol_versions().map_err(|e| wrong(&e))?;
    let builder = match client_ca {
        None => builder.with_no_client_auth(),
        Some(pem) => {
            let mut roots = RootCertStore::empty();
            roots.add(CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|e| wrong(&e))?).map_err(|e| wrong(&e))?;
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), tls::provider()).build().map_err(|e| wrong(&e))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut config = builder.with_single_cert(chain, key).map_err(|e| wrong(&e))?;
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    if client_ca.is_some() {
        // Agents stay connected; what resumption would need is memory for every one of them.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        config.max_fragment_size = Some(4096);
    }
    Ok(config)
}

/// Accepts connections until told to stop.
pub async fn serve(app: Arc<App>, socket: TcpListener, tls: Tls, mut stop: watch::Receiver<bool>) {
    let people = crate::http::router(app.clone());
    let agents = crate::grpc::router(app.clone());
    let site = Arc::new(app.site.clone());
    let tls = Arc::new(tls);
    let mut renewal = tokio::time::interval_at(tokio::time::Instant::now() + RENEW_EVERY, RENEW_EVERY);
    loop {
        let accepted = tokio::select! {
            accepted = socket.accept() => accepted,
            _ = renewal.tick() => {
                // What was good stays in use when the files of a given certificate are just being replaced.
                if let Err(error) = tls.renew(&app) {
                    tracing::error!(%error, "the server's certificates were not renewed");
                }
                continue;
            }
            _ = stop.changed() => return,
        };
        let tcp = match accepted {
            Ok((tcp, _)) => tcp,
            Err(error) => {
                // Out of file descriptors, most likely: waiting is all that helps.
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let (people, agents, tls, site, stop) = (people.clone(), agents.clone(), tls.clone(), site.clone(), stop.clone());
        tokio::spawn(async move {
            if let Err(error) = connection(tcp, people, agents, &tls, site, stop).await {
                tracing::debug!(%error, "a connection ended");
            }
        });
    }
}

async fn connection(
    tcp: TcpStream,
    people: axum::Router,
    agents: axum::Router,
    tls: &Tls,
    site: Arc<Site>,
    mut stop: watch::Receiver<bool>,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    tcp.set_nodelay(true)?;
    let handshake = async {
        let start = tokio_rustls::LazyConfigAcceptor::new(rustls::server::Acceptor::default(), tcp).await?;
        let (is_agent, config) = tls.faces.load().choose(start.client_hello().alpn().into_iter().flatten());
        std::io::Result::Ok((is_agent, start.into_stream(config).await?))
    };
    let (is_agent, stream) = tokio::time::timeout(Duration::from_secs(15), handshake).await??;
    let mut builder = auto::Builder::new(TokioExecutor::new());
    let site = (!is_agent).then_some(site);
    let router = if is_agent {
        let certificate = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first()).ok_or("no client certificate")?;
        let node = crate::certificates::node_of(certificate).ok_or("the certificate names no node")?;
        builder = builder.http2_only();
        agents.layer(axum::Extension(Peer(node)))
    } else {
        people
    };
    builder.http1().timer(TokioTimer::new()).header_read_timeout(Duration::from_secs(20));
    let (stream_window, connection_window) = if is_agent { (64 * 1024, 256 * 1024) } else { (1 << 20, 2 << 20) };
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(20))
        .initial_stream_window_size(stream_window)
        .initial_connection_window_size(connection_window)
        .max_concurrent_streams(256)
        .max_send_buf_size(if is_agent { 64 * 1024 } else { 512 * 1024 })
        .max_header_list_size(32 * 1024);
    let service = tower::service_fn(move |mut request: http::Request<hyper::body::Incoming>| {
        if let Some(site) = &site {
            site.strip(&mut request);
        }
        router.clone().oneshot(request.map(axum::body::Body::new))
    });
    let connection = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    tokio::pin!(connection);
    tokio::select! {
        ended = connection.as_mut() => ended,
        _ = stop.changed() => {
            connection.as_mut().graceful_shutdown();
            match tokio::time::timeout(Duration::from_secs(2), connection).await {
                Ok(ended) => ended,
                Err(_) => Ok(()),
            }
        }
    }
}
