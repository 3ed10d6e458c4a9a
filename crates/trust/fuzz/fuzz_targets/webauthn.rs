//! Assertions and passkeys from anybody.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| synod_trust::fuzzing::webauthn(data));
