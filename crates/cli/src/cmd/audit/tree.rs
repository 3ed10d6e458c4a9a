//! What an audit log consists of, as files: checkpoint, key, tiles of hashes and of events. From a server or a folder.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use synod_domain::event::Event;
use synod_domain::merkle::{Hash, leaf_hash};
use synod_protocol::http::client::{Client, ClientError, accept, collect};
use synod_trust::audit::{Checkpoint, Edge, HashReader, ProofError, Tile, VerifierKey, check_consistency, prove_consistency};

use crate::exit::{Exit, Fault, Result};

/// Where the files are.
pub enum Source<'a> {
    /// Below `/audit/` of a server.
    Server(&'a Client),
    /// In a folder, as `audit export` wrote them.
    Folder(PathBuf),
}

impl Source<'_> {
    /// A file's bytes; `None` when there is none of this name.
    pub async fn get(&self, path: &str) -> Result<Option<Bytes>> {
        match self {
            Self::Server(client) => {
                let headers = [("accept", "text/plain, application/octet-stream, application/problem+json")];
                match accept(client.raw(http::Method::GET, &format!("/audit/{path}"), &headers, Bytes::new()).await?).await {
                    Ok(answer) => Ok(Some(collect(answer).await?)),
                    Err(ClientError::Problem(problem)) if problem.status == 404 => Ok(None),
                    Err(e) => Err(e.into()),
                }
            }
            Self::Folder(folder) => {
                let file = folder.join(path);
                match std::fs::read(&file) {
                    Ok(bytes) => Ok(Some(bytes.into())),
                    Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
                    Err(e) => Err(Fault::file("read", &file, &e)),
                }
            }
        }
    }

    /// A text file that must be there.
    pub async fn text(&self, path: &str) -> Result<String> {
        let bytes = self.get(path).await?.ok_or_else(|| self.lacks(path))?;
        String::from_utf8(bytes.to_vec()).map_err(|_| Fault::new(Exit::Differs, format!("{path} is not text")))
    }

    fn lacks(&self, path: &str) -> Fault {
        match self {
            Self::Server(_) => Fault::new(Exit::NotFound, format!("the server has no /audit/{path}")),
            Self::Folder(folder) => {
                Fault::usage(format!("{} is not there", folder.join(path).display())).help("`synod audit export FOLDER` writes a whole log")
            }
        }
    }

    /// The hashes of a tile.
    pub async fn tile(&self, tile: Tile) -> Result<Vec<Hash>> {
        let bytes = self
            .wide(&tile.to_string(), &Tile::full(tile.level, tile.index).to_string())
            .await?
            .ok_or_else(|| self.lacks(&tile.to_string()))?;
        let hashes: Vec<Hash> = bytes.chunks_exact(32).filter_map(|one| one.try_into().ok()).take(usize::from(tile.width)).collect();
        if hashes.len() < usize::from(tile.width) || bytes.len() % 32 != 0 {
            return Err(Fault::new(Exit::Differs, format!("{tile} has {} bytes; {} hashes of 32 belong there", bytes.len(), tile.width)));
        }
        Ok(hashes)
    }

    /// The events of a tile of level 0; `None` when they are no longer kept.
    pub async fn entries(&self, tile: Tile) -> Result<Option<Vec<Vec<u8>>>> {
        let Some(bytes) = self.wide(&tile.entries_path(), &Tile::full(0, tile.index).entries_path()).await? else { return Ok(None) };
        let wrong = |why: &str| Fault::new(Exit::Differs, format!("{}: {why}", tile.entries_path()));
        let mut entries = split(&bytes).ok_or_else(|| wrong("it is cut short"))?;
        if entries.len() < usize::from(tile.width) {
            return Err(wrong(&format!("{} events, and {} belong there", entries.len(), tile.width)));
        }
        entries.truncate(usize::from(tile.width));
        Ok(Some(entries))
    }

    /// A partial tile may be gone once the full one is there, which begins the same.
    async fn wide(&self, path: &str, full: &str) -> Result<Option<Bytes>> {
        match self.get(path).await? {
            None if path != full => self.get(full).await,
            found => Ok(found),
        }
    }

    /// Whether a log that had this head has only grown to that one; reads a few tiles.
    pub async fn grew(&self, old: &Checkpoint, new: &Checkpoint) -> Result<()> {
        if new.size < old.size {
            return Err(broken(format!("the log had {} events and has {} now: it was rolled back", old.size, new.size)));
        }
        if new.size == old.size {
            return if new.root == old.root {
                Ok(())
            } else {
                Err(broken(format!("two roots are shown for the same {} events: the log was forked", new.size)))
            };
        }
        let altered = |why: ProofError| broken(format!("the log of {} events does not begin with the {} of the earlier checkpoint: {why}", new.size, old.size));
        let mut known = Known::default();
        let proof = loop {
            match prove_consistency(old.size, new.size, &known) {
                Ok(proof) => break proof,
                Err(why) => {
                    let tile = known.missing.take().ok_or_else(|| altered(why))?;
                    known.tiles.insert((tile.level, tile.index), self.tile(tile).await?);
                }
            }
        };
        check_consistency(old.size, &old.root, new.size, &new.root, &proof).map_err(altered)
    }

    /// Reads all events and recomputes the root; returns the positions whose events are no longer kept.
    pub async fn recompute(&self, head: &Checkpoint, told: impl FnMut(u64)) -> Result<Vec<u64>> {
        let (mut gone, mut position) = (Vec::new(), 0);
        let each = |event: Option<&Event>| {
            position += 1;
            if event.is_none() {
                gone.push(position);
            }
        };
        self.read(head, each, told).await?;
        Ok(gone)
    }

    /// Reads all events in their order, none where only its hash is kept, and recomputes the root.
    pub async fn read(&self, head: &Checkpoint, mut each: impl FnMut(Option<&Event>), mut told: impl FnMut(u64)) -> Result<()> {
        let mut edge = Edge::empty();
        for tile in level(0, head.size) {
            let (hashes, entries) = tokio::try_join!(self.tile(tile), self.entries(tile))?;
            let first = tile.index * 256;
            for (n, hash) in hashes.iter().enumerate() {
                match entries.as_ref().map(|entries| &entries[n]).filter(|entry| !entry.is_empty()) {
                    Some(entry) => each(Some(&check_entry(entry, hash, first + n as u64)?)),
                    None => each(None),
                }
            }
            edge = edge.grow(&hashes).map_err(|e| broken(e.to_string()))?.edge;
            told(edge.size());
        }
        if edge.root() == head.root {
            Ok(())
        } else {
            Err(broken("the root recomputed from all events is not the one that was signed: events were altered, dropped or added".into()))
        }
    }
}

fn check_entry(entry: &[u8], hash: &Hash, index: u64) -> Result<Event> {
    let position = index + 1;
    if leaf_hash(entry) != *hash {
        return Err(broken(format!("event {position} is not what was logged: it was altered")));
    }
    let event: Event = serde_json::from_slice(entry).map_err(|e| broken(format!("event {position} cannot be read: {e}")))?;
    if event.position == position { Ok(event) } else { Err(broken(format!("at the place of event {position} stands event {}", event.position))) }
}

/// The log is not what it should be.
pub fn broken(what: String) -> Fault {
    Fault::new(Exit::Differs, format!("the audit log does not hold: {what}"))
        .help("keep both checkpoints as evidence, and tell whoever runs the server and the holders of the trust root")
}

/// Hashes read so far, and which one was missing last.
#[derive(Default)]
struct Known {
    tiles: BTreeMap<(u8, u64), Vec<Hash>>,
    missing: Cell<Option<Tile>>,
}

impl HashReader for Known {
    fn tile(&self, tile: Tile) -> Result<Vec<Hash>, String> {
        let there = self.tiles.get(&(tile.level, tile.index)).filter(|hashes| hashes.len() >= usize::from(tile.width));
        there.cloned().ok_or_else(|| {
            self.missing.set(Some(tile));
            "not read yet".to_owned()
        })
    }
}

/// The events of a bundle: each after its length in two bytes, largest first (c2sp.org/tlog-tiles).
fn split(bytes: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut rest = bytes;
    let mut all = Vec::new();
    while !rest.is_empty() {
        let (length, more) = rest.split_first_chunk::<2>()?;
        let (entry, more) = more.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        all.push(entry.to_vec());
        rest = more;
    }
    Some(all)
}

/// The tiles of one level of a log of this size.
fn level(level: u8, size: u64) -> impl Iterator<Item = Tile> {
    let count = size.checked_shr(8 * u32::from(level)).unwrap_or(0);
    let (full, rest) = (count / 256, u16::try_from(count % 256).unwrap_or(0));
    let partial = (rest > 0).then_some(Tile { level, index: full, width: rest });
    (0..full).map(move |index| Tile::full(level, index)).chain(partial)
}

/// All tiles of a log of this size.
pub fn all_tiles(size: u64) -> impl Iterator<Item = Tile> {
    (0..=synod_trust::audit::tile::MAX_LEVEL).flat_map(move |n| level(n, size))
}

/// Opens a checkpoint that must be signed by this key.
pub fn open(note: &str, key: &VerifierKey) -> Result<Checkpoint> {
    Checkpoint::open(note, key).map_err(|e| broken(e.to_string()))
}

/// Writes a file below a folder, with the folders it needs; whole or not at all.
pub fn write(folder: &Path, path: &str, bytes: &[u8]) -> Result<()> {
    use std::io::Write as _;
    let file = folder.join(path);
    let failed = |e: std::io::Error| Fault::file("write", &file, &e);
    let parent = file.parent().unwrap_or(folder);
    std::fs::create_dir_all(parent).map_err(failed)?;
    let mut new = tempfile::NamedTempFile::new_in(parent).map_err(failed)?;
    new.write_all(bytes).map_err(failed)?;
    new.persist(&file).map(|_| ()).map_err(|e| failed(e.error))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use serde_json::json;
    use synod_domain::canonical::canonical;
    use synod_trust::testing::log_key;

    fn entry(position: u64, words: &str) -> Vec<u8> {
        let event: Event = serde_json::from_value(
            json!({"specversion": "1.0", "id": format!("e{position}"), "source": "synod", "type": "synod.run.requested", "subject": "run/1",
            "time": "2026-01-01T00:00:00Z", "datacontenttype": "application/json", "actor": "user:bob", "position": position, "data": {"words": words}}),
        )
        .unwrap();
        canonical(&event).unwrap()
    }

    /// A log of so many events in a folder, as a server would show it; returns its head.
    pub(crate) fn log(folder: &Path, size: u64, change: impl Fn(u64) -> &'static str) -> Checkpoint {
        put(folder, &(1..=size).map(|n| entry(n, change(n))).collect::<Vec<_>>())
    }

    /// A log of these events in a folder.
    pub(crate) fn write_log(folder: &Path, events: &[serde_json::Value]) -> Checkpoint {
        put(folder, &events.iter().map(|event| canonical(event).unwrap()).collect::<Vec<_>>())
    }

    fn put(folder: &Path, entries: &[Vec<u8>]) -> Checkpoint {
        let size = entries.len() as u64;
        let grown = Edge::empty().grow(&entries.iter().map(|e| leaf_hash(e)).collect::<Vec<_>>()).unwrap();
        for (tile, hashes) in &grown.tiles {
            write(folder, &tile.to_string(), &hashes.concat()).unwrap();
        }
        for tile in level(0, size) {
            let bytes: Vec<u8> = entries[usize::try_from(tile.index * 256).unwrap()..]
                .iter()
                .take(usize::from(tile.width))
                .flat_map(|e| [&u16::try_from(e.len()).unwrap().to_be_bytes()[..], e].concat())
                .collect();
            write(folder, &tile.entries_path(), &bytes).unwrap();
        }
        let note = log_key().sign(size, &grown.root);
        write(folder, "checkpoint", note.as_bytes()).unwrap();
        write(folder, "key", log_key().verifier().to_string().as_bytes()).unwrap();
        open(&note, log_key().verifier()).unwrap()
    }

    fn plain(_: u64) -> &'static str {
        "x"
    }

    #[tokio::test]
    async fn a_whole_log_is_recomputed_and_changes_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let head = log(folder.path(), 600, plain);
        let source = Source::Folder(folder.path().to_owned());
        let mut last = 0;
        assert_eq!(source.recompute(&head, |n| last = n).await.unwrap(), [0u64; 0]);
        assert_eq!(last, 600);
        assert_eq!(source.recompute(&log(folder.path(), 0, plain), |_| {}).await.unwrap(), [0u64; 0]);

        // Bodies that are no longer kept are counted, whole bundles and single events.
        log(folder.path(), 600, plain);
        std::fs::remove_file(folder.path().join(Tile::full(0, 0).entries_path())).unwrap();
        assert_eq!(source.recompute(&head, |_| {}).await.unwrap(), (1..=256).collect::<Vec<u64>>());
        let second = folder.path().join(Tile::full(0, 1).entries_path());
        let entries = split(&std::fs::read(&second).unwrap()).unwrap();
        let without: Vec<u8> = entries
            .iter()
            .enumerate()
            .flat_map(|(n, e)| if n == 43 { vec![0, 0] } else { [&u16::try_from(e.len()).unwrap().to_be_bytes()[..], e].concat() })
            .collect();
        std::fs::write(&second, without).unwrap();
        assert_eq!(source.recompute(&head, |_| {}).await.unwrap()[256..], [300]);

        // An event altered on the server, with or without its hash.
        let other = tempfile::tempdir().unwrap();
        let forged = log(other.path(), 600, |n| if n == 300 { "y" } else { "x" });
        let copy = |path: &str| std::fs::copy(other.path().join(path), folder.path().join(path)).unwrap();
        copy(&Tile::full(0, 1).entries_path());
        let told = format!("{:?}", source.recompute(&head, |_| {}).await.unwrap_err());
        assert!(told.contains("event 300 is not what was logged"), "{told}");
        copy(&Tile::full(0, 1).to_string());
        let told = format!("{:?}", source.recompute(&head, |_| {}).await.unwrap_err());
        assert!(told.contains("is not the one that was signed"), "{told}");
        assert!(Source::Folder(other.path().to_owned()).recompute(&forged, |_| {}).await.is_ok());
        copy("tile/0/000");
        std::fs::write(folder.path().join("tile/0/000"), [0; 33]).unwrap();
        assert!(source.recompute(&head, |_| {}).await.is_err());
    }

    #[tokio::test]
    async fn growth_is_proved_from_few_tiles() {
        let folder = tempfile::tempdir().unwrap();
        let old = log(folder.path(), 300, plain);
        let new = log(folder.path(), 1000, plain);
        let source = Source::Folder(folder.path().to_owned());
        source.grew(&old, &new).await.unwrap();
        source.grew(&old, &old).await.unwrap();
        assert!(format!("{:?}", source.grew(&new, &old).await.unwrap_err()).contains("rolled back"));
        let other = tempfile::tempdir().unwrap();
        let forged = log(other.path(), 1000, |n| if n == 7 { "y" } else { "x" });
        assert!(format!("{:?}", source.grew(&forged, &new).await.unwrap_err()).contains("forked"));
        let fault = Source::Folder(other.path().to_owned()).grew(&old, &forged).await.unwrap_err();
        assert!(fault.exit() == Exit::Differs && format!("{fault:?}").contains("does not begin with the 300"), "{fault:?}");
    }

    #[test]
    fn every_tile_has_its_place() {
        let names = |size| all_tiles(size).map(|tile| tile.to_string()).collect::<Vec<_>>();
        assert_eq!(names(0), Vec::<String>::new());
        assert_eq!(names(257), ["tile/0/000", "tile/0/001.p/1", "tile/1/000.p/1"]);
        assert_eq!(all_tiles(70_000).count(), 273 + 1 + 1 + 1 + 1);
        assert_eq!(split(&[0, 1, 65, 0, 0]), Some(vec![b"A".to_vec(), vec![]]));
        assert_eq!(split(&[0, 2, 65]), None);
        assert_eq!(split(&[0]), None);
    }
}
