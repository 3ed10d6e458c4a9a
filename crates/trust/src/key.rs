//! Keys of people: OpenSSH keys, FIDO security keys in OpenSSH form, and passkeys (WebAuthn).

use std::fmt;

use serde::{Deserialize, Serialize};
use ssh_key::public::KeyData;
use ssh_key::{HashAlg, PublicKey as SshPublicKey};

use crate::crypto::{PublicKey, sha256};
use crate::webauthn::Passkeys;
use crate::{sshsig, strict, webauthn};

/// The longest key line and credential id taken, in bytes.
const MAX_TEXT: usize = 1024;
/// The kinds of keys there are, for messages.
const KINDS: &str = "ssh-ed25519, ecdsa-sha2-nistp256, sk-ssh-ed25519@openssh.com, sk-ecdsa-sha2-nistp256@openssh.com or a passkey with ES256 or EdDSA";

/// The stable id of a key: `SHA256:…` as `ssh-keygen -l` prints it, or `passkey:` and the base64url SHA-256 of the bare key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyId(pub String);

impl KeyId {
    /// Whether it looks like an id of ours: known prefix and 43 characters of unpadded base64.
    pub fn check(&self) -> Result<(), String> {
        let ssh = self.0.strip_prefix("SHA256:").and_then(|rest| strict::from_base64(&format!("{rest}=")).ok());
        let hash = ssh.or_else(|| self.0.strip_prefix("passkey:").and_then(|rest| strict::from_base64url(rest).ok()));
        hash.is_some_and(|hash| hash.len() == 32)
            .then_some(())
            .ok_or_else(|| format!("`{}` is not a key id; write `SHA256:…` as `ssh-keygen -l` prints it, or `passkey:…`", self.0.escape_debug()))
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A key as the trust root writes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "a key is an OpenSSH public key line, or {credentialId, publicKey} of a passkey")]
pub enum KeySpec {
    /// One line of an `.pub` file.
    Ssh(String),
    /// A passkey.
    Passkey(PasskeySpec),
}

/// A passkey as the trust root writes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PasskeySpec {
    /// The authenticator's name for the credential, in base64url.
    pub credential_id: String,
    /// The COSE_Key (RFC 9052) in CTAP2 canonical form, in base64url.
    pub public_key: String,
}

/// What a signature is for. A signature for one purpose never counts for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A decision on a run.
    Approval,
    /// A trust root.
    Root,
}

impl Purpose {
    /// The SSHSIG namespace.
    pub fn namespace(self) -> &'static str {
        match self {
            Self::Approval => sshsig::NAMESPACE_APPROVAL,
            Self::Root => sshsig::NAMESPACE_ROOT,
        }
    }
}

/// How a key signs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Form {
    /// By SSHSIG.
    Ssh {
        /// The algorithm's name, such as `ssh-ed25519`.
        algorithm: &'static str,
        /// The public key as it stands in an SSHSIG.
        blob: Vec<u8>,
        /// The FIDO application of a security key, such as `ssh:`.
        application: Option<String>,
    },
    /// By a WebAuthn assertion.
    Passkey {
        /// The authenticator's name for the credential.
        credential_id: Vec<u8>,
    },
}

/// A checked public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    id: KeyId,
    form: Form,
    public: PublicKey,
}

impl Key {
    /// Reads a key as the trust root writes it.
    pub fn read(spec: &KeySpec) -> Result<Self, String> {
        match spec {
            KeySpec::Ssh(line) => Self::from_openssh(line),
            KeySpec::Passkey(passkey) => Self::from_passkey(passkey),
        }
    }

    /// Reads a line of an OpenSSH `.pub` file.
    pub fn from_openssh(line: &str) -> Result<Self, String> {
        if line.len() > MAX_TEXT {
            return Err(format!("the key line has {} bytes, more than the {MAX_TEXT} that are taken; use {KINDS}", line.len()));
        }
        if let Some(odd) = line.chars().find(|c| !(c.is_ascii_graphic() || *c == ' ')) {
            return Err(format!("the key line has the character U+{:04X}; write one line of plain ASCII, comment included", odd as u32));
        }
        let ssh = SshPublicKey::from_openssh(line).map_err(|e| format!("not an OpenSSH public key line ({e}); paste one line of a .pub file: {KINDS}"))?;
        let (algorithm, public, application) = match ssh.key_data() {
            KeyData::Ed25519(key) => ("ssh-ed25519", PublicKey::ed25519(&key.0)?, None),
            KeyData::Ecdsa(ssh_key::public::EcdsaPublicKey::NistP256(point)) => ("ecdsa-sha2-nistp256", PublicKey::p256(point.as_bytes())?, None),
            KeyData::SkEd25519(key) => ("sk-ssh-ed25519@openssh.com", PublicKey::ed25519(&key.public_key().0)?, Some(key.application())),
            KeyData::SkEcdsaSha2NistP256(key) => ("sk-ecdsa-sha2-nistp256@openssh.com", PublicKey::p256(key.ec_point().as_bytes())?, Some(key.application())),
            other => return Err(format!("keys of type {} are not taken; use {KINDS}", other.algorithm().as_str())),
        };
        let application = application.map(str::to_owned);
        let blob = ssh.to_bytes().map_err(|e| format!("the key cannot be written back: {e}"))?;
        Ok(Self { id: KeyId(ssh.fingerprint(HashAlg::Sha256).to_string()), form: Form::Ssh { algorithm, blob, application }, public })
    }

    /// Reads a passkey.
    pub fn from_passkey(spec: &PasskeySpec) -> Result<Self, String> {
        let credential_id = strict::from_base64url(&spec.credential_id).map_err(|e| format!("credentialId: {e}"))?;
        if credential_id.is_empty() || credential_id.len() > MAX_TEXT - 1 {
            return Err(format!("credentialId has {} bytes; authenticators give 1 to 1023", credential_id.len()));
        }
        let cose = strict::from_base64url(&spec.public_key).map_err(|e| format!("publicKey: {e}"))?;
        let public = cose_key(&cose).map_err(|e| format!("publicKey: {e}"))?;
        let id = KeyId(format!("passkey:{}", strict::to_base64url(&sha256(public.material()))));
        Ok(Self { id, form: Form::Passkey { credential_id }, public })
    }

    /// The stable id.
    pub fn id(&self) -> &KeyId {
        &self.id
    }

    /// How it signs.
    pub fn form(&self) -> &Form {
        &self.form
    }

    /// The bare key. Its material is the key's identity, whatever its label, form or id.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Whether it is a passkey.
    pub fn is_passkey(&self) -> bool {
        matches!(self.form, Form::Passkey { .. })
    }

    /// Checks a signature over an envelope's pre-authentication encoding: an SSHSIG blob, or a passkey's assertion in
    /// canonical JSON, for which the root says which sites count.
    pub fn verify(&self, purpose: Purpose, passkeys: Option<&Passkeys>, pae: &[u8], signature: &[u8]) -> Result<(), String> {
        match &self.form {
            Form::Ssh { .. } => sshsig::verify(self, purpose.namespace(), pae, signature),
            Form::Passkey { .. } => {
                let passkeys = passkeys.ok_or("the trust root has no `passkeys` section, so no passkey counts")?;
                webauthn::verify(self, passkeys, pae, signature)
            }
        }
    }
}

/// Beginning of an ES256 COSE_Key in CTAP2 canonical CBOR: {1: 2 (EC2), 3: -7 (ES256), -1: 1 (P-256), -2: x, …}.
const COSE_ES256: [u8; 10] = [0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20];
/// Between its two coordinates: -3: y.
const COSE_Y: [u8; 3] = [0x22, 0x58, 0x20];
/// Beginning of an EdDSA COSE_Key: {1: 1 (OKP), 3: -8 (EdDSA), -1: 6 (Ed25519), -2: x}.
const COSE_EDDSA: [u8; 10] = [0xa4, 0x01, 0x01, 0x03, 0x27, 0x20, 0x06, 0x21, 0x58, 0x20];

/// Reads a COSE_Key. WebAuthn allows no optional members and CTAP2 one encoding only, so each of the two kinds taken has
/// one layout and needs no CBOR reader: whatever differs from it is refused.
fn cose_key(cose: &[u8]) -> Result<PublicKey, String> {
    if let Some(x) = cose.strip_prefix(&COSE_EDDSA) {
        return PublicKey::ed25519(x);
    }
    if let Some(coordinates) = cose.strip_prefix(&COSE_ES256).filter(|rest| rest.len() == 67 && rest[32..35] == COSE_Y) {
        return PublicKey::p256(&[&[4], &coordinates[..32], &coordinates[35..]].concat());
    }
    let rsa = cose.starts_with(&[0xa4, 0x01, 0x03, 0x03, 0x39, 0x01, 0x00]);
    let found = if rsa { "this is an RSA key (RS256)" } else { "this is none" };
    Err(format!(
        "only COSE_Keys of ES256 (-7) and of EdDSA with Ed25519 (-8) in CTAP2 canonical form are taken; {found}. Register with pubKeyCredParams -7 and -8"
    ))
}

/// How long the COSE_Key is that these bytes begin with; all of them when it is of no kind that is taken.
pub(crate) fn cose_length(bytes: &[u8]) -> usize {
    match bytes {
        _ if bytes.starts_with(&COSE_EDDSA) => COSE_EDDSA.len() + 32,
        _ if bytes.starts_with(&COSE_ES256) => COSE_ES256.len() + 32 + COSE_Y.len() + 32,
        _ => bytes.len(),
    }
}

/// The COSE_Key of a bare key, as authenticators write it.
pub fn to_cose(public: &PublicKey) -> Vec<u8> {
    match (public.curve(), public.material()) {
        (crate::crypto::Curve::Ed25519, x) => [&COSE_EDDSA, x].concat(),
        (crate::crypto::Curve::P256, point) => [&COSE_ES256[..], &point[1..33], &COSE_Y, &point[33..]].concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, Signer};

    #[test]
    fn ids_are_what_ssh_keygen_prints() {
        // `ssh-keygen -lf` of this line prints the id below.
        let line = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti user@example.com";
        let key = Key::from_openssh(line).unwrap();
        assert_eq!(key.id().0, "SHA256:UCUiLr7Pjs9wFFJMDByLgc3NrtdU344OgUM45wZPcIQ");
        assert_eq!(key.id().check(), Ok(()));
        let other_label = Key::from_openssh(&line.replace("user@example.com", "x")).unwrap();
        assert_eq!(other_label, key);
    }

    #[test]
    fn odd_lines_are_refused_with_what_would_do() {
        for (line, words) in [
            ("", "paste one line"),
            ("ssh-ed25519 AAAA", "paste one line"),
            ("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti b\u{43e}b", "U+043E"),
            ("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti a\nb", "U+000A"),
            ("ecdsa-sha2-nistp256 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti", "paste one line"),
        ] {
            let error = Key::from_openssh(line).unwrap_err();
            assert!(error.contains(words), "{line}: {error}");
        }
        assert!(Key::from_openssh(&format!("ssh-ed25519 {}", "A".repeat(2000))).unwrap_err().contains("1024"));
    }

    #[test]
    fn passkeys_have_one_encoding() {
        for signer in [Signer::passkey_p256("p"), Signer::passkey_ed25519("q")] {
            let key = signer.key();
            let cose = to_cose(key.public());
            let KeySpec::Passkey(spec) = signer.spec() else { panic!("a passkey") };
            assert_eq!(strict::from_base64url(&spec.public_key).unwrap(), cose);
            assert!(key.id().0.starts_with("passkey:") && key.id().check().is_ok());
            for at in 0..cose.len() {
                let mut cut = cose.clone();
                cut.truncate(at);
                assert!(cose_key(&cut).is_err(), "cut at {at}");
            }
            let mut longer = cose.clone();
            longer.push(0);
            assert!(cose_key(&longer).is_err());
            for at in 0..10 {
                let mut bent = cose.clone();
                bent[at] ^= 1;
                assert!(cose_key(&bent).is_err(), "bent at {at}");
            }
        }
        assert!(cose_key(&[0xa4, 0x01, 0x03, 0x03, 0x39, 0x01, 0x00, 0x20]).unwrap_err().contains("RSA"));
        assert!(serde_json::from_str::<KeySpec>(r#"{"credentialId":"YQ","publicKey":"YQ","x":1}"#).is_err());
    }

    #[test]
    fn one_key_under_two_forms_has_one_identity() {
        let passkey = Signer::passkey_p256("p");
        let line = testing::p256_line(passkey.key().public().material());
        let ssh = Key::from_openssh(&line).unwrap();
        assert_ne!(ssh.id(), passkey.key().id());
        assert_eq!(ssh.public(), passkey.key().public());
    }
}
