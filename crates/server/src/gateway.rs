//! The agents connected to this server, and the way tasks take to them.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use base64::Engine as _;
use synod_db::{Query, approval, run, task, trust};
use synod_domain::error::code;
use synod_domain::{Error, Result};
use synod_protocol::agent::{Acknowledged, Assignment, Assignments, Cancel, Goodbye, Roots, ServerMessage, Welcome, server_message};
use tokio::sync::mpsc;

use crate::app::App;
use crate::manifests::Document;
use crate::signing;

/// So many messages may wait for a slow agent before its stream is given up; it comes back and is told again.
const BACKLOG: usize = 1024;
/// So many runs' packages are kept at hand.
const PACKAGES: usize = 256;

/// What goes down a stream.
pub type Outgoing = Box<Result<ServerMessage, tonic::Status>>;

struct Session {
    number: i64,
    to_agent: mpsc::Sender<Outgoing>,
    sent: HashSet<(String, u32)>,
    /// Up to which version of the trust root the node was told down this stream; nothing before it was welcomed.
    roots: Option<u64>,
}

/// A run as it is delivered: everything that is the same for all its nodes.
pub struct Package {
    /// The manifest.
    pub document: Arc<Document>,
    approvals_json: String,
    sealed_secrets: HashMap<u32, Vec<u8>>,
    /// The version of the trust root the approvals were judged by.
    judged_by: Option<u64>,
}

/// The agents connected here.
#[derive(Default)]
pub struct Gateway {
    sessions: RwLock<HashMap<String, Session>>,
    packages: Mutex<BTreeMap<String, Arc<Package>>>,
    numbers: AtomicI64,
}

impl Gateway {
    /// How many agents are connected.
    pub fn count(&self) -> u32 {
        u32::try_from(self.read().len()).unwrap_or(u32::MAX)
    }

    /// Whether a node is connected here.
    pub fn holds(&self, node: &str) -> bool {
        self.read().contains_key(node)
    }

    /// The nodes connected here.
    pub fn nodes(&self) -> Vec<String> {
        self.read().keys().cloned().collect()
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, HashMap<String, Session>> {
        self.sessions.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, HashMap<String, Session>> {
        self.sessions.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in a node's stream; an older one of the same node ends. Returns the stream's number.
    pub fn register(&self, node: &str) -> (i64, mpsc::Receiver<Outgoing>) {
        let (to_agent, from_server) = mpsc::channel(BACKLOG);
        let number = self.numbers.fetch_add(1, Ordering::Relaxed) + 1;
        self.write().insert(node.to_owned(), Session { number, to_agent, sent: HashSet::new(), roots: None });
        (number, from_server)
    }

    /// Forgets a stream, unless the node has begun another.
    pub fn unregister(&self, node: &str, number: i64) {
        let mut sessions = self.write();
        if sessions.get(node).is_some_and(|session| session.number == number) {
            sessions.remove(node);
        }
    }

    /// Sends the first message down a stream, with the trust roots up to a version. Before it neither roots nor tasks are sent.
    pub fn welcome(&self, node: &str, number: i64, welcome: Welcome, version: u64) -> bool {
        let mut sessions = self.write();
        let Some(session) = sessions.get_mut(node).filter(|session| session.number == number) else { return false };
        session.roots = Some(version);
        session.try_send(server_message::Body::Welcome(welcome))
    }

    /// Tells every agent here the trust roots up to a version that it was not told yet.
    pub async fn tell_roots(&self, db: &mut impl Query, version: u64) -> Result<()> {
        let behind = self.read().values().filter_map(|session| session.roots).filter(|told| *told < version).min();
        let Some(told) = behind else { return Ok(()) };
        let roots = trust::roots_after(db, told).await?;
        // In one go with noting it, so that whatever is sent to an agent after comes after them.
        self.write().retain(|node, session| {
            // Who was welcomed meanwhile with less than was read is told at the next look: to an agent a gap is no root at all.
            let Some(told) = session.roots.filter(|told| roots.first().is_some_and(|first| first.version <= told + 1)) else { return true };
            let news: Vec<Vec<u8>> = roots.iter().filter(|root| root.version > told).map(|root| root.envelope.clone().into_bytes()).collect();
            let Some(newest) = roots.last().filter(|_| !news.is_empty()) else { return true };
            session.roots = Some(newest.version);
            let heard = session.try_send(server_message::Body::Roots(Roots { roots: news }));
            if !heard {
                tracing::warn!(node, "the agent does not read; its stream is given up");
            }
            heard
        });
        Ok(())
    }

    /// Ends a node's stream and says why.
    pub fn dismiss(&self, node: &str, code: &str, message: &str, retry: bool) {
        let goodbye = Goodbye { code: code.to_owned(), message: message.to_owned(), retry };
        self.send(node, server_message::Body::Goodbye(goodbye));
        self.write().remove(node);
    }

    /// Sends one message; `false` when the node is not connected here or its stream is stuck.
    pub fn send(&self, node: &str, body: server_message::Body) -> bool {
        let Some(stuck) = self.read().get(node).map(|session| !session.try_send(body)) else { return false };
        if stuck {
            tracing::warn!(node, "the agent does not read; its stream is given up");
            self.write().remove(node);
        }
        !stuck
    }

    /// Sends one message down one stream; `false` when the node has begun another meanwhile.
    pub fn send_down(&self, node: &str, number: i64, body: server_message::Body) -> bool {
        let current = self.read().get(node).is_some_and(|session| session.number == number);
        current && self.send(node, body)
    }

    /// Tells an agent that results are durable.
    pub fn acknowledge(&self, node: &str, tasks: Vec<(String, u32)>) {
        let names = tasks.iter().map(|(run, idx)| format!("{run}.{idx}")).collect();
        if let Some(session) = self.write().get_mut(node) {
            for task in &tasks {
                session.sent.remove(task);
            }
        }
        self.send(node, server_message::Body::Acknowledged(Acknowledged { tasks: names }));
    }

    /// Tells agents to end tasks now.
    pub fn cancel(&self, tasks: Vec<(String, u32, String)>) {
        let mut by_node: HashMap<String, Vec<String>> = HashMap::new();
        for (run, idx, node) in tasks {
            by_node.entry(node).or_default().push(format!("{run}.{idx}"));
        }
        for (node, tasks) in by_node {
            self.send(&node, server_message::Body::Cancel(Cancel { tasks }));
        }
    }

    /// Hands assigned tasks to the agents connected here; returns whether some belong to agents elsewhere.
    /// A run that cannot be read just then holds up no other; its tasks are handed out at the next look.
    pub async fn deliver(&self, app: &App, assigned: Vec<task::Assigned>) -> Result<bool> {
        let mut elsewhere = false;
        let mut failed = None;
        let mut by_run: BTreeMap<String, Vec<task::Assigned>> = BTreeMap::new();
        for task in assigned {
            if self.holds(&task.node_id) {
                by_run.entry(task.run.clone()).or_default().push(task);
            } else {
                elsewhere = true;
            }
        }
        for (run, tasks) in by_run {
            match self.prepared(app, &run).await {
                Ok(package) => self.hand_out(&package, tasks)?,
                Err(error) => failed = Some(error),
            }
        }
        failed.map_or(Ok(elsewhere), Err)
    }

    /// A run's package, once the agents here were told the trust root it was judged by: by an older one they would refuse. Whoever
    /// published it may have done so at another server a moment ago.
    async fn prepared(&self, app: &App, run: &str) -> Result<Arc<Package>> {
        let package = self.package(app, run).await?;
        if let Some(version) = package.judged_by {
            self.tell_roots(&mut app.db.reader().await?, version).await?;
        }
        Ok(package)
    }

    fn hand_out(&self, package: &Package, tasks: Vec<task::Assigned>) -> Result<()> {
        for task in tasks {
            // Marked as sent only here, where nothing can come in between. What an agent that is not welcomed yet is to do, it is
            // told right after.
            let ready = |session: &mut Session| session.roots.is_some_and(|told| package.judged_by.is_none_or(|version| told >= version));
            let fresh = self.write().get_mut(&task.node_id).is_some_and(|session| ready(session) && session.sent.insert((task.run.clone(), task.idx)));
            if fresh {
                let assignment = package.assignment(&task)?;
                self.send(&task.node_id, server_message::Body::Assignments(Assignments { assignments: vec![assignment] }));
            }
        }
        Ok(())
    }

    /// A run as it is delivered, from memory or read.
    pub async fn package(&self, app: &App, id: &str) -> Result<Arc<Package>> {
        let judged_by = app.access.latest().trust.as_ref().map(|published| published.root.version());
        if let Some(known) = self.packages.lock().unwrap_or_else(PoisonError::into_inner).get(id).filter(|known| known.judged_by == judged_by) {
            return Ok(known.clone());
        }
        let mut reader = app.db.reader().await?;
        let document = match app.manifests.known(id) {
            Some(document) => document,
            None => app.manifests.of(&run::get(&mut reader, id).await?.ok_or_else(|| Error::not_found("run", id))?)?,
        };
        if document.tree().is_none() {
            document.set_nodes(&run::nodes(&mut reader, id).await?)?;
        }
        let (decisions, version) = approval::list_with_access(&mut reader, id).await?;
        let mut approvals: Vec<_> = decisions.into_iter().map(approval::delivered).collect();
        let access = app.access.at(version, &mut reader).await?;
        if let Some(cover) = signing::cover(&document, &access, &mut reader).await? {
            // One decision that counts no more would make nodes refuse all of them.
            let counted = cover.counted(&document.manifest, &document.digest, &approvals, app.clock.now());
            approvals.retain(|given| counted.contains(&given.person));
        }
        let sealed = if document.manifest.secrets.is_empty() { Vec::new() } else { run::sealed_secrets(&mut reader, id).await? };
        let decode = |(idx, text): (u32, String)| Ok((idx, base64::engine::general_purpose::STANDARD.decode(text).map_err(Error::internal)?));
        let package = Arc::new(Package {
            document,
            approvals_json: serde_json::to_string(&approvals).map_err(Error::internal)?,
            judged_by: access.trust.as_ref().map(|published| published.root.version()),
            sealed_secrets: sealed.into_iter().map(decode).collect::<Result<_>>()?,
        });
        let mut packages = self.packages.lock().unwrap_or_else(PoisonError::into_inner);
        packages.insert(id.to_owned(), package.clone());
        // Ids begin with the time: the oldest goes first.
        while packages.len() > PACKAGES {
            packages.pop_first();
        }
        Ok(package)
    }
}

impl Session {
    /// Puts a message on its way; `false` when the agent does not read.
    fn try_send(&self, body: server_message::Body) -> bool {
        self.to_agent.try_send(Box::new(Ok(ServerMessage { body: Some(body) }))).is_ok()
    }
}

impl Package {
    fn assignment(&self, task: &task::Assigned) -> Result<Assignment> {
        let path = self
            .document
            .tree()
            .and_then(|tree| tree.path(task.idx as usize))
            .ok_or_else(|| Error::new(code::INTERNAL, "a task beyond the run's nodes"))?;
        Ok(Assignment {
            task: format!("{}.{}", task.run, task.idx),
            manifest: self.document.bytes.clone(),
            digest: self.document.digest.clone(),
            approvals_json: self.approvals_json.clone(),
            index: u64::from(task.idx),
            size: u64::from(self.document.manifest.nodes.count),
            path: path.iter().map(|hash| hash.to_vec()).collect(),
            start_by_ms: task.start_by.0,
            sealed_secrets: self.sealed_secrets.get(&task.idx).cloned().unwrap_or_default(),
        })
    }
}
