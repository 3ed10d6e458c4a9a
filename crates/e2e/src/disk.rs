//! A disk that can be filled: a small file system for processes of the program, and for nobody else.

use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// What fills it.
const BALLAST: &str = "ballast";
/// A `/dev/shm` beyond this is the machine's and not a container's: filling it would take the memory of others.
const SMALL: u64 = 256 * 1024 * 1024;

/// A small file system: a tmpfs in a mount namespace of its own, which an ordinary user may have where user namespaces
/// are allowed, and root where mounting is; else the `/dev/shm` of a container, which is a small tmpfs as well.
pub struct SmallDisk {
    /// Where processes that run on it find it.
    pub path: PathBuf,
    /// Where the story finds it.
    pub seen: PathBuf,
    /// What leads a process there, before its program.
    pub way: Vec<String>,
    holder: Option<Child>,
    /// Only one story at a time fills what is shared.
    _alone: Option<File>,
}

impl SmallDisk {
    /// A file system of so many MiB, to be found at a path.
    pub fn new(path: &Path, mib: u32) -> Self {
        std::fs::create_dir_all(path).unwrap();
        let mut refused = Vec::new();
        for (how, enter) in
            [(&["--mount"][..], &["--mount"][..]), (&["--user", "--map-root-user", "--mount"], &["--user", "--preserve-credentials", "--mount"])]
        {
            match hold(path, mib, how) {
                Ok(holder) => {
                    let pid = holder.id().to_string();
                    // The root as well: it is another than the namespace's where a story runs in a changed root itself.
                    let way = ["nsenter", "--root", "--target", &pid].iter().chain(enter).map(|word| (*word).to_owned()).collect();
                    let seen = PathBuf::from(format!("/proc/{pid}/root")).join(path.strip_prefix("/").unwrap());
                    return Self { path: path.to_owned(), seen, way, holder: Some(holder), _alone: None };
                }
                Err(why) => refused.push(format!("`unshare {}`: {}", how.join(" "), why.trim())),
            }
        }
        let shm = Path::new("/dev/shm");
        let size = nix::sys::statvfs::statvfs(shm).map_or(u64::MAX, |shm| shm.blocks() * shm.fragment_size());
        assert!(
            size <= SMALL,
            "this story needs a small file system that it may fill, and none is to be had: {}; and /dev/shm is too large to be a container's own. \
             Allow user namespaces (sysctl user.max_user_namespaces), or run the container with CAP_SYS_ADMIN or with --shm-size=64m",
            refused.join("; ")
        );
        let alone = OpenOptions::new().write(true).create(true).truncate(false).open(shm.join("synod-e2e.lock")).unwrap();
        alone.lock().unwrap();
        let path = shm.join(format!("synod-e2e-{:016x}", rand::random::<u64>()));
        std::fs::create_dir(&path).unwrap();
        Self { seen: path.clone(), path, way: Vec::new(), holder: None, _alone: Some(alone) }
    }

    /// Fills it: not another block can be had.
    pub fn fill(&self) {
        let mut ballast = OpenOptions::new().append(true).create(true).open(self.seen.join(BALLAST)).unwrap();
        for size in [1 << 20, 4096, 1] {
            let block = vec![0x5a; size];
            let error = loop {
                if let Err(error) = ballast.write_all(&block) {
                    break error;
                }
            };
            assert_eq!(error.kind(), ErrorKind::StorageFull, "{error}");
        }
    }

    /// Makes room again.
    pub fn free(&self) {
        std::fs::remove_file(self.seen.join(BALLAST)).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        match self.holder.take() {
            Some(mut holder) => {
                let _ = holder.kill();
                let _ = holder.wait();
            }
            None => {
                let _ = std::fs::remove_dir_all(&self.path);
            }
        }
    }
}

/// A process that holds a namespace with the file system in it for as long as the story lives.
fn hold(path: &Path, mib: u32, how: &[&str]) -> Result<Child, String> {
    let script = r#"mount -t tmpfs -o "size=$1m,mode=0700" synod-e2e "$2" && echo ready && exec cat"#;
    let spawned = Command::new("unshare")
        .args(how)
        .args(["--", "sh", "-c", script, "sh", &mib.to_string()])
        .arg(path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut holder = spawned.map_err(|e| e.to_string())?;
    let mut said = String::new();
    let _ = BufReader::new(holder.stdout.take().unwrap()).read_line(&mut said);
    if said == "ready\n" {
        return Ok(holder);
    }
    let mut why = String::new();
    let _ = holder.stderr.take().unwrap().read_to_string(&mut why);
    let _ = holder.wait();
    Err(why)
}
