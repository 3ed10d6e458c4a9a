//! SSH signatures and key lines from anybody.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| synod_trust::fuzzing::sshsig(data));
