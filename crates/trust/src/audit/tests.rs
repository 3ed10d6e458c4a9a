//! Tests of trees, tiles and proofs against RFC 6962 word for word, with its published vectors.

use std::cell::RefCell;
use std::collections::BTreeMap;

use super::*;
use crate::crypto::sha256;
use proptest::prelude::*;
use synod_domain::merkle::{Tree, node_hash};

/// Tiles in memory, as a server keeps them: by level and index, the widest wins. Counts what is read.
#[derive(Default)]
struct Store {
    tiles: BTreeMap<(u8, u64), Vec<Hash>>,
    reads: RefCell<usize>,
}

impl HashReader for Store {
    fn tile(&self, tile: Tile) -> Result<Vec<Hash>, String> {
        *self.reads.borrow_mut() += 1;
        self.tiles.get(&(tile.level, tile.index)).cloned().ok_or_else(|| "not stored".to_owned())
    }
}

impl Store {
    fn put(&mut self, grown: &Grown) {
        for (tile, hashes) in &grown.tiles {
            assert_eq!(hashes.len(), usize::from(tile.width));
            let old = self.tiles.insert((tile.level, tile.index), hashes.clone());
            assert!(old.is_none_or(|old| hashes.starts_with(&old)), "a tile only grows");
        }
    }
}

fn leaves(n: usize) -> Vec<Hash> {
    (0..n).map(|i| leaf_hash(&i.to_be_bytes())).collect()
}

fn store(n: usize, steps: &[usize]) -> (Store, Edge) {
    let (mut store, mut edge) = (Store::default(), Edge::empty());
    let all = leaves(n);
    let mut rest = &all[..];
    let mut steps = steps.iter().copied().cycle();
    while !rest.is_empty() {
        let (some, more) = rest.split_at(steps.next().unwrap_or(n).clamp(1, rest.len()));
        let grown = edge.grow(some).unwrap();
        store.put(&grown);
        edge = grown.edge;
        rest = more;
    }
    (store, edge)
}

/// RFC 6962 section 2.1, word for word.
fn mth(d: &[Hash]) -> Hash {
    match d {
        [] => sha256(b""),
        [one] => *one,
        many => {
            let k = many.len().next_power_of_two() / 2;
            node_hash(&mth(&many[..k]), &mth(&many[k..]))
        }
    }
}

/// Section 2.1.1.
fn path(m: usize, d: &[Hash]) -> Vec<Hash> {
    if d.len() == 1 {
        return Vec::new();
    }
    let k = d.len().next_power_of_two() / 2;
    if m < k { [path(m, &d[..k]), vec![mth(&d[k..])]].concat() } else { [path(m - k, &d[k..]), vec![mth(&d[..k])]].concat() }
}

/// Section 2.1.2.
fn subproof(m: usize, d: &[Hash], b: bool) -> Vec<Hash> {
    if m == d.len() {
        return if b { Vec::new() } else { vec![mth(d)] };
    }
    let k = d.len().next_power_of_two() / 2;
    if m <= k { [subproof(m, &d[..k], b), vec![mth(&d[k..])]].concat() } else { [subproof(m - k, &d[k..], false), vec![mth(&d[..k])]].concat() }
}

#[test]
fn published_roots() {
    // The vectors of the certificate-transparency reference implementation.
    let inputs = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
    let roots = [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];
    let mut edge = Edge::empty();
    assert_eq!(hex::encode(edge.root()), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    for (input, root) in inputs.iter().zip(roots) {
        let grown = edge.grow(&[leaf_hash(&hex::decode(input).unwrap())]).unwrap();
        assert_eq!(hex::encode(grown.root), root);
        edge = grown.edge;
    }
}

#[test]
fn paths_of_tiles() {
    for (tile, path) in [
        (Tile::full(0, 0), "tile/0/000"),
        (Tile::full(3, 1_234_067), "tile/3/x001/x234/067"),
        (Tile { level: 0, index: 999, width: 1 }, "tile/0/999.p/1"),
        (Tile { level: 1, index: 1000, width: 255 }, "tile/1/x001/000.p/255"),
    ] {
        assert_eq!(tile.to_string(), path);
        assert_eq!(path.parse(), Ok(tile));
    }
    assert_eq!(Tile { level: 0, index: 1_234_067, width: 8 }.entries_path(), "tile/entries/x001/x234/067.p/8");
    for path in [
        "",
        "tile/0",
        "tile/0/0",
        "tile/0/0000",
        "tile/8/000",
        "tile/00/000",
        "tile/0/x000/001",
        "tile/0/001/002",
        "tile/0/x001",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/0/000/",
        "tile/0/+01",
        "tile/-1/000",
        "tile/0/x999/x999/x999/x999/x999/x999/x999/999",
        "tile/entries/000",
    ] {
        assert!(path.parse::<Tile>().is_err(), "{path}");
    }
}

#[test]
fn every_proof_of_small_logs_is_the_rfcs() {
    let all = leaves(70);
    let (store, _) = store(70, &[1, 5, 2]);
    for size in 0..=70 {
        let root = mth(&all[..size]);
        assert_eq!(tree_root(size as u64, &store), Ok(root));
        for index in 0..size {
            let proof = prove_inclusion(index as u64, size as u64, &store).unwrap();
            assert_eq!(proof, path(index, &all[..size]), "{index} of {size}");
            assert_eq!(check_inclusion(&all[index], index as u64, size as u64, &proof, &root), Ok(()));
        }
        for old in 1..=size {
            let proof = prove_consistency(old as u64, size as u64, &store).unwrap();
            assert_eq!(proof, subproof(old, &all[..size], true), "{old} to {size}");
            assert_eq!(check_consistency(old as u64, &mth(&all[..old]), size as u64, &root, &proof), Ok(()));
        }
    }
}

#[test]
fn large_logs_read_few_tiles() {
    let n = 200_000;
    let (store, edge) = store(n, &[4096]);
    let tree = Tree::new(leaves(n));
    assert_eq!(edge.root(), tree.root());
    assert_eq!(Edge::load(n as u64, &store), Ok(edge));
    for index in [0, 1, 255, 256, 65_535, 65_536, 131_072, 199_999] {
        *store.reads.borrow_mut() = 0;
        let proof = prove_inclusion(index as u64, n as u64, &store).unwrap();
        assert_eq!(proof, tree.path(index).unwrap());
        assert!(*store.reads.borrow() <= 8, "{} tiles read", store.reads.borrow());
    }
    for old in [1, 255, 256, 257, 65_536, 70_000, 199_999] {
        *store.reads.borrow_mut() = 0;
        let proof = prove_consistency(old as u64, n as u64, &store).unwrap();
        assert_eq!(check_consistency(old as u64, &tree_root(old as u64, &store).unwrap(), n as u64, &tree.root(), &proof), Ok(()));
    }
}

#[test]
fn what_cannot_be_is_refused() {
    let (store, _) = store(10, &[10]);
    assert_eq!(prove_inclusion(10, 10, &store).unwrap_err().name(), "index");
    assert_eq!(prove_consistency(11, 10, &store).unwrap_err().name(), "order");
    assert_eq!(tree_root(u64::MAX, &store).unwrap_err().name(), "size");
    assert_eq!(tree_root(11, &store).unwrap_err().name(), "storage");
    assert_eq!(Edge::load(600, &store).unwrap_err().name(), "storage");
    assert_eq!(check_inclusion(&[0; 32], 3, 3, &[], &[0; 32]).unwrap_err().name(), "index");
    assert_eq!(check_consistency(4, &[0; 32], 3, &[0; 32], &[]).unwrap_err().name(), "order");
    assert_eq!(check_consistency(3, &[0; 32], 3, &[1; 32], &[]).unwrap_err().name(), "mismatch");
    assert_eq!(check_consistency(0, &[0; 32], 3, &[1; 32], &[]).unwrap_err().name(), "mismatch");
}

fn signer() -> NoteSigner {
    NoteSigner::from_seed("log.example.com", &[3; 32]).unwrap()
}

#[test]
fn a_witness_sees_a_log_grow_and_nothing_else() {
    let (signer, all) = (signer(), leaves(400));
    let (store, _) = store(400, &[7]);
    let head = |size: usize| signer.sign(size as u64, &mth(&all[..size]));
    let proof = |old: u64, new: u64| prove_consistency(old, new, &store).unwrap();
    let mut witness = Witness::new(signer.verifier().clone());
    assert!(matches!(witness.consider(&head(10), &[]), Ok(Seen::First(_))));
    assert!(matches!(witness.consider(&head(10), &[]), Ok(Seen::Same(_))));
    assert!(matches!(witness.consider(&head(300), &proof(10, 300)), Ok(Seen::Grew { from: 10, .. })));
    assert_eq!(witness.last(), Some(&*head(300)));
    let name = |w: &Witness, note: &str, proof: &[Hash]| w.clone().consider(note, proof).unwrap_err().name();
    assert_eq!(name(&witness, &head(299), &[]), "roll-back");
    assert_eq!(name(&witness, &signer.sign(300, &[1; 32]), &[]), "fork");
    // A head that drops an event, or edits one, each rightly signed and with the log's own proof.
    for change in
        [|l: &mut Vec<Hash>| l.retain(|h| *h != leaf_hash(&5usize.to_be_bytes())), |l: &mut Vec<Hash>| l[5] = [9; 32], |l: &mut Vec<Hash>| l[299] = [9; 32]]
    {
        let mut other = all.clone();
        change(&mut other);
        let grown = Edge::empty().grow(&other[..350]).unwrap();
        let mut evil = Store::default();
        evil.put(&grown);
        let note = signer.sign(350, &grown.root);
        assert_eq!(name(&witness, &note, &prove_consistency(300, 350, &evil).unwrap()), "inconsistent");
        assert_eq!(name(&witness, &note, &proof(300, 350)), "inconsistent");
        assert_eq!(name(&witness, &note, &[]), "inconsistent");
    }
    let other = NoteSigner::from_seed("log.example.com", &[4; 32]).unwrap();
    assert_eq!(name(&witness, &other.sign(350, &[0; 32]), &[]), "unsigned");
    assert_eq!(name(&witness, &head(350).replace("350", "351"), &proof(300, 350)), "bad-signature");
    // It goes on after an alarm, and after a pause.
    let mut resumed = Witness::resume(signer.verifier().clone(), witness.last().unwrap()).unwrap();
    assert_eq!(resumed, witness);
    assert!(resumed.consider(&head(400), &proof(300, 400)).is_ok());
    assert!(Witness::resume(other.verifier().clone(), &head(1)).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn trees_grow_the_same_in_any_steps(n in 1usize..1500, steps in proptest::collection::vec(1usize..600, 1..5)) {
        let (stored, edge) = store(n, &steps);
        prop_assert_eq!(edge.root(), mth(&leaves(n)));
        prop_assert_eq!(edge.size(), n as u64);
        prop_assert_eq!(Edge::load(n as u64, &stored).unwrap(), edge);
        let (whole, _) = store(n, &[n]);
        prop_assert_eq!(&stored.tiles, &whole.tiles);
        for tile in stored.tiles.iter().map(|((level, index), hashes)| Tile { level: *level, index: *index, width: hashes.len() as u16 }) {
            prop_assert_eq!(tile.to_string().parse::<Tile>(), Ok(tile));
        }
    }

    #[test]
    fn proofs_are_the_rfcs_and_nothing_bent_holds(n in 1usize..1500, pick in 0usize..10_000, bit in 0usize..100_000) {
        let all = leaves(n);
        let (store, _) = store(n, &[n]);
        let root = mth(&all);
        let (index, size) = (pick % n, n as u64);
        let proof = prove_inclusion(index as u64, size, &store).unwrap();
        prop_assert_eq!(&proof, &path(index, &all));
        let (at, len) = (index as u64, proof.len());
        prop_assert!(check_inclusion(&all[index], at, size, &proof, &root).is_ok());
        let bend = |proof: &[Hash]| {
            let mut bent = proof.to_vec();
            let at = bit % (bent.len() * 256);
            bent[at / 256][at % 256 / 8] ^= 1 << (at % 8);
            bent
        };
        prop_assert!(check_inclusion(&[1; 32], at, size, &proof, &root).is_err());
        prop_assert!(check_inclusion(&all[index], at, size, &[&proof[..], &[root]].concat(), &root).is_err());
        if len > 0 {
            prop_assert!(check_inclusion(&all[index], at, size, &bend(&proof), &root).is_err());
            prop_assert!(check_inclusion(&all[index], at, size, &proof[1..], &root).is_err());
            prop_assert!(check_inclusion(&all[index], at, size, &proof[..len - 1], &root).is_err());
        }
        let old = index + 1;
        let (old_root, proof) = (mth(&all[..old]), prove_consistency(old as u64, size, &store).unwrap());
        prop_assert_eq!(&proof, &subproof(old, &all, true));
        let check = |proof: &[Hash], a: &Hash, b: &Hash| check_consistency(old as u64, a, size, b, proof);
        prop_assert!(check(&proof, &old_root, &root).is_ok());
        prop_assert!(check(&proof, &[1; 32], &root).is_err());
        prop_assert!(check(&proof, &old_root, &[1; 32]).is_err());
        prop_assert!(check(&[&proof[..], &[root]].concat(), &old_root, &root).is_err());
        if !proof.is_empty() {
            prop_assert!(check(&bend(&proof), &old_root, &root).is_err());
            prop_assert!(check(&proof[1..], &old_root, &root).is_err());
            prop_assert!(check(&proof[..proof.len() - 1], &old_root, &root).is_err());
        }
    }
}
