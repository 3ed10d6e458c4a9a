//! Envelopes, roots, decisions, results and bundles from anybody: reading never breaks, and nothing is accepted but what
//! was signed.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| synod_trust::fuzzing::judge(data));
