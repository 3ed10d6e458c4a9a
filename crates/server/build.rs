//! Chooses what of `web/dist` the program carries: every file, but where a packed twin (`X.gz`) lies beside `X`, only that.

use std::path::Path;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let root = env::var("CARGO_MANIFEST_DIR").map_err(io::Error::other)?;
    let dist = Path::new(&root).join("../../web/dist");
    // A folder that is watched must exist, or everything would be built anew each time.
    let _ = fs::create_dir_all(&dist);
    println!("cargo::rerun-if-changed={}", dist.display());
    let chosen = Path::new(&env::var("OUT_DIR").map_err(io::Error::other)?).join("console");
    if chosen.exists() {
        fs::remove_dir_all(&chosen)?;
    }
    fs::create_dir_all(&chosen)?;
    if dist.is_dir() { copy(&dist, &chosen) } else { Ok(()) }
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type()?.is_dir() {
            fs::create_dir_all(&target)?;
            copy(&source, &target)?;
            continue;
        }
        let mut packed = entry.file_name();
        packed.push(".gz");
        if !from.join(packed).exists() {
            fs::copy(&source, &target)?;
        }
    }
    Ok(())
}
