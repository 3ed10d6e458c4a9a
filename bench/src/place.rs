//! What the figures stand on: the machine, the file system of the state, the database, what a process costs.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use serde::Serialize;

/// Memory of a process, from `/proc/PID/smaps_rollup`.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Memory {
    /// Resident, KiB.
    pub rss_kib: u64,
    /// Proportional share, KiB.
    pub pss_kib: u64,
}

/// Reads a process's memory.
pub fn memory(pid: u32) -> Result<Memory> {
    let path = format!("/proc/{pid}/smaps_rollup");
    let text = std::fs::read_to_string(&path).with_context(|| path.clone())?;
    let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok());
    match (field("Rss:"), field("Pss:")) {
        (Some(rss_kib), Some(pss_kib)) => Ok(Memory { rss_kib, pss_kib }),
        _ => bail!("{path} tells no Rss and Pss"),
    }
}

/// Processor time of a process so far, in seconds.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Cpu {
    /// From `/proc/PID/stat`: user and system, in ticks of 10 ms.
    pub stat_s: f64,
    /// From `/proc/PID/task/*/schedstat`: nanoseconds, of the threads that live.
    pub schedstat_s: f64,
}

/// Reads a process's processor time.
pub fn cpu(pid: u32) -> Result<Cpu> {
    let path = format!("/proc/{pid}/stat");
    let text = std::fs::read_to_string(&path).with_context(|| path.clone())?;
    // The name in parentheses may hold anything; utime and stime are fields 14 and 15.
    let rest: Vec<&str> = text.rsplit_once(')').map(|(_, rest)| rest.split_whitespace().collect()).unwrap_or_default();
    let ticks = |n: usize| rest.get(n).and_then(|v| v.parse::<f64>().ok()).unwrap_or(0.0);
    let per_second = nix::unistd::sysconf(nix::unistd::SysconfVar::CLK_TCK)?.unwrap_or(100);
    let mut nanoseconds = 0.0;
    for thread in std::fs::read_dir(format!("/proc/{pid}/task"))?.flatten() {
        if let Ok(text) = std::fs::read_to_string(thread.path().join("schedstat")) {
            nanoseconds += text.split_whitespace().next().and_then(|v| v.parse::<f64>().ok()).unwrap_or(0.0);
        }
    }
    #[allow(clippy::cast_precision_loss)]
    Ok(Cpu { stat_s: (ticks(11) + ticks(12)) / per_second as f64, schedstat_s: nanoseconds / 1e9 })
}

/// The file system a path lies on: its type and where it is mounted.
pub fn file_system(path: &Path) -> String {
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let text = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let mut best: Option<(usize, String)> = None;
    for line in text.lines() {
        let Some((left, right)) = line.split_once(" - ") else { continue };
        let (Some(mount), Some(kind)) = (left.split(' ').nth(4), right.split(' ').next()) else { continue };
        if path.starts_with(mount) && best.as_ref().is_none_or(|(length, _)| mount.len() >= *length) {
            let device = right.split(' ').nth(1).unwrap_or_default();
            best = Some((mount.len(), format!("{kind} ({device} on {mount})")));
        }
    }
    best.map_or_else(|| "unknown".to_owned(), |(_, text)| text)
}

/// Whether a file system keeps nothing on a disk.
pub fn in_memory(file_system: &str) -> bool {
    file_system.starts_with("tmpfs") || file_system.starts_with("ramfs")
}

/// Median cost of a 4 KiB append and fsync there, in milliseconds: what every commit stands on.
pub fn fsync_ms(folder: &Path) -> Result<f64> {
    use std::io::Write as _;
    let mut file = tempfile::tempfile_in(folder)?;
    let mut times = Vec::new();
    for _ in 0..200 {
        let began = std::time::Instant::now();
        file.write_all(&[7u8; 4096])?;
        file.sync_data()?;
        times.push(began.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    Ok(times[times.len() / 2])
}

/// The machine.
#[derive(Debug, Clone, Serialize)]
pub struct Machine {
    /// Processors available.
    pub cpus: usize,
    /// Their model.
    pub cpu_model: String,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// The kernel.
    pub kernel: String,
    /// Load over the last minute when the benchmark began.
    pub load_1m: f64,
}

/// Reads what machine this is.
pub fn machine() -> Machine {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let value = |text: &str, name: &str| text.lines().find_map(|line| line.strip_prefix(name).map(|rest| rest.trim_start_matches([' ', '\t', ':']).to_owned()));
    let memory = value(&read("/proc/meminfo"), "MemTotal").and_then(|v| v.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0);
    Machine {
        cpus: std::thread::available_parallelism().map_or(0, usize::from),
        cpu_model: value(&read("/proc/cpuinfo"), "model name").unwrap_or_else(|| "unknown".into()),
        memory_mib: memory / 1024,
        kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
        load_1m: read("/proc/loadavg").split_whitespace().next().and_then(|v| v.parse().ok()).unwrap_or(0.0),
    }
}

/// A program file: its size and whether it still carries a symbol table.
pub fn program(path: &Path) -> Result<(u64, bool)> {
    let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
    Ok((bytes.len() as u64, !has_symbols(&bytes).unwrap_or(true)))
}

/// Looks for a section of type SHT_SYMTAB in a 64-bit little-endian ELF file.
fn has_symbols(elf: &[u8]) -> Option<bool> {
    let number = |at: usize, n: usize| -> Option<usize> {
        let mut wide = [0u8; 8];
        wide.get_mut(..n)?.copy_from_slice(elf.get(at..at.checked_add(n)?)?);
        usize::try_from(u64::from_le_bytes(wide)).ok()
    };
    if elf.get(..6)? != b"\x7fELF\x02\x01" {
        return None;
    }
    let (table, size, count) = (number(0x28, 8)?, number(0x3a, 2)?, number(0x3c, 2)?);
    for n in 0..count {
        if number(table.checked_add(n.checked_mul(size)?)?.checked_add(4)?, 4)? == 2 {
            return Some(true);
        }
    }
    Some(false)
}

/// Lets this process and its children hold as many connections as the system allows.
pub fn raise_open_files() -> Result<u64> {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    Ok(hard)
}
