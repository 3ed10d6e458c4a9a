//! Assertions and passkeys from anybody.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use synod_trust::Key;
use synod_trust::key::{PasskeySpec, to_cose};
use synod_trust::strict;
use synod_trust::testing::{ClientData, Signer, passkeys};
use synod_trust::webauthn::{self, Assertion, Creation};

static KEYS: LazyLock<Vec<Key>> = LazyLock::new(|| vec![Signer::passkey_p256("p").key(), Signer::passkey_ed25519("q").key()]);

fuzz_target!(|data: &[u8]| {
    for key in KEYS.iter() {
        assert!(webauthn::verify(key, &passkeys(), b"another message", data).is_err());
        let _ = webauthn::verify(key, &passkeys(), b"message", data);
    }
    if let Ok(assertion) = strict::read::<Assertion>(data) {
        assert_eq!(assertion.to_bytes(), data, "one assertion has one spelling");
    }
    // The bytes as a COSE_Key, and as clientDataJSON of an assertion nobody signed.
    let spec = PasskeySpec { credential_id: "AA".into(), public_key: strict::to_base64url(data) };
    if let Ok(key) = Key::from_passkey(&spec) {
        assert_eq!(to_cose(key.public()), data, "one key has one spelling");
    }
    // The bytes as what an authenticator says of a new passkey.
    let client = ClientData::asked("webauthn.create", &[7; 32]);
    let (id, _, json) = Signer::passkey_ed25519("q").creation(&client);
    let told = strict::to_base64url(data);
    if let Ok(created) = webauthn::register(&passkeys(), &[7; 32], &Creation { credential_id: &id, authenticator_data: &told, client_data_json: &json }) {
        assert_eq!(Key::from_passkey(&created.spec).as_ref(), Ok(&created.key), "what is registered can be read again");
    }
    let mut assertion = Signer::passkey_ed25519("q").assertion(&synod_trust::testing::ClientData::new(b"message"));
    assertion.client_data_json = strict::to_base64url(data);
    let verified = webauthn::verify(&KEYS[1], &passkeys(), b"message", &assertion.to_bytes());
    assert!(verified.is_err() || *data == *synod_trust::testing::ClientData::new(b"message").json.to_string().as_bytes());
});
