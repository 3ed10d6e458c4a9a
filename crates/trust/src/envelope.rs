//! DSSE v1 envelopes (github.com/secure-systems-lab/dsse): a payload, its type, and signatures over both.

use serde::{Deserialize, Serialize};
use synod_domain::canonical;

use crate::strict;

/// The largest payload, in bytes.
pub const MAX_PAYLOAD: usize = 1 << 20;
/// The most signatures of one envelope.
pub const MAX_SIGNATURES: usize = 64;
/// The largest signature, in bytes before base64: a passkey's assertion with room to spare.
pub const MAX_SIGNATURE: usize = 8 << 10;
/// The longest payload type and key id, in bytes.
pub const MAX_TEXT: usize = 200;

/// A payload with signatures over its type and bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Envelope {
    /// What the payload is, as a media type; signed along with it.
    pub payload_type: String,
    /// The payload in standard base64.
    pub payload: String,
    /// Who vouches for it.
    pub signatures: Vec<Signature>,
}

/// One signature of an envelope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Signature {
    /// The key it claims to be by. A hint: nothing is believed but what verifies.
    pub keyid: String,
    /// The signature in standard base64.
    pub sig: String,
}

/// Why an envelope cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// Not an envelope in canonical form.
    #[error("the envelope cannot be read: {0}")]
    Malformed(String),
    /// A part is beyond its bound.
    #[error("the envelope's {what} is too large: {found}; at most {most} are taken")]
    TooLarge {
        /// Which part.
        what: &'static str,
        /// What was found.
        found: usize,
        /// What is taken.
        most: usize,
    },
    /// The payload is of another type.
    #[error("the envelope holds `{found}` where `{wanted}` belongs")]
    WrongType {
        /// The type it has.
        found: String,
        /// The type it must have.
        wanted: &'static str,
    },
}

/// An envelope whose parts are decoded and within bounds. Nothing is verified yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// The payload.
    pub payload: Vec<u8>,
    /// What is signed.
    pub pae: Vec<u8>,
    /// Key ids and signatures, in order.
    pub signatures: Vec<(String, Vec<u8>)>,
}

/// The pre-authentication encoding: what is signed (DSSE protocol, "PAE").
pub fn pae(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let mut out = format!("DSSEv1 {} {} {} ", payload_type.len(), payload_type, payload.len()).into_bytes();
    out.extend_from_slice(payload);
    out
}

impl Envelope {
    /// An envelope nobody has signed yet.
    pub fn new(payload_type: &str, payload: &[u8]) -> Self {
        Self { payload_type: payload_type.to_owned(), payload: strict::to_base64(payload), signatures: Vec::new() }
    }

    /// The same envelope with one signature more.
    #[must_use]
    pub fn with(mut self, keyid: &str, signature: &[u8]) -> Self {
        self.signatures.push(Signature { keyid: keyid.to_owned(), sig: strict::to_base64(signature) });
        self
    }

    /// Reads an envelope from its canonical bytes.
    pub fn read(bytes: &[u8]) -> Result<Self, EnvelopeError> {
        let most = 2 * MAX_PAYLOAD + MAX_SIGNATURES * 2 * MAX_SIGNATURE;
        bound("size in bytes", bytes.len(), most)?;
        // No field may come twice and none is a number, so that the canonical form is all that is left to check.
        let envelope: Self = canonical::read(bytes).map_err(|e| EnvelopeError::Malformed(e.message().to_owned()))?;
        envelope.decode()?;
        Ok(envelope)
    }

    /// The canonical bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        canonical::canonical(self).expect("texts and lists always have a canonical form")
    }

    /// Decodes the parts of an envelope that must hold `payload_type`.
    pub fn open(&self, payload_type: &'static str) -> Result<Opened, EnvelopeError> {
        if self.payload_type != payload_type {
            let found = self.payload_type.chars().take(MAX_TEXT).collect();
            return Err(EnvelopeError::WrongType { found, wanted: payload_type });
        }
        self.decode()
    }

    fn decode(&self) -> Result<Opened, EnvelopeError> {
        bound("payload type", self.payload_type.len(), MAX_TEXT)?;
        bound("payload", self.payload.len() / 4 * 3, MAX_PAYLOAD + 2)?;
        bound("list of signatures", self.signatures.len(), MAX_SIGNATURES)?;
        let payload = strict::from_base64(&self.payload).map_err(|e| EnvelopeError::Malformed(format!("/payload: {e}")))?;
        bound("payload", payload.len(), MAX_PAYLOAD)?;
        let mut signatures = Vec::new();
        for (n, signature) in self.signatures.iter().enumerate() {
            bound("key id", signature.keyid.len(), MAX_TEXT)?;
            bound("signature", signature.sig.len() / 4 * 3, MAX_SIGNATURE + 2)?;
            let sig = strict::from_base64(&signature.sig).map_err(|e| EnvelopeError::Malformed(format!("/signatures/{n}/sig: {e}")))?;
            bound("signature", sig.len(), MAX_SIGNATURE)?;
            signatures.push((signature.keyid.clone(), sig));
        }
        let pae = pae(&self.payload_type, &payload);
        Ok(Opened { payload, pae, signatures })
    }
}

fn bound(what: &'static str, found: usize, most: usize) -> Result<(), EnvelopeError> {
    if found > most { Err(EnvelopeError::TooLarge { what, found, most }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_encoding_is_the_published_one() {
        // The example of the DSSE protocol.
        assert_eq!(pae("http://example.com/HelloWorld", b"hello world"), b"DSSEv1 29 http://example.com/HelloWorld 11 hello world");
        assert_eq!(pae("", b""), b"DSSEv1 0  0 ");
    }

    #[test]
    fn no_two_pairs_have_one_encoding() {
        assert_ne!(pae("a 1 b", b""), pae("a", b"b"));
        assert_ne!(pae("a", b" 1 b"), pae("a ", b"1 b"));
    }

    #[test]
    fn only_one_spelling_is_read() {
        let envelope = Envelope::new("t", b"payload").with("k", b"sig");
        let bytes = envelope.to_bytes();
        assert_eq!(Envelope::read(&bytes), Ok(envelope.clone()));
        let text = String::from_utf8(bytes).unwrap();
        for wrong in [
            text.replace("\"t\"", "\"t\",\"x\":1"),
            text.replace("\"payload\":", "\"payload\":\"\",\"payload\":"),
            text.replace(':', ": "),
            text.replace("cGF5bG9hZA==", "cGF5bG9hZA"),
            text.replace("cGF5bG9hZA==", "cGF5bG9hZB=="),
            text.replace("c2ln", "c2ln\\n"),
        ] {
            assert_ne!(wrong, text);
            assert!(matches!(Envelope::read(wrong.as_bytes()), Err(EnvelopeError::Malformed(_))), "{wrong}");
        }
        assert!(matches!(envelope.open("other"), Err(EnvelopeError::WrongType { .. })));
    }

    #[test]
    fn sizes_are_bounded() {
        assert!(Envelope::new("t", &vec![0; MAX_PAYLOAD]).open("t").is_ok());
        assert!(matches!(Envelope::new("t", &vec![0; MAX_PAYLOAD + 1]).open("t"), Err(EnvelopeError::TooLarge { what: "payload", .. })));
        let many = (0..=MAX_SIGNATURES).fold(Envelope::new("t", b""), |e, n| e.with(&n.to_string(), b""));
        assert!(matches!(many.open("t"), Err(EnvelopeError::TooLarge { what: "list of signatures", .. })));
        assert!(matches!(Envelope::new("t", b"").with("k", &[0; MAX_SIGNATURE + 1]).open("t"), Err(EnvelopeError::TooLarge { what: "signature", .. })));
    }
}
