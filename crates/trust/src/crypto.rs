//! The two signature schemes of the house, Ed25519 and ECDSA on P-256 with SHA-256, verified by one library.
//!
//! aws-lc is what TLS here already rests on; it refuses non-canonical signatures (S ≥ L, sloppy DER). Keys of small order,
//! under which anybody can sign, are refused when a key is read.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, ED25519, ParsedPublicKey};
use sha2::{Digest as _, Sha256};

/// Which scheme a key is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Curve {
    /// Ed25519 (RFC 8032).
    Ed25519,
    /// ECDSA on P-256 with SHA-256 (FIPS 186-5).
    P256,
}

/// A public key that can verify.
#[derive(Debug, Clone)]
pub struct PublicKey {
    curve: Curve,
    material: Vec<u8>,
    parsed: ParsedPublicKey,
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.curve == other.curve && self.material == other.material
    }
}

impl Eq for PublicKey {}

/// The beginning of an Ed25519 SubjectPublicKeyInfo (RFC 8410); 32 bytes of key follow.
const SPKI_ED25519: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
/// The beginning of a P-256 SubjectPublicKeyInfo (RFC 5480); 65 bytes of uncompressed point follow.
const SPKI_P256: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

impl PublicKey {
    /// From the 32 bytes of RFC 8032.
    pub fn ed25519(raw: &[u8]) -> Result<Self, String> {
        let bytes: [u8; 32] = raw.try_into().map_err(|_| format!("an Ed25519 key has 32 bytes, this one {}", raw.len()))?;
        let point = ed25519_dalek::VerifyingKey::from_bytes(&bytes).map_err(|_| "the Ed25519 key is not a point of the curve".to_owned())?;
        if point.is_weak() {
            return Err("the Ed25519 key has small order: anybody could sign under it; make a new key with ssh-keygen".to_owned());
        }
        let parsed = ParsedPublicKey::new(&ED25519, raw).map_err(|e| format!("the Ed25519 key is unusable: {e}"))?;
        Ok(Self { curve: Curve::Ed25519, material: raw.to_vec(), parsed })
    }

    /// From the 65 bytes of an uncompressed point (SEC 1 section 2.3.3).
    pub fn p256(point: &[u8]) -> Result<Self, String> {
        if point.len() != 65 || point[0] != 4 {
            return Err("a P-256 key is an uncompressed point of 65 bytes beginning with 04".to_owned());
        }
        let parsed = ParsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point).map_err(|_| "the P-256 key is not a point of the curve".to_owned())?;
        Ok(Self { curve: Curve::P256, material: point.to_vec(), parsed })
    }

    /// From the DER of a SubjectPublicKeyInfo, in the one form RFC 5480 and RFC 8410 give it.
    pub fn spki(der: &[u8]) -> Result<Self, String> {
        if let Some(raw) = der.strip_prefix(&SPKI_ED25519) {
            return Self::ed25519(raw);
        }
        match der.strip_prefix(&SPKI_P256) {
            Some(point) => Self::p256(point),
            None => Err("not the SubjectPublicKeyInfo of an Ed25519 key or of an uncompressed P-256 key".to_owned()),
        }
    }

    /// The DER of its SubjectPublicKeyInfo.
    pub fn to_spki(&self) -> Vec<u8> {
        let head: &[u8] = match self.curve {
            Curve::Ed25519 => &SPKI_ED25519,
            Curve::P256 => &SPKI_P256,
        };
        [head, &self.material].concat()
    }

    /// The scheme.
    pub fn curve(&self) -> Curve {
        self.curve
    }

    /// The bare key: 32 bytes of Ed25519, or the 65 bytes of an uncompressed P-256 point.
    pub fn material(&self) -> &[u8] {
        &self.material
    }

    /// Whether `signature` (64 bytes for Ed25519; DER for P-256) is one of `message` by this key.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        self.parsed.verify_sig(message, signature).is_ok()
    }
}

/// SHA-256.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};

    #[test]
    fn weak_and_odd_keys_are_refused() {
        let mut identity = [0u8; 32];
        identity[0] = 1;
        for (key, words) in [(identity.to_vec(), "small order"), (vec![0; 32], "small order"), (vec![7; 31], "32 bytes")] {
            let error = PublicKey::ed25519(&key).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
        // Half of all numbers are no y of a point.
        let odd = (2..20).filter(|y| PublicKey::ed25519(&[&[*y][..], &[0; 31]].concat()).is_err_and(|e| e.contains("not a point"))).count();
        assert!(odd > 3, "{odd}");
        let mut off = vec![1; 65];
        off[0] = 4;
        assert!(PublicKey::p256(&off).unwrap_err().contains("not a point"));
        off[0] = 2;
        assert!(PublicKey::p256(&off[..33]).unwrap_err().contains("uncompressed"));
        assert!(PublicKey::spki(&SPKI_P256).is_err());
        assert!(PublicKey::spki(b"").is_err());
    }

    #[test]
    fn malleable_signatures_are_refused() {
        let pair = Ed25519KeyPair::generate().unwrap();
        let key = PublicKey::ed25519(pair.public_key().as_ref()).unwrap();
        let mut signature = pair.sign(b"m").as_ref().to_vec();
        assert!(key.verifies(b"m", &signature));
        assert!(!key.verifies(b"n", &signature));
        // S + L is the same number to a sloppy verifier (RFC 8032 section 8.4).
        let order: [u8; 32] =
            [0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10];
        let mut carry = 0u16;
        for (s, l) in signature[32..].iter_mut().zip(order) {
            let sum = u16::from(*s) + u16::from(l) + carry;
            *s = sum as u8;
            carry = sum >> 8;
        }
        assert!(!key.verifies(b"m", &signature));

        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
        let key = PublicKey::p256(pair.public_key().as_ref()).unwrap();
        let signature = pair.sign(&SystemRandom::new(), b"m").unwrap().as_ref().to_vec();
        assert!(key.verifies(b"m", &signature));
        let mut trailing = signature.clone();
        trailing.push(0);
        assert!(!key.verifies(b"m", &trailing));
        let mut long_form = vec![0x30, 0x81, signature[1]];
        long_form.extend_from_slice(&signature[2..]);
        assert!(!key.verifies(b"m", &long_form), "BER is not DER");
    }
}
