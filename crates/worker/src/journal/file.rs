//! The journal's file: reading it with suspicion, and the thread that writes it.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use sha2::{Digest, Sha256};
use tokio::sync::oneshot;

use super::Record;
use super::state::State;
use crate::clock::Clock;
use crate::error::{Error, Result};

/// A file shorter than this is not rewritten.
const WORTH_COMPACTING: u64 = 8 * 1024 * 1024;
/// Hexadecimal digits of the check at the beginning of each line.
const CHECK: usize = 16;

fn check(rest: &[u8]) -> String {
    hex::encode(&Sha256::digest(rest)[..CHECK / 2])
}

fn line(durable: u64, json: &[u8], into: &mut Vec<u8>) {
    let mut rest = format!("{durable} ").into_bytes();
    rest.extend_from_slice(json);
    into.extend_from_slice(check(&rest).as_bytes());
    into.push(b' ');
    into.extend_from_slice(&rest);
    into.push(b'\n');
}

/// The durable length a sound line names, and its JSON.
fn parse(line: &[u8]) -> Option<(u64, &[u8])> {
    let (sum, rest) = line.split_at_checked(CHECK)?;
    let rest = rest.strip_prefix(b" ")?;
    if check(rest).as_bytes() != sum {
        return None;
    }
    let space = rest.iter().position(|byte| *byte == b' ')?;
    let durable = std::str::from_utf8(&rest[..space]).ok()?.parse().ok()?;
    Some((durable, &rest[space + 1..]))
}

/// All sound records of a file; none when there is no file. An unsound line is a write that a crash
/// cut short, unless a later line says that the place was durable before: then the file was damaged.
pub(super) fn read(path: &Path) -> Result<Vec<Record>> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(Error::file("read", path)(e)),
    };
    let damaged = |number: usize, why: &str| {
        Error::Damaged(format!(
            "{}: line {number} {why}; what ran on this node is no longer certain, so nothing is run. \
             Move the file away only if its memory may be lost",
            path.display()
        ))
    };
    let (mut records, mut unsound, mut offset) = (Vec::new(), None, 0u64);
    for (n, text) in bytes.split(|byte| *byte == b'\n').enumerate() {
        match parse(text) {
            Some((durable, json)) => {
                if let Some((number, _)) = unsound.filter(|(_, at)| durable > *at) {
                    return Err(damaged(number, "is damaged"));
                }
                records.push(serde_json::from_slice(json).map_err(|_| damaged(n + 1, "was written by a newer version"))?);
            }
            None if text.is_empty() => {}
            None => unsound = unsound.or(Some((n + 1, offset))),
        }
        offset += text.len() as u64 + 1;
    }
    if let Some((number, _)) = unsound {
        tracing::warn!(file = %path.display(), line = number, "the journal's last write was cut short by a crash; it is left out");
    }
    Ok(records)
}

struct Request {
    json: Vec<Vec<u8>>,
    durable: bool,
    done: oneshot::Sender<io::Result<()>>,
}

/// Something queued for the file.
pub(super) struct Append(Option<(oneshot::Receiver<io::Result<()>>, PathBuf)>);

impl Append {
    /// Nothing to wait for.
    pub(super) fn in_memory() -> Self {
        Self(None)
    }

    /// Waits until it is written, and durable when that was asked for.
    pub(super) async fn done(self) -> Result<()> {
        let Some((receiver, path)) = self.0 else { return Ok(()) };
        let gone = || Err(io::Error::other("the journal's thread has ended"));
        receiver.await.unwrap_or_else(|_| gone()).map_err(Error::file("write", &path))
    }
}

/// The sending side of the thread that writes.
pub(super) struct Writer {
    path: PathBuf,
    queue: Option<Sender<Request>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Writes the file anew from the state and starts the thread.
    pub(super) fn start(path: &Path, state: Arc<Mutex<State>>, clock: Clock) -> Result<Self> {
        let (queue, requests) = channel();
        let mut thread = Thread { path: path.to_owned(), state, clock, requests, file: None, length: 0, durable: 0, compacted: 0, broken: false };
        if let Err(error) = thread.rewrite(&mut Vec::new()) {
            if !matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
                return Err(Error::file("write", path)(error));
            }
            tracing::error!(file = %path.display(), %error, "the journal cannot be written; no task is run until it can");
            thread.broken = true;
        }
        let spawned = std::thread::Builder::new().name("journal".into()).stack_size(256 * 1024).spawn(move || thread.run());
        Ok(Self { path: path.to_owned(), queue: Some(queue), thread: Some(spawned.map_err(Error::file("write", path))?) })
    }

    /// Queues records.
    pub(super) fn append(&self, records: &[&Record], durable: bool) -> Append {
        let (done, receiver) = oneshot::channel();
        match records.iter().map(serde_json::to_vec).collect::<Result<Vec<_>, _>>() {
            Ok(json) => {
                // A thread that is gone drops the answer's sender, which the receiver notices.
                let _ = self.queue.as_ref().map(|queue| queue.send(Request { json, durable, done }));
            }
            Err(error) => {
                let _ = done.send(Err(io::Error::other(error)));
            }
        }
        Append(Some((receiver, self.path.clone())))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Thread {
    path: PathBuf,
    state: Arc<Mutex<State>>,
    clock: Clock,
    requests: Receiver<Request>,
    file: Option<File>,
    length: u64,
    durable: u64,
    /// Length right after it was last written anew.
    compacted: u64,
    /// The file's content is not known any more; only writing it anew helps.
    broken: bool,
}

impl Thread {
    fn run(mut self) {
        while let Ok(first) = self.requests.recv() {
            let mut batch = vec![first];
            batch.extend(self.requests.try_iter());
            let result = self.write(&mut batch);
            for request in batch {
                let copy = result.as_ref().copied().map_err(|e| io::Error::new(e.kind(), e.to_string()));
                let _ = request.done.send(copy);
            }
        }
    }

    fn write(&mut self, batch: &mut Vec<Request>) -> io::Result<()> {
        if self.broken || self.length >= WORTH_COMPACTING.max(self.compacted.saturating_mul(2)) {
            match self.rewrite(batch) {
                Ok(()) => return Ok(()),
                Err(error) if self.broken => return Err(error),
                Err(error) => {
                    tracing::warn!(file = %self.path.display(), %error, "the journal could not be compacted");
                    self.compacted = self.length;
                }
            }
        }
        let mut text = Vec::new();
        for json in batch.iter().flat_map(|request| &request.json) {
            line(self.durable, json, &mut text);
        }
        let Some(file) = self.file.as_mut() else { return Err(io::Error::other("the journal is not open")) };
        if let Err(error) = file.write_all(&text) {
            // What was written in part must not stay, else a later line would make it look like damage.
            self.broken = file.set_len(self.length).is_err();
            return Err(error);
        }
        self.length += text.len() as u64;
        if batch.iter().any(|request| request.durable) {
            if let Err(error) = file.sync_data() {
                self.broken = true;
                return Err(error);
            }
            self.durable = self.length;
        }
        Ok(())
    }

    /// Writes everything that is alive to a new file in place of the old one. What is queued is part
    /// of the state already, so it is answered too.
    fn rewrite(&mut self, batch: &mut Vec<Request>) -> io::Result<()> {
        let records = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            batch.extend(self.requests.try_iter());
            state.forget(self.clock.now());
            state.snapshot()
        };
        let mut text = Vec::new();
        for record in &records {
            line(0, &serde_json::to_vec(record)?, &mut text);
        }
        let aside = self.path.with_extension("new");
        match std::fs::remove_file(&aside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let made = Self::write_aside(&aside, &text).and_then(|()| std::fs::rename(&aside, &self.path));
        if let Err(error) = made {
            let _ = std::fs::remove_file(&aside);
            return Err(error);
        }
        self.broken = true;
        self.file = Some(OpenOptions::new().append(true).open(&self.path)?);
        if let Some(dir) = self.path.parent() {
            File::open(dir)?.sync_all()?;
        }
        (self.length, self.durable, self.compacted, self.broken) = (text.len() as u64, text.len() as u64, text.len() as u64, false);
        Ok(())
    }

    fn write_aside(aside: &Path, text: &[u8]) -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(aside)?;
        file.write_all(text)?;
        file.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(thread: &Thread, task: &str) -> Vec<Request> {
        let record = Record::Begun { task: task.into(), digest: String::new(), expires_at: synod_domain::Timestamp(1) };
        let json = vec![serde_json::to_vec(&record).unwrap()];
        thread.state.lock().unwrap().apply(record);
        vec![Request { json, durable: true, done: oneshot::channel().0 }]
    }

    #[test]
    fn a_full_disk_is_told_and_got_over() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        let clock = Clock::from_fn(|| synod_domain::Timestamp(0));
        let mut thread =
            Thread { path: path.clone(), state: Arc::default(), clock, requests: channel().1, file: None, length: 0, durable: 0, compacted: 0, broken: false };
        thread.rewrite(&mut Vec::new()).unwrap();
        let mut batch = request(&thread, "a.0");
        thread.write(&mut batch).unwrap();
        thread.file = Some(OpenOptions::new().append(true).open("/dev/full").unwrap());
        let mut batch = request(&thread, "b.0");
        assert_eq!(thread.write(&mut batch).unwrap_err().kind(), io::ErrorKind::StorageFull);
        let mut batch = request(&thread, "c.0");
        thread.write(&mut batch).unwrap();
        assert_eq!(read(&path).unwrap().len(), 3, "everything is there once the disk takes it");
        // Too large to stay: it is written anew, and what is over and expired goes.
        thread.length = WORTH_COMPACTING;
        let mut batch = request(&thread, "d.0");
        thread.write(&mut batch).unwrap();
        assert!(thread.length < 1000 && thread.durable == std::fs::metadata(&path).unwrap().len());
    }
}
