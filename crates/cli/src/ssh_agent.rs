//! A client of the SSH agent (draft-ietf-sshm-ssh-agent): which keys it has, and signatures by them. Private keys, and
//! the touch of a security key, stay where they are.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

/// The largest message taken; agents of OpenSSH bound theirs the same.
const MAX_MESSAGE: usize = 256 << 10;
/// How long an agent may take to tell its keys.
const ANSWERS_WITHIN: Duration = Duration::from_secs(10);
/// How long it may take to sign: somebody may have to find the security key and touch it, or to confirm.
const SIGNS_WITHIN: Duration = Duration::from_secs(120);

const FAILURE: u8 = 5;
const REQUEST_IDENTITIES: u8 = 11;
const IDENTITIES_ANSWER: u8 = 12;
const SIGN_REQUEST: u8 = 13;
const SIGN_RESPONSE: u8 = 14;

/// A key of the agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The public key in SSH's form.
    pub blob: Vec<u8>,
    /// What its owner calls it.
    pub comment: String,
}

/// An agent, by its socket. Each question goes over a connection of its own.
#[derive(Debug, Clone)]
pub struct Agent {
    socket: PathBuf,
}

impl Agent {
    /// The agent that listens at this socket.
    pub fn at(socket: impl Into<PathBuf>) -> Self {
        Self { socket: socket.into() }
    }

    /// Its socket.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// The keys it has. The error says what is wrong with the agent.
    pub async fn identities(&self) -> Result<Vec<Identity>, String> {
        let answer = self.ask(REQUEST_IDENTITIES, &[], ANSWERS_WITHIN).await?;
        let mut at = match answer.split_first() {
            Some((&IDENTITIES_ANSWER, rest)) => Reader(rest),
            Some((&FAILURE, _)) => return Err(self.says("it does not tell its keys; it may be locked (`ssh-add -X` unlocks it)")),
            _ => return Err(self.says("it answers with another message than was asked for")),
        };
        let read = (|| {
            let count = at.u32()?;
            // Each takes eight bytes at least, so a number beyond that is made up.
            if count as usize > MAX_MESSAGE / 8 {
                return None;
            }
            let mut all = Vec::new();
            for _ in 0..count {
                let (blob, comment) = (at.string()?.to_vec(), at.string()?);
                all.push(Identity { blob, comment: String::from_utf8_lossy(comment).into_owned() });
            }
            at.0.is_empty().then_some(all)
        })();
        read.ok_or_else(|| self.says("its list of keys is cut short or has a tail"))
    }

    /// Has it sign: the signature in SSH's form (`SSH_AGENT_SIGN_RESPONSE`), algorithm first.
    pub async fn sign(&self, blob: &[u8], data: &[u8]) -> Result<Vec<u8>, String> {
        let mut body = Vec::new();
        put(&mut body, blob);
        put(&mut body, data);
        body.extend(0u32.to_be_bytes());
        let answer = self.ask(SIGN_REQUEST, &body, SIGNS_WITHIN).await?;
        match answer.split_first() {
            Some((&SIGN_RESPONSE, rest)) => {
                let mut at = Reader(rest);
                let signature = at.string().map(<[u8]>::to_vec).filter(|_| at.0.is_empty());
                signature.ok_or_else(|| self.says("its signature is cut short or has a tail"))
            }
            Some((&FAILURE, _)) => Err(self.says("it did not sign: the key was not confirmed or not touched, or the agent is locked")),
            _ => Err(self.says("it answers with another message than was asked for")),
        }
    }

    fn says(&self, what: &str) -> String {
        format!("the ssh-agent at {}: {what}", self.socket.display())
    }

    async fn ask(&self, kind: u8, body: &[u8], within: Duration) -> Result<Vec<u8>, String> {
        let asked = tokio::time::timeout(within, self.exchange(kind, body)).await;
        asked.map_err(|_| self.says(&format!("no answer within {} s", within.as_secs())))?
    }

    async fn exchange(&self, kind: u8, body: &[u8]) -> Result<Vec<u8>, String> {
        let broken = |e: std::io::Error| self.says(&e.to_string());
        let mut stream = UnixStream::connect(&self.socket).await.map_err(broken)?;
        let length = body.len() + 1;
        let length = u32::try_from(length).ok().filter(|_| length <= MAX_MESSAGE).ok_or_else(|| self.says("too much to sign"))?;
        let mut message = length.to_be_bytes().to_vec();
        message.push(kind);
        message.extend_from_slice(body);
        stream.write_all(&message).await.map_err(broken)?;
        let mut length = [0; 4];
        stream.read_exact(&mut length).await.map_err(broken)?;
        let length = u32::from_be_bytes(length) as usize;
        if length == 0 || length > MAX_MESSAGE {
            return Err(self.says(&format!("a message of {length} bytes; 1 to {MAX_MESSAGE} are taken")));
        }
        let mut answer = vec![0; length];
        stream.read_exact(&mut answer).await.map_err(broken)?;
        Ok(answer)
    }
}

fn put(out: &mut Vec<u8>, part: &[u8]) {
    out.extend(u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
    out.extend_from_slice(part);
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn u32(&mut self) -> Option<u32> {
        let (number, rest) = self.0.split_first_chunk::<4>()?;
        self.0 = rest;
        Some(u32::from_be_bytes(*number))
    }

    fn string(&mut self) -> Option<&'a [u8]> {
        let length = self.u32()?;
        let (part, rest) = self.0.split_at_checked(length as usize)?;
        self.0 = rest;
        Some(part)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use sha2::{Digest as _, Sha256};
    use synod_trust::key::Form;
    use synod_trust::sshsig::{self, Hash, NAMESPACE_APPROVAL};
    use synod_trust::testing::Signer;
    use synod_trust::{Key, sshsig::from_agent};

    /// The public key of a signer as agents name it.
    pub(crate) fn blob(key: &Key) -> Vec<u8> {
        let Form::Ssh { blob, .. } = key.form() else { panic!("an SSH key") };
        blob.clone()
    }

    /// An agent in this process that has these signers' keys.
    pub(crate) fn agent_of(folder: &Path, signers: Vec<Signer>) -> Agent {
        serve(folder, move |message| match message[0] {
            REQUEST_IDENTITIES => {
                let mut out = vec![IDENTITIES_ANSWER];
                out.extend(u32::try_from(signers.len()).unwrap().to_be_bytes());
                for signer in &signers {
                    put(&mut out, &blob(&signer.key()));
                    put(&mut out, b"a comment");
                }
                Some(out)
            }
            SIGN_REQUEST => {
                let mut at = Reader(&message[1..]);
                let (wanted, data) = (at.string().unwrap(), at.string().unwrap());
                let Some(signer) = signers.iter().find(|signer| blob(&signer.key()) == wanted) else { return Some(vec![FAILURE]) };
                let signature = signature(signer, data);
                let mut out = vec![SIGN_RESPONSE];
                put(&mut out, &signature);
                Some(out)
            }
            _ => Some(vec![FAILURE]),
        })
    }

    /// What an agent answers with: algorithm, signature in SSH's form, and flags and counter of a security key.
    fn signature(signer: &Signer, data: &[u8]) -> Vec<u8> {
        let Form::Ssh { algorithm, application, .. } = signer.key().form().clone() else { panic!("an SSH key") };
        let trailer = [1, 0, 0, 1, 2];
        let signed = match &application {
            Some(application) => [Sha256::digest(application).as_slice(), &trailer, Sha256::digest(data).as_slice()].concat(),
            None => data.to_vec(),
        };
        let bare = signer.bare(&signed);
        let mut out = Vec::new();
        put(&mut out, algorithm.as_bytes());
        if algorithm.contains("nistp256") {
            // DER's two integers are SSH's two, with other lengths before them.
            let first = usize::from(bare[3]);
            let (r, s) = (&bare[4..4 + first], &bare[6 + first..]);
            let mut numbers = Vec::new();
            put(&mut numbers, r);
            put(&mut numbers, s);
            put(&mut out, &numbers);
        } else {
            put(&mut out, &bare);
        }
        out.extend(trailer.iter().filter(|_| application.is_some()));
        out
    }

    fn serve(folder: &Path, answer: impl Fn(&[u8]) -> Option<Vec<u8>> + Send + 'static) -> Agent {
        let socket = folder.join("agent.sock");
        let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        std::thread::spawn(move || {
            use std::io::{Read as _, Write as _};
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut length = [0; 4];
                if stream.read_exact(&mut length).is_err() {
                    continue;
                }
                let mut message = vec![0; u32::from_be_bytes(length) as usize];
                stream.read_exact(&mut message).unwrap();
                if let Some(answer) = answer(&message) {
                    let _ = stream.write_all(&u32::try_from(answer.len()).unwrap().to_be_bytes()).and_then(|()| stream.write_all(&answer));
                }
            }
        });
        Agent::at(socket)
    }

    #[tokio::test]
    async fn keys_are_told_and_sign() {
        let folder = tempfile::tempdir().unwrap();
        let signers = vec![Signer::ed25519("a"), Signer::p256("b"), Signer::sk_ed25519("c")];
        let agent = agent_of(folder.path(), signers.clone());
        let told = agent.identities().await.unwrap();
        assert_eq!(told.iter().map(|one| one.blob.clone()).collect::<Vec<_>>(), signers.iter().map(|s| blob(&s.key())).collect::<Vec<_>>());
        assert_eq!(told[0].comment, "a comment");
        for signer in &signers {
            let key = signer.key();
            let answer = agent.sign(&blob(&key), &sshsig::to_be_signed(NAMESPACE_APPROVAL, Hash::Sha512, b"m")).await.unwrap();
            let signature = from_agent(&key, NAMESPACE_APPROVAL, &answer).unwrap();
            assert_eq!(sshsig::verify(&key, NAMESPACE_APPROVAL, b"m", &signature), Ok(()), "{}", key.id());
        }
        assert!(agent.sign(&blob(&Signer::ed25519("z").key()), b"x").await.unwrap_err().contains("did not sign"));
    }

    #[tokio::test]
    async fn an_agent_that_misbehaves_is_told_apart() {
        let none = Agent::at("/nowhere/agent.sock");
        assert!(none.identities().await.unwrap_err().contains("/nowhere/agent.sock"));
        for (answer, wanted) in [
            (Some(vec![FAILURE]), "locked"),
            (Some(vec![SIGN_RESPONSE]), "another message"),
            (Some(vec![IDENTITIES_ANSWER, 0, 0, 0, 1]), "cut short"),
            (Some(vec![IDENTITIES_ANSWER, 255, 255, 255, 255]), "cut short"),
            (Some(vec![IDENTITIES_ANSWER, 0, 0, 0, 1, 255, 255, 255, 255, 1]), "cut short"),
            (Some(vec![IDENTITIES_ANSWER, 0, 0, 0, 0, 9]), "tail"),
            (Some(vec![]), "0 bytes"),
            (Some(vec![IDENTITIES_ANSWER; MAX_MESSAGE + 1]), "are taken"),
            (None, "ssh-agent at"),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let shown = format!("{:?}", answer.as_ref().map(|a| a.len()));
            let agent = serve(folder.path(), move |_| answer.clone());
            let error = agent.identities().await.unwrap_err();
            assert!(error.contains(wanted), "{shown}: {error}");
        }
    }

    /// A process that ends with the test.
    struct Ends(std::process::Child);

    impl Drop for Ends {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    #[tokio::test]
    async fn the_agent_of_openssh_signs() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("s");
        let Ok(child) = std::process::Command::new("ssh-agent").arg("-D").arg("-a").arg(&socket).stdout(std::process::Stdio::null()).spawn() else {
            return; // It is not installed; the agent above stands in for it.
        };
        let _ends = Ends(child);
        for _ in 0..500 {
            if UnixStream::connect(&socket).await.is_ok() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let agent = Agent::at(&socket);
        assert_eq!(agent.identities().await, Ok(vec![]));
        for kind in ["ed25519", "ecdsa"] {
            let path = folder.path().join(kind);
            let made = std::process::Command::new("ssh-keygen").args(["-q", "-t", kind, "-N", "", "-C", "ann", "-f"]).arg(&path).status().unwrap();
            let added = std::process::Command::new("ssh-add").arg("-q").arg(&path).env("SSH_AUTH_SOCK", &socket).status().unwrap();
            assert!(made.success() && added.success());
            let key = Key::from_openssh(std::fs::read_to_string(path.with_extension("pub")).unwrap().trim()).unwrap();
            let told = agent.identities().await.unwrap();
            assert!(told.iter().any(|one| one.blob == blob(&key) && one.comment == "ann"), "{told:?}");
            let answer = agent.sign(&blob(&key), &sshsig::to_be_signed(NAMESPACE_APPROVAL, Hash::Sha512, b"m")).await.unwrap();
            let signature = from_agent(&key, NAMESPACE_APPROVAL, &answer).unwrap();
            assert_eq!(sshsig::verify(&key, NAMESPACE_APPROVAL, b"m", &signature), Ok(()));
        }
    }
}
