//! How much memory queries may take, and the pool that holds them to it.

use std::num::NonZeroUsize;
use std::sync::Arc;

use datafusion::execution::memory_pool::{FairSpillPool, MemoryPool, TrackConsumersPool};

/// The share of the granted memory that queries get. The rest is for what no pool counts: decoded
/// pages, allocator slack, the process itself.
const SHARE: f64 = 0.75;

/// Without a figure from the system, a size that every laptop has.
const FALLBACK: usize = 2 << 30;

/// A pool of `bytes` that shares itself fairly between the operators that can spill; its error
/// names the largest consumers.
pub(super) fn pool(bytes: usize) -> Arc<dyn MemoryPool> {
    const LARGEST: NonZeroUsize = NonZeroUsize::MIN.saturating_add(4);
    Arc::new(TrackConsumersPool::new(FairSpillPool::new(bytes), LARGEST))
}

/// Most of the memory that the machine, or the cgroup around this process, grants.
pub(super) fn granted() -> usize {
    let limits = [
        "/sys/fs/cgroup/memory.max",
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
    ]
    .iter()
    .filter_map(|file| std::fs::read_to_string(file).ok()?.trim().parse().ok());
    let machine = std::fs::read_to_string("/proc/meminfo")
        .ok()
        .and_then(|text| total(&text));
    let granted = limits.chain(machine).min().unwrap_or(FALLBACK);
    (granted as f64 * SHARE) as usize
}

fn total(meminfo: &str) -> Option<usize> {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: usize = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn meminfo_is_in_kib() {
        let text = "MemTotal:       16384 kB\nMemFree:   1 kB\n";
        assert_eq!(total(text), Some(16 << 20));
        assert_eq!(total("nothing"), None);
    }

    #[test]
    fn something_is_always_granted() {
        assert!(granted() > 1 << 20);
    }
}
