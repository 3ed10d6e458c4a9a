//! A server with a certificate of the house's own: people go by that, machines by Synod's authority all the same.

use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, KeyUsagePurpose};
use serde_json::Value;
use synod_e2e::cli::Shell;
use synod_e2e::process::{Process, free_port, shown};
use synod_e2e::*;
use synod_protocol::tls::fingerprint;

/// The exit code for a wrong command line, or a wrong file it names.
const USAGE: i32 = 2;
/// The exit code for whoever is not trusted, or not allowed.
const DENIED: i32 = 4;

const SHOP: &str = r#"
apiVersion: synod/v1
kind: Namespace
metadata: { name: shop }
spec: { title: The shop }
---
apiVersion: synod/v1
kind: Template
metadata: { namespace: shop, name: hello }
spec:
  title: Say hello
  targets: { selector: "role=web" }
  approval: { rules: [] }
  steps: [{ name: hello, run: "echo hello from the node" }]
"#;

/// A certificate with its key in files, and the fingerprints of what it is made of.
struct Given {
    certificate: PathBuf,
    key: PathBuf,
    leaf: String,
    authority: String,
    authority_pem: String,
}

/// Which certificates go into the file beside the server's own.
#[derive(Clone, Copy, PartialEq)]
enum Chain {
    /// The house's authority after it.
    Whole,
    /// Nothing: whoever trusts the authority has it already.
    LeafAlone,
    /// Nothing: the certificate signed itself, and says it is an authority, as `openssl req -x509` makes them.
    SelfSigned,
}

fn given(dir: &Path, name: &str, chain: Chain) -> Given {
    let key = KeyPair::generate().unwrap();
    let names = || CertificateParams::new(vec!["127.0.0.1".to_owned(), "localhost".to_owned()]).unwrap();
    let (leaf, authority) = if chain == Chain::SelfSigned {
        let mut params = names();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let leaf = params.self_signed(&key).unwrap();
        (leaf.clone(), leaf.der().to_vec())
    } else {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let house = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        (names().signed_by(&key, &*house).unwrap(), house.der().to_vec())
    };
    let authority_pem = pem(&authority);
    let text = if chain == Chain::Whole { leaf.pem() + &authority_pem } else { leaf.pem() };
    let (certificate, key_file) = (dir.join(format!("{name}.crt")), dir.join(format!("{name}.key")));
    std::fs::write(&certificate, text).unwrap();
    std::fs::write(&key_file, key.serialize_pem()).unwrap();
    Given { certificate, key: key_file, leaf: fingerprint(leaf.der()), authority: fingerprint(&authority), authority_pem }
}

fn pem(der: &[u8]) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let lines: Vec<&str> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}

/// A server with these certificates and more in its configuration.
fn server(dir: &Path, port: u16, more: &str) -> Process {
    let text = format!(
        "listen = \"127.0.0.1:{port}\"\nurl = \"https://127.0.0.1:{port}\"\nstate_dir = {:?}\n{more}\n[security]\nstep_up = \"enrolled\"\n",
        dir.join("server")
    );
    let config = dir.join("server.toml");
    std::fs::write(&config, text).unwrap();
    Process::new(dir, "server", &["server", "--config", &config.display().to_string()])
}

fn both(given: &Given) -> String {
    format!("certificate_file = {:?}\nkey_file = {:?}\n", given.certificate, given.key)
}

fn agent(dir: &Path, name: &str, url: &str, token: &str, fingerprint: &str) -> Process {
    let state = dir.join("agents").join(name).display().to_string();
    std::fs::create_dir_all(dir.join("agents")).unwrap();
    Process::new(dir, name, &["agent", "--server", url, "--name", name, "--state-dir", &state, "--join-token", token, "--ca-fingerprint", fingerprint])
}

/// Waits until so many machines are connected.
async fn connected(alice: &Shell, count: usize) {
    until(&format!("{count} machines connected"), async || {
        let nodes = alice.json("get nodes").await;
        let here = nodes["items"].as_array().unwrap().iter().filter(|node| node["connected"] == true).count();
        (here == count).then_some(())
    })
    .await;
}

#[tokio::test]
async fn machines_join_and_people_sign_in_where_a_certificate_is_given() {
    let dir = tempfile::tempdir().unwrap();
    let (dir, port) = (dir.path(), free_port());
    let url = format!("https://127.0.0.1:{port}");
    let house = given(dir, "house", Chain::Whole);
    let mut running = server(dir, port, &both(&house));
    running.start();
    assert_eq!(shown(&mut running, port).await, house.authority, "people are shown the given chain");

    let alice = Shell::new(dir, "alice");
    let token_file = dir.join("server/bootstrap.token").display().to_string();
    alice.with_password(&["bootstrap", &url, "--user", "alice", "--token-file", &token_file]).await.ok();
    let login = ["login", &url, "--user", "alice"];
    let at_first_sight = alice.with_password(&login).await.ok();
    assert!(at_first_sight.err.contains(&house.authority), "{}", at_first_sight.err);
    // Whoever was told a fingerprint may have been told that of the certificate or that of its authority; and the authority may be a file.
    let ca_file = dir.join("house-ca.pem");
    std::fs::write(&ca_file, &house.authority_pem).unwrap();
    let ca_file = ca_file.display().to_string();
    for (n, trust) in [["--ca-fingerprint", &house.authority], ["--ca-fingerprint", &house.leaf], ["--ca-file", &ca_file]].iter().enumerate() {
        let other = Shell::new(dir, &format!("alice-{n}"));
        other.with_password(&[&login[..], trust].concat()).await.ok();
        assert!(other.ok("whoami").await.contains("alice"));
    }

    // Machines are told of Synod's own authority, which people never see here.
    let made = alice.json("token create-join --labels role=web --uses 3").await;
    let (token, own) = (made["token"].as_str().unwrap(), made["caFingerprint"].as_str().unwrap());
    assert!(own != house.authority && own != house.leaf);
    Shell::new(dir, "mallory")
        .with_password(&[&login[..], &["--ca-fingerprint", own]].concat())
        .await
        .ends(DENIED)
        .says(&[own, &house.authority]);
    let mut first = agent(dir, "web-1", &url, token, own);
    first.start();
    connected(&alice, 1).await;
    let mut misled = agent(dir, "web-2", &url, token, &house.authority);
    misled.start();
    assert!(!misled.ended().await.success());
    assert!(misled.last_words().contains("synod token create-join"), "{}", misled.last_words());

    std::fs::write(alice.home().join("shop.yaml"), SHOP).unwrap();
    alice.ok("apply -f shop.yaml").await;
    let run = alice.json("run shop/hello --wait").await;
    assert_eq!(run["phase"], "succeeded", "{run}");
    assert!(alice.ok(&format!("logs {}", run["id"].as_str().unwrap())).await.contains("hello from the node"));

    // The house changes its certificate: people are told, machines do not care, neither those that joined nor those that come.
    for (name, chain) in [("alone", Chain::LeafAlone), ("self-signed", Chain::SelfSigned)] {
        running.kill().await;
        let next = given(dir, name, chain);
        running = server(dir, port, &both(&next));
        running.start();
        assert_eq!(shown(&mut running, port).await, next.leaf);
        alice.synod("whoami").await.ends(DENIED).says(&[&next.leaf, &house.authority, "Nothing was sent"]);
        let newcomer = Shell::new(dir, &format!("alice-{name}"));
        newcomer.with_password(&login).await.ok().says(&[&next.leaf]);
        assert!(newcomer.ok("whoami").await.contains("alice"), "the certificate itself is pinned");
        connected(&newcomer, 1).await;
        let mut more = agent(dir, &format!("web-{name}"), &url, token, own);
        more.start();
        connected(&newcomer, 2).await;
        newcomer.ok(&format!("delete node web-{name}")).await;
        let run: Value = newcomer.json("run shop/hello --wait").await;
        assert_eq!(run["phase"], "succeeded", "{run}");
    }
}

#[tokio::test]
async fn a_pinned_certificate_must_be_in_force_and_for_this_name() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    for (name, words, change) in [
        ("elsewhere", "not valid for name", (|params| params.subject_alt_names.clear()) as fn(&mut CertificateParams)),
        ("over", "expired", |params| params.not_after = rcgen::date_time_ymd(2020, 1, 1)),
        ("early", "not valid yet", |params| params.not_before = rcgen::date_time_ymd(4000, 1, 1)),
    ] {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        change(&mut params);
        let leaf = params.self_signed(&key).unwrap();
        let (certificate, key_file, port) = (dir.join(format!("{name}.crt")), dir.join(format!("{name}.key")), free_port());
        std::fs::write(&certificate, leaf.pem()).unwrap();
        std::fs::write(&key_file, key.serialize_pem()).unwrap();
        let mut running = server(dir, port, &format!("certificate_file = {certificate:?}\nkey_file = {key_file:?}\n"));
        running.start();
        let pin = shown(&mut running, port).await;
        let url = format!("https://127.0.0.1:{port}");
        let said = Shell::new(dir, name).with_password(&["login", &url, "--user", "alice", "--ca-fingerprint", &pin]).await;
        assert!(said.code != 0 && said.err.contains(words), "{name}: {said:?}");
        assert!(!said.err.contains("another certificate authority"), "it shows what is pinned: {said:?}");
        running.kill().await;
    }
}

#[tokio::test]
async fn half_a_certificate_ends_the_server() {
    let dir = tempfile::tempdir().unwrap();
    let house = given(dir.path(), "house", Chain::Whole);
    for more in [format!("certificate_file = {:?}", house.certificate), format!("key_file = {:?}", house.key)] {
        let mut server = server(dir.path(), free_port(), &more);
        server.start();
        assert_eq!(server.ended().await.code(), Some(USAGE), "{}", server.last_words());
        assert!(server.last_words().contains("`certificate_file` and `key_file` belong together"), "{}", server.last_words());
    }
    let missing = dir.path().join("nowhere.crt");
    let mut server = server(dir.path(), free_port(), &format!("certificate_file = {missing:?}\nkey_file = {:?}", house.key));
    server.start();
    assert_eq!(server.ended().await.code(), Some(USAGE), "{}", server.last_words());
    assert!(server.last_words().contains("nowhere.crt"), "{}", server.last_words());
}
