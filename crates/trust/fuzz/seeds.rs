//! Writes good inputs of every kind into the folder given, one folder per target: what fuzzing begins with.

// What is instrumented needs the fuzzer's callbacks, even where nothing is fuzzed.
use libfuzzer_sys as _;
use std::fs;
use std::path::Path;

use synod_trust::approval::PAYLOAD_TYPE;
use synod_trust::key::{KeySpec, to_cose};
use synod_trust::sshsig::{self, NAMESPACE_APPROVAL};
use synod_trust::testing::{self, ClientData, Signer};

fn main() -> std::io::Result<()> {
    let folder = std::env::args().nth(1).unwrap_or_else(|| "corpus".into());
    let put = |target: &str, name: &str, bytes: &[u8]| {
        let folder = Path::new(&folder).join(target);
        fs::create_dir_all(&folder)?;
        fs::write(folder.join(name), bytes)
    };
    let manifest = testing::manifest();
    for (name, _) in testing::people() {
        let envelope = testing::yes(name, &manifest);
        put("judge", &format!("approval-{name}"), &envelope.to_bytes())?;
        put("judge", &format!("signature-{name}"), &envelope.open(PAYLOAD_TYPE).expect("an envelope").signatures[0].1)?;
    }
    let (ann, bob) = (testing::signer("ann"), testing::signer("bob"));
    put("judge", "root", &testing::signed_root(&testing::root_json(), &[&ann, &bob]).to_bytes())?;
    put("judge", "root-payload", testing::root(&testing::root_json()).payload())?;
    put("judge", "manifest", &manifest.seal().expect("a manifest").0)?;
    let (bundle, ..) = testing::bundle();
    put("judge", "bundle", &serde_json::to_vec(&bundle).expect("JSON"))?;
    put("judge", "result", &bundle.results[0].envelope.to_bytes())?;
    for (name, signer) in [("a", Signer::ed25519("a")), ("b", Signer::p256("b")), ("c", Signer::sk_ed25519("c")), ("d", Signer::sk_p256("d"))] {
        let blob = signer.ssh_blob(NAMESPACE_APPROVAL, b"message");
        put("sshsig", &format!("blob-{name}"), &blob)?;
        put("sshsig", &format!("armor-{name}"), sshsig::to_armor(&blob).as_bytes())?;
        if let KeySpec::Ssh(line) = signer.spec() {
            put("sshsig", &format!("line-{name}"), line.as_bytes())?;
        }
    }
    for (name, signer) in [("p", Signer::passkey_p256("p")), ("q", Signer::passkey_ed25519("q"))] {
        let client = ClientData::new(b"message");
        put("webauthn", &format!("assertion-{name}"), &signer.assertion(&client).to_bytes())?;
        put("webauthn", &format!("cose-{name}"), &to_cose(&signer.public()))?;
        put("webauthn", "client", client.json.to_string().as_bytes())?;
    }
    put("note", "checkpoint", bundle.checkpoint.as_bytes())?;
    put("note", "key", testing::log_key().verifier().to_string().as_bytes())?;
    put("note", "tile", b"tile/1/x001/234.p/56")?;
    put("note", "proof", &[&6u64.to_le_bytes()[..], &19u64.to_le_bytes(), &[7; 200]].concat())
}
