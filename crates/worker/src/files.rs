//! Files that are there whole or not at all, and that only their owner can read.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use crate::error::{Error, Result};

/// Makes a folder that only its owner may enter, with the folders above it.
pub fn private_dir(dir: &Path) -> Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(Error::file("make the folder", dir))?;
    let mode = fs::metadata(dir).map_err(Error::file("read", dir))?.permissions().mode();
    if mode & 0o077 != 0 {
        fs::set_permissions(dir, Permissions::from_mode(0o700)).map_err(Error::file("close to others the folder", dir))?;
    }
    Ok(())
}

/// Replaces a file: written aside, made durable, then renamed over the old one.
pub(crate) fn replace(path: &Path, content: &[u8]) -> Result<()> {
    let aside = path.with_extension("new");
    match fs::remove_file(&aside) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(Error::file("remove", &aside)(e)),
        _ => {}
    }
    let mut file = private_file(&aside)?;
    file.write_all(content).and_then(|()| file.sync_all()).map_err(Error::file("write", &aside))?;
    fs::rename(&aside, path).map_err(Error::file("write", path))?;
    path.parent().map_or(Ok(()), sync_dir)
}

/// Makes a new file that only its owner may read.
pub(crate) fn private_file(path: &Path) -> Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(Error::file("write", path))
}

/// Makes renames in a folder durable.
pub(crate) fn sync_dir(dir: &Path) -> Result<()> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(Error::file("write", dir))
}

/// A file's text; `None` when it does not exist.
pub(crate) fn read(path: &Path) -> Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(Error::file("read", path)(e)),
    }
}
