//! The demo users' own keys, and the trust root that says whose signatures its agents believe.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use ssh_key::private::Ed25519Keypair;
use ssh_key::{LineEnding, PrivateKey};
use synod_domain::Timestamp;
use synod_domain::access::Role;
use synod_trust::key::Purpose;
use synod_trust::{Envelope, Key, Root};

use super::super::trust::{A_YEAR, draft};
use crate::exit::{Exit, Fault, Result};
use crate::signer::{Places, Signer};

/// Those with a key; any two of them sign trust roots.
pub const HOLDERS: [&str; 3] = ["alice", "bob", "carol"];

/// Where the keys are.
pub fn folder(dir: &Path) -> PathBuf {
    dir.join("keys")
}

/// Somebody's private key.
pub fn file(dir: &Path, name: &str) -> PathBuf {
    folder(dir).join(name)
}

fn public_file(dir: &Path, name: &str) -> PathBuf {
    folder(dir).join(format!("{name}.pub"))
}

fn root_file(dir: &Path) -> PathBuf {
    dir.join("root-1.json")
}

/// Makes a key for each of those who have one, as `ssh-keygen -t ed25519` would.
pub fn make(dir: &Path) -> Result<()> {
    let folder = folder(dir);
    std::fs::create_dir_all(&folder).map_err(|e| Fault::file("make", &folder, &e))?;
    for name in HOLDERS {
        let failed = |e: ssh_key::Error| Fault::new(Exit::Internal, format!("cannot make a key for {name}: {e}"));
        let mut private = PrivateKey::from(Ed25519Keypair::from_seed(&seed()?));
        private.set_comment(format!("{name}@demo"));
        let text = private.to_openssh(LineEnding::LF).map_err(failed)?;
        let path = file(dir, name);
        synod_server::keys::write_private(&path, text.as_bytes()).map_err(|e| Fault::file("write", &path, &e))?;
        let line = private.public_key().to_openssh().map_err(failed)?;
        let path = public_file(dir, name);
        std::fs::write(&path, format!("{line}\n")).map_err(|e| Fault::file("write", &path, &e))?;
    }
    Ok(())
}

fn seed() -> Result<[u8; 32]> {
    let source = Path::new("/dev/urandom");
    let mut seed = [0; 32];
    std::fs::File::open(source).and_then(|mut file| file.read_exact(&mut seed)).map_err(|e| Fault::file("read", source, &e))?;
    Ok(seed)
}

/// The first trust root of the demo: the people as its roles and groups have them, two for what customers notice and one
/// for the rest, and carol alone once a day when nobody answers.
fn root(dir: &Path, now: Timestamp) -> Result<Root> {
    let people = HOLDERS.iter().map(|name| Ok(((*name).to_owned(), draft::keys(&[public_file(dir, name).display().to_string()])?)));
    let rules = ["restarts:shop/restart-service:*:2:approver", "shop:shop/*:*:1:approver"];
    let first = draft::First {
        threshold: 2,
        people: people.collect::<Result<_>>()?,
        groups: vec!["oncall=alice,carol".parse().map_err(Fault::usage)?],
        rules: rules.into_iter().map(|text| draft::rule(text).map_err(Fault::usage)).collect::<Result<_>>()?,
        break_glass: vec![draft::break_glass("night:carol:shop/restart-service:*:1:3").map_err(Fault::usage)?],
        ..draft::First::default()
    };
    let mut doc = first.document(now, A_YEAR)?;
    for person in doc.principals.iter_mut().filter(|person| person.name == "alice") {
        person.roles = vec![Role::Administrator, Role::Owner];
    }
    draft::sound(doc)
}

/// Drafts the trust root, has alice and bob sign it, and keeps it in the folder.
pub async fn sign_root(dir: &Path, now: Timestamp) -> Result<Envelope> {
    let mut envelope = draft::unsigned(&root(dir, now)?);
    for name in &HOLDERS[..2] {
        envelope = signer(dir, name).await?.sign(Purpose::Root, envelope).await?;
    }
    let path = root_file(dir);
    std::fs::write(&path, format!("{}\n", crate::output::json(&envelope)?)).map_err(|e| Fault::file("write", &path, &e))?;
    Ok(envelope)
}

/// The digest of that trust root, when there is one.
pub fn pinned(dir: &Path) -> Result<Option<String>> {
    let path = root_file(dir);
    if path.is_file() { Ok(Some(draft::read_envelope(&path)?.1.digest().to_owned())) } else { Ok(None) }
}

/// Signs with somebody's key.
pub async fn signer(dir: &Path, name: &str) -> Result<Signer> {
    let public = crate::documents::read_file(&public_file(dir, name))?;
    let key = Key::from_openssh(public.trim()).map_err(Fault::usage)?;
    let places = Places { file: Some(file(dir, name)), ..Places::default() };
    Signer::find(&places, &[key], name).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;
    use synod_trust::Chain;

    #[tokio::test]
    async fn the_root_is_signed_by_two_and_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path();
        assert_eq!(pinned(dir).unwrap(), None);
        make(dir).unwrap();
        for name in HOLDERS {
            assert_eq!(std::fs::metadata(file(dir, name)).unwrap().permissions().mode() & 0o777, 0o600);
        }
        let signed = sign_root(dir, Timestamp(1_767_225_600_000)).await.unwrap();
        let digest = pinned(dir).unwrap().unwrap();
        let chain = Chain::first(&signed, &digest).unwrap();
        let root = chain.newest();
        assert_eq!((root.doc().threshold, root.holders().len(), signed.signatures.len()), (2, 3, 2));
        let rules = |template: &'static str| root.covering("shop", template, "web-1").map(|rule| rule.name.as_str()).collect::<Vec<_>>();
        assert_eq!((rules("restart-service"), rules("show-uptime")), (vec!["restarts", "shop"], vec!["shop"]));
        let mut short = signed;
        short.signatures.truncate(1);
        assert!(Chain::first(&short, &digest).is_err(), "one signature is too few");
    }

    /// What the trust root says about people is what the demo's documents say.
    #[test]
    fn people_are_the_same_on_the_server_and_in_the_root() {
        let folder = tempfile::tempdir().unwrap();
        make(folder.path()).unwrap();
        let root = root(folder.path(), Timestamp(1_767_225_600_000)).unwrap();
        let shop = include_str!("../../../../../examples/demo/shop.yaml");
        let documents = crate::positions::parse_yaml("shop.yaml", shop).unwrap();
        let group = documents.iter().find(|parsed| parsed.value["kind"] == "Group").unwrap();
        let mut members: Vec<&str> = group.value["spec"]["members"].as_array().unwrap().iter().filter_map(|name| name.as_str()).collect();
        members.sort_unstable();
        let mut on_call: Vec<&str> = root.doc().principals.iter().filter(|person| person.groups == ["oncall"]).map(|person| person.name.as_str()).collect();
        on_call.sort_unstable();
        assert_eq!(on_call, members);
    }
}
