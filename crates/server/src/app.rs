//! The server as a whole: what it is made of, how it starts, how it stops.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use synod_db::doorbell::{Doorbell, Topic};
use synod_db::member::Member;
use synod_db::{Db, Recorded};
use synod_domain::error::code;
use synod_domain::{Error, Result, Timestamp};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::access::{Access, AccessCache};
use crate::audit::AuditLog;
use crate::certificates::Authority;
use crate::clock::Clock;
use crate::config::Config;
use crate::gateway::Gateway;
use crate::keys::Keys;
use crate::loops::{presence, reports};
use crate::manifests::Manifests;
use crate::metrics::Counters;
use crate::ops::audit::Alarms;
use crate::pace::Pace;
use crate::site::Site;
use crate::tail::{self, Tail};
use crate::templates::Templates;
use crate::{listener, loops, patience};

/// What every part of a server shares.
pub struct App {
    /// What it was told.
    pub config: Config,
    /// The truth.
    pub db: Db,
    /// Wakes loops here and elsewhere.
    pub bell: Doorbell,
    /// What time it is.
    pub clock: Clock,
    /// Seals secrets.
    pub keys: Keys,
    /// Signs certificates.
    pub authority: Authority,
    /// Signs the heads of the audit log.
    pub log: AuditLog,
    /// Which alarms of nodes were recorded lately.
    pub alarms: Alarms,
    /// Who may do what, from memory.
    pub access: AccessCache,
    /// New events, for those who follow.
    pub tail: Tail,
    /// Templates in use.
    pub templates: Templates,
    /// Manifests of recent runs.
    pub manifests: Manifests,
    /// How often strangers may fail to sign in.
    pub pace: Pace,
    /// The agents connected here.
    pub gateway: Gateway,
    /// What agents report, on its way to the database.
    pub reports: reports::Queue,
    /// Who connects and disconnects, on its way to the database.
    pub presence: presence::Queue,
    /// What is counted for those who watch.
    pub counters: Counters,
    /// This server among the others.
    pub id: String,
    /// How others reach it.
    pub url: String,
    /// Where people find it.
    pub site: Site,
    /// Since when.
    pub started_at: Timestamp,
}

impl App {
    /// Tells that events were recorded: to the readers, or to the sealer when they have no places yet.
    pub fn ring_events(&self) {
        for what in self.db.take_recorded() {
            self.bell.ring(match what {
                Recorded::Placed => Topic::Events,
                Recorded::Unsealed => Topic::Unsealed,
            });
        }
    }

    /// This server as the others see it.
    pub fn member(&self) -> Member {
        Member {
            id: self.id.clone(),
            url: self.url.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_at: self.started_at,
            heartbeat_at: self.clock.now(),
            agents: self.gateway.count(),
        }
    }
}

/// A server that runs.
pub struct Running {
    /// What it is made of.
    pub app: Arc<App>,
    /// Where it listens.
    pub address: SocketAddr,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Running {
    /// Stops: no new work, connections closed, the others told.
    pub async fn stop(mut self) {
        let _ = self.stop.send(true);
        let drained = tokio::time::timeout(Duration::from_secs(5), async { while self.tasks.join_next().await.is_some() {} }).await;
        if drained.is_err() {
            self.tasks.abort_all();
        }
        if let Ok(mut tx) = self.app.db.begin().await
            && synod_db::member::leave(&mut tx, &self.app.id).await.is_ok()
        {
            let _ = tx.commit().await;
        }
        self.app.db.close().await;
    }

    /// Waits until the server stops by itself, which only happens when a loop broke.
    pub async fn wait(&mut self) {
        self.tasks.join_next().await;
    }
}

/// Keys and the embedded database are nobody else's to read.
fn private_folder(path: &std::path::Path) -> std::io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
    if path.is_dir() {
        let mode = std::fs::metadata(path)?.permissions().mode();
        return if mode & 0o077 == 0 { Ok(()) } else { std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700)) };
    }
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Opens what lies in the database.
async fn open(config: &Config, now: Timestamp) -> Result<(Db, Keys, Authority, AuditLog, Access)> {
    let db = Db::open(&config.database_url()).await?;
    let key_file = config.master_key_file.clone().unwrap_or_else(|| config.state_dir.join("master.key"));
    let keys = Keys::open(&key_file, &db).await?;
    let authority = Authority::open(&db, &keys, now).await?;
    let log = AuditLog::open(&db, &keys).await?;
    let access = Access::read(&mut db.reader().await?).await?;
    Ok((db, keys, authority, log, access))
}

/// Starts a server.
pub async fn start(config: Config, clock: Clock) -> Result<Running> {
    config.check()?;
    let invalid = |what: String| Error::new(code::CONFIGURATION, what);
    private_folder(&config.state_dir).map_err(|e| invalid(format!("the state folder {} cannot be used: {e}", config.state_dir.display())))?;
    let socket = tokio::net::TcpListener::bind(config.listen).await.map_err(|e| {
        let hint = if e.kind() == std::io::ErrorKind::AddrInUse { "; another program listens there, choose another `listen`" } else { "" };
        invalid(format!("cannot listen on {}: {e}{hint}", config.listen))
    })?;
    let address = socket.local_addr().map_err(Error::internal)?;
    let now = clock.now();
    // After a cut of power the database often comes back later than its servers.
    let patience = tokio::time::Instant::now() + if Db::may_be_away(&config.database_url()) { patience::AT_START } else { Duration::ZERO };
    let (db, keys, authority, log, access) = patience::at_start(patience, || open(&config, now)).await?;
    let url = config.public_url(address);
    let site = Site::of(&url)?;
    let id = crate::password::short_id(now);
    let bell = Doorbell::new(&db, &id);
    let (reports, reports_in) = reports::queue();
    let (presence, presence_in) = presence::queue();
    let app = Arc::new(App {
        config,
        db,
        bell,
        clock,
        keys,
        authority,
        log,
        alarms: Alarms::default(),
        access: AccessCache::new(access),
        tail: Tail::default(),
        templates: Templates::default(),
        manifests: Manifests::default(),
        pace: Pace::default(),
        gateway: Gateway::default(),
        reports,
        presence,
        counters: Counters::default(),
        id,
        url,
        site,
        started_at: now,
    });
    patience::at_start(patience, || crate::ops::system::announce(&app)).await?;
    let tls = listener::Tls::new(&app, address)?;
    let (stop, stopped) = watch::channel(false);
    let mut tasks = JoinSet::new();
    tasks.spawn(listener::serve(app.clone(), socket, tls, stopped.clone()));
    tasks.spawn(reports::run(app.clone(), reports_in, stopped.clone()));
    tasks.spawn(presence::run(app.clone(), presence_in, stopped.clone()));
    tasks.spawn(tail::run(app.clone(), stopped.clone()));
    loops::spawn(&mut tasks, &app, &stopped);
    // Whatever was left unfinished goes on now.
    app.bell.ring(Topic::Runs);
    app.ring_events();
    tracing::info!(url = %app.url, database = app.db.dialect().name(), ca = %app.authority.fingerprint, "synod server is up");
    Ok(Running { app, address, stop, tasks })
}
