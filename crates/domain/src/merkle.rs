//! Merkle trees with the hashing of RFC 6962 section 2.1.
//!
//! A manifest commits to its nodes by the root of such a tree: people see the whole list, a node
//! needs only its own entry and the path to the root, so a run on 10,000 nodes stays small on the wire.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// A SHA-256 value.
pub type Hash = [u8; 32];

/// Hash of a leaf: SHA-256 of 0x00 and the data.
pub fn leaf_hash(data: &[u8]) -> Hash {
    Sha256::new().chain_update([0u8]).chain_update(data).finalize().into()
}

/// Hash of an inner node: SHA-256 of 0x01 and both children.
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    Sha256::new().chain_update([1u8]).chain_update(left).chain_update(right).finalize().into()
}

/// A tree held in memory, level by level, for making many proofs at once.
pub struct Tree {
    levels: Vec<Vec<Hash>>,
}

impl Tree {
    /// Builds the tree over leaf hashes. A lone last node of a level moves up unchanged, which yields
    /// the same root as the recursive split of RFC 6962 at the largest power of two.
    pub fn new(leaves: Vec<Hash>) -> Self {
        let mut levels = vec![leaves];
        while let Some(last) = levels.last().filter(|level| level.len() > 1) {
            let next = last
                .chunks(2)
                .map(|pair| match pair {
                    [left, right] => node_hash(left, right),
                    rest => rest[0],
                })
                .collect();
            levels.push(next);
        }
        Self { levels }
    }

    /// The root; of no leaves, the hash of nothing (RFC 6962).
    pub fn root(&self) -> Hash {
        self.levels.last().and_then(|level| level.first()).copied().unwrap_or_else(|| Sha256::digest([]).into())
    }

    /// The audit path of the leaf at `index`, from the leaf up; `None` when there is no such leaf.
    pub fn path(&self, index: usize) -> Option<Vec<Hash>> {
        if index >= self.levels[0].len() {
            return None;
        }
        let mut at = index;
        let mut path = Vec::new();
        for level in &self.levels {
            if let Some(sibling) = level.get(at ^ 1) {
                path.push(*sibling);
            }
            at /= 2;
        }
        Some(path)
    }
}

/// Where an entry stands in a tree, and the hashes that lead from it to the root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inclusion {
    /// Position of the leaf, from 0.
    pub index: u64,
    /// Number of leaves in the tree.
    pub size: u64,
    /// Sibling hashes from the leaf up.
    pub path: Vec<Hash>,
}

impl Inclusion {
    /// Whether `data` is the leaf at this place of the tree with this root.
    pub fn proves(&self, data: &[u8], root: &Hash) -> bool {
        includes(&leaf_hash(data), self.index, self.size, &self.path, root)
    }
}

/// Whether a path leads from a leaf's hash at its place to the root of a tree of this size (RFC 9162 section 2.1.3.2).
pub fn includes(leaf: &Hash, index: u64, size: u64, path: &[Hash], root: &Hash) -> bool {
    if index >= size {
        return false;
    }
    let (mut at, mut last) = (index, size - 1);
    let mut hash = *leaf;
    for sibling in path {
        if last == 0 {
            return false;
        }
        if at % 2 == 1 || at == last {
            hash = node_hash(sibling, &hash);
            while at % 2 == 0 && at != 0 {
                at /= 2;
                last /= 2;
            }
        } else {
            hash = node_hash(&hash, sibling);
        }
        at /= 2;
        last /= 2;
    }
    last == 0 && hash == *root
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn data(n: usize) -> Vec<Vec<u8>> {
        (0..n).map(|i| format!("leaf {i}").into_bytes()).collect()
    }

    fn tree(n: usize) -> Tree {
        Tree::new(data(n).iter().map(|d| leaf_hash(d)).collect())
    }

    /// RFC 6962 section 2.1, word for word.
    fn reference(leaves: &[Vec<u8>]) -> Hash {
        match leaves.len() {
            0 => Sha256::digest([]).into(),
            1 => leaf_hash(&leaves[0]),
            n => {
                let k = n.next_power_of_two() / 2;
                node_hash(&reference(&leaves[..k]), &reference(&leaves[k..]))
            }
        }
    }

    #[test]
    fn roots_follow_the_rfc() {
        for n in 0..70 {
            assert_eq!(tree(n).root(), reference(&data(n)), "{n} leaves");
        }
    }

    #[test]
    fn the_empty_root_is_the_published_one() {
        assert_eq!(hex::encode(tree(0).root()), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }

    proptest! {
        #[test]
        fn only_the_true_place_is_proved(size in 1usize..90, seed in 0usize..1000, other in 0usize..90) {
            let index = seed % size;
            let tree = tree(size);
            let leaves = data(size);
            let proof = Inclusion { index: index as u64, size: size as u64, path: tree.path(index).unwrap() };
            prop_assert!(proof.proves(&leaves[index], &tree.root()));
            prop_assert!(!proof.proves(b"another", &tree.root()));
            prop_assert!(!proof.proves(&leaves[index], &leaf_hash(b"root")));
            if other != index {
                let moved = Inclusion { index: other as u64, ..proof.clone() };
                prop_assert!(!moved.proves(&leaves[index], &tree.root()) );
            }
            let mut longer = proof.clone();
            longer.path.push([0; 32]);
            prop_assert!(!longer.proves(&leaves[index], &tree.root()));
            if !proof.path.is_empty() {
                let mut cut = proof.clone();
                cut.path.pop();
                prop_assert!(!cut.proves(&leaves[index], &tree.root()));
                for at in 0..proof.path.len() {
                    let mut bent = proof.clone();
                    bent.path[at][0] ^= 1;
                    prop_assert!(!bent.proves(&leaves[index], &tree.root()));
                }
            }
        }
    }
}
