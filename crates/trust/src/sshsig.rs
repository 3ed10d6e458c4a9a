//! SSHSIG signatures (OpenSSH's PROTOCOL.sshsig) over a message, as `ssh-keygen -Y sign` and agents make them.
//!
//! The framing is read here and not by `ssh-key`: that crate (0.6) ignores a non-empty `reserved`, takes more than one
//! spelling of the same numbers, and cannot write signatures of `sk-ecdsa` keys. Here one signature has one spelling.

use ssh_key::{HashAlg, LineEnding, PrivateKey, SshSig};

use crate::crypto::{Curve, sha256};
use crate::key::{Form, Key};
use crate::strict;

/// The namespace of decisions on runs.
pub const NAMESPACE_APPROVAL: &str = "synod.approval.v1";
/// The namespace of trust roots.
pub const NAMESPACE_ROOT: &str = "synod.root.v1";

const MAGIC: &[u8] = b"SSHSIG";
const BEGIN: &str = "-----BEGIN SSH SIGNATURE-----";
const END: &str = "-----END SSH SIGNATURE-----";
/// Somebody touched the security key (PROTOCOL.u2f).
const USER_PRESENT: u8 = 0x01;

/// The parts of an SSHSIG blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parts {
    /// The signer's public key in SSH form.
    pub public_key: Vec<u8>,
    /// What the signature is for.
    pub namespace: String,
    /// `sha512` or `sha256`: how the message was hashed.
    pub hash: Hash,
    /// The algorithm the signature names.
    pub algorithm: String,
    /// The bare signature as SSH encodes it.
    pub signature: Vec<u8>,
    /// Flags and counter of a security key.
    pub trailer: Option<[u8; 5]>,
}

/// The hashes PROTOCOL.sshsig has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hash {
    /// SHA-256.
    Sha256,
    /// SHA-512, what ssh-keygen uses.
    Sha512,
}

impl Hash {
    fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    fn of(self, message: &[u8]) -> Vec<u8> {
        use sha2::Digest as _;
        match self {
            Self::Sha256 => sha2::Sha256::digest(message).to_vec(),
            Self::Sha512 => sha2::Sha512::digest(message).to_vec(),
        }
    }
}

/// What a key signs for a message (PROTOCOL.sshsig section 3); what an ssh-agent must be asked to sign.
pub fn to_be_signed(namespace: &str, hash: Hash, message: &[u8]) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    for part in [namespace.as_bytes(), b"", hash.name().as_bytes(), &hash.of(message)] {
        put(&mut out, part);
    }
    out
}

/// The SSHSIG blob from an armored file of `ssh-keygen -Y sign`, or from the blob in base64.
pub fn read_text(text: &str) -> Result<Vec<u8>, String> {
    let text = text.trim();
    let Some(rest) = text.strip_prefix(BEGIN) else {
        return strict::from_base64(text).map_err(|e| format!("neither an armored SSH signature nor one in base64: {e}"));
    };
    let body = rest.strip_suffix(END).ok_or_else(|| format!("the armored signature does not end with `{END}`"))?;
    let body: String = body.split_ascii_whitespace().collect();
    strict::from_base64(&body).map_err(|e| format!("the armored signature is {e}"))
}

/// The blob as `ssh-keygen -Y verify` reads it: armored, 70 characters a line.
pub fn to_armor(blob: &[u8]) -> String {
    let body = strict::to_base64(blob);
    let mut out = format!("{BEGIN}\n");
    let mut rest = body.as_str();
    while !rest.is_empty() {
        let (line, more) = rest.split_at(rest.len().min(70));
        out.push_str(line);
        out.push('\n');
        rest = more;
    }
    out.push_str(END);
    out.push('\n');
    out
}

/// Takes a blob apart. Anything after its end or in `reserved` is refused.
pub fn parse(blob: &[u8]) -> Result<Parts, String> {
    let mut at = Reader(blob.strip_prefix(MAGIC).ok_or("not an SSH signature: it does not begin with `SSHSIG`")?);
    let version = at.u32()?;
    if version != 1 {
        return Err(format!("an SSH signature of version {version}; only version 1 is known"));
    }
    let public_key = at.string()?.to_vec();
    let namespace = String::from_utf8(at.string()?.to_vec()).map_err(|_| "the namespace is not text")?;
    if !at.string()?.is_empty() {
        return Err("the reserved field is not empty".into());
    }
    let hash = match at.string()? {
        b"sha512" => Hash::Sha512,
        b"sha256" => Hash::Sha256,
        _ => return Err("an unknown hash; sha512 and sha256 are taken".into()),
    };
    let mut inner = Reader(at.string()?);
    at.end()?;
    let algorithm = String::from_utf8(inner.string()?.to_vec()).map_err(|_| "the algorithm is not text")?;
    let signature = inner.string()?.to_vec();
    let trailer = if algorithm.starts_with("sk-") { Some(inner.take(5)?.try_into().map_err(|_| "cut short")?) } else { None };
    inner.end()?;
    Ok(Parts { public_key, namespace, hash, algorithm, signature, trailer })
}

/// Puts a blob together.
pub fn assemble(parts: &Parts) -> Vec<u8> {
    let mut inner = Vec::new();
    put(&mut inner, parts.algorithm.as_bytes());
    put(&mut inner, &parts.signature);
    inner.extend(parts.trailer.into_iter().flatten());
    let mut out = MAGIC.to_vec();
    out.extend(1u32.to_be_bytes());
    for part in [&parts.public_key, parts.namespace.as_bytes(), b"", parts.hash.name().as_bytes(), &inner] {
        put(&mut out, part);
    }
    out
}

/// Checks that a blob is `key`'s signature over `message` in `namespace`. Security keys must have been touched.
pub fn verify(key: &Key, namespace: &str, message: &[u8], blob: &[u8]) -> Result<(), String> {
    let Form::Ssh { algorithm, blob: public_key, application } = key.form() else {
        return Err("a passkey does not make SSH signatures; it signs in the browser".into());
    };
    let parts = parse(blob)?;
    if parts.public_key != *public_key {
        return Err(format!("the SSH signature is by another key than {}", key.id()));
    }
    if parts.namespace != namespace {
        return Err(format!("the SSH signature is for `{}`; sign with `-n {namespace}`", parts.namespace.escape_debug()));
    }
    if parts.algorithm != *algorithm {
        return Err(format!("the signature says `{}` for a key of `{algorithm}`", parts.algorithm.escape_debug()));
    }
    let signed = to_be_signed(namespace, parts.hash, message);
    let signed = match (application, parts.trailer) {
        (None, None) => signed,
        (Some(application), Some(trailer)) => {
            if trailer[0] & USER_PRESENT == 0 {
                return Err("nobody touched the security key (flag `user present`); sign again and touch it".into());
            }
            // PROTOCOL.u2f: SHA-256 of application, flags, counter, SHA-256 of the message.
            [&sha256(application.as_bytes())[..], &trailer, &sha256(&signed)].concat()
        }
        _ => return Err("flags and counter belong to security keys only".into()),
    };
    let signature = match key.public().curve() {
        Curve::Ed25519 => parts.signature,
        Curve::P256 => to_der(&parts.signature)?,
    };
    if key.public().verifies(&signed, &signature) { Ok(()) } else { Err("the signature does not fit what was signed".into()) }
}

/// Signs with a private key that is in hand and not encrypted; returns the blob.
pub fn sign(key: &PrivateKey, namespace: &str, message: &[u8]) -> Result<Vec<u8>, String> {
    let failed = |e: ssh_key::Error| format!("{} cannot sign here: {e}", key.algorithm().as_str());
    let signature = SshSig::sign(key, namespace, HashAlg::Sha512, message).map_err(failed)?;
    read_text(&signature.to_pem(LineEnding::LF).map_err(failed)?)
}

/// Makes the blob from what an ssh-agent answered to [`to_be_signed`] with SHA-512 (`SSH_AGENT_SIGN_RESPONSE`'s signature).
pub fn from_agent(key: &Key, namespace: &str, answer: &[u8]) -> Result<Vec<u8>, String> {
    let Form::Ssh { algorithm, blob, .. } = key.form() else { return Err("an ssh-agent does not sign for passkeys".into()) };
    let mut at = Reader(answer);
    let named = at.string()?;
    if named != algorithm.as_bytes() {
        return Err(format!("the agent answered with `{}` for a key of `{algorithm}`", named.escape_ascii()));
    }
    let signature = at.string()?.to_vec();
    let trailer = if algorithm.starts_with("sk-") { Some(at.take(5)?.try_into().map_err(|_| "cut short")?) } else { None };
    at.end()?;
    let parts = Parts { public_key: blob.clone(), namespace: namespace.into(), hash: Hash::Sha512, algorithm: (*algorithm).into(), signature, trailer };
    Ok(assemble(&parts))
}

/// ECDSA's two numbers from SSH's form (RFC 5656) to DER. Both write the shortest two's complement, so the bytes carry over.
fn to_der(ssh: &[u8]) -> Result<Vec<u8>, String> {
    let mut at = Reader(ssh);
    let (r, s) = (at.string()?, at.string()?);
    at.end()?;
    let mut body = Vec::new();
    for number in [r, s] {
        let shortest = match number {
            [] => false,
            [0, next, ..] => *next >= 0x80,
            [first, ..] => *first < 0x80,
        };
        if !shortest || number.len() > 33 {
            return Err("a number of the signature is not written the shortest way, or out of range".into());
        }
        body.extend([0x02, number.len() as u8]);
        body.extend_from_slice(number);
    }
    Ok([&[0x30, body.len() as u8][..], &body].concat())
}

fn put(out: &mut Vec<u8>, part: &[u8]) {
    out.extend((part.len() as u32).to_be_bytes());
    out.extend_from_slice(part);
}

/// Reads SSH's wire format (RFC 4251 section 5).
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8], String> {
        let (part, rest) = self.0.split_at_checked(n).ok_or("the SSH signature is cut short")?;
        self.0 = rest;
        Ok(part)
    }

    fn u32(&mut self) -> Result<u32, String> {
        let bytes = self.take(4)?;
        Ok(bytes.iter().fold(0, |n, b| n << 8 | u32::from(*b)))
    }

    fn string(&mut self) -> Result<&'a [u8], String> {
        let length = self.u32()?;
        self.take(length as usize)
    }

    fn end(&self) -> Result<(), String> {
        if self.0.is_empty() { Ok(()) } else { Err(format!("{} bytes too many in the SSH signature", self.0.len())) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Signer;

    #[test]
    fn every_kind_of_key_verifies_and_nothing_bent_does() {
        for signer in [Signer::ed25519("a"), Signer::p256("b"), Signer::sk_ed25519("c"), Signer::sk_p256("d")] {
            let key = signer.key();
            let blob = signer.ssh_blob(NAMESPACE_APPROVAL, b"message");
            assert_eq!(verify(&key, NAMESPACE_APPROVAL, b"message", &blob), Ok(()), "{}", key.id());
            assert!(verify(&key, NAMESPACE_ROOT, b"message", &blob).unwrap_err().contains("-n synod.root.v1"));
            assert!(verify(&key, NAMESPACE_APPROVAL, b"massage", &blob).is_err());
            assert!(verify(&Signer::ed25519("z").key(), NAMESPACE_APPROVAL, b"message", &blob).unwrap_err().contains("another key"));
            for bit in 0..blob.len() * 8 {
                let mut bent = blob.clone();
                bent[bit / 8] ^= 1 << (bit % 8);
                assert!(verify(&key, NAMESPACE_APPROVAL, b"message", &bent).is_err(), "bit {bit} of {}", key.id());
            }
            for at in 0..blob.len() {
                assert!(verify(&key, NAMESPACE_APPROVAL, b"message", &blob[..at]).is_err());
            }
            assert_eq!(assemble(&parse(&blob).unwrap()), blob);
            assert_eq!(read_text(&to_armor(&blob)), Ok(blob.clone()));
            assert_eq!(read_text(&strict::to_base64(&blob)), Ok(blob));
        }
    }

    #[test]
    fn an_untouched_security_key_does_not_count() {
        for signer in [Signer::sk_ed25519("c"), Signer::sk_p256("d")] {
            let blob = signer.clone().untouched().ssh_blob(NAMESPACE_APPROVAL, b"m");
            assert!(verify(&signer.key(), NAMESPACE_APPROVAL, b"m", &blob).unwrap_err().contains("touch"));
        }
    }

    #[test]
    fn sha256_counts_too() {
        let signer = Signer::ed25519("a");
        let pair = signer.private();
        let signature = SshSig::sign(&pair, NAMESPACE_ROOT, HashAlg::Sha256, b"m").unwrap();
        let blob = read_text(&signature.to_pem(LineEnding::LF).unwrap()).unwrap();
        assert_eq!(parse(&blob).unwrap().hash, Hash::Sha256);
        assert_eq!(verify(&signer.key(), NAMESPACE_ROOT, b"m", &blob), Ok(()));
    }

    #[test]
    fn an_agents_answer_makes_the_same_signature() {
        for signer in [Signer::ed25519("a"), Signer::sk_ed25519("c"), Signer::sk_p256("d"), Signer::p256("b")] {
            let blob = signer.ssh_blob(NAMESPACE_ROOT, b"m");
            let parts = parse(&blob).unwrap();
            let mut answer = Vec::new();
            put(&mut answer, parts.algorithm.as_bytes());
            put(&mut answer, &parts.signature);
            answer.extend(parts.trailer.into_iter().flatten());
            assert_eq!(from_agent(&signer.key(), NAMESPACE_ROOT, &answer), Ok(blob));
            answer.push(0);
            assert!(from_agent(&signer.key(), NAMESPACE_ROOT, &answer).is_err());
        }
    }

    #[test]
    fn refusals_say_what_would_be_right() {
        let signer = Signer::ed25519("a");
        let good = parse(&signer.ssh_blob(NAMESPACE_APPROVAL, b"m")).unwrap();
        let judge = |parts: &Parts| verify(&signer.key(), NAMESPACE_APPROVAL, b"m", &assemble(parts)).unwrap_err();
        assert!(judge(&Parts { algorithm: "ssh-rsa".into(), ..good.clone() }).contains("ssh-ed25519"));
        assert!(judge(&Parts { namespace: "file".into(), ..good.clone() }).contains("-n synod.approval.v1"));
        assert!(parse(b"").unwrap_err().contains("SSHSIG"));
        let mut reserved = MAGIC.to_vec();
        reserved.extend(1u32.to_be_bytes());
        for part in [&b"k"[..], b"n", b"reserved"] {
            put(&mut reserved, part);
        }
        assert!(parse(&reserved).unwrap_err().contains("reserved"));
        assert!(read_text("-----BEGIN SSH SIGNATURE-----\nAAAA").unwrap_err().contains("END"));
        assert!(to_der(&[0, 0, 0, 2, 0, 1, 0, 0, 0, 1, 1]).is_err(), "a needless zero");
        assert!(to_der(&[0, 0, 0, 1, 0x80, 0, 0, 0, 1, 1]).is_err(), "a negative number");
    }
}
