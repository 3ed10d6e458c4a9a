//! The audit log: its key, its tree as it is stored, and what witnesses are shown of it.
//!
//! The tree lies in the database. A server keeps only its right edge in memory, to grow it, and the answers it gives to
//! thousands of witnesses alike.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use synod_db::audit::{self as stored, Head, LOG_KEY};
use synod_db::event::{self, Filter};
use synod_db::{Db, Query, Tx, meta};
use synod_domain::error::code;
use synod_domain::merkle::Hash;
use synod_domain::{Error, Result, Span, Timestamp};
use synod_protocol::agent::Checkpoint;
use synod_trust::audit::{Edge, Grown, HashReader, NoteSigner, ProofError, Tile, event_leaf, prove_consistency, prove_inclusion};

use crate::keys::Keys;

/// So many events go into the log in one transaction.
pub const BATCH: u32 = 2000;
/// Witnesses are shown another head after this time only, so that thousands of them ask for the same few proofs.
pub const PACE: Span = Span::secs(60);
/// So many proofs for witnesses are kept.
const PROOFS: usize = 4096;
/// Under which name of `meta` the installation's id is.
const INSTALLATION: &str = "installation";

/// A consistency proof, for all who ask for the same.
type Proof = Arc<Vec<Hash>>;

/// The audit log of an installation.
pub struct AuditLog {
    signer: NoteSigner,
    key: String,
    /// The right edge as it was stored last; held by whoever appends.
    edge: tokio::sync::Mutex<Option<Edge>>,
    /// What witnesses are shown, and since when.
    shown: Mutex<Option<(Arc<Head>, Timestamp)>>,
    proofs: Mutex<HashMap<(u64, u64), Proof>>,
    pace_ms: AtomicI64,
}

/// What a witness is shown.
#[derive(Debug, Clone, PartialEq)]
pub struct Shown {
    /// Number of leaves.
    pub size: u64,
    /// The signed head with the proof that it contains the one the witness saw last.
    pub checkpoint: Checkpoint,
}

/// What one appending did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Appended {
    /// The log holds everything.
    Whole,
    /// A full batch was added, and more may wait.
    More,
    /// Another server is at it.
    Elsewhere,
}

impl AuditLog {
    /// Opens the log of this database, or gives it its name and key.
    pub async fn open(db: &Db, keys: &Keys) -> Result<Self> {
        let mut tx = db.begin().await?;
        let id = meta::set_once(&mut tx, INSTALLATION, &hex::encode(rand::random::<[u8; 8]>())).await?;
        let sealed = meta::set_once(&mut tx, LOG_KEY, &keys.seal(&rand::random::<[u8; 32]>())).await?;
        tx.commit().await?;
        let seed: [u8; 32] = keys.unseal(&sealed)?.try_into().map_err(|_| Error::internal("the stored key of the audit log is unreadable"))?;
        let signer = NoteSigner::from_seed(&format!("synod/{id}"), &seed).map_err(Error::internal)?;
        Ok(Self {
            key: signer.verifier().to_string(),
            signer,
            edge: tokio::sync::Mutex::default(),
            shown: Mutex::default(),
            proofs: Mutex::default(),
            pace_ms: AtomicI64::new(PACE.as_millis()),
        })
    }

    /// The public key, as signed notes write it.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The log's name.
    pub fn origin(&self) -> &str {
        self.signer.verifier().name()
    }

    /// How often witnesses are shown another head; for tests.
    pub fn set_pace(&self, pace: Span) {
        self.pace_ms.store(pace.as_millis(), Ordering::Relaxed);
    }

    /// Adds the next events to the log. What is not committed is not kept in memory either.
    pub async fn append(&self, db: &Db, now: Timestamp) -> Result<Appended> {
        let mut edge = self.edge.lock().await;
        let mut reader = db.reader().await?;
        let size = stored::head(&mut reader).await?.map_or(0, |head| head.size);
        let last = event::last_position(&mut reader).await?;
        if last <= size {
            return Ok(Appended::Whole);
        }
        let (mut tx, grown) = if db.dialect().has_one_writer() {
            // While hashes are computed here, others write.
            let grown = self.grow(&mut edge, last, &mut reader).await?;
            drop(reader);
            (db.begin().await?, grown)
        } else {
            drop(reader);
            let mut tx = db.begin().await?;
            if !stored::lock(&mut tx).await? {
                tx.rollback().await?;
                return Ok(Appended::Elsewhere);
            }
            let grown = self.grow(&mut edge, last, &mut tx).await?;
            (tx, grown)
        };
        let (from, Some(grown)) = grown else { return Ok(Appended::Whole) };
        // Until it is committed nobody knows where the edge is.
        *edge = None;
        let added = grown.edge.size() - from;
        self.store(&mut tx, from, &grown, now).await?;
        tx.commit().await?;
        *edge = Some(grown.edge);
        Ok(if added < u64::from(BATCH) { Appended::Whole } else { Appended::More })
    }

    /// Computes the tree with the next events; the size before it, and nothing when there are none. Up to `last` there were some.
    async fn grow(&self, known: &mut Option<Edge>, last: u64, db: &mut impl Query) -> Result<(u64, Option<Grown>)> {
        let head = stored::head(db).await?;
        let from = head.as_ref().map_or(0, |head| head.size);
        // Another server may have appended since.
        let edge = match known.take().filter(|edge| edge.size() == from) {
            Some(edge) => edge,
            None => with_tiles(db, |tiles| Edge::load(from, tiles)).await?,
        };
        let next = Filter { after: Some(from), global: true, limit: BATCH, ..Filter::default() };
        let mut leaves = Vec::new();
        for (expected, event) in (from + 1..).zip(event::list(db, &next).await?) {
            // A leaf's place is its event's position; with one left out, every later proof would be about another event.
            if event.position != expected {
                break;
            }
            leaves.push(event_leaf(&event)?);
        }
        if leaves.is_empty() && last > from {
            return Err(stands(head.as_ref()));
        }
        let grown = if leaves.is_empty() { None } else { Some(edge.grow(&leaves).map_err(Error::internal)?) };
        *known = Some(edge);
        Ok((from, grown))
    }

    async fn store(&self, tx: &mut Tx, from: u64, grown: &Grown, now: Timestamp) -> Result<()> {
        stored::put_tiles(tx, &rows(grown)).await?;
        let size = grown.edge.size();
        let head = Head { size, note: self.signer.sign(size, &grown.root), at: now };
        if !stored::move_head(tx, from, &head).await? {
            return Err(Error::internal("another server appended to the audit log at the same time; nothing was stored, and it is tried again"));
        }
        Ok(())
    }

    /// What a witness is shown that has seen a log of `witnessed` leaves (0 for none); nothing while the log is empty.
    pub async fn show(&self, db: &Db, witnessed: u64, now: Timestamp) -> Result<Option<Shown>> {
        let Some(head) = self.shown_head(db, witnessed, now).await? else { return Ok(None) };
        let proof = if witnessed == 0 || witnessed >= head.size { Arc::default() } else { self.consistency(db, witnessed, head.size).await? };
        let proof = proof.iter().map(|hash| hash.to_vec()).collect();
        Ok(Some(Shown { size: head.size, checkpoint: Checkpoint { note: head.note.clone(), proof } }))
    }

    /// The head witnesses are shown. It moves at the pace, or when somebody has seen a later one at another server: were they
    /// shown an earlier one now, they would take it for a roll-back.
    async fn shown_head(&self, db: &Db, witnessed: u64, now: Timestamp) -> Result<Option<Arc<Head>>> {
        let shown = || self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((head, since)) = &*shown()
            && head.size >= witnessed
            && (0..self.pace_ms.load(Ordering::Relaxed)).contains(&now.since(*since))
        {
            return Ok(Some(head.clone()));
        }
        let Some(head) = stored::head(&mut db.reader().await?).await?.map(Arc::new) else { return Ok(None) };
        *shown() = Some((head.clone(), now));
        Ok(Some(head))
    }

    async fn consistency(&self, db: &Db, old: u64, new: u64) -> Result<Proof> {
        let proofs = || self.proofs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = proofs().get(&(old, new)) {
            return Ok(known.clone());
        }
        let made = Arc::new(consistency(&mut db.reader().await?, old, new).await?);
        let mut kept = proofs();
        if kept.len() >= PROOFS {
            kept.clear();
        }
        kept.insert((old, new), made.clone());
        Ok(made)
    }
}

/// That the event after a head is gone, although later ones were recorded or its place was given out.
fn stands(head: Option<&Head>) -> Error {
    let (size, since) = head.map_or((0, "it holds nothing yet".to_owned()), |head| (head.size, format!("since {} it stands at {} events", head.at, head.size)));
    Error::new(code::LOG_GAP, format!("event {} is not in the database, so the audit log cannot go on: {since}", size + 1))
}

/// Why the log cannot go on, if it cannot.
pub async fn gap(db: &mut impl Query) -> Result<Option<Error>> {
    let head = stored::head(db).await?;
    let size = head.as_ref().map_or(0, |head| head.size);
    if event::last_position(db).await? <= size {
        return Ok(None);
    }
    let next = Filter { after: Some(size), global: true, limit: 1, ..Filter::default() };
    let there = event::list(db, &next).await?.first().is_some_and(|event| event.position == size + 1);
    Ok((!there).then(|| stands(head.as_ref())))
}

/// That the log does not hold something yet; or, if it is so, that it cannot.
pub async fn behind(db: &mut impl Query, why: String) -> Error {
    match gap(db).await {
        Ok(None) => Error::new(code::LOG_BEHIND, why).retry_after(1),
        Ok(Some(gap)) | Err(gap) => gap,
    }
}

/// The tiles of a tree that grew, as rows.
pub fn rows(grown: &Grown) -> Vec<stored::Tile> {
    grown
        .tiles
        .iter()
        .map(|(tile, hashes)| stored::Tile { level: tile.level, idx: tile.index, hashes: STANDARD.encode(hashes.concat()) })
        .collect()
}

/// Proves that leaves are in the log of `size` leaves; a statement for all of them.
pub async fn inclusions(db: &mut impl Query, leaves: &[u64], size: u64) -> Result<Vec<Vec<Hash>>> {
    with_tiles(db, |tiles| leaves.iter().map(|index| prove_inclusion(*index, size, tiles)).collect()).await
}

/// Proves that the log of `new` leaves begins with that of `old` leaves; in one statement.
pub async fn consistency(db: &mut impl Query, old: u64, new: u64) -> Result<Vec<Hash>> {
    with_tiles(db, |tiles| prove_consistency(old, new, tiles)).await
}

/// The hashes of one tile, as many as are stored; nothing when it is not there.
pub async fn tile(db: &mut impl Query, level: u8, index: u64) -> Result<Option<Vec<u8>>> {
    let found = stored::tiles(db, &[(level, index)]).await?;
    found.first().map(|tile| STANDARD.decode(&tile.hashes).map_err(Error::internal)).transpose()
}

/// Tiles that were read, and those that were asked for and were not.
#[derive(Default)]
struct Tiles {
    known: HashMap<(u8, u64), Vec<Hash>>,
    missing: RefCell<BTreeSet<(u8, u64)>>,
}

impl HashReader for Tiles {
    fn tile(&self, tile: Tile) -> Result<Vec<Hash>, String> {
        let place = (tile.level, tile.index);
        if let Some(hashes) = self.known.get(&place) {
            return Ok(hashes.clone());
        }
        self.missing.borrow_mut().insert(place);
        Ok(vec![Hash::default(); usize::from(tile.width)])
    }
}

/// Does something with tiles. Which ones it takes follows from sizes alone, never from the hashes: a first pass over nothing
/// tells them, one statement reads them, and a second pass gives the answer.
async fn with_tiles<T: Send>(db: &mut impl Query, work: impl Fn(&Tiles) -> Result<T, ProofError> + Send) -> Result<T> {
    let mut tiles = Tiles::default();
    let answer = work(&tiles).map_err(Error::internal)?;
    let places: Vec<(u8, u64)> = tiles.missing.take().into_iter().collect();
    if places.is_empty() {
        return Ok(answer);
    }
    for row in stored::tiles(db, &places).await? {
        let bytes = STANDARD.decode(&row.hashes).map_err(Error::internal)?;
        let (hashes, rest) = bytes.as_chunks::<32>();
        if !rest.is_empty() {
            return Err(Error::internal(format!("the stored tile {} of level {} of the audit log is no list of hashes", row.idx, row.level)));
        }
        tiles.known.insert((row.level, row.idx), hashes.to_vec());
    }
    let answer = work(&tiles).map_err(Error::internal)?;
    match tiles.missing.take().first() {
        Some((level, index)) => Err(Error::internal(format!("the tile {index} of level {level} of the audit log is not stored"))),
        None => Ok(answer),
    }
}
