//! Who signs with what: finds a key at hand among those the trust root lists, and signs envelopes with it.

use std::path::{Path, PathBuf};

use ssh_key::PrivateKey;
use synod_trust::key::{Form, Purpose};
use synod_trust::sshsig::{self, Hash};
use synod_trust::{Envelope, Key, approval, root};

use crate::exit::{Exit, Fault, Result};
use crate::prompt;
use crate::ssh_agent::Agent;

/// Names of key files in `~/.ssh` that are looked at, in order.
const FILES: [&str; 2] = ["id_ed25519", "id_ecdsa"];

/// Where keys may be.
#[derive(Debug, Clone, Default)]
pub struct Places {
    /// A file that was named: a private key, or a public one whose private key is in the agent.
    pub file: Option<PathBuf>,
    /// The socket of an ssh-agent.
    pub agent: Option<PathBuf>,
    /// The person's home folder.
    pub home: Option<PathBuf>,
}

impl Places {
    /// As the environment says.
    pub fn of_user(file: Option<PathBuf>) -> Self {
        let var = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        Self { file, agent: var("SSH_AUTH_SOCK"), home: var("HOME") }
    }
}

/// A key at hand.
#[derive(Debug)]
pub struct Signer {
    key: Key,
    hand: Hand,
}

#[derive(Debug)]
enum Hand {
    /// Decrypted.
    File(PathBuf, Box<PrivateKey>),
    Agent(Agent),
}

impl Signer {
    /// The first of `wanted` that is at hand: in the file that was named, else in the agent, else in the usual files.
    /// `whose` says whose keys they are, for messages.
    pub async fn find(places: &Places, wanted: &[Key], whose: &str) -> Result<Self> {
        let wanted: Vec<&Key> = wanted.iter().filter(|key| !key.is_passkey()).collect();
        if wanted.is_empty() {
            return Err(Fault::new(Exit::Denied, format!("the trust root lists no SSH key of {whose}"))
                .help("passkeys sign in the browser; to sign here, have an SSH key added: `synod trust propose --add-key NAME=FILE`"));
        }
        if let Some(file) = &places.file {
            return Self::of_file(file, places, &wanted, whose).await;
        }
        let mut looked = Vec::new();
        if let Some(socket) = &places.agent {
            let agent = Agent::at(socket);
            match agent.identities().await {
                Ok(there) => {
                    if let Some(key) = wanted.iter().find(|key| there.iter().any(|one| Some(&one.blob) == blob(key))) {
                        return Ok(Self { key: (*key).clone(), hand: Hand::Agent(agent) });
                    }
                    looked.push(format!("the ssh-agent ({} keys)", there.len()));
                }
                // An agent that is gone is no reason not to look at files.
                Err(why) => looked.push(why),
            }
        }
        for file in FILES.iter().filter_map(|name| Some(places.home.as_ref()?.join(".ssh").join(name))).filter(|file| file.is_file()) {
            let private = read(&file)?;
            let line = private.public_key().to_openssh().unwrap_or_default();
            match Key::from_openssh(&line).ok().filter(|key| wanted.iter().any(|one| one.id() == key.id())) {
                Some(key) => return Ok(Self { key, hand: Hand::File(file.clone(), Box::new(unlocked(private, &file)?)) }),
                None => looked.push(file.display().to_string()),
            }
        }
        let ids: Vec<&str> = wanted.iter().map(|key| key.id().0.as_str()).collect();
        let looked = if looked.is_empty() { "nothing was found to look at".to_owned() } else { format!("looked at {}", looked.join(", ")) };
        Err(Fault::new(Exit::Denied, format!("no key of {whose} is at hand: the trust root lists {}; {looked}", ids.join(", ")))
            .help("name it with --key FILE, or add it to an ssh-agent: `ssh-add FILE`"))
    }

    async fn of_file(file: &Path, places: &Places, wanted: &[&Key], whose: &str) -> Result<Self> {
        let text = crate::documents::read_file(file)?;
        let (line, private) = match Key::from_openssh(text.trim()) {
            Ok(_) => (text.trim().to_owned(), None),
            Err(_) => {
                let private = read(file)?;
                (private.public_key().to_openssh().unwrap_or_default(), Some(private))
            }
        };
        let key = Key::from_openssh(&line).map_err(|why| Fault::usage(format!("{}: {why}", file.display())))?;
        if !wanted.iter().any(|one| one.id() == key.id()) {
            let ids: Vec<&str> = wanted.iter().map(|key| key.id().0.as_str()).collect();
            return Err(Fault::new(Exit::Denied, format!("{} holds {}, which is no key of {whose} in the trust root", file.display(), key.id()))
                .help(format!("it lists {}", ids.join(", "))));
        }
        // The file of a security key holds no secret that could sign: the key itself must, through an agent.
        let touch = matches!(key.form(), Form::Ssh { application: Some(_), .. });
        match private.filter(|_| !touch) {
            Some(private) => Ok(Self { key, hand: Hand::File(file.to_owned(), Box::new(unlocked(private, file)?)) }),
            None => {
                let what = if touch { "a security key signs through an ssh-agent" } else { "it is a public key, whose private key must be in an ssh-agent" };
                let add = format!("add it: `ssh-add {}`", file.with_extension("").display());
                let socket = places
                    .agent
                    .as_ref()
                    .ok_or_else(|| Fault::new(Exit::Denied, format!("{}: {what}, and none is running (SSH_AUTH_SOCK)", file.display())).help(add.clone()))?;
                let agent = Agent::at(socket);
                let there = agent.identities().await.map_err(|why| Fault::new(Exit::Denied, why).help(add.clone()))?;
                if !there.iter().any(|one| Some(&one.blob) == blob(&key)) {
                    return Err(Fault::new(Exit::Denied, format!("{}: {what}, which does not have {}", file.display(), key.id())).help(add));
                }
                Ok(Self { key, hand: Hand::Agent(agent) })
            }
        }
    }

    /// The key.
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// The key and where it is, in words.
    pub fn words(&self) -> String {
        match &self.hand {
            Hand::File(file, _) => format!("{} from {}", self.key.id(), file.display()),
            Hand::Agent(_) => format!("{} in the ssh-agent", self.key.id()),
        }
    }

    /// Adds a signature to an envelope, and checks it as whoever judges it will.
    pub async fn sign(&self, purpose: Purpose, envelope: Envelope) -> Result<Envelope> {
        let kind = match purpose {
            Purpose::Approval => approval::PAYLOAD_TYPE,
            Purpose::Root => root::PAYLOAD_TYPE,
        };
        let failed = |why: String| Fault::new(Exit::Internal, format!("{} did not sign: {why}", self.words()));
        let pae = envelope.open(kind).map_err(|e| failed(e.to_string()))?.pae;
        let namespace = purpose.namespace();
        let signature = match &self.hand {
            Hand::File(_, private) => sshsig::sign(private, namespace, &pae).map_err(failed)?,
            Hand::Agent(agent) => {
                if matches!(self.key.form(), Form::Ssh { application: Some(_), .. }) {
                    crate::output::note("touch the security key");
                }
                let public = blob(&self.key).ok_or_else(|| failed("a passkey signs in the browser".into()))?;
                let asked = agent.sign(public, &sshsig::to_be_signed(namespace, Hash::Sha512, &pae)).await;
                let answer = asked.map_err(|why| Fault::new(Exit::Denied, why).help("unlock the agent, or name the file with --key"))?;
                sshsig::from_agent(&self.key, namespace, &answer).map_err(failed)?
            }
        };
        self.key.verify(purpose, None, &pae, &signature).map_err(failed)?;
        Ok(envelope.with(&self.key.id().0, &signature))
    }
}

fn blob(key: &Key) -> Option<&Vec<u8>> {
    match key.form() {
        Form::Ssh { blob, .. } => Some(blob),
        Form::Passkey { .. } => None,
    }
}

fn read(file: &Path) -> Result<PrivateKey> {
    let text = crate::documents::read_file(file)?;
    PrivateKey::from_openssh(&text).map_err(|e| {
        Fault::usage(format!("{}: not a private key in OpenSSH's form ({e})", file.display()))
            .help("files that begin with another line than `-----BEGIN OPENSSH PRIVATE KEY-----` are converted by `ssh-keygen -p -f FILE`")
    })
}

/// The key itself; asks for the passphrase of an encrypted one.
fn unlocked(private: PrivateKey, file: &Path) -> Result<PrivateKey> {
    if !private.is_encrypted() {
        return Ok(private);
    }
    let agent = format!("or add it to an ssh-agent: `ssh-add {}`", file.display());
    if !prompt::interactive() {
        return Err(Fault::new(Exit::Denied, format!("{} is encrypted, and there is no terminal to ask for its passphrase", file.display()))
            .help(agent.trim_start_matches("or ").to_owned()));
    }
    let passphrase = prompt::secret(&format!("Passphrase of {}:", file.display()), &agent)?;
    decrypt(&private, &passphrase, file)
}

fn decrypt(private: &PrivateKey, passphrase: &str, file: &Path) -> Result<PrivateKey> {
    private
        .decrypt(passphrase)
        .map_err(|_| Fault::new(Exit::Denied, format!("the passphrase does not open {}", file.display())).help("try again"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ssh_agent::tests::agent_of;
    use std::process::Command;
    use synod_domain::approval::Decision;
    use synod_trust::testing::{self, hour, manifest};
    use synod_trust::{Refused, Statement, verify_one};

    fn write(folder: &Path, name: &str, who: &testing::Signer) -> PathBuf {
        let ssh = folder.join(".ssh");
        std::fs::create_dir_all(&ssh).unwrap();
        let path = ssh.join(name);
        std::fs::write(&path, who.private().to_openssh(ssh_key::LineEnding::LF).unwrap().as_bytes()).unwrap();
        path
    }

    fn line(who: &testing::Signer) -> String {
        let synod_trust::KeySpec::Ssh(line) = who.spec() else { panic!("an SSH key") };
        line
    }

    fn keys(words: &[&str]) -> Vec<Key> {
        words.iter().map(|word| testing::Signer::ed25519(word).key()).collect()
    }

    fn message(fault: &Fault) -> String {
        let Fault::Plain { message, help, .. } = fault else { panic!("{fault:?}") };
        format!("{message} / {}", help.as_deref().unwrap_or_default())
    }

    #[tokio::test]
    async fn keys_are_found_in_the_order_told() {
        let folder = tempfile::tempdir().unwrap();
        let own = write(folder.path(), "id_ed25519", &testing::Signer::ed25519("home"));
        let other = write(folder.path(), "named", &testing::Signer::ed25519("named"));
        let agent = agent_of(folder.path(), vec![testing::Signer::ed25519("agent"), testing::Signer::sk_ed25519("touch")]);
        let mut places = Places { file: None, agent: Some(agent.socket().to_owned()), home: Some(folder.path().to_owned()) };
        let all = keys(&["home", "agent", "named"]);
        // The agent comes before files, and a named file before all.
        let found = Signer::find(&places, &all, "ann").await.unwrap();
        assert_eq!(found.key().id(), all[1].id());
        assert!(found.words().ends_with("in the ssh-agent"));
        let found = Signer::find(&places, &all[..1], "ann").await.unwrap();
        assert_eq!((found.key().id(), found.words()), (all[0].id(), format!("{} from {}", all[0].id(), own.display())));
        places.file = Some(other);
        assert_eq!(Signer::find(&places, &all, "ann").await.unwrap().key().id(), all[2].id());
        let fault = Signer::find(&places, &all[..2], "ann").await.unwrap_err();
        assert!(message(&fault).contains("no key of ann") && fault.exit() == Exit::Denied, "{fault:?}");
        // A public key stands for the private one in the agent; a security key signs there only.
        let public = folder.path().join("touch.pub");
        let touch = testing::Signer::sk_ed25519("touch");
        std::fs::write(&public, line(&touch)).unwrap();
        places.file = Some(public);
        let found = Signer::find(&places, &[touch.key()], "ann").await.unwrap();
        let envelope = Statement::new("r", "sha256:00", Decision::Approve, "ann", "", hour(1)).envelope();
        assert_eq!(found.sign(Purpose::Approval, envelope).await.unwrap().signatures.len(), 1);
        places.agent = None;
        assert!(message(&Signer::find(&places, &[touch.key()], "ann").await.unwrap_err()).contains("SSH_AUTH_SOCK"));
    }

    #[tokio::test]
    async fn what_is_missing_is_told_with_what_would_do() {
        let folder = tempfile::tempdir().unwrap();
        let mut places = Places { home: Some(folder.path().to_owned()), ..Places::default() };
        let fault = Signer::find(&places, &keys(&["a"]), "ann").await.unwrap_err();
        assert!(message(&fault).contains("SHA256:") && message(&fault).contains("ssh-add"), "{fault:?}");
        let fault = Signer::find(&places, &[testing::signer("carol").key()], "carol").await.unwrap_err();
        assert!(message(&fault).contains("browser"), "{fault:?}");
        places.agent = Some(folder.path().join("gone"));
        assert!(message(&Signer::find(&places, &keys(&["a"]), "ann").await.unwrap_err()).contains("gone"));
        let wrong = folder.path().join("wrong");
        std::fs::write(&wrong, "-----BEGIN RSA PRIVATE KEY-----\n").unwrap();
        places.file = Some(wrong);
        let fault = Signer::find(&places, &keys(&["a"]), "ann").await.unwrap_err();
        assert!(message(&fault).contains("ssh-keygen -p") && fault.exit() == Exit::Usage, "{fault:?}");
    }

    #[tokio::test]
    async fn what_is_signed_here_counts_there() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "id_ed25519", &testing::signer("ann"));
        let places = Places { home: Some(folder.path().to_owned()), ..Places::default() };
        let root = testing::root(&testing::root_json());
        let signer = Signer::find(&places, &[testing::signer("ann").key()], "ann").await.unwrap();
        let manifest = manifest();
        let (_, digest) = manifest.seal().unwrap();
        let statement = Statement::new(&manifest.run, &digest, Decision::Approve, "ann", "fine", hour(2));
        let signed = signer.sign(Purpose::Approval, statement.envelope()).await.unwrap();
        let verified = verify_one(&root, &signed).unwrap();
        assert_eq!((verified.person.as_str(), &verified.statement), ("ann", &statement));
        // The same key for another purpose does not count as a decision.
        assert!(signer.sign(Purpose::Root, statement.envelope()).await.is_err());
        let mut bent = signed.clone();
        bent.payload = statement_of_another(&statement);
        assert!(matches!(verify_one(&root, &bent), Err(Refused::BadSignature { .. })));

        // Stock ssh-keygen says the same, where there is one.
        let line = line(&testing::signer("ann"));
        let (allowed, signature) = (folder.path().join("allowed"), folder.path().join("sig"));
        std::fs::write(&allowed, format!("ann {line}\n")).unwrap();
        let opened = signed.open(approval::PAYLOAD_TYPE).unwrap();
        std::fs::write(&signature, sshsig::to_armor(&opened.signatures[0].1)).unwrap();
        let pae = folder.path().join("pae");
        std::fs::write(&pae, &opened.pae).unwrap();
        let verify = Command::new("ssh-keygen")
            .args(["-Y", "verify", "-I", "ann", "-n", "synod.approval.v1", "-f"])
            .arg(&allowed)
            .arg("-s")
            .arg(&signature)
            .stdin(std::fs::File::open(&pae).unwrap())
            .output();
        if let Ok(output) = verify {
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
    }

    fn statement_of_another(statement: &Statement) -> String {
        Statement { comment: "other".into(), ..statement.clone() }.envelope().payload
    }

    #[test]
    fn encrypted_keys_open_with_their_passphrase() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("locked");
        let made = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "open sesame", "-f"]).arg(&path).status();
        if !made.is_ok_and(|status| status.success()) {
            return; // ssh-keygen is not installed.
        }
        let private = read(&path).unwrap();
        assert!(private.is_encrypted());
        assert!(!decrypt(&private, "open sesame", &path).unwrap().is_encrypted());
        assert!(message(&decrypt(&private, "wrong", &path).unwrap_err()).contains("does not open"));
    }
}
