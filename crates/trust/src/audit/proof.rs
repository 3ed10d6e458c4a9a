//! Proofs that an event is in a log, and that a log only grew: made from stored tiles in O(log n), checked by anybody.

use std::cell::RefCell;
use std::collections::BTreeMap;

use synod_domain::merkle::{Hash, includes, node_hash};

use super::tile::{MAX_SIZE, Tile, WIDTH, fold};
use crate::crypto::sha256;

/// Where hashes of tiles are kept.
pub trait HashReader {
    /// The hashes of a tile, at least as many as its width; more when more are stored by now.
    fn tile(&self, tile: Tile) -> Result<Vec<Hash>, String>;
}

/// Why a proof cannot be made or does not hold, each with a stable name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// A stored tile cannot be read.
    #[error("{tile} cannot be read: {why}")]
    Storage {
        /// Its path.
        tile: String,
        /// Why.
        why: String,
    },
    /// No tree is so large.
    #[error("{size} leaves are more than a log can have")]
    Size {
        /// How large.
        size: u64,
    },
    /// There is no such leaf.
    #[error("leaf {index} is not in a log of {size}")]
    Index {
        /// Which leaf.
        index: u64,
        /// Of how many.
        size: u64,
    },
    /// The log cannot have shrunk.
    #[error("a log of {new} leaves cannot have grown from one of {old}")]
    Order {
        /// The earlier size.
        old: u64,
        /// The later size.
        new: u64,
    },
    /// The hashes do not lead to the root.
    #[error("the proof does not lead to the root: what was logged is not what is shown")]
    Mismatch,
}

impl ProofError {
    /// The stable name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Storage { .. } => "storage",
            Self::Size { .. } => "size",
            Self::Index { .. } => "index",
            Self::Order { .. } => "order",
            Self::Mismatch => "mismatch",
        }
    }
}

/// Reads a tile and cuts it to its width.
pub(super) fn read(reader: &impl HashReader, tile: Tile) -> Result<Vec<Hash>, ProofError> {
    let failed = |why: String| ProofError::Storage { tile: tile.to_string(), why };
    let mut hashes = reader.tile(tile).map_err(failed)?;
    if hashes.len() < usize::from(tile.width) {
        return Err(failed(format!("{} hashes are stored where {} belong", hashes.len(), tile.width)));
    }
    hashes.truncate(usize::from(tile.width));
    Ok(hashes)
}

/// One tree of a known size; reads each tile once.
struct Tree<'a, R> {
    reader: &'a R,
    size: u64,
    cache: RefCell<BTreeMap<(u8, u64), Vec<Hash>>>,
}

impl<'a, R: HashReader> Tree<'a, R> {
    fn new(reader: &'a R, size: u64) -> Result<Self, ProofError> {
        if size > MAX_SIZE { Err(ProofError::Size { size }) } else { Ok(Self { reader, size, cache: RefCell::default() }) }
    }

    /// Hash of the complete subtree of 2^height leaves that begins at leaf `from`.
    fn complete(&self, from: u64, height: u32) -> Result<Hash, ProofError> {
        let (level, inside) = ((height / 8) as u8, height % 8);
        let first = from >> (8 * u32::from(level));
        let (index, offset) = (first / WIDTH as u64, (first % WIDTH as u64) as usize);
        let mut cache = self.cache.borrow_mut();
        let hashes = match cache.entry((level, index)) {
            std::collections::btree_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::btree_map::Entry::Vacant(place) => {
                let there = (self.size >> (8 * u32::from(level))) - index * WIDTH as u64;
                let width = there.min(WIDTH as u64) as u16;
                place.insert(read(self.reader, Tile { level, index, width })?)
            }
        };
        Ok(fold(&hashes[offset..offset + (1 << inside)]))
    }

    /// MTH(D[from..to]) of RFC 6962 section 2.1, for ranges its recursion yields.
    fn hash(&self, from: u64, to: u64) -> Result<Hash, ProofError> {
        let n = to - from;
        if n == 0 {
            return Ok(sha256(b""));
        }
        if n.is_power_of_two() {
            return self.complete(from, n.ilog2());
        }
        let middle = from + split(n);
        Ok(node_hash(&self.hash(from, middle)?, &self.hash(middle, to)?))
    }
}

/// The largest power of two below `n`, which is at least 2.
fn split(n: u64) -> u64 {
    1 << (n - 1).ilog2()
}

/// Root of the tree over the first `size` leaves.
pub fn tree_root(size: u64, reader: &impl HashReader) -> Result<Hash, ProofError> {
    Tree::new(reader, size)?.hash(0, size)
}

/// Proves that leaf `index` is in the tree of `size` leaves: the path from the leaf up (RFC 6962 section 2.1.1).
pub fn prove_inclusion(index: u64, size: u64, reader: &impl HashReader) -> Result<Vec<Hash>, ProofError> {
    if index >= size {
        return Err(ProofError::Index { index, size });
    }
    let tree = Tree::new(reader, size)?;
    let (mut from, mut to) = (0, size);
    let mut path = Vec::new();
    while to - from > 1 {
        let middle = from + split(to - from);
        if index < middle {
            path.push(tree.hash(middle, to)?);
            to = middle;
        } else {
            path.push(tree.hash(from, middle)?);
            from = middle;
        }
    }
    path.reverse();
    Ok(path)
}

/// Proves that the tree of `new` leaves begins with the tree of `old` leaves (RFC 6962 section 2.1.2).
pub fn prove_consistency(old: u64, new: u64, reader: &impl HashReader) -> Result<Vec<Hash>, ProofError> {
    if old > new {
        return Err(ProofError::Order { old, new });
    }
    let tree = Tree::new(reader, new)?;
    let mut path = Vec::new();
    if old == 0 || old == new {
        return Ok(path);
    }
    let (mut from, mut to) = (0, new);
    // Whether the old tree is still the left part of a larger one, so that its root is known to the verifier.
    let mut known = true;
    while old != to {
        let middle = from + split(to - from);
        if old <= middle {
            path.push(tree.hash(middle, to)?);
            to = middle;
        } else {
            path.push(tree.hash(from, middle)?);
            from = middle;
            known = false;
        }
    }
    if !known {
        path.push(tree.hash(from, to)?);
    }
    path.reverse();
    Ok(path)
}

/// Checks an inclusion proof (RFC 9162 section 2.1.3.2).
pub fn check_inclusion(leaf: &Hash, index: u64, size: u64, path: &[Hash], root: &Hash) -> Result<(), ProofError> {
    if index >= size {
        return Err(ProofError::Index { index, size });
    }
    if includes(leaf, index, size, path, root) { Ok(()) } else { Err(ProofError::Mismatch) }
}

/// Checks a consistency proof (RFC 9162 section 2.1.4.2). Every tree begins with the empty one, and with itself.
pub fn check_consistency(old: u64, old_root: &Hash, new: u64, new_root: &Hash, path: &[Hash]) -> Result<(), ProofError> {
    if old > new {
        return Err(ProofError::Order { old, new });
    }
    if old == 0 || old == new {
        let empty = old > 0 || *old_root == sha256(b"");
        let same = old != new || old_root == new_root;
        return if path.is_empty() && empty && same { Ok(()) } else { Err(ProofError::Mismatch) };
    }
    let mut path = path.iter();
    let (mut at, mut last) = (old - 1, new - 1);
    while at % 2 == 1 {
        at /= 2;
        last /= 2;
    }
    // The old tree is one complete subtree: its root is the seed, and the proof leaves it out.
    let seed = if old.is_power_of_two() { old_root } else { path.next().ok_or(ProofError::Mismatch)? };
    let (mut old_hash, mut new_hash) = (*seed, *seed);
    for sibling in path {
        if last == 0 {
            return Err(ProofError::Mismatch);
        }
        if at % 2 == 1 || at == last {
            old_hash = node_hash(sibling, &old_hash);
            new_hash = node_hash(sibling, &new_hash);
            while at.is_multiple_of(2) && at != 0 {
                at /= 2;
                last /= 2;
            }
        } else {
            new_hash = node_hash(&new_hash, sibling);
        }
        at /= 2;
        last /= 2;
    }
    if last == 0 && old_hash == *old_root && new_hash == *new_root { Ok(()) } else { Err(ProofError::Mismatch) }
}
