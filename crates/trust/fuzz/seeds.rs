//! Writes good inputs of every kind into the folder given, one folder per target: what fuzzing begins with.

// What is instrumented needs the fuzzer's callbacks, even where nothing is fuzzed.
use libfuzzer_sys as _;
use std::fs;
use std::path::Path;

use synod_trust::fuzzing::seeds;

fn main() -> std::io::Result<()> {
    let folder = std::env::args().nth(1).unwrap_or_else(|| "corpus".into());
    for (target, name, bytes) in seeds() {
        let folder = Path::new(&folder).join(target);
        fs::create_dir_all(&folder)?;
        fs::write(folder.join(name), bytes)?;
    }
    Ok(())
}
