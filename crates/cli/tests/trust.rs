//! Trust without a server: drafting and signing a root, judging evidence that was saved, with the documented exit codes.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use synod_trust::testing::{self, Signer};
use synod_trust::{Chain, Envelope, KeySpec, Root};

fn synod(home: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_synod"))
        .args(args)
        .env_clear()
        .env("SYNOD_CONFIG_HOME", home)
        .env("HOME", home)
        .current_dir(home)
        .output()
        .unwrap()
}

fn texts(output: &Output) -> (i32, String, String) {
    (
        output.status.code().unwrap_or(-1),
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

/// Key files of a person, as ssh-keygen leaves them.
fn person(home: &Path, name: &str) {
    let signer = Signer::ed25519(name);
    let KeySpec::Ssh(line) = signer.spec() else { panic!("an SSH key") };
    std::fs::write(home.join(name), signer.private().to_openssh(ssh_key::LineEnding::LF).unwrap().as_bytes()).unwrap();
    std::fs::write(home.join(format!("{name}.pub")), format!("{line}\n")).unwrap();
}

fn envelope(file: &Path) -> Envelope {
    serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()
}

#[test]
fn a_root_is_drafted_signed_and_followed_without_a_server() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    for name in ["ann", "bob", "carol", "zoe"] {
        person(home, name);
    }
    let init = ["trust", "init", "--root-threshold", "2", "--principal", "ann=~/ann.pub", "--principal", "bob=bob.pub", "--principal", "carol=carol.pub"];
    let (code, out, err) = texts(&synod(home, &init));
    assert_eq!(code, 0, "{err}");
    assert!(
        out.contains("2 of 3 holders must sign a root") && out.contains("everything: */* on *") && err.contains("synod trust sign root-1.json"),
        "{out}{err}"
    );
    let (code, _, err) = texts(&synod(home, &init));
    assert!(code == 2 && err.contains("is there already"), "{err}");

    for (args, wanted, words) in [
        (&["trust", "sign", "root-1.json", "--key", "zoe"][..], 4, "no key of a holder in the trust root"),
        (&["trust", "sign", "root-1.json"], 4, "--key FILE"),
        (&["trust", "sign", "root-1.json", "--key", "ann"], 0, "ann has signed version 1; 1 of 2"),
        (&["trust", "sign", "root-1.json", "--key", "ann"], 6, "one person counts once"),
        (&["trust", "sign", "root-1.json", "--key", "bob"], 0, "2 of 2 signatures\nnext: synod trust publish root-1.json"),
        (&["trust", "show", "root-1.json"], 0, "✓ bob with SHA256:"),
        (&["trust", "doctor", "root-1.json"], 0, "no server is signed in to"),
        (&["trust", "sign", "ann.pub"], 2, "not a draft of a trust root"),
    ] {
        let (code, out, err) = texts(&synod(home, args));
        assert!(code == wanted && format!("{out}{err}").contains(words), "{args:?}: {code}\n{out}{err}");
    }
    let signed = envelope(&home.join("root-1.json"));
    let root = Root::read(&signed.open(synod_trust::root::PAYLOAD_TYPE).unwrap().payload).unwrap();
    let mut chain = Chain::first(&signed, root.digest()).unwrap();

    // The next one, without a server too: what `show` writes goes back in, and one key is revoked.
    let (_, yaml, _) = texts(&synod(home, &["trust", "show", "root-1.json", "-o", "yaml"]));
    std::fs::write(home.join("root.yaml"), yaml.replace("threshold: 2", "threshold: 1")).unwrap();
    let (code, out, err) = texts(&synod(home, &["trust", "propose", "-f", "root.yaml", "--base", "root-1.json"]));
    assert!(code == 0 && out.contains("holders who must sign a root: 2 → 1"), "{out}{err}");
    let lost = testing::Signer::ed25519("carol").key().id().clone();
    let revoke = ["trust", "revoke", &lost.0, "--reason", "stolen", "--base", "root-1.json", "--out", "next.json"];
    let (code, out, err) = texts(&synod(home, &revoke));
    assert!(code == 0 && out.contains("carol is removed") && out.contains("stolen"), "{out}{err}");
    for name in ["ann", "bob"] {
        let (code, out, err) = texts(&synod(home, &["trust", "sign", "next.json", "--key", name, "--against", "root-1.json", "-o", "json"]));
        assert_eq!(code, 0, "{err}");
        assert_eq!(serde_json::from_str::<Value>(&out).unwrap()["person"], name);
    }
    assert_eq!(chain.accept_next(&envelope(&home.join("next.json"))), Ok(true));
    assert!(chain.newest().revoked(&lost).is_some());
}

#[test]
fn evidence_is_judged_without_a_server() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    let (bundle, pinned, key, _) = testing::bundle();
    let (run, key) = (bundle.run.clone(), key.to_string());
    std::fs::write(home.join("b.json"), serde_json::to_vec_pretty(&bundle).unwrap()).unwrap();
    let verify = ["verify", "run", &run[..4], "--offline", "b.json"];
    let (code, _, err) = texts(&synod(home, &verify));
    assert!(code == 2 && err.contains("--trust-root sha256:…"), "{code}: {err}");
    let (code, _, err) = texts(&synod(home, &[&verify[..], &["--trust-root", &pinned]].concat()));
    assert!(code == 2 && err.contains("--log-key KEY"), "{code}: {err}");
    let pins = ["--trust-root", &pinned, "--log-key", &key];
    let (code, out, err) = texts(&synod(home, &[&verify[..], &pins].concat()));
    assert!(
        code == 0
            && out.contains("everything that can be shown holds")
            && out.contains("What this does not show:")
            && out.contains("✓ agreement by shop")
            && !out.contains('✗'),
        "{code}: {out}{err}"
    );
    let (code, out, _) = texts(&synod(home, &[&verify[..], &pins, &["-o", "json"]].concat()));
    assert_eq!((code, &serde_json::from_str::<Value>(&out).unwrap()["ok"]), (0, &Value::Bool(true)));
    let (code, _, err) = texts(&synod(home, &[&["verify", "run", "other", "--offline", "b.json"][..], &pins].concat()));
    assert!(code == 2 && err.contains("is about run"), "{err}");

    let mut bent = bundle;
    bent.approvals.truncate(1);
    std::fs::write(home.join("b.json"), serde_json::to_vec(&bent).unwrap()).unwrap();
    let (code, out, _) = texts(&synod(home, &[&verify[..], &pins].concat()));
    assert!(code == 1 && out.contains("✗ agreement by shop") && out.contains("checks failed"), "{code}: {out}");
    let other = format!("sha256:{}", "0".repeat(64));
    let (code, out, _) = texts(&synod(home, &[&verify[..], &["--trust-root", &other, "--log-key", &key]].concat()));
    assert!(code == 1 && out.contains("✗ trust root"), "{code}: {out}");

    // A folder with a log, and none.
    let (code, _, err) = texts(&synod(home, &["audit", "verify", "--offline", "log"]));
    assert!(code == 2 && err.contains("--log-key KEY"), "{err}");
    let (code, _, err) = texts(&synod(home, &["audit", "verify", "--offline", "log", "--log-key", &key]));
    assert!(code == 2 && err.contains("audit export"), "{err}");
}
