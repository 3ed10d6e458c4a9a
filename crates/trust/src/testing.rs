//! Signers of every kind with fixed keys, and a root, a manifest and approvals that are right: for tests, fuzzing and
//! measurements. The keys are known to everybody.

mod evidence;

use aws_lc_rs::agreement;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};
use synod_domain::approval::Decision;
use synod_domain::manifest::{Manifest, NodeEntry, NodeSet};
use synod_domain::time::Timestamp;

use crate::crypto::{PublicKey, sha256};
use crate::envelope::Envelope;
use crate::key::{Key, KeySpec, PasskeySpec, Purpose, to_cose};
use crate::result::ResultStatement;
use crate::root::{Root, RootDoc};
use crate::webauthn::{Assertion, Passkeys, challenge};
use crate::{approval, result, sshsig, strict};

pub use evidence::*;

/// What sort of key a signer has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Ed25519,
    P256,
    SkEd25519,
    SkP256,
    PasskeyP256,
    PasskeyEd25519,
}

/// Somebody with one private key, made from a word.
#[derive(Debug, Clone)]
pub struct Signer {
    kind: Kind,
    seed: [u8; 32],
    touched: bool,
}

/// What browser and authenticator say in an assertion, to be changed by tests.
pub struct ClientData {
    /// The members of clientDataJSON.
    pub json: Value,
    /// clientDataJSON as text instead.
    pub raw: Option<String>,
    /// The relying party's id.
    pub rp_id: String,
    /// The authenticator's flags.
    pub flags: u8,
    /// The authenticator's counter.
    pub counter: u32,
    /// What follows all that.
    pub extra: Vec<u8>,
}

impl ClientData {
    /// What is right for signing `pae`.
    pub fn new(pae: &[u8]) -> Self {
        Self::asked("webauthn.get", &challenge(pae))
    }

    /// What is right for a challenge.
    pub fn asked(what: &str, challenge: &[u8]) -> Self {
        let challenge = strict::to_base64url(challenge);
        let json = json!({"type": what, "challenge": challenge, "origin": passkeys().origins[0], "crossOrigin": false});
        Self { json, raw: None, rp_id: passkeys().rp_id, flags: 0x05, counter: 7, extra: Vec::new() }
    }
}

impl ClientData {
    fn text(&self) -> String {
        self.raw.clone().unwrap_or_else(|| self.json.to_string())
    }

    /// The part of authenticatorData that is always there.
    fn head(&self) -> Vec<u8> {
        [&sha256(self.rp_id.as_bytes())[..], &[self.flags], &self.counter.to_be_bytes()].concat()
    }
}

/// The section about passkeys of the sample root.
pub fn passkeys() -> Passkeys {
    Passkeys { rp_id: "synod.example.com".into(), origins: vec!["https://synod.example.com".into()] }
}

fn string(out: &mut Vec<u8>, part: &[u8]) {
    out.extend((part.len() as u32).to_be_bytes());
    out.extend_from_slice(part);
}

fn ssh_line(algorithm: &str, parts: &[&[u8]]) -> String {
    let mut blob = Vec::new();
    string(&mut blob, algorithm.as_bytes());
    parts.iter().for_each(|part| string(&mut blob, part));
    format!("{algorithm} {} test", strict::to_base64(&blob))
}

/// The OpenSSH line of a P-256 point.
pub fn p256_line(point: &[u8]) -> String {
    ssh_line("ecdsa-sha2-nistp256", &[b"nistp256", point])
}

impl Signer {
    fn new(kind: Kind, word: &str) -> Self {
        Self { kind, seed: sha256(format!("{kind:?} {word}").as_bytes()), touched: true }
    }

    /// With `ssh-ed25519`.
    pub fn ed25519(word: &str) -> Self {
        Self::new(Kind::Ed25519, word)
    }

    /// With `ecdsa-sha2-nistp256`.
    pub fn p256(word: &str) -> Self {
        Self::new(Kind::P256, word)
    }

    /// With `sk-ssh-ed25519@openssh.com`.
    pub fn sk_ed25519(word: &str) -> Self {
        Self::new(Kind::SkEd25519, word)
    }

    /// With `sk-ecdsa-sha2-nistp256@openssh.com`.
    pub fn sk_p256(word: &str) -> Self {
        Self::new(Kind::SkP256, word)
    }

    /// With a passkey of ES256.
    pub fn passkey_p256(word: &str) -> Self {
        Self::new(Kind::PasskeyP256, word)
    }

    /// With a passkey of EdDSA.
    pub fn passkey_ed25519(word: &str) -> Self {
        Self::new(Kind::PasskeyEd25519, word)
    }

    /// The same signer, whose security key nobody touches.
    #[must_use]
    pub fn untouched(mut self) -> Self {
        self.touched = false;
        self
    }

    fn is_p256(&self) -> bool {
        matches!(self.kind, Kind::P256 | Kind::SkP256 | Kind::PasskeyP256)
    }

    fn material(&self) -> Vec<u8> {
        if self.is_p256() {
            let private = agreement::PrivateKey::from_private_key(&agreement::ECDH_P256, &self.seed).expect("a hash is in range");
            private.compute_public_key().expect("a public key").as_ref().to_vec()
        } else {
            self.pair().public_key().as_ref().to_vec()
        }
    }

    fn pair(&self) -> Ed25519KeyPair {
        Ed25519KeyPair::from_seed_unchecked(&self.seed).expect("any seed is one")
    }

    /// The bare public key.
    pub fn public(&self) -> PublicKey {
        if self.is_p256() { PublicKey::p256(&self.material()) } else { PublicKey::ed25519(&self.material()) }.expect("a sound key")
    }

    /// The key as the trust root writes it.
    pub fn spec(&self) -> KeySpec {
        let material = self.material();
        match self.kind {
            Kind::Ed25519 => KeySpec::Ssh(ssh_line("ssh-ed25519", &[&material])),
            Kind::P256 => KeySpec::Ssh(p256_line(&material)),
            Kind::SkEd25519 => KeySpec::Ssh(ssh_line("sk-ssh-ed25519@openssh.com", &[&material, b"ssh:"])),
            Kind::SkP256 => KeySpec::Ssh(ssh_line("sk-ecdsa-sha2-nistp256@openssh.com", &[b"nistp256", &material, b"ssh:"])),
            Kind::PasskeyP256 | Kind::PasskeyEd25519 => KeySpec::Passkey(PasskeySpec {
                credential_id: strict::to_base64url(&self.seed[..16]),
                public_key: strict::to_base64url(&to_cose(&self.public())),
            }),
        }
    }

    /// The checked key.
    pub fn key(&self) -> Key {
        Key::read(&self.spec()).expect("a sound key")
    }

    /// The private key for `ssh_key`, of Ed25519 only.
    pub fn private(&self) -> ssh_key::PrivateKey {
        assert_eq!(self.kind, Kind::Ed25519);
        ssh_key::private::Ed25519Keypair::from_seed(&self.seed).into()
    }

    /// A bare signature: 64 bytes of Ed25519, or DER.
    pub fn bare(&self, message: &[u8]) -> Vec<u8> {
        if self.is_p256() {
            let pair = EcdsaKeyPair::from_private_key_and_public_key(&ECDSA_P256_SHA256_ASN1_SIGNING, &self.seed, &self.material()).expect("a pair");
            pair.sign(&SystemRandom::new(), message).expect("a signature").as_ref().to_vec()
        } else {
            self.pair().sign(message).as_ref().to_vec()
        }
    }

    fn ssh_bare(&self, message: &[u8]) -> Vec<u8> {
        if !self.is_p256() {
            return self.bare(message);
        }
        let pair = EcdsaKeyPair::from_private_key_and_public_key(&ECDSA_P256_SHA256_FIXED_SIGNING, &self.seed, &self.material()).expect("a pair");
        let fixed = pair.sign(&SystemRandom::new(), message).expect("a signature").as_ref().to_vec();
        let mut out = Vec::new();
        for half in fixed.chunks(32) {
            let short: Vec<u8> = half.iter().copied().skip_while(|b| *b == 0).collect();
            let sign: &[u8] = if short.first().is_some_and(|b| *b >= 0x80) { &[0] } else { &[] };
            string(&mut out, &[sign, &short].concat());
        }
        out
    }

    /// An SSHSIG blob.
    pub fn ssh_blob(&self, namespace: &str, message: &[u8]) -> Vec<u8> {
        let hash = sshsig::Hash::Sha512;
        let signed = sshsig::to_be_signed(namespace, hash, message);
        let crate::key::Form::Ssh { algorithm, blob, application } = self.key().form().clone() else { panic!("a passkey makes no SSHSIG") };
        let trailer = application.is_some().then_some([u8::from(self.touched), 0, 0, 1, 2]);
        let signed = match (&application, trailer) {
            (Some(application), Some(trailer)) => [&sha256(application.as_bytes())[..], &trailer, &sha256(&signed)].concat(),
            _ => signed,
        };
        let signature = self.ssh_bare(&signed);
        sshsig::assemble(&sshsig::Parts { public_key: blob, namespace: namespace.into(), hash, algorithm: algorithm.into(), signature, trailer })
    }

    /// A passkey's assertion.
    pub fn assertion(&self, client: &ClientData) -> Assertion {
        let client_json = client.text();
        let data = [&client.head(), &client.extra[..]].concat();
        let signature = self.bare(&[&data[..], &sha256(client_json.as_bytes())].concat());
        let part = strict::to_base64url;
        Assertion {
            credential_id: part(&self.seed[..16]),
            authenticator_data: part(&data),
            client_data_json: part(client_json.as_bytes()),
            signature: part(&signature),
        }
    }

    /// What the authenticator says when it makes this passkey: credential id, authenticatorData, clientDataJSON.
    pub fn creation(&self, client: &ClientData) -> (String, String, String) {
        let id = &self.seed[..16];
        let credential = [&[0; 16][..], &16u16.to_be_bytes(), id, &to_cose(&self.public())].concat();
        let credential = if client.flags & 0x40 == 0 { Vec::new() } else { credential };
        let data = [&client.head(), &credential, &client.extra[..]].concat();
        let data = if client.flags & 0x40 == 0 { [data, vec![0]].concat() } else { data };
        (strict::to_base64url(id), strict::to_base64url(&data), strict::to_base64url(client.text().as_bytes()))
    }

    /// Adds this signer's signature to an envelope.
    #[must_use]
    pub fn sign(&self, purpose: Purpose, envelope: Envelope) -> Envelope {
        let payload = strict::from_base64(&envelope.payload).expect("an envelope of ours");
        let pae = crate::envelope::pae(&envelope.payload_type, &payload);
        let signature = match self.spec() {
            KeySpec::Ssh(_) => self.ssh_blob(purpose.namespace(), &pae),
            KeySpec::Passkey(_) => self.assertion(&ClientData::new(&pae)).to_bytes(),
        };
        envelope.with(&self.key().id().0, &signature)
    }
}

/// Midnight of the first of January 2026, plus hours.
pub fn hour(n: i64) -> Timestamp {
    Timestamp(1_767_225_600_000 + n * 3_600_000)
}

/// The people of the sample root: ann, bob and carol hold roots; the first key of each signs.
pub fn people() -> Vec<(&'static str, Signer)> {
    vec![
        ("ann", Signer::ed25519("ann")),
        ("bob", Signer::p256("bob")),
        ("carol", Signer::passkey_p256("carol")),
        ("dan", Signer::passkey_ed25519("dan")),
        ("eve", Signer::sk_ed25519("eve")),
    ]
}

/// One of [`people`].
pub fn signer(name: &str) -> Signer {
    people().into_iter().find(|(n, _)| *n == name).expect("one of the people").1
}

/// The sample root document: three of five approvers of `shop/*` on `web-*`, two of three holders for the next root.
pub fn root_json() -> Value {
    let principals: Vec<Value> = people()
        .iter()
        .enumerate()
        .map(|(n, (name, signer))| json!({"name": name, "root": n < 3, "roles": ["approver"], "groups": ["oncall"], "keys": [signer.spec()]}))
        .collect();
    json!({
        "apiVersion": "synod/v1", "kind": "TrustRoot", "version": 1, "createdAt": hour(0), "expiresAt": hour(24 * 365), "threshold": 2,
        "principals": principals,
        "rules": [{"name": "shop", "templates": ["shop/*"], "nodes": ["web-*"], "approval": {"rules": [{"count": 3, "from": {"group": "oncall"}}]}}],
        "breakGlass": [{"name": "night", "who": ["ann"], "templates": ["shop/restart"], "nodes": ["web-*"], "perDay": 2, "maxNodes": 5}],
        "passkeys": passkeys()
    })
}

/// A root document from JSON.
pub fn doc(json: &Value) -> RootDoc {
    serde_json::from_value(json.clone()).unwrap_or_else(|e| panic!("a root document: {e}"))
}

/// The root of a document, unsigned.
pub fn root(json: &Value) -> Root {
    Root::draft(doc(json)).unwrap_or_else(|e| panic!("a sound root: {e}"))
}

/// The envelope of a root document, signed by these.
pub fn signed_root(json: &Value, by: &[&Signer]) -> Envelope {
    let (payload, _) = doc(json).seal();
    by.iter().fold(Envelope::new(crate::root::PAYLOAD_TYPE, &payload), |envelope, signer| signer.sign(Purpose::Root, envelope))
}

/// The nodes of the sample manifest.
pub fn nodes() -> Vec<NodeEntry> {
    (0..3).map(|i| NodeEntry { id: format!("id-{i}"), name: format!("web-{i}") }).collect()
}

/// The sample manifest: `shop/restart` asked for by `zoe`, written by `fay`.
pub fn manifest() -> Manifest {
    serde_json::from_value(json!({
        "apiVersion": "synod/v1", "kind": "Manifest", "run": "0k3v8w1x2y3z", "namespace": "shop",
        "template": {"name": "restart", "revision": 3, "digest": "sha256:00", "author": "fay"},
        "requester": "zoe", "reason": "stuck", "inputs": {"service": "web", "share": 0.5},
        "nodes": NodeSet::of(&nodes()).expect("nodes"),
        "strategy": {"type": "allAtOnce"}, "approval": {"rules": [{"count": 2, "from": {"role": "approver"}}]},
        "steps": [{"name": "go", "run": "true"}], "timeout": "1m", "startDeadline": "2m",
        "createdAt": hour(1), "approveBy": hour(25), "expiresAt": hour(49), "nonce": "n"
    }))
    .expect("a manifest")
}

/// A person's signed decision on a manifest, two hours in.
pub fn decision(name: &str, signer: &Signer, manifest: &Manifest, decision: Decision, change: impl FnOnce(&mut approval::Statement)) -> Envelope {
    let (_, digest) = manifest.seal().expect("a manifest");
    let mut statement = approval::Statement::new(&manifest.run, &digest, decision, name, "", hour(2));
    change(&mut statement);
    signer.sign(Purpose::Approval, statement.envelope())
}

/// A person's signed yes.
pub fn yes(name: &str, manifest: &Manifest) -> Envelope {
    decision(name, &signer(name), manifest, Decision::Approve, |_| {})
}

/// A node's statement that its task went well.
pub fn result(manifest: &Manifest, index: u32) -> ResultStatement {
    ResultStatement {
        api_version: result::API_VERSION.into(),
        kind: result::KIND.into(),
        run: manifest.run.clone(),
        digest: manifest.seal().expect("a manifest").1,
        task: index,
        node: nodes()[index as usize].clone(),
        phase: synod_domain::task::Phase::Succeeded,
        exit_code: Some(0),
        output_digest: Some(synod_domain::canonical::digest(b"output")),
        started_at: Some(hour(3)),
        finished_at: hour(3),
    }
}
