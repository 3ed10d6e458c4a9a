//! SSH signatures and key lines from anybody.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use synod_trust::Key;
use synod_trust::sshsig::{self, NAMESPACE_APPROVAL};
use synod_trust::testing::Signer;

static KEYS: LazyLock<Vec<Key>> =
    LazyLock::new(|| vec![Signer::ed25519("a").key(), Signer::p256("b").key(), Signer::sk_ed25519("c").key(), Signer::sk_p256("d").key()]);

fuzz_target!(|data: &[u8]| {
    if let Ok(parts) = sshsig::parse(data) {
        assert_eq!(sshsig::assemble(&parts), data, "one signature has one spelling");
        assert_eq!(sshsig::read_text(&sshsig::to_armor(data)).as_deref(), Ok(data));
        for key in KEYS.iter() {
            // No seed is a signature over this message.
            assert!(sshsig::verify(key, NAMESPACE_APPROVAL, b"another message", data).is_err());
            let _ = sshsig::verify(key, &parts.namespace, b"message", data);
        }
    }
    for key in KEYS.iter() {
        let _ = sshsig::from_agent(key, NAMESPACE_APPROVAL, data);
    }
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = sshsig::read_text(text);
        if let Ok(key) = Key::from_openssh(text) {
            assert_eq!(key.id().check(), Ok(()));
        }
    }
});
