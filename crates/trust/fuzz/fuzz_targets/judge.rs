//! Envelopes, roots, decisions, results and bundles from anybody: reading never breaks, and nothing is accepted but what
//! was signed.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use synod_domain::manifest::Manifest;
use synod_trust::bundle::{Bundle, verify_bundle};
use synod_trust::key::{Key, KeySpec};
use synod_trust::root::{Next, accept_next, first};
use synod_trust::{Envelope, Root, judge, result, strict, testing, verify_one};

struct Fixture {
    root: Root,
    manifest: Manifest,
    digest: String,
    others: Vec<Envelope>,
}

static FIXTURE: LazyLock<Fixture> = LazyLock::new(|| {
    let manifest = testing::manifest();
    let digest = manifest.seal().expect("a manifest").1;
    let others = ["bob", "carol"].iter().map(|name| testing::yes(name, &manifest)).collect();
    Fixture { root: testing::root(&testing::root_json()), manifest, digest, others }
});

fuzz_target!(|data: &[u8]| {
    let f = &*FIXTURE;
    if let Ok(envelope) = Envelope::read(data) {
        assert_eq!(envelope.to_bytes(), data, "one envelope has one spelling");
        if let Ok(verified) = verify_one(&f.root, &envelope) {
            // Ed25519 signs the same way each time, so whoever is accepted signed these very bytes.
            let payload = strict::from_base64(&envelope.payload).expect("it was read");
            assert!(testing::people().iter().any(|(name, _)| strict::from_base64(&testing::yes(name, &f.manifest).payload).as_ref() == Ok(&payload)));
            let mut envelopes = f.others.clone();
            envelopes.push(envelope.clone());
            let outcome = judge(&f.root, &f.manifest, &f.digest, &envelopes, "web-1", testing::hour(3));
            assert_eq!(outcome.is_ok(), !["bob", "carol"].contains(&verified.person.as_str()));
        }
        // The seeds hold the pinned root, rightly signed; nothing else may follow it or stand in for it.
        if let Ok(root) = first(&envelope, f.root.digest()) {
            assert_eq!(root.payload(), f.root.payload());
        }
        assert!(!matches!(accept_next(&f.root, &envelope), Ok(Next::New(_))));
        let spki = testing::Signer::p256("node 0").public().to_spki();
        if let Ok(statement) = result::verify(&envelope, &spki) {
            assert_eq!(statement, testing::result(&f.manifest, 0));
        }
    }
    if let Ok(root) = Root::read(data) {
        assert_eq!(root.payload(), data, "one root has one spelling");
        // A root of anybody's making judges without breaking.
        let _ = judge(&root, &f.manifest, &f.digest, &f.others, "web-1", testing::hour(3));
        let _ = synod_trust::root::doctor(&root, testing::hour(3), &[]);
        let _ = synod_trust::root::diff(&f.root, &root);
    }
    if let Ok(spec) = serde_json::from_slice::<KeySpec>(data) {
        let _ = Key::read(&spec);
    }
    if let Ok(bundle) = Bundle::read(data) {
        let log = testing::log_key();
        let report = verify_bundle(&bundle, f.root.digest(), log.verifier(), testing::hour(100));
        assert!(!report.ok() || (bundle.digest == f.digest && bundle.run == f.manifest.run));
    }
    if let Ok(manifest) = strict::read::<Manifest>(data) {
        let own = manifest.seal().expect("it was read").1;
        let outcome = judge(&f.root, &manifest, &own, &f.others, "web-1", testing::hour(3));
        assert!(outcome.is_err(), "two do not suffice, and they signed another manifest");
    }
});
