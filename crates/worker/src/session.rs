//! The session: one stream to one of the servers, made again whenever it is lost.

use std::error::Error as _;
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand::seq::SliceRandom as _;
use synod_domain::error::code;
use synod_domain::verify::MAX_SKEW_MS;
use synod_protocol::agent::agent_message::Body as Up;
use synod_protocol::agent::server_message::Body as Down;
use synod_protocol::agent::{AgentMessage, Heartbeat, Hello, Renewal, ServerMessage, Welcome};
use synod_protocol::http::client::Address;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

use crate::clock::Clock;
use crate::connect::{connect, reason};
use crate::error::{Error, Result};
use crate::executor::Executor;
use crate::identity::Identity;
use crate::journal::Journal;
use crate::output;
use crate::tasks::Tasks;
use crate::trust::{Guard, TrustOptions};

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// How long it takes until a new certificate is asked for again: at least, and at most whatever a server says.
const RENEWAL_PAUSE: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(86_400));
/// How long a server may take until its Welcome.
const GREETING: Duration = Duration::from_secs(20);
/// How long running tasks may take to end when the agent stops.
const STOPPING: Duration = Duration::from_secs(20);
/// How long the last results may take to be sent when the agent stops.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Settings of a session.
#[derive(Debug, Clone)]
pub struct SessionOptions {
    /// Version of the program, for `Hello`.
    pub version: String,
    /// URLs of servers beside those the identity knows.
    pub servers: Vec<String>,
    /// So many tasks run at once; more wait.
    pub max_parallel: usize,
    /// How much output of a task is kept, in bytes (at most [`output::MAX_LIMIT`]).
    pub max_output_bytes: usize,
    /// How often facts are looked at again.
    pub facts_interval: Duration,
    /// The clock.
    pub clock: Clock,
    /// How agreements are judged.
    pub trust: TrustOptions,
}

impl Default for SessionOptions {
    fn default() -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            servers: Vec::new(),
            max_parallel: 64,
            max_output_bytes: output::DEFAULT_LIMIT,
            facts_interval: Duration::from_secs(300),
            clock: Clock::system(),
            trust: TrustOptions::default(),
        }
    }
}

/// A node's side of the protocol, around an executor.
pub struct Session<E> {
    tasks: Arc<Tasks<E>>,
    executor: Arc<E>,
    journal: Journal,
    identity: Arc<Mutex<Identity>>,
    options: SessionOptions,
    facts: String,
    guard: Arc<Guard>,
    /// No new certificate is asked for before this.
    renew_after: Option<Instant>,
    /// Why this session cannot be run.
    broken: Option<Error>,
}

/// How a stream came to its end.
enum End {
    /// Try again.
    Lost(String),
    /// The server says not to.
    Dismissed { code: String, message: String },
}

impl<E: Executor> Session<E> {
    /// A session of a node. Nothing happens before [`Session::run`].
    pub fn new(identity: Identity, journal: Journal, executor: E, options: SessionOptions) -> Self {
        let (guard, key, broken) = match Guard::open(&options.trust).and_then(|guard| Ok((guard, identity.node_key()?))) {
            Ok((guard, key)) => (guard, Some(key), None),
            Err(error) => (Guard::default(), None, Some(error)),
        };
        let (executor, identity, guard) = (Arc::new(executor), Arc::new(Mutex::new(identity)), Arc::new(guard));
        let tasks = Arc::new(Tasks::new(executor.clone(), journal.clone(), identity.clone(), guard.clone(), key, options.clone()));
        Self { tasks, executor, journal, identity, options, facts: String::new(), guard, renew_after: None, broken }
    }

    /// Keeps a stream to a server until `shutdown`; then ends what runs, reports it and returns. Fails at once when what is
    /// remembered for judging agreements does not fit the settings, and later when a server says that trying again is of no use.
    pub async fn run(mut self, shutdown: impl Future<Output = ()>) -> Result<()> {
        if let Some(error) = self.broken.take() {
            return Err(error);
        }
        if self.tasks.sign_pending()
            && let Err(error) = self.journal.flush().await
        {
            tracing::warn!(%error, "signed results could not be written down");
        }
        let (tasks, journal) = (self.tasks.clone(), self.journal.clone());
        let mut stream = pin!(self.stay_connected());
        let result = tokio::select! {
            error = &mut stream => Err(error),
            () = shutdown => Ok(()),
        };
        tasks.stop();
        let ending = async {
            if timeout(STOPPING, tasks.idle()).await.is_err() {
                tracing::warn!("tasks are still running; they will be reported as lost");
            }
            let sent = async {
                while !tasks.outbox.is_empty() {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                // What was taken from the queue last is still on its way to the socket.
                tokio::time::sleep(Duration::from_millis(50)).await;
            };
            let _ = timeout(LAST_WORDS, sent).await;
        };
        let mut ending = pin!(ending);
        if result.is_ok() {
            tokio::select! {
                _ = &mut stream => ending.await,
                () = &mut ending => {}
            }
        } else {
            ending.await;
        }
        journal.flush().await?;
        result
    }

    /// Connects again and again; returns only when a server dismisses this node.
    async fn stay_connected(&mut self) -> Error {
        let mut failures = 0u32;
        let mut told = String::new();
        let mut round: Vec<Address> = Vec::new();
        loop {
            if round.is_empty() {
                round = self.addresses();
            }
            let end = match round.pop() {
                Some(address) => self.talk(&address, &mut failures).await,
                None => End::Lost("no server is known".into()),
            };
            self.tasks.outbox.close();
            match end {
                End::Dismissed { code, message } => return Error::Refused { code, message },
                End::Lost(why) => {
                    if why == told {
                        tracing::debug!("{why}");
                    } else {
                        tracing::warn!("{why}");
                        told = why;
                    }
                }
            }
            if failures == 0 {
                told.clear();
            }
            tokio::time::sleep(pause(failures)).await;
            failures = failures.saturating_add(1);
        }
    }

    /// All servers, in random order.
    fn addresses(&self) -> Vec<Address> {
        let mut urls = self.identity().servers().to_vec();
        urls.extend(self.options.servers.iter().cloned());
        urls.sort();
        urls.dedup();
        let mut addresses: Vec<Address> = urls.iter().filter_map(|url| url.parse().ok()).collect();
        addresses.shuffle(&mut rand::rng());
        addresses
    }

    fn identity(&self) -> MutexGuard<'_, Identity> {
        self.identity.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One stream, from its connection to its end.
    async fn talk(&mut self, address: &Address, failures: &mut u32) -> End {
        let (up, down, welcome) = match timeout(GREETING, self.greet(address)).await {
            Ok(Ok(greeted)) => greeted,
            // The server says so in a TLS alert, which comes too late to be told by it reliably.
            Ok(Err(End::Lost(why))) => return End::Lost(self.expired().unwrap_or(why)),
            Ok(Err(end)) => return end,
            Err(_) => return End::Lost(format!("{address} does not answer")),
        };
        *failures = 0;
        let version = self.guard.version();
        self.welcome(&welcome, address);
        self.tasks.outbox.open(self.tasks.resend());
        if self.guard.version() != version {
            self.beat(&up, String::new());
        }
        match self.converse(up, down, &welcome).await {
            End::Lost(why) => End::Lost(format!("{address}: {why}")),
            end => end,
        }
    }

    /// That this node's certificate is over, in words, when it is.
    fn expired(&self) -> Option<String> {
        let until = self.identity().validity().ok()?.1;
        (until < self.options.clock.now()).then(|| {
            let revoked = code::NODE_REVOKED.id;
            format!("this node's certificate expired at {until}; the machine must join again: remove the node, then the agent's identity folder [{revoked}]")
        })
    }

    async fn greet(&mut self, address: &Address) -> Result<(mpsc::Sender<AgentMessage>, Streaming<ServerMessage>, Welcome), End> {
        let tls = self.identity().tls().map_err(|e| End::Lost(e.to_string()))?;
        let mut client = connect(tls, address).await.map_err(End::Lost)?;
        self.facts = self.executor.facts().to_string();
        let hello = Hello {
            version: self.options.version.clone(),
            facts_json: self.facts.clone(),
            journalled: self.journal.journalled(),
            clock_ms: self.options.clock.now().0,
            trust: self.guard.mode().name().to_owned(),
            trust_root: self.guard.pin().to_owned(),
            trust_version: self.guard.version(),
            witnessed: self.guard.witnessed(),
        };
        let (up, queued) = mpsc::channel(4);
        let lost = |why: &dyn std::fmt::Display| End::Lost(format!("{address}: {why}"));
        let failed = |status: tonic::Status| lost(&status.source().map_or_else(|| status.message().to_owned(), reason));
        up.try_send(message(Up::Hello(hello))).map_err(|e| lost(&e))?;
        let mut down = client.connect(ReceiverStream::new(queued)).await.map_err(failed)?.into_inner();
        match down.message().await.map_err(failed)?.and_then(|message| message.body) {
            Some(Down::Welcome(welcome)) => Ok((up, down, welcome)),
            Some(Down::Goodbye(goodbye)) if goodbye.retry => Err(lost(&goodbye.message)),
            Some(Down::Goodbye(goodbye)) => Err(End::Dismissed { code: goodbye.code, message: goodbye.message }),
            _ => Err(lost(&"the server did not begin with a welcome")),
        }
    }

    fn welcome(&self, welcome: &Welcome, address: &Address) {
        let offset = welcome.clock_ms.saturating_sub(self.options.clock.now().0);
        if offset.saturating_abs() > MAX_SKEW_MS {
            tracing::warn!(
                "this machine's clock is {} s {} the server's; tasks will be refused until it is set (NTP)",
                offset.saturating_abs() / 1000,
                if offset > 0 { "behind" } else { "ahead of" }
            );
        }
        self.tasks.set_offset(offset);
        match self.identity().set_servers(welcome.servers.clone()) {
            Ok(true) => tracing::info!(servers = ?welcome.servers, "the list of servers changed"),
            Ok(false) => {}
            Err(error) => tracing::warn!(%error, "the list of servers could not be stored"),
        }
        tracing::info!(server = %welcome.server_id, %address, "connected");
        self.guard.welcome(welcome, self.options.clock.now());
    }

    async fn converse(&mut self, up: mpsc::Sender<AgentMessage>, mut down: Streaming<ServerMessage>, welcome: &Welcome) -> End {
        let every = Duration::from_secs(u64::from(if welcome.heartbeat_s == 0 { 15 } else { welcome.heartbeat_s.min(300) }));
        let mut heartbeat = interval_at(Instant::now() + every, every);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut facts_at = Instant::now();
        self.renew(&up);
        loop {
            let next = async {
                tokio::select! {
                    () = self.tasks.outbox.ready() => {}
                    () = self.guard.alarms.ready() => {}
                }
                up.reserve().await
            };
            tokio::select! {
                received = down.message() => match received {
                    Ok(Some(message)) => {
                        if let Some(end) = self.receive(message, &up) {
                            return end;
                        }
                    }
                    Ok(None) => return End::Lost("the server closed the stream".into()),
                    Err(status) => return End::Lost(format!("the stream broke: {}", status.message())),
                },
                permit = next => match permit {
                    Ok(permit) => {
                        if let Some(alarm) = self.guard.alarms.take() {
                            permit.send(message(Up::Alarm(alarm)));
                        } else if let Some(reports) = self.tasks.outbox.take() {
                            permit.send(message(Up::Reports(reports)));
                        }
                    }
                    Err(_) => return End::Lost("the stream broke".into()),
                },
                _ = heartbeat.tick() => {
                    self.guard.beat(self.options.clock.now());
                    let mut facts_json = String::new();
                    if facts_at.elapsed() >= self.options.facts_interval {
                        facts_at = Instant::now();
                        let facts = self.executor.facts().to_string();
                        if facts != self.facts {
                            self.facts.clone_from(&facts);
                            facts_json = facts;
                        }
                    }
                    self.beat(&up, facts_json);
                    self.renew(&up);
                }
            }
        }
    }

    fn beat(&self, up: &mpsc::Sender<AgentMessage>, facts_json: String) {
        let (clock_ms, witnessed, trust_version) = (self.options.clock.now().0, self.guard.witnessed(), self.guard.version());
        // When the queue is full, what is in it shows as well that this node lives.
        let _ = up.try_send(message(Up::Heartbeat(Heartbeat { clock_ms, facts_json, witnessed, trust_version })));
    }

    fn receive(&mut self, message: ServerMessage, up: &mpsc::Sender<AgentMessage>) -> Option<End> {
        match message.body? {
            Down::Assignments(list) => list.assignments.into_iter().for_each(|assignment| self.tasks.assign(assignment)),
            Down::Acknowledged(acknowledged) => {
                self.journal.ack(&acknowledged.tasks);
                self.guard.acknowledged(self.options.clock.now());
            }
            Down::Cancel(cancel) => self.tasks.cancel(cancel.tasks),
            Down::Certificate(certificate) => match self.identity().renewed(certificate.certificate_pem) {
                Ok(()) => tracing::info!("the node's certificate was renewed"),
                Err(error) => tracing::warn!(%error, "the new certificate is not used"),
            },
            Down::NotRenewed(refused) => {
                let pause = Duration::from_secs(refused.retry_after_s.into()).clamp(RENEWAL_PAUSE.0, RENEWAL_PAUSE.1);
                self.renew_after = Some(Instant::now() + pause);
                tracing::warn!(
                    code = refused.code,
                    "the node's certificate was not renewed: {}; it is asked for again in {} s",
                    refused.message,
                    pause.as_secs()
                );
            }
            Down::Goodbye(goodbye) if goodbye.retry => return Some(End::Lost(goodbye.message)),
            Down::Goodbye(goodbye) => return Some(End::Dismissed { code: goodbye.code, message: goodbye.message }),
            Down::Roots(roots) => {
                // The server learns at once who has followed.
                if self.guard.roots(&roots.roots) {
                    self.beat(up, String::new());
                }
            }
            Down::Checkpoint(checkpoint) => self.guard.checkpoint(&checkpoint),
            Down::Welcome(_) => {}
        }
        None
    }

    /// Asks for a new certificate when it is time. While the answer is awaited, or after a refusal, it does not ask again, not even
    /// on another stream.
    fn renew(&mut self, up: &mpsc::Sender<AgentMessage>) {
        let identity = self.identity();
        if self.renew_after.is_some_and(|after| Instant::now() < after) || !identity.needs_renewal(self.options.clock.now()) {
            return;
        }
        let asked = identity.renewal();
        drop(identity);
        match asked {
            Ok(csr_pem) => {
                if up.try_send(message(Up::Renewal(Renewal { csr_pem }))).is_err() {
                    return;
                }
            }
            Err(error) => tracing::warn!(%error, "no new certificate can be asked for"),
        }
        self.renew_after = Some(Instant::now() + RENEWAL_PAUSE.0);
    }
}

fn message(body: Up) -> AgentMessage {
    AgentMessage { body: Some(body) }
}

/// Full jitter over a bound that doubles (see "Exponential Backoff And Jitter", AWS Architecture Blog).
fn pause(failures: u32) -> Duration {
    let bound = FIRST_PAUSE.saturating_mul(1 << failures.min(10)).min(LONGEST_PAUSE);
    bound.mul_f64(rand::random_range(0.0..=1.0))
}
