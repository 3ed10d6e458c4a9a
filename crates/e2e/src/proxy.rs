//! A way to the database that can be cut and healed.

use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// A TCP proxy; while it is cut, open connections are gone and new ones are closed at once.
pub struct Proxy {
    /// Where it listens.
    pub address: SocketAddr,
    open: watch::Sender<bool>,
    refusals: watch::Receiver<usize>,
}

impl Proxy {
    /// A proxy to a server, open.
    pub async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (open, watched) = watch::channel(true);
        let (refused, refusals) = watch::channel(0);
        tokio::spawn(async move {
            while let Ok((inbound, _)) = listener.accept().await {
                let mut watched = watched.clone();
                if !*watched.borrow_and_update() {
                    refused.send_modify(|n| *n += 1);
                    continue;
                }
                tokio::spawn(async move {
                    let Ok(outbound) = TcpStream::connect(target).await else { return };
                    let (mut inbound, mut outbound) = (inbound, outbound);
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut inbound, &mut outbound) => {}
                        _ = watched.changed() => {}
                    }
                });
            }
        });
        Self { address, open, refusals }
    }

    /// Cuts every connection and refuses new ones.
    pub fn cut(&self) {
        self.open.send_replace(false);
    }

    /// Waits until so many connections were refused.
    pub async fn refused(&self, n: usize) {
        self.refusals.clone().wait_for(|refused| *refused >= n).await.unwrap();
    }

    /// Lets connections pass again.
    pub fn heal(&self) {
        self.open.send_replace(true);
    }

    /// A database URL that goes through the proxy to `127.0.0.1:PORT`.
    pub async fn before(url: &str) -> (Self, String) {
        let (head, tail) = url.split_once('@').expect("the URL names a user");
        let (address, name) = tail.split_once('/').expect("the URL names a database");
        let address = if address.contains(':') { address.to_owned() } else { format!("{address}:5432") };
        let target = tokio::net::lookup_host(address).await.unwrap().next().unwrap();
        let proxy = Self::to(target).await;
        let through = format!("{head}@{}/{name}", proxy.address);
        (proxy, through)
    }
}
