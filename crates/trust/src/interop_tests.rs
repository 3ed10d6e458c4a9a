//! The same signatures, made and checked by stock ssh-keygen. Needs it on PATH (package openssh-client).

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::key::{Key, KeySpec, Purpose};
use crate::sshsig::{self, NAMESPACE_APPROVAL, NAMESPACE_ROOT};
use crate::testing::{self, Signer};

fn ssh_keygen(args: &[&str], input: &[u8]) -> (bool, String) {
    let spawned = Command::new("ssh-keygen").args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = spawned.unwrap_or_else(|e| panic!("ssh-keygen cannot be run ({e}); install it, such as by `apt-get install openssh-client`"));
    // It may end without having read everything, which is no failure of ours.
    let _ = child.stdin.take().expect("piped").write_all(input);
    let output = child.wait_with_output().expect("ssh-keygen ends");
    (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

fn text(path: &Path) -> String {
    path.to_str().expect("a plain path").to_owned()
}

/// Makes a key pair with ssh-keygen.
fn generate(folder: &Path, kind: &str) -> (String, Key) {
    let (path, line) = generate_line(folder, kind);
    (path, Key::from_openssh(&line).unwrap())
}

fn generate_line(folder: &Path, kind: &str) -> (String, String) {
    let path = text(&folder.join(kind));
    let (ok, words) = ssh_keygen(&["-q", "-t", kind, "-N", "", "-C", "ann@example.com", "-f", &path], b"");
    assert!(ok, "{words}");
    let line = std::fs::read_to_string(format!("{path}.pub")).unwrap();
    (path, line.trim_end().to_owned())
}

#[test]
fn other_kinds_are_refused_with_what_would_do() {
    let folder = tempfile::tempdir().unwrap();
    let (_, line) = generate_line(folder.path(), "rsa");
    let error = Key::from_openssh(&line).unwrap_err();
    assert!(error.contains("keys of type ssh-rsa are not taken") && error.contains("use ssh-ed25519"), "{error}");
    let path = text(&folder.path().join("p384"));
    let (ok, words) = ssh_keygen(&["-q", "-t", "ecdsa", "-b", "384", "-N", "", "-f", &path], b"");
    assert!(ok, "{words}");
    let line = std::fs::read_to_string(format!("{path}.pub")).unwrap();
    assert!(Key::from_openssh(line.trim_end()).unwrap_err().contains("nistp384 are not taken"));
}

/// Whether ssh-keygen accepts a blob as a key's signature.
fn accepts(folder: &Path, line: &str, namespace: &str, message: &[u8], blob: &[u8]) -> (bool, String) {
    let (allowed, signature) = (folder.join("allowed"), folder.join("signature"));
    std::fs::write(&allowed, format!("ann {line}\n")).unwrap();
    std::fs::write(&signature, sshsig::to_armor(blob)).unwrap();
    ssh_keygen(&["-Y", "verify", "-f", &text(&allowed), "-I", "ann", "-n", namespace, "-s", &text(&signature)], message)
}

#[test]
fn what_ssh_keygen_signs_verifies_here() {
    let folder = tempfile::tempdir().unwrap();
    for kind in ["ed25519", "ecdsa"] {
        let (path, key) = generate(folder.path(), kind);
        let (ok, words) = ssh_keygen(&["-lf", &format!("{path}.pub")], b"");
        assert!(ok && words.contains(&key.id().0), "{words} {}", key.id());
        let envelope = testing::yes("ann", &testing::manifest());
        let pae = envelope.open(crate::approval::PAYLOAD_TYPE).unwrap().pae;
        let message = folder.path().join("message");
        std::fs::write(&message, &pae).unwrap();
        let (ok, words) = ssh_keygen(&["-q", "-Y", "sign", "-f", &path, "-n", NAMESPACE_APPROVAL, &text(&message)], b"");
        assert!(ok, "{words}");
        let armored = std::fs::read_to_string(folder.path().join("message.sig")).unwrap();
        std::fs::remove_file(folder.path().join("message.sig")).unwrap();
        let blob = sshsig::read_text(&armored).unwrap();
        assert_eq!(key.verify(Purpose::Approval, None, &pae, &blob), Ok(()));
        assert!(key.verify(Purpose::Root, None, &pae, &blob).is_err());
        assert_eq!(sshsig::to_armor(&blob), armored, "the same armor, line for line");
    }
}

#[test]
fn what_is_signed_here_ssh_keygen_accepts() {
    let folder = tempfile::tempdir().unwrap();
    for kind in ["ed25519", "ecdsa"] {
        let (path, key) = generate(folder.path(), kind);
        let private = ssh_key::PrivateKey::from_openssh(std::fs::read(&path).unwrap()).unwrap();
        let blob = sshsig::sign(&private, NAMESPACE_ROOT, b"message").unwrap();
        assert_eq!(sshsig::verify(&key, NAMESPACE_ROOT, b"message", &blob), Ok(()));
        let line = std::fs::read_to_string(format!("{path}.pub")).unwrap();
        let (ok, words) = accepts(folder.path(), line.trim_end(), NAMESPACE_ROOT, b"message", &blob);
        assert!(ok, "{words}");
        assert!(!accepts(folder.path(), line.trim_end(), NAMESPACE_APPROVAL, b"message", &blob).0);
        assert!(!accepts(folder.path(), line.trim_end(), NAMESPACE_ROOT, b"massage", &blob).0);
    }
}

#[test]
fn security_keys_are_understood_the_same_way() {
    let folder = tempfile::tempdir().unwrap();
    for signer in [Signer::ed25519("a"), Signer::p256("b"), Signer::sk_ed25519("c"), Signer::sk_p256("d")] {
        let KeySpec::Ssh(line) = signer.spec() else { panic!("an SSH key") };
        let (ok, words) = accepts(folder.path(), &line, NAMESPACE_APPROVAL, b"message", &signer.ssh_blob(NAMESPACE_APPROVAL, b"message"));
        assert!(ok, "{line}: {words}");
        let mut file = folder.path().join("key");
        file.set_extension("pub");
        std::fs::write(&file, &line).unwrap();
        let (_, words) = ssh_keygen(&["-lf", &text(&file)], b"");
        assert!(words.contains(&signer.key().id().0), "{words}");
    }
}
