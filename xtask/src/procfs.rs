//! What Linux knows of a process: its children, its CPU time, the bytes it wrote (`man 5 proc`).

use std::{collections::BTreeMap, fs, time::Duration};

use serde::Serialize;

use crate::failure::{Attempt as _, Failure};

/// `USER_HZ`: the unit of times in `/proc/PID/stat`. The kernel promises 100 to user space on every architecture
/// we build for, whatever its own tick is.
const TICKS_PER_SECOND: u64 = 100;

/// What one process has used since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// Microseconds of CPU in user mode, all threads. Resolution 10 ms.
    pub user_us: u64,
    /// Microseconds of CPU in the kernel, all threads. Resolution 10 ms.
    pub system_us: u64,
    /// Bytes this process caused to be sent to the storage layer.
    pub written_bytes: u64,
    /// Bytes passed to write-like system calls, to files and sockets.
    pub passed_bytes: u64,
    /// Number of write-like system calls.
    pub write_calls: u64,
    /// Resident memory now, bytes.
    pub resident_bytes: u64,
}

impl Usage {
    /// What was used between `earlier` and now; resident memory stays what it is now.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        Self {
            user_us: self.user_us.saturating_sub(earlier.user_us),
            system_us: self.system_us.saturating_sub(earlier.system_us),
            written_bytes: self.written_bytes.saturating_sub(earlier.written_bytes),
            passed_bytes: self.passed_bytes.saturating_sub(earlier.passed_bytes),
            write_calls: self.write_calls.saturating_sub(earlier.write_calls),
            resident_bytes: self.resident_bytes,
        }
    }

    /// The sum over several processes.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            user_us: self.user_us + other.user_us,
            system_us: self.system_us + other.system_us,
            written_bytes: self.written_bytes + other.written_bytes,
            passed_bytes: self.passed_bytes + other.passed_bytes,
            write_calls: self.write_calls + other.write_calls,
            resident_bytes: self.resident_bytes + other.resident_bytes,
        }
    }

    /// User and kernel time together.
    #[must_use]
    pub fn cpu(self) -> Duration {
        Duration::from_micros(self.user_us + self.system_us)
    }
}

/// Reads what `pid` has used so far.
///
/// # Errors
/// When the process is gone, is not ours to look at, or a field is missing.
pub fn usage(pid: u32) -> Result<Usage, Failure> {
    let read = |name: &str| {
        fs::read_to_string(format!("/proc/{pid}/{name}"))
            .attempt(|| format!("could not read {name} of process {pid}"))
    };
    parse(&read("stat")?, &read("io")?, &read("status")?)
        .ok_or_else(|| Failure::new(format!("process {pid} has an unreadable /proc entry")))
}

/// Bytes written so far to the disk that holds `dir`, by everybody. What `/proc/PID/io` says of writes counts whole folios
/// on newer kernels: 2 MiB for a page of a file that was written in one go.
///
/// # Errors
/// When the folder is not on a block device whose statistics can be read.
pub fn disk_written(dir: &std::path::Path) -> Result<u64, Failure> {
    use std::os::unix::fs::MetadataExt as _;
    let say = || format!("could not read what the disk of {} has written", dir.display());
    let device = fs::metadata(dir).attempt(say)?.dev();
    // glibc gnu_dev_major and gnu_dev_minor.
    let major = (device >> 8) & 0xfff | (device >> 32) & !0xfff;
    let minor = device & 0xff | (device >> 12) & !0xff;
    let stat = fs::read_to_string(format!("/sys/dev/block/{major}:{minor}/stat")).attempt(say)?;
    // Documentation/block/stat.rst: the seventh field is sectors of 512 bytes written.
    let sectors = stat.split_whitespace().nth(6).and_then(|field| field.parse::<u64>().ok());
    sectors.map(|sectors| sectors * 512).ok_or_else(|| Failure::new(say()))
}

fn parse(stat: &str, io: &str, status: &str) -> Option<Usage> {
    let fields = after_name(stat)?;
    let ticks = |index: usize| fields.get(index)?.parse::<u64>().ok();
    let named = |text: &str, name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    };
    Some(Usage {
        // Fields 14 and 15 of the page; 11 and 12 once pid and name are cut.
        user_us: ticks(11)? * 1_000_000 / TICKS_PER_SECOND,
        system_us: ticks(12)? * 1_000_000 / TICKS_PER_SECOND,
        written_bytes: named(io, "write_bytes:")?,
        passed_bytes: named(io, "wchar:")?,
        write_calls: named(io, "syscw:")?,
        resident_bytes: named(status, "VmRSS:").unwrap_or(0) * 1024,
    })
}

/// The fields after the process's name, which may hold blanks and brackets of its own.
fn after_name(stat: &str) -> Option<Vec<&str>> {
    let (_, rest) = stat.rsplit_once(") ")?;
    Some(rest.split_whitespace().collect())
}

/// `pid` and every process below it, parents first. Those that went away meanwhile are left out.
pub fn family(pid: u32) -> Vec<u32> {
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(child) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else {
            continue;
        };
        let parent = after_name(&stat).and_then(|fields| fields.get(1)?.parse().ok());
        if let Some(parent) = parent {
            children.entry(parent).or_default().push(child);
        }
    }
    let mut found = vec![pid];
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        found.extend(children.remove(&parent).unwrap_or_default());
        next += 1;
    }
    found
}

#[cfg(test)]
mod tests;
