//! Notes, checkpoints, log keys, tile paths and proofs from anybody.

#![no_main]

use libfuzzer_sys::fuzz_target;
use synod_trust::audit::note::Note;
use synod_trust::audit::{Checkpoint, Tile, VerifierKey, Witness, check_consistency, check_inclusion};
use synod_trust::testing::log_key;

fuzz_target!(|data: &[u8]| {
    if let Some((numbers, rest)) = data.split_first_chunk::<16>() {
        let (a, b) = (u128::from_le_bytes(*numbers) as u64, (u128::from_le_bytes(*numbers) >> 64) as u64);
        let hashes: Vec<[u8; 32]> = rest.chunks_exact(32).map(|c| c.try_into().expect("32 bytes")).collect();
        if let [first, second, path @ ..] = &hashes[..] {
            let _ = check_inclusion(first, a, b, path, second);
            let _ = check_consistency(a, first, b, second, path);
        }
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    let key = log_key();
    if let Ok(note) = Note::parse(text) {
        let _ = note.verify(key.verifier());
        let _ = Checkpoint::parse(note.text);
    }
    if let Ok(head) = Checkpoint::open(text, key.verifier()) {
        let same = key.sign(head.size, &head.root);
        assert!(text.starts_with(same.split_once("\n\n").expect("a note").0), "only what the log signed is a head");
        let mut witness = Witness::new(key.verifier().clone());
        assert!(witness.consider(text, &[]).is_ok());
    }
    if let Ok(checkpoint) = Checkpoint::parse(text) {
        assert!(text.starts_with(&checkpoint.to_string()), "one head has one spelling");
    }
    if let Ok(tile) = text.parse::<Tile>() {
        assert_eq!(tile.to_string(), text);
    }
    if let Ok(other) = text.parse::<VerifierKey>() {
        assert_eq!(other.to_string(), text);
    }
});
