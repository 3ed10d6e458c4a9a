//! Prints how long a judgement of three out of five takes, and proofs in a log of a million events.

use std::hint::black_box;
use std::time::Instant;

use synod_domain::merkle::{Hash, leaf_hash};
use synod_trust::audit::{Edge, check_consistency, check_inclusion, prove_consistency, prove_inclusion, tree_root};
use synod_trust::testing::{self, Tiles};

fn time(what: &str, times: u32, mut work: impl FnMut()) {
    work();
    let begun = Instant::now();
    (0..times).for_each(|_| work());
    let each = begun.elapsed().as_secs_f64() * 1e6 / f64::from(times);
    eprintln!("{what:<60} {each:>12.1} µs");
}

fn main() {
    let (root, manifest) = (testing::root(&testing::root_json()), testing::manifest());
    let digest = manifest.seal().expect("a manifest").1;
    for names in [["ann", "bob", "carol"], ["carol", "dan", "eve"]] {
        let envelopes: Vec<_> = names.iter().map(|name| testing::yes(name, &manifest)).collect();
        time(&format!("judge, 3 of 5, signed by {}", names.join(", ")), 500, || {
            black_box(synod_trust::judge(&root, &manifest, &digest, &envelopes, "web-1", testing::hour(3))).expect("agreement");
        });
    }
    let payload = root.payload().to_vec();
    time("read and check a root of five people", 100, || drop(black_box(synod_trust::Root::read(&payload)).expect("a root")));
    let (bundle, pinned, log, now) = testing::bundle();
    time("verify a bundle of three nodes", 100, || assert!(synod_trust::bundle::verify_bundle(&bundle, &pinned, &log, now).ok()));

    let size: u64 = 1_000_000;
    let leaves: Vec<Hash> = (0..size).map(|i| leaf_hash(&i.to_be_bytes())).collect();
    let begun = Instant::now();
    let (mut tiles, mut edge) = (Tiles::default(), Edge::empty());
    for some in leaves.chunks(1000) {
        let grown = edge.grow(some).expect("a log");
        tiles.put(&grown);
        edge = grown.edge;
    }
    eprintln!("{:<60} {:>12.1} ms", "grow a log to 1,000,000 events, 1,000 at a time", begun.elapsed().as_secs_f64() * 1e3);
    time("add one event to it", 500, || drop(black_box(edge.grow(&leaves[..1])).expect("a log")));
    let root = tree_root(size, &tiles).expect("tiles");
    let proof = prove_inclusion(654_321, size, &tiles).expect("tiles");
    time("prove an event in it", 500, || drop(black_box(prove_inclusion(654_321, size, &tiles)).expect("tiles")));
    time("check that proof", 500, || check_inclusion(&leaves[654_321], 654_321, size, &proof, &root).expect("a proof"));
    let old = tree_root(654_321, &tiles).expect("tiles");
    let proof = prove_consistency(654_321, size, &tiles).expect("tiles");
    time("prove that it grew", 500, || drop(black_box(prove_consistency(654_321, size, &tiles)).expect("tiles")));
    time("check that proof", 500, || check_consistency(654_321, &old, size, &root, &proof).expect("a proof"));
}
