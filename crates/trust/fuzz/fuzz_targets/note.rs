//! Notes, checkpoints, log keys, tile paths and proofs from anybody.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| synod_trust::fuzzing::note(data));
