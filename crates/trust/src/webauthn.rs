//! Passkeys: WebAuthn assertions (W3C Web Authentication Level 2, section 7.2 "Verifying an Authentication Assertion").
//!
//! The challenge is not random but the hash of what is agreed to, so the assertion is a signature over it. That it is fresh
//! is of no use here: a decision stays true. What it decides on names the run and its digest.

use serde::{Deserialize, Serialize};
use synod_domain::canonical;

use crate::crypto::sha256;
use crate::key::{Form, Key};
use crate::strict;

/// User present: somebody touched the authenticator (section 6.1).
const UP: u8 = 0x01;
/// User verified: it checked a PIN, a finger or a face.
const UV: u8 = 0x04;
/// Attested credential data or extensions follow.
const AT_OR_ED: u8 = 0xc0;
/// Hash of the relying party, flags, counter.
const LEAST: usize = 37;

/// For which site passkeys count, as the trust root says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Passkeys {
    /// The relying party's id: a domain, such as `synod.example.com`.
    pub rp_id: String,
    /// The origins from which people sign, such as `https://synod.example.com`.
    pub origins: Vec<String>,
}

/// What `navigator.credentials.get` returned, each part in base64url.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Assertion {
    /// `rawId`.
    pub credential_id: String,
    /// `response.authenticatorData`.
    pub authenticator_data: String,
    /// `response.clientDataJSON`.
    #[serde(rename = "clientDataJSON")]
    pub client_data_json: String,
    /// `response.signature`.
    pub signature: String,
}

impl Assertion {
    /// The bytes that stand as signature in an envelope: canonical JSON.
    pub fn to_bytes(&self) -> Vec<u8> {
        canonical::canonical(self).expect("texts always have a canonical form")
    }
}

/// The challenge to put before the authenticator for a pre-authentication encoding.
pub fn challenge(pae: &[u8]) -> [u8; 32] {
    sha256(pae)
}

/// Checks that `assertion` (canonical JSON) is the passkey's signature over `pae`, made on one of the root's sites by a
/// verified user. The steps are those of section 7.2.
pub fn verify(key: &Key, passkeys: &Passkeys, pae: &[u8], assertion: &[u8]) -> Result<(), String> {
    let Form::Passkey { credential_id } = key.form() else { return Err(format!("{} is an SSH key and signs by SSHSIG", key.id())) };
    let assertion: Assertion = strict::read(assertion).map_err(|e| format!("the assertion cannot be read: {e}"))?;
    let part = |name: &str, text: &str| strict::from_base64url(text).map_err(|e| format!("the assertion's {name} is {e}"));
    // Steps 5 to 7: the credential is one the person has.
    if part("credentialId", &assertion.credential_id)? != *credential_id {
        return Err(format!("the assertion is by another credential than {}", key.id()));
    }
    let data = part("authenticatorData", &assertion.authenticator_data)?;
    let client = part("clientDataJSON", &assertion.client_data_json)?;
    let signature = part("signature", &assertion.signature)?;
    check_client(&client, passkeys, pae)?;
    check_data(&data, passkeys)?;
    // Steps 19 and 20. Step 21, the counter, is for finding clones; passkeys that are synchronised have none.
    let signed = [&data[..], &sha256(&client)].concat();
    if key.public().verifies(&signed, &signature) { Ok(()) } else { Err("the passkey's signature does not fit what was signed".into()) }
}

/// Steps 9 to 14.
fn check_client(client: &[u8], passkeys: &Passkeys, pae: &[u8]) -> Result<(), String> {
    let client = strict::without_duplicates(client).map_err(|e| format!("clientDataJSON cannot be read: {e}"))?;
    let text = |name: &str| client.get(name).and_then(|v| v.as_str()).ok_or_else(|| format!("clientDataJSON has no text `{name}`"));
    if text("type")? != "webauthn.get" {
        return Err(format!("clientDataJSON has type `{}`; `webauthn.get` is right", text("type")?.escape_debug()));
    }
    if text("challenge")? != strict::to_base64url(&challenge(pae)) {
        return Err("the challenge is not the hash of this decision: it was signed for another, or altered since".into());
    }
    if !passkeys.origins.iter().any(|origin| text("origin").is_ok_and(|o| o == origin)) {
        return Err(format!("signed at `{}`; the trust root takes {}", text("origin")?.escape_debug(), passkeys.origins.join(", ")));
    }
    let embedded = client.get("crossOrigin").is_some_and(|v| v.as_bool() != Some(false)) || client.get("topOrigin").is_some();
    if embedded {
        return Err("signed inside a page of another site (crossOrigin); sign on the site itself".into());
    }
    Ok(())
}

/// Steps 15 to 18.
fn check_data(data: &[u8], passkeys: &Passkeys) -> Result<(), String> {
    if data.len() < LEAST {
        return Err(format!("authenticatorData has {} bytes; at least {LEAST} are needed", data.len()));
    }
    let flags = data[32];
    if flags & AT_OR_ED == 0 && data.len() != LEAST {
        return Err(format!("authenticatorData has {} bytes, but its flags announce nothing beyond {LEAST}", data.len()));
    }
    if data[..32] != sha256(passkeys.rp_id.as_bytes()) {
        return Err(format!("signed for another site than `{}`", passkeys.rp_id));
    }
    if flags & UP == 0 {
        return Err("nobody was present (flag UP); sign again and touch the authenticator".into());
    }
    if flags & UV == 0 {
        return Err("the authenticator did not verify who was there (flag UV); ask for userVerification \"required\"".into());
    }
    Ok(())
}

/// What is wrong with a root's section about passkeys: places below it and words.
pub fn check(passkeys: &Passkeys) -> Vec<(String, String)> {
    let mut wrong = Vec::new();
    let host = |text: &str| !text.is_empty() && text.len() <= 253 && text.split('.').all(|label| crate::names::check_name(label).is_ok());
    if !host(&passkeys.rp_id) {
        wrong.push(("/rpId".to_owned(), format!("`{}` is not a domain in lower case, such as `synod.example.com`", passkeys.rp_id.escape_debug())));
    }
    if passkeys.origins.is_empty() || passkeys.origins.len() > 20 {
        wrong.push(("/origins".to_owned(), format!("{} origins; name 1 to 20, such as `https://synod.example.com`", passkeys.origins.len())));
    }
    for (n, origin) in passkeys.origins.iter().enumerate() {
        let local = origin.strip_prefix("http://").filter(|rest| rest.split(':').next() == Some("localhost"));
        let rest = origin.strip_prefix("https://").or(local).unwrap_or_default();
        let (name, port) = rest.split_once(':').unwrap_or((rest, "443"));
        let within = name == passkeys.rp_id || name.strip_suffix(&passkeys.rp_id).is_some_and(|sub| sub.ends_with('.'));
        if !host(name) || !within || !port.parse::<u16>().is_ok_and(|p| p.to_string() == port) {
            let words = format!("`{}` is not an origin of `{}`; write `https://HOST` or `https://HOST:PORT`", origin.escape_debug(), passkeys.rp_id);
            wrong.push((format!("/origins/{n}"), words));
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{ClientData, Signer, passkeys};
    use serde_json::json;

    type Change = Box<dyn FnOnce(&mut ClientData)>;

    fn judge(signer: &Signer, change: impl FnOnce(&mut ClientData)) -> Result<(), String> {
        let mut client = ClientData::new(b"pae");
        change(&mut client);
        verify(&signer.key(), &passkeys(), b"pae", &signer.assertion(&client).to_bytes())
    }

    #[test]
    fn accepts_a_verified_user_on_the_right_site_and_nothing_else() {
        for signer in [Signer::passkey_p256("p"), Signer::passkey_ed25519("q")] {
            assert_eq!(judge(&signer, |_| {}), Ok(()));
            let cases: Vec<(&str, Change)> = vec![
                ("webauthn.get", Box::new(|c| c.json["type"] = json!("webauthn.create"))),
                ("challenge", Box::new(|c| c.json["challenge"] = json!(strict::to_base64url(&challenge(b"another"))))),
                ("takes https://synod.example.com", Box::new(|c| c.json["origin"] = json!("https://evil.example.com"))),
                ("takes https://synod.example.com", Box::new(|c| c.json["origin"] = json!("https://synod.example.com.evil.com"))),
                ("no text `origin`", Box::new(|c| c.json["origin"] = json!(null))),
                ("crossOrigin", Box::new(|c| c.json["crossOrigin"] = json!(true))),
                ("crossOrigin", Box::new(|c| c.json["crossOrigin"] = json!("false"))),
                ("crossOrigin", Box::new(|c| c.json["topOrigin"] = json!("https://evil.example.com"))),
                ("another site", Box::new(|c| c.rp_id = "evil.example.com".into())),
                ("flag UV", Box::new(|c| c.flags = UP)),
                ("flag UP", Box::new(|c| c.flags = UV)),
                ("announce nothing", Box::new(|c| c.extra = vec![1])),
                ("stands twice", Box::new(|c| c.raw = Some(r#"{"type":"webauthn.get","type":"webauthn.get"}"#.into()))),
                ("cannot be read", Box::new(|c| c.raw = Some("[".into()))),
            ];
            for (words, change) in cases {
                let error = judge(&signer, change).unwrap_err();
                assert!(error.contains(words), "wanted {words}: {error}");
            }
            // Browsers may add members (section 5.8.1 of Level 2); authenticators may add extensions.
            assert_eq!(judge(&signer, |c| c.json["other_keys_can_be_added_here"] = json!("x")), Ok(()));
            assert_eq!(
                judge(&signer, |c| {
                    c.flags |= 0x80;
                    c.extra = vec![0xa0];
                }),
                Ok(())
            );
        }
    }

    #[test]
    fn nothing_bent_counts() {
        for signer in [Signer::passkey_p256("p"), Signer::passkey_ed25519("q")] {
            let good = signer.assertion(&ClientData::new(b"pae")).to_bytes();
            for bit in 0..good.len() * 8 {
                let mut bent = good.clone();
                bent[bit / 8] ^= 1 << (bit % 8);
                assert!(verify(&signer.key(), &passkeys(), b"pae", &bent).is_err(), "bit {bit}");
            }
            let other = Signer::passkey_p256("other");
            assert!(verify(&other.key(), &passkeys(), b"pae", &good).unwrap_err().contains("another credential"));
            assert!(verify(&Signer::ed25519("a").key(), &passkeys(), b"pae", &good).unwrap_err().contains("SSHSIG"));
        }
    }

    #[test]
    fn the_section_names_real_origins() {
        let wrong = |rp: &str, origins: &[&str]| {
            let passkeys = Passkeys { rp_id: rp.into(), origins: origins.iter().map(|o| (*o).to_owned()).collect() };
            check(&passkeys).into_iter().map(|(at, _)| at).collect::<Vec<_>>()
        };
        assert!(wrong("synod.example.com", &["https://synod.example.com", "https://a.synod.example.com:8443"]).is_empty());
        assert!(wrong("localhost", &["http://localhost:8080", "https://localhost"]).is_empty());
        assert_eq!(wrong("synod.example.com", &[]), ["/origins"]);
        assert_eq!(wrong("Synod", &["https://Synod"]), ["/rpId", "/origins/0"]);
        for origin in
            ["http://synod.example.com", "https://evil.com", "https://synod.example.com/", "https://synod.example.com:99999", "https://evilsynod.example.com"]
        {
            assert_eq!(wrong("synod.example.com", &[origin]), ["/origins/0"], "{origin}");
        }
    }
}
