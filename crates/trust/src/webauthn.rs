//! Passkeys: WebAuthn (W3C Web Authentication Level 2), sections 7.1 "Registering a New Credential" and 7.2 "Verifying an
//! Authentication Assertion".
//!
//! For decisions the challenge is not random but the hash of what is agreed to, so the assertion is a signature over it. That
//! it is fresh is of no use there: a decision stays true. What it decides on names the run and its digest. For signing in
//! the challenge is random and good once, which is the caller's to see to.

use serde::{Deserialize, Serialize};
use synod_domain::canonical;

use crate::crypto::sha256;
use crate::key::{Form, Key, PasskeySpec, cose_length};
use crate::strict;

/// User present: somebody touched the authenticator (section 6.1).
const UP: u8 = 0x01;
/// User verified: it checked a PIN, a finger or a face.
const UV: u8 = 0x04;
/// It can be backed up (Level 3).
const BE: u8 = 0x08;
/// It is backed up.
const BS: u8 = 0x10;
/// Attested credential data follow.
const AT: u8 = 0x40;
/// Extensions follow.
const ED: u8 = 0x80;
/// Hash of the relying party, flags, counter.
const LEAST: usize = 37;

/// For which site passkeys count, as the trust root says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Passkeys {
    /// The relying party's id: a domain, such as `synod.example.com`.
    pub rp_id: String,
    /// The origins from which people sign, such as `https://synod.example.com`.
    pub origins: Vec<String>,
}

/// What `navigator.credentials.get` returned, each part in base64url.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
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
/// verified user.
pub fn verify(key: &Key, passkeys: &Passkeys, pae: &[u8], assertion: &[u8]) -> Result<(), String> {
    if !key.is_passkey() {
        return Err(format!("{} is an SSH key and signs by SSHSIG", key.id()));
    }
    let assertion: Assertion = strict::read(assertion).map_err(|e| format!("the assertion cannot be read: {e}"))?;
    answers(key, passkeys, &challenge(pae), &assertion).map(drop)
}

/// Checks that `assertion` is the passkey's answer to a challenge, made on one of the sites by a verified user. The steps
/// are those of section 7.2. Returns the counter, by which clones are found; it is 0 for passkeys that are synchronised.
pub fn answers(key: &Key, passkeys: &Passkeys, challenge: &[u8], assertion: &Assertion) -> Result<u32, String> {
    let Form::Passkey { credential_id } = key.form() else { return Err(format!("{} is an SSH key and answers no challenge", key.id())) };
    // Steps 5 to 7: the credential is one the person has.
    if part("credentialId", &assertion.credential_id)? != *credential_id {
        return Err(format!("the assertion is by another credential than {}", key.id()));
    }
    let data = part("authenticatorData", &assertion.authenticator_data)?;
    let client = part("clientDataJSON", &assertion.client_data_json)?;
    let signature = part("signature", &assertion.signature)?;
    check_client(&client, passkeys, challenge, "webauthn.get")?;
    check_data(&data, passkeys)?;
    // Steps 19 and 20. Step 21, the counter, is for whoever remembers the last one.
    let signed = [&data[..], &sha256(&client)].concat();
    if !key.public().verifies(&signed, &signature) {
        return Err("the passkey's signature does not fit what was signed".into());
    }
    Ok(counter(&data))
}

/// The challenge that clientDataJSON (base64url) says it answers, to look up whether it was ever given.
pub fn challenge_of(client_data_json: &str) -> Result<Vec<u8>, String> {
    let client = strict::without_duplicates(&part("clientDataJSON", client_data_json)?).map_err(|e| format!("clientDataJSON cannot be read: {e}"))?;
    let text = client.get("challenge").and_then(|v| v.as_str()).ok_or("clientDataJSON has no text `challenge`")?;
    part("challenge", text)
}

fn part(name: &str, text: &str) -> Result<Vec<u8>, String> {
    strict::from_base64url(text).map_err(|e| format!("the passkey's {name} is {e}"))
}

fn counter(data: &[u8]) -> u32 {
    data[33..LEAST].iter().fold(0, |sum, byte| sum << 8 | u32::from(*byte))
}

/// Steps 9 to 14; of section 7.1, steps 5 to 11.
fn check_client(client: &[u8], passkeys: &Passkeys, challenge: &[u8], wanted: &str) -> Result<(), String> {
    let client = strict::without_duplicates(client).map_err(|e| format!("clientDataJSON cannot be read: {e}"))?;
    let text = |name: &str| client.get(name).and_then(|v| v.as_str()).ok_or_else(|| format!("clientDataJSON has no text `{name}`"));
    if text("type")? != wanted {
        return Err(format!("clientDataJSON has type `{}`; `{wanted}` is right", text("type")?.escape_debug()));
    }
    if text("challenge")? != strict::to_base64url(challenge) {
        return Err("the challenge is not the one for this: it was made for something else, or altered since".into());
    }
    if !passkeys.origins.iter().any(|origin| text("origin").is_ok_and(|o| o == origin)) {
        return Err(format!("made at `{}`; passkeys count at {}", text("origin")?.escape_debug(), passkeys.origins.join(", ")));
    }
    let embedded = client.get("crossOrigin").is_some_and(|v| v.as_bool() != Some(false)) || client.get("topOrigin").is_some();
    if embedded {
        return Err("made inside a page of another site (crossOrigin); do it on the site itself".into());
    }
    Ok(())
}

/// Steps 15 to 18; of section 7.1, steps 13 to 15.
fn check_data(data: &[u8], passkeys: &Passkeys) -> Result<(), String> {
    if data.len() < LEAST {
        return Err(format!("authenticatorData has {} bytes; at least {LEAST} are needed", data.len()));
    }
    let flags = data[32];
    if flags & (AT | ED) == 0 && data.len() != LEAST {
        return Err(format!("authenticatorData has {} bytes, but its flags announce nothing beyond {LEAST}", data.len()));
    }
    if data[..32] != sha256(passkeys.rp_id.as_bytes()) {
        return Err(format!("made for another site than `{}`", passkeys.rp_id));
    }
    if flags & UP == 0 {
        return Err("nobody was present (flag UP); do it again and touch the authenticator".into());
    }
    if flags & UV == 0 {
        return Err("the authenticator did not verify who was there (flag UV); ask for userVerification \"required\"".into());
    }
    Ok(())
}

/// What `navigator.credentials.create` returned, each part in base64url. No attestation is looked at: which make an
/// authenticator is of says nothing about whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Creation<'a> {
    /// `rawId`.
    pub credential_id: &'a str,
    /// `response.getAuthenticatorData()`.
    pub authenticator_data: &'a str,
    /// `response.clientDataJSON`.
    pub client_data_json: &'a str,
}

/// A passkey as its authenticator first told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Created {
    /// The checked key.
    pub key: Key,
    /// The key as the trust root writes it.
    pub spec: PasskeySpec,
    /// The counter.
    pub counter: u32,
}

/// Checks a new passkey (section 7.1, "Registering a New Credential", with attestation "none"): made for this challenge, on
/// one of the sites, by a verified user, of a kind that is taken.
pub fn register(passkeys: &Passkeys, challenge: &[u8], creation: &Creation<'_>) -> Result<Created, String> {
    let data = part("authenticatorData", creation.authenticator_data)?;
    let client = part("clientDataJSON", creation.client_data_json)?;
    let id = part("credentialId", creation.credential_id)?;
    check_client(&client, passkeys, challenge, "webauthn.create")?;
    check_data(&data, passkeys)?;
    let flags = data[32];
    if flags & BS != 0 && flags & BE == 0 {
        return Err("the authenticator says that the passkey is backed up (flag BS) and cannot be (flag BE)".into());
    }
    if flags & AT == 0 {
        return Err("authenticatorData has no credential (flag AT); send what `getAuthenticatorData()` of the new passkey returns".into());
    }
    let short = || format!("authenticatorData breaks off after {} bytes, in the middle of the credential", data.len());
    let length = data.get(LEAST + 16..LEAST + 18).map(|two| usize::from(u16::from_be_bytes([two[0], two[1]]))).ok_or_else(short)?;
    let (named, rest) = data.get(LEAST + 18..).filter(|rest| rest.len() >= length).ok_or_else(short)?.split_at(length);
    if named != id {
        return Err("authenticatorData is about another credential than credentialId".into());
    }
    let cose = &rest[..cose_length(rest).min(rest.len())];
    let after = &rest[cose.len()..];
    if flags & ED == 0 && !after.is_empty() {
        return Err(format!("authenticatorData has {} bytes after the key, but its flags announce no extensions", after.len()));
    }
    // Extensions are a map in CBOR (major type 5). None is asked for, so none is read.
    if flags & ED != 0 && after.first().is_none_or(|byte| byte >> 5 != 5) {
        return Err("authenticatorData announces extensions (flag ED) and has no map of them".into());
    }
    let spec = PasskeySpec { credential_id: creation.credential_id.to_owned(), public_key: strict::to_base64url(cose) };
    let key = Key::from_passkey(&spec)?;
    Ok(Created { key, spec, counter: counter(&data) })
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
    use crate::key::KeySpec;
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
                ("count at https://synod.example.com", Box::new(|c| c.json["origin"] = json!("https://evil.example.com"))),
                ("count at https://synod.example.com", Box::new(|c| c.json["origin"] = json!("https://synod.example.com.evil.com"))),
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
    fn an_answer_is_to_its_own_challenge() {
        for signer in [Signer::passkey_p256("p"), Signer::passkey_ed25519("q")] {
            let assertion = signer.assertion(&ClientData { counter: 0x0102_0304, ..ClientData::asked("webauthn.get", &[7; 32]) });
            assert_eq!(answers(&signer.key(), &passkeys(), &[7; 32], &assertion), Ok(0x0102_0304));
            assert!(answers(&signer.key(), &passkeys(), &[8; 32], &assertion).unwrap_err().contains("challenge"));
            assert!(answers(&Signer::ed25519("a").key(), &passkeys(), &[7; 32], &assertion).unwrap_err().contains("SSH key"));
            // A signed decision signs nobody in: its challenge is the hash of what was decided.
            let decision = signer.assertion(&ClientData::new(b"pae"));
            assert!(answers(&signer.key(), &passkeys(), b"pae", &decision).unwrap_err().contains("challenge"));
        }
    }

    /// Registers what a signer's authenticator makes, after a change to what it says.
    fn made(signer: &Signer, change: impl FnOnce(&mut ClientData)) -> Result<Created, String> {
        let mut client = ClientData::asked("webauthn.create", &[7; 32]);
        client.flags |= AT;
        change(&mut client);
        let (id, data, json) = signer.creation(&client);
        register(&passkeys(), &[7; 32], &Creation { credential_id: &id, authenticator_data: &data, client_data_json: &json })
    }

    #[test]
    fn a_new_passkey_is_looked_over() {
        for signer in [Signer::passkey_p256("p"), Signer::passkey_ed25519("q")] {
            let created = made(&signer, |c| c.counter = 5).unwrap();
            assert_eq!((created.key, KeySpec::Passkey(created.spec), created.counter), (signer.key(), signer.spec(), 5));
            assert!(made(&signer, |c| c.flags |= BE | BS).is_ok());
            assert!(made(&signer, |c| c.flags |= BE).is_ok());
            let extended = |extra: &[u8]| {
                let extra = extra.to_vec();
                made(&signer, move |c| {
                    c.flags |= ED;
                    c.extra = extra;
                })
            };
            assert!(extended(&[0xa0]).is_ok());
            let cases: Vec<(&str, Change)> = vec![
                ("`webauthn.create` is right", Box::new(|c| c.json["type"] = json!("webauthn.get"))),
                ("challenge", Box::new(|c| c.json["challenge"] = json!(strict::to_base64url(&[8; 32])))),
                ("count at https://synod.example.com", Box::new(|c| c.json["origin"] = json!("https://evil.example.com"))),
                ("crossOrigin", Box::new(|c| c.json["crossOrigin"] = json!(true))),
                ("crossOrigin", Box::new(|c| c.json["topOrigin"] = json!("https://evil.example.com"))),
                ("another site", Box::new(|c| c.rp_id = "evil.example.com".into())),
                ("flag UV", Box::new(|c| c.flags &= !UV)),
                ("flag UP", Box::new(|c| c.flags &= !UP)),
                ("flag BS", Box::new(|c| c.flags |= BS)),
                ("announce nothing", Box::new(|c| c.flags &= !AT)),
                ("1 bytes after the key", Box::new(|c| c.extra = vec![0xa0])),
                ("no map", Box::new(|c| c.flags |= ED)),
                ("cannot be read", Box::new(|c| c.raw = Some("[".into()))),
            ];
            for (words, change) in cases {
                let error = made(&signer, change).unwrap_err();
                assert!(error.contains(words), "wanted {words}: {error}");
            }
            assert!(extended(&[0x80]).unwrap_err().contains("no map"));
        }
    }

    #[test]
    fn a_new_passkey_is_read_whole() {
        for signer in [Signer::passkey_p256("p"), Signer::passkey_ed25519("q")] {
            let mut client = ClientData::asked("webauthn.create", &[7; 32]);
            client.flags |= AT;
            let (id, data, json) = signer.creation(&client);
            let bytes = strict::from_base64url(&data).unwrap();
            let given = |id: &str, bytes: &[u8]| {
                let data = strict::to_base64url(bytes);
                register(&passkeys(), &[7; 32], &Creation { credential_id: id, authenticator_data: &data, client_data_json: &json })
            };
            for length in 0..bytes.len() {
                assert!(given(&id, &bytes[..length]).is_err(), "cut at {length}");
            }
            let other = strict::to_base64url(b"another");
            assert!(given(&other, &bytes).unwrap_err().contains("another credential"));
            assert!(given("=", &bytes).unwrap_err().contains("credentialId"));
            // Whatever is bent yields a refusal, but for what the authenticator may say freely: counter, make, flags of backup,
            // and the coordinates, of which it says what it will.
            let free = |at: usize| (33..53).contains(&at) || at >= bytes.len() - 67;
            for bit in 0..bytes.len() * 8 {
                let mut bent = bytes.clone();
                bent[bit / 8] ^= 1 << (bit % 8);
                let outcome = given(&id, &bent);
                let harmless = bit / 8 == 32 && bent[32] & (UP | UV | AT | ED) == UP | UV | AT && (bent[32] & BS == 0);
                assert!(outcome.is_err() || free(bit / 8) || harmless, "bit {bit}");
                assert!(outcome.is_err() || outcome.is_ok_and(|created| strict::from_base64url(&created.spec.credential_id).is_ok()));
            }
        }
        // RSA keys are told by name.
        let mut client = ClientData::asked("webauthn.create", &[7; 32]);
        client.flags |= AT;
        let signer = Signer::passkey_p256("p");
        let (id, data, json) = signer.creation(&client);
        let mut bytes = strict::from_base64url(&data).unwrap();
        let at = LEAST + 18 + strict::from_base64url(&id).unwrap().len();
        bytes.splice(at.., [0xa4, 0x01, 0x03, 0x03, 0x39, 0x01, 0x00, 0x20]);
        let data = strict::to_base64url(&bytes);
        let refused = register(&passkeys(), &[7; 32], &Creation { credential_id: &id, authenticator_data: &data, client_data_json: &json });
        assert!(refused.unwrap_err().contains("RSA"));
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
