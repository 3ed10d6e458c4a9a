//! Signed notes (c2sp.org/signed-note) with Ed25519, and checkpoints (c2sp.org/tlog-checkpoint): the signed heads of a log.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use synod_domain::merkle::Hash;

use crate::crypto::{PublicKey, sha256};
use crate::strict;

/// The largest note, in bytes.
pub const MAX_NOTE: usize = 64 << 10;
/// The most signatures of a note.
const MAX_SIGNATURES: usize = 100;
/// The algorithm's number in key ids and keys.
const ED25519: u8 = 0x01;

/// Why a note or checkpoint does not count, each with a stable name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// Not a note or checkpoint.
    #[error("not a signed checkpoint: {0}")]
    Malformed(String),
    /// Not signed by the key that was asked for.
    #[error("the checkpoint is not signed by {0}")]
    Unsigned(String),
    /// Its signature does not verify.
    #[error("the signature of {0} does not fit the checkpoint")]
    BadSignature(String),
    /// It is another log's.
    #[error("the checkpoint is of the log `{found}`; `{wanted}` is asked about")]
    Origin {
        /// What it says.
        found: String,
        /// What was asked for.
        wanted: String,
    },
}

impl NoteError {
    /// The stable name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed",
            Self::Unsigned(_) => "unsigned",
            Self::BadSignature(_) => "bad-signature",
            Self::Origin { .. } => "origin",
        }
    }
}

fn malformed(why: impl Into<String>) -> NoteError {
    NoteError::Malformed(why.into())
}

/// Checks a key's name: not empty, no spaces, no `+`.
fn check_name(name: &str) -> Result<(), String> {
    let fine = !name.is_empty() && name.len() <= 255 && !name.chars().any(|c| c.is_whitespace() || c.is_control() || c == '+');
    fine.then_some(())
        .ok_or_else(|| format!("`{}` is not the name of a key; use no spaces and no `+`, such as `synod.example.com/log`", name.escape_debug()))
}

/// A public key of notes, written `NAME+ID+KEY`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    id: u32,
    key: PublicKey,
}

impl VerifierKey {
    /// Names an Ed25519 key.
    pub fn new(name: &str, public: &[u8]) -> Result<Self, String> {
        check_name(name)?;
        let key = PublicKey::ed25519(public)?;
        let hash = sha256(&[name.as_bytes(), b"\n", &[ED25519], public].concat());
        Ok(Self { name: name.to_owned(), id: u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]]), key })
    }

    /// The name, which is also the log's origin.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The first four bytes of SHA-256 over name, newline, algorithm and key.
    pub fn id(&self) -> u32 {
        self.id
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = strict::to_base64(&[&[ED25519], self.key.material()].concat());
        write!(f, "{}+{:08x}+{key}", self.name, self.id)
    }
}

impl FromStr for VerifierKey {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{}` is not the public key of a log; write NAME+ID+KEY as the server prints it", text.escape_debug());
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else { return Err(wrong()) };
        let key = strict::from_base64(key).map_err(|_| wrong())?;
        let (algorithm, public) = key.split_first().ok_or_else(wrong)?;
        if *algorithm != ED25519 {
            return Err(format!("the log's key is of algorithm {algorithm}; only Ed25519 (1) is taken"));
        }
        let read = Self::new(name, public)?;
        if format!("{:08x}", read.id) != id {
            return Err(format!("the id {} does not belong to this name and key ({:08x} does): a part was altered", id.escape_debug(), read.id));
        }
        Ok(read)
    }
}

/// A private key of notes.
pub struct NoteSigner {
    verifier: VerifierKey,
    pair: Ed25519KeyPair,
}

impl NoteSigner {
    /// From a name and the 32 secret bytes of an Ed25519 key.
    pub fn from_seed(name: &str, seed: &[u8; 32]) -> Result<Self, String> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|e| format!("the log's key is unusable: {e}"))?;
        Ok(Self { verifier: VerifierKey::new(name, pair.public_key().as_ref())?, pair })
    }

    /// The public key.
    pub fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    /// Signs a head of the log whose origin is this key's name.
    pub fn sign(&self, size: u64, root: &Hash) -> String {
        let text = Checkpoint { origin: self.verifier.name.clone(), size, root: *root }.to_string();
        let signature = [&self.verifier.id.to_be_bytes()[..], self.pair.sign(text.as_bytes()).as_ref()].concat();
        format!("{text}\n\u{2014} {} {}\n", self.verifier.name, strict::to_base64(&signature))
    }
}

/// A note taken apart. Nothing is verified yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note<'a> {
    /// What is signed, with its last newline.
    pub text: &'a str,
    /// Name, key id and signature of each line.
    pub signatures: Vec<(&'a str, u32, Vec<u8>)>,
}

impl<'a> Note<'a> {
    /// Takes a note apart.
    pub fn parse(note: &'a str) -> Result<Self, NoteError> {
        if note.len() > MAX_NOTE {
            return Err(malformed(format!("{} bytes; at most {MAX_NOTE}", note.len())));
        }
        if note.chars().any(|c| c < ' ' && c != '\n') {
            return Err(malformed("it holds control characters"));
        }
        let at = note.rfind("\n\n").ok_or_else(|| malformed("no empty line before the signatures"))?;
        let (text, lines) = (&note[..=at], &note[at + 2..]);
        let lines = lines.strip_suffix('\n').ok_or_else(|| malformed("the last signature does not end its line"))?;
        let mut signatures = Vec::new();
        for line in lines.split('\n') {
            let wrong = || malformed("a signature line is `— NAME SIGNATURE`");
            let (name, code) = line.strip_prefix("\u{2014} ").and_then(|rest| rest.split_once(' ')).ok_or_else(wrong)?;
            check_name(name).map_err(NoteError::Malformed)?;
            let bytes = strict::from_base64(code).map_err(NoteError::Malformed)?;
            let (id, signature) = bytes.split_first_chunk::<4>().filter(|(_, rest)| !rest.is_empty()).ok_or_else(wrong)?;
            signatures.push((name, u32::from_be_bytes(*id), signature.to_vec()));
            if signatures.len() > MAX_SIGNATURES {
                return Err(malformed(format!("more than {MAX_SIGNATURES} signatures")));
            }
        }
        Ok(Self { text, signatures })
    }

    /// Checks that `key` signed it. Other people's signatures are ignored, as the format asks.
    pub fn verify(&self, key: &VerifierKey) -> Result<(), NoteError> {
        let mut own = self.signatures.iter().filter(|(name, id, _)| *name == key.name && *id == key.id);
        let (_, _, signature) = own.next().ok_or_else(|| NoteError::Unsigned(key.name.clone()))?;
        if own.next().is_some() {
            return Err(malformed(format!("{} signed twice", key.name)));
        }
        if key.key.verifies(self.text.as_bytes(), signature) { Ok(()) } else { Err(NoteError::BadSignature(key.name.clone())) }
    }
}

/// The head of a log: so many leaves have this root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log.
    pub origin: String,
    /// Number of leaves.
    pub size: u64,
    /// Root of the tree over them.
    pub root: Hash,
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n{}\n{}", self.origin, self.size, strict::to_base64(&self.root))
    }
}

impl Checkpoint {
    /// Reads the text of a checkpoint. Extension lines, which our logs do not write, are passed over: they are signed too,
    /// and say nothing about the tree.
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        let body = text.strip_suffix('\n').ok_or_else(|| malformed("it does not end its last line"))?;
        let mut lines = body.split('\n');
        let mut line = |what: &str| lines.next().filter(|l| !l.is_empty()).ok_or_else(|| malformed(format!("no line with the {what}")));
        let (origin, size, root) = (line("origin")?, line("size")?, line("root hash")?);
        let number: u64 = size.parse().map_err(|_| malformed(format!("`{}` is not a size", size.escape_debug())))?;
        if number.to_string() != size || number > i64::MAX as u64 {
            return Err(malformed(format!("`{}` is not how a size is written", size.escape_debug())));
        }
        let root = strict::from_base64(root).map_err(NoteError::Malformed)?;
        let root: Hash = root.try_into().map_err(|_| malformed("the root hash does not have 32 bytes"))?;
        if lines.any(str::is_empty) {
            return Err(malformed("an extension line is empty"));
        }
        Ok(Self { origin: origin.to_owned(), size: number, root })
    }

    /// Reads a signed checkpoint and checks that it is signed by `key` and of the log that key names.
    pub fn open(note: &str, key: &VerifierKey) -> Result<Self, NoteError> {
        let note = Note::parse(note)?;
        note.verify(key)?;
        let checkpoint = Self::parse(note.text)?;
        if checkpoint.origin != key.name {
            return Err(NoteError::Origin { found: checkpoint.origin, wanted: key.name.clone() });
        }
        Ok(checkpoint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signer() -> NoteSigner {
        NoteSigner::from_seed("synod.example.com/log", &[7; 32]).unwrap()
    }

    #[test]
    fn keys_and_notes_of_others_are_read() {
        // The example of Go's golang.org/x/mod/sumdb/note, which the format comes from.
        let key: VerifierKey = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW".parse().unwrap();
        assert_eq!((key.name(), key.id()), ("PeterNeumann", 0xc74f_20a3));
        let text = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
        let signature = "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=";
        let note = format!("{text}\n\u{2014} PeterNeumann {signature}\n");
        let parsed = Note::parse(&note).unwrap();
        assert_eq!(parsed.text, text);
        assert_eq!(parsed.verify(&key), Ok(()));
        let known = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8";
        assert_eq!(known.parse::<VerifierKey>().unwrap().to_string(), known);
    }

    #[test]
    fn a_checkpoint_survives_the_way() {
        let signer = signer();
        let note = signer.sign(5, &[9; 32]);
        assert_eq!(Checkpoint::open(&note, signer.verifier()), Ok(Checkpoint { origin: "synod.example.com/log".into(), size: 5, root: [9; 32] }));
        assert_eq!(signer.verifier().to_string().parse::<VerifierKey>().as_ref(), Ok(signer.verifier()));
        let lines: Vec<&str> = note.lines().collect();
        assert_eq!(lines[..4], ["synod.example.com/log", "5", "CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk=", ""]);
        // Others may sign below (witnesses do), and that changes nothing.
        let other = NoteSigner::from_seed("witness.example.com", &[8; 32]).unwrap();
        let witnessed = format!("{note}\u{2014} {} {}\n", other.verifier().name(), strict::to_base64(&[0; 68]));
        assert!(Checkpoint::open(&witnessed, signer.verifier()).is_ok());
        assert_eq!(Checkpoint::open(&note, other.verifier()).unwrap_err().name(), "unsigned");
    }

    #[test]
    fn nothing_bent_counts() {
        let signer = signer();
        let note = signer.sign(1000, &[9; 32]);
        for bit in 0..note.len() * 8 {
            let mut bent = note.clone().into_bytes();
            bent[bit / 8] ^= 1 << (bit % 8);
            let Ok(bent) = String::from_utf8(bent) else { continue };
            assert!(Checkpoint::open(&bent, signer.verifier()).is_err(), "bit {bit}: {bent}");
        }
        for at in 0..note.len() {
            if note.is_char_boundary(at) {
                assert!(Checkpoint::open(&note[..at], signer.verifier()).is_err());
            }
        }
    }

    #[test]
    fn odd_texts_are_refused() {
        for text in [
            "",
            "o\n1\n",
            "o\n01\nAAAA\n",
            "o\n-1\nAAAA\n",
            "o\n+1\nAAAA\n",
            "\n1\nAAAA\n",
            "o\n1\nAAAA\n",
            "o\n1\nCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk=\n\n",
        ] {
            assert_eq!(Checkpoint::parse(text).unwrap_err().name(), "malformed", "{text}");
        }
        assert!(Checkpoint::parse("o\n1\nCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk=\nextension\n").is_ok());
        for note in ["", "a\n\n", "a\n\nx\n", "a\n\n\u{2014} n\n", "a\n\n\u{2014} n AAAA\n", "a\n\n\u{2014} n+m AAAAAAA=\n", "a\r\n\n\u{2014} n AAAAAAA=\n"] {
            assert_eq!(Note::parse(note).unwrap_err().name(), "malformed", "{note:?}");
        }
        for key in ["", "a+b", "a+00000000+AQ==", "PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", "a b+00000000+AA=="] {
            assert!(key.parse::<VerifierKey>().is_err(), "{key}");
        }
        let other_log = {
            let signer = signer();
            let text = Checkpoint { origin: "other".into(), size: 1, root: [0; 32] }.to_string();
            let signature = [&signer.verifier.id.to_be_bytes()[..], signer.pair.sign(text.as_bytes()).as_ref()].concat();
            format!("{text}\n\u{2014} {} {}\n", signer.verifier.name, strict::to_base64(&signature))
        };
        assert_eq!(Checkpoint::open(&other_log, signer().verifier()).unwrap_err().name(), "origin");
    }
}
