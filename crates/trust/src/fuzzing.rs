//! What fuzzing does with bytes from anybody, for the fuzzer and for the replay of what it kept: reading never breaks, and nothing
//! is accepted but what was signed.

use std::sync::LazyLock;

use synod_domain::event::types;
use synod_domain::manifest::Manifest;

use crate::audit::note::Note;
use crate::audit::{Checkpoint, Tile, VerifierKey, Witness, check_consistency, check_inclusion};
use crate::bundle::{Bundle, LoggedEvent, verify_bundle};
use crate::key::{Key, KeySpec, PasskeySpec, to_cose};
use crate::root::{Next, accept_next, first};
use crate::sshsig::{self as ssh, NAMESPACE_APPROVAL};
use crate::testing::{ClientData, Signer, log_key, passkeys};
use crate::webauthn::{Assertion, Creation};
use crate::{Envelope, Root, approval, result, strict, testing, verify_one, webauthn as passkey};

/// A target: its name, and what it does with an input.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: [Target; 4] = [("judge", judge), ("sshsig", sshsig), ("webauthn", webauthn), ("note", note)];

struct Fixture {
    root: Root,
    manifest: Manifest,
    digest: String,
    others: Vec<Envelope>,
    /// Everything that people signed for it, in base64.
    ordinary: Vec<String>,
    /// The digest of the manifest that somebody started alone.
    alone: String,
    /// Everything that was signed for that one.
    signed_alone: Vec<String>,
}

static FIXTURE: LazyLock<Fixture> = LazyLock::new(|| {
    let manifest = testing::manifest();
    let digest = manifest.seal().expect("a manifest").1;
    let others = ["bob", "carol"].iter().map(|name| testing::yes(name, &manifest)).collect();
    let ordinary = testing::people().iter().map(|(name, _)| testing::yes(name, &manifest).payload).collect();
    let (alone, ..) = testing::break_glass_bundle(testing::After::Ratified);
    let signed_alone = alone.approvals.iter().chain(&alone.ratifications).map(|envelope| envelope.payload.clone()).collect();
    Fixture { root: testing::root(&testing::root_json()), manifest, digest, others, ordinary, alone: alone.digest, signed_alone }
});

/// Envelopes, roots, decisions, results and bundles.
pub fn judge(data: &[u8]) {
    let f = &*FIXTURE;
    if let Ok(envelope) = Envelope::read(data) {
        assert_eq!(envelope.to_bytes(), data, "one envelope has one spelling");
        if let Ok(verified) = verify_one(&f.root, &envelope) {
            // A payload has one spelling, so whoever is accepted signed these very bytes.
            let ordinary = f.ordinary.contains(&envelope.payload);
            assert!(ordinary || f.signed_alone.contains(&envelope.payload), "nobody signed it");
            let mut envelopes = f.others.clone();
            envelopes.push(envelope.clone());
            let outcome = approval::judge(&f.root, &f.manifest, &f.digest, &envelopes, "web-1", testing::hour(3));
            assert_eq!(outcome.is_ok(), ordinary && !["bob", "carol"].contains(&verified.person.as_str()));
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
        let _ = approval::judge(&root, &f.manifest, &f.digest, &f.others, "web-1", testing::hour(3));
        let _ = crate::root::doctor(&root, testing::hour(3), &[]);
        let _ = crate::root::diff(&f.root, &root);
    }
    if let Ok(spec) = serde_json::from_slice::<KeySpec>(data) {
        let _ = Key::read(&spec);
    }
    if let Ok(bundle) = Bundle::read(data) {
        let log = testing::log_key();
        let report = verify_bundle(&bundle, f.root.digest(), log.verifier(), testing::hour(100));
        assert!(!report.ok() || ([&f.digest, &f.alone].contains(&&bundle.digest) && bundle.run == f.manifest.run));
        // Nobody but the server's word closes such a run without the quorum: an incident is in the log, or they all signed.
        let closed = |logged: &LoggedEvent| logged.event["type"] == types::RUN_INCIDENT;
        assert!(!report.ok() || bundle.digest == f.digest || bundle.ratifications.len() == 3 || bundle.events.iter().any(closed));
    }
    if let Ok(manifest) = strict::read::<Manifest>(data) {
        let own = manifest.seal().expect("it was read").1;
        let outcome = approval::judge(&f.root, &manifest, &own, &f.others, "web-1", testing::hour(3));
        assert!(outcome.is_err(), "two do not suffice, and they signed another manifest");
    }
}

static SSH_KEYS: LazyLock<Vec<Key>> =
    LazyLock::new(|| vec![Signer::ed25519("a").key(), Signer::p256("b").key(), Signer::sk_ed25519("c").key(), Signer::sk_p256("d").key()]);

/// SSH signatures and key lines.
pub fn sshsig(data: &[u8]) {
    if let Ok(parts) = ssh::parse(data) {
        assert_eq!(ssh::assemble(&parts), data, "one signature has one spelling");
        assert_eq!(ssh::read_text(&ssh::to_armor(data)).as_deref(), Ok(data));
        for key in SSH_KEYS.iter() {
            // No seed is a signature over this message.
            assert!(ssh::verify(key, NAMESPACE_APPROVAL, b"another message", data).is_err());
            let _ = ssh::verify(key, &parts.namespace, b"message", data);
        }
    }
    for key in SSH_KEYS.iter() {
        let _ = ssh::from_agent(key, NAMESPACE_APPROVAL, data);
    }
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = ssh::read_text(text);
        if let Ok(key) = Key::from_openssh(text) {
            assert_eq!(key.id().check(), Ok(()));
        }
    }
}

static PASSKEYS: LazyLock<Vec<Key>> = LazyLock::new(|| vec![Signer::passkey_p256("p").key(), Signer::passkey_ed25519("q").key()]);

/// Assertions and passkeys.
pub fn webauthn(data: &[u8]) {
    for key in PASSKEYS.iter() {
        assert!(passkey::verify(key, &passkeys(), b"another message", data).is_err());
        let _ = passkey::verify(key, &passkeys(), b"message", data);
    }
    if let Ok(assertion) = strict::read::<Assertion>(data) {
        assert_eq!(assertion.to_bytes(), data, "one assertion has one spelling");
    }
    // The bytes as a COSE_Key, and as clientDataJSON of an assertion nobody signed.
    let spec = PasskeySpec { credential_id: "AA".into(), public_key: strict::to_base64url(data) };
    if let Ok(key) = Key::from_passkey(&spec) {
        assert_eq!(to_cose(key.public()), data, "one key has one spelling");
    }
    // The bytes as what an authenticator says of a new passkey.
    let client = ClientData::asked("webauthn.create", &[7; 32]);
    let (id, _, json) = Signer::passkey_ed25519("q").creation(&client);
    let told = strict::to_base64url(data);
    if let Ok(created) = passkey::register(&passkeys(), &[7; 32], &Creation { credential_id: &id, authenticator_data: &told, client_data_json: &json }) {
        assert_eq!(Key::from_passkey(&created.spec).as_ref(), Ok(&created.key), "what is registered can be read again");
    }
    let mut assertion = Signer::passkey_ed25519("q").assertion(&ClientData::new(b"message"));
    assertion.client_data_json = strict::to_base64url(data);
    let verified = passkey::verify(&PASSKEYS[1], &passkeys(), b"message", &assertion.to_bytes());
    assert!(verified.is_err() || *data == *ClientData::new(b"message").json.to_string().as_bytes());
}

/// Notes, checkpoints, log keys, tile paths and proofs.
pub fn note(data: &[u8]) {
    if let Some((numbers, rest)) = data.split_first_chunk::<16>() {
        let (a, b) = (u128::from_le_bytes(*numbers) as u64, (u128::from_le_bytes(*numbers) >> 64) as u64);
        let hashes: Vec<[u8; 32]> = rest.chunks_exact(32).map(|c| c.try_into().expect("32 bytes")).collect();
        if let [first, second, path @ ..] = &hashes[..] {
            let _ = check_inclusion(first, a, b, path, second);
            let _ = check_consistency(a, first, b, second, path);
        }
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    let key = log_key();
    if let Ok(note) = Note::parse(text) {
        let _ = note.verify(key.verifier());
        let _ = Checkpoint::parse(note.text);
    }
    if let Ok(head) = Checkpoint::open(text, key.verifier()) {
        let same = key.sign(head.size, &head.root);
        assert!(text.starts_with(same.split_once("\n\n").expect("a note").0), "only what the log signed is a head");
        let mut witness = Witness::new(key.verifier().clone());
        assert!(witness.consider(text, &[]).is_ok());
    }
    if let Ok(checkpoint) = Checkpoint::parse(text) {
        assert!(text.starts_with(&checkpoint.to_string()), "one head has one spelling");
    }
    if let Ok(tile) = text.parse::<Tile>() {
        assert_eq!(tile.to_string(), text);
    }
    if let Ok(other) = text.parse::<VerifierKey>() {
        assert_eq!(other.to_string(), text);
    }
}

/// A good input: its target, its name, its bytes.
pub type Seed = (&'static str, String, Vec<u8>);

/// Good inputs of every kind: what fuzzing begins with.
pub fn seeds() -> Vec<Seed> {
    let mut all: Vec<Seed> = Vec::new();
    let mut put = |target: &'static str, name: &str, bytes: &[u8]| all.push((target, name.to_owned(), bytes.to_owned()));
    let manifest = testing::manifest();
    for (name, _) in testing::people() {
        let envelope = testing::yes(name, &manifest);
        put("judge", &format!("approval-{name}"), &envelope.to_bytes());
        put("judge", &format!("signature-{name}"), &envelope.open(approval::PAYLOAD_TYPE).expect("an envelope").signatures[0].1);
    }
    let (ann, bob) = (testing::signer("ann"), testing::signer("bob"));
    put("judge", "root", &testing::signed_root(&testing::root_json(), &[&ann, &bob]).to_bytes());
    put("judge", "root-payload", testing::root(&testing::root_json()).payload());
    put("judge", "manifest", &manifest.seal().expect("a manifest").0);
    let (bundle, ..) = testing::bundle();
    put("judge", "bundle", &serde_json::to_vec(&bundle).expect("JSON"));
    put("judge", "result", &bundle.results[0].envelope.to_bytes());
    for after in testing::AFTER {
        let (alone, ..) = testing::break_glass_bundle(after);
        put("judge", &format!("bundle-{after:?}").to_lowercase(), &serde_json::to_vec(&alone).expect("JSON"));
        put("judge", "approval-alone", &alone.approvals[0].to_bytes());
        put("judge", "ratification", &alone.ratifications[0].to_bytes());
    }
    for (name, signer) in [("a", Signer::ed25519("a")), ("b", Signer::p256("b")), ("c", Signer::sk_ed25519("c")), ("d", Signer::sk_p256("d"))] {
        let blob = signer.ssh_blob(NAMESPACE_APPROVAL, b"message");
        put("sshsig", &format!("blob-{name}"), &blob);
        put("sshsig", &format!("armor-{name}"), ssh::to_armor(&blob).as_bytes());
        if let KeySpec::Ssh(line) = signer.spec() {
            put("sshsig", &format!("line-{name}"), line.as_bytes());
        }
    }
    for (name, signer) in [("p", Signer::passkey_p256("p")), ("q", Signer::passkey_ed25519("q"))] {
        let client = ClientData::new(b"message");
        put("webauthn", &format!("assertion-{name}"), &signer.assertion(&client).to_bytes());
        put("webauthn", &format!("cose-{name}"), &to_cose(&signer.public()));
        put("webauthn", "client", client.json.to_string().as_bytes());
    }
    put("note", "checkpoint", bundle.checkpoint.as_bytes());
    put("note", "key", testing::log_key().verifier().to_string().as_bytes());
    put("note", "tile", b"tile/1/x001/234.p/56");
    put("note", "proof", &[&6u64.to_le_bytes()[..], &19u64.to_le_bytes(), &[7; 200]].concat());
    all
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::path::Path;

    use super::*;

    /// What the fuzzer kept of a target, from a plain tar file that is compressed.
    fn kept(target: &str) -> Vec<(String, Vec<u8>)> {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("fuzz/corpus/{target}.tar.gz"));
        let packed = std::fs::read(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        let mut tar = Vec::new();
        flate2::read::GzDecoder::new(&packed[..]).read_to_end(&mut tar).unwrap();
        let (mut rest, mut found) = (&tar[..], Vec::new());
        while let Some((head, after)) = rest.split_at_checked(512).filter(|(head, _)| head[0] != 0) {
            let text = |from: usize, to: usize| String::from_utf8(head[from..to].iter().copied().take_while(|b| *b != 0).collect()).unwrap();
            let size = usize::from_str_radix(text(124, 136).trim(), 8).unwrap();
            found.push((text(0, 100), after[..size].to_vec()));
            rest = &after[size.next_multiple_of(512)..];
        }
        found
    }

    fn replay(target: &str, run: fn(&[u8]), name: &str, bytes: &[u8]) {
        let outcome = std::panic::catch_unwind(|| run(bytes));
        assert!(outcome.is_ok(), "{target}: the input {name} breaks it (the reason stands above)");
    }

    #[test]
    fn what_fuzzing_kept_still_holds() {
        let inputs = kept("judge");
        assert!(inputs.len() > 2000, "{}", inputs.len());
        // Should the form of a bundle change, the kept ones must follow, or they reach nothing any more.
        let bundles = inputs.iter().filter(|(_, bytes)| Bundle::read(bytes).is_ok()).count();
        assert!(bundles >= 4, "only {bundles} of the kept inputs are bundles; a field was added: write it into them");
        for (name, bytes) in &inputs {
            replay("judge", judge, name, bytes);
        }
    }

    #[test]
    fn every_target_takes_its_seeds_and_what_is_near_them() {
        for (target, name, bytes) in seeds() {
            let (_, run) = TARGETS.into_iter().find(|(known, _)| *known == target).unwrap();
            replay(target, run, &name, &bytes);
            replay(target, run, &name, &bytes[..bytes.len() / 2]);
            for at in (0..bytes.len()).step_by(bytes.len().div_ceil(16).max(1)) {
                let mut bent = bytes.clone();
                bent[at] ^= 0x11;
                replay(target, run, &format!("{name}, byte {at}"), &bent);
            }
        }
        assert!(TARGETS.iter().all(|(target, _)| seeds().iter().any(|(known, ..)| known == target)));
    }
}
