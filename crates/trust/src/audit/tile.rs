//! Tiles (c2sp.org/tlog-tiles): the hashes of a growing tree in pieces of 256 that never change once they are full.
//!
//! The tile at level L and index N holds the hashes of the complete subtrees of 256^L leaves from 256·N on.

use std::fmt;
use std::str::FromStr;

use synod_domain::merkle::{Hash, node_hash};

use super::proof::{HashReader, ProofError};
use crate::crypto::sha256;

/// Hashes of a full tile.
pub const WIDTH: usize = 256;
/// Levels there can be: 256^8 leaves are all there are.
pub const MAX_LEVEL: u8 = 7;
/// The most leaves; `i64` is what databases count with.
pub const MAX_SIZE: u64 = i64::MAX as u64;

/// Where a tile stands, and how many hashes it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tile {
    /// From 0, over the leaves.
    pub level: u8,
    /// From 0, left to right.
    pub index: u64,
    /// 1 to 256 hashes.
    pub width: u16,
}

impl Tile {
    /// A full tile.
    pub fn full(level: u8, index: u64) -> Self {
        Self { level, index, width: WIDTH as u16 }
    }

    /// The path of the file with the events of a tile of level 0, next to the tile itself.
    pub fn entries_path(self) -> String {
        format!("tile/entries/{}", self.tail())
    }

    fn tail(self) -> String {
        let mut groups = vec![format!("{:03}", self.index % 1000)];
        let mut rest = self.index / 1000;
        while rest > 0 {
            groups.push(format!("x{:03}", rest % 1000));
            rest /= 1000;
        }
        groups.reverse();
        let partial = if usize::from(self.width) < WIDTH { format!(".p/{}", self.width) } else { String::new() };
        format!("{}{partial}", groups.join("/"))
    }
}

impl fmt::Display for Tile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tile/{}/{}", self.level, self.tail())
    }
}

impl FromStr for Tile {
    type Err = String;

    /// Reads a path such as `tile/0/x001/x234/067` or `tile/1/000.p/5`; the one right spelling only.
    fn from_str(path: &str) -> Result<Self, String> {
        let wrong = || format!("`{}` is not the path of a tile; write such as tile/0/x001/234 or tile/0/x001/234.p/56", path.escape_debug());
        let rest = path.strip_prefix("tile/").filter(|rest| rest.len() < 64).ok_or_else(wrong)?;
        let (level, rest) = rest.split_once('/').ok_or_else(wrong)?;
        let (groups, width) = match rest.split_once(".p/") {
            Some((groups, width)) => (groups, width.parse().ok().filter(|w| (1..WIDTH as u16).contains(w)).ok_or_else(wrong)?),
            None => (rest, WIDTH as u16),
        };
        let mut index: u64 = 0;
        for group in groups.split('/') {
            let digits = group.strip_prefix('x').unwrap_or(group);
            if digits.len() != 3 {
                return Err(wrong());
            }
            let number: u64 = digits.parse().map_err(|_| wrong())?;
            index = index.checked_mul(1000).and_then(|i| i.checked_add(number)).ok_or_else(wrong)?;
        }
        let tile = Self { level: level.parse().ok().filter(|l| *l <= MAX_LEVEL).ok_or_else(wrong)?, index, width };
        if tile.to_string() == path { Ok(tile) } else { Err(wrong()) }
    }
}

/// Root of a complete subtree from its hashes, a power of two of them.
pub(super) fn fold(hashes: &[Hash]) -> Hash {
    match hashes {
        [one] => *one,
        many => {
            let (left, right) = many.split_at(many.len() / 2);
            node_hash(&fold(left), &fold(right))
        }
    }
}

/// The right edge of a tree: for each level the hashes of its last, unfinished tile. All that is needed to grow it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Edge {
    size: u64,
    levels: Vec<Vec<Hash>>,
}

/// What growing a tree made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grown {
    /// Tiles to store, each with its hashes; partial ones replace smaller ones of the same place.
    pub tiles: Vec<(Tile, Vec<Hash>)>,
    /// The edge after.
    pub edge: Edge,
    /// The root after.
    pub root: Hash,
}

impl Edge {
    /// The edge of an empty tree.
    pub fn empty() -> Self {
        Self::default()
    }

    /// Reads the edge of a tree of `size` leaves from stored tiles: one per level.
    pub fn load(size: u64, reader: &impl HashReader) -> Result<Self, ProofError> {
        if size > MAX_SIZE {
            return Err(ProofError::Size { size });
        }
        let mut levels = Vec::new();
        let mut count = size;
        let mut level = 0;
        while count > 0 {
            let width = (count % WIDTH as u64) as u16;
            let mut hashes = Vec::new();
            if width > 0 {
                let tile = Tile { level, index: count / WIDTH as u64, width };
                hashes = super::proof::read(reader, tile)?;
            }
            levels.push(hashes);
            count /= WIDTH as u64;
            level += 1;
        }
        Ok(Self { size, levels })
    }

    /// Number of leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Root of the tree (RFC 6962): complete subtrees, largest first, folded from the right.
    pub fn root(&self) -> Hash {
        let mut peaks = Vec::new();
        for hashes in self.levels.iter().rev() {
            let mut rest = &hashes[..];
            while !rest.is_empty() {
                let (peak, more) = rest.split_at(1 << rest.len().ilog2());
                peaks.push(fold(peak));
                rest = more;
            }
        }
        peaks.into_iter().rev().reduce(|right, left| node_hash(&left, &right)).unwrap_or_else(|| sha256(b""))
    }

    /// Adds leaf hashes; tells which tiles to store. Costs one hash per leaf and little more.
    pub fn grow(&self, leaves: &[Hash]) -> Result<Grown, ProofError> {
        let mut edge = self.clone();
        let mut tiles = Vec::new();
        let size = self.size.checked_add(leaves.len() as u64).filter(|size| *size <= MAX_SIZE).ok_or(ProofError::Size { size: u64::MAX })?;
        let mut added = leaves.to_vec();
        let mut level = 0usize;
        let mut before = self.size;
        while !added.is_empty() {
            if edge.levels.len() == level {
                edge.levels.push(Vec::new());
            }
            let mut hashes = std::mem::take(&mut edge.levels[level]);
            hashes.append(&mut added);
            let mut index = before / WIDTH as u64;
            let mut chunks = hashes.chunks_exact(WIDTH);
            for full in &mut chunks {
                tiles.push((Tile::full(level as u8, index), full.to_vec()));
                added.push(fold(full));
                index += 1;
            }
            let rest = chunks.remainder().to_vec();
            if !rest.is_empty() {
                tiles.push((Tile { level: level as u8, index, width: rest.len() as u16 }, rest.clone()));
            }
            edge.levels[level] = rest;
            before /= WIDTH as u64;
            level += 1;
        }
        edge.size = size;
        let root = edge.root();
        Ok(Grown { tiles, edge, root })
    }
}
