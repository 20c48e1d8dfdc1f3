//! How much memory queries may take, and the pool that holds them to it.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;

use datafusion::common::Result;
use datafusion::execution::memory_pool::{
    FairSpillPool, MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation, TrackConsumersPool,
};

/// The share of the granted memory that queries get. The rest is for what no pool counts: decoded
/// pages, allocator slack, the process itself.
const SHARE: f64 = 0.75;

/// Without a figure from the system, a size that every laptop has.
const FALLBACK: usize = 2 << 30;

/// A pool of `bytes` that shares itself fairly between the operators that can spill; its error
/// names the largest consumers.
pub(super) fn pool(bytes: usize) -> Arc<dyn MemoryPool> {
    const LARGEST: NonZeroUsize = NonZeroUsize::MIN.saturating_add(4);
    let fair = TrackConsumersPool::new(FairSpillPool::new(bytes), LARGEST);
    Arc::new(Queues(fair))
}

/// Always grants the queues between the operators a few batches.
///
/// When a queue of DataFusion 55 spills from two inputs at once, its reader can wait for one file while the batch is
/// in the other, for ever (apache/datafusion#24883, repaired after 55.2). A queue holds hardly more than a batch for
/// each input, because its writers wait for its readers; so it never needs to spill what it is granted here.
#[derive(Debug)]
struct Queues<P>(P);

/// The most that one queue is granted whatever the limit is.
const QUEUE: usize = 32 << 20;

impl<P: MemoryPool> MemoryPool for Queues<P> {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn register(&self, consumer: &MemoryConsumer) {
        self.0.register(consumer);
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        self.0.unregister(consumer);
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        self.0.grow(reservation, additional);
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        self.0.shrink(reservation, shrink);
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        let queue = reservation.consumer().name().starts_with("RepartitionExec");
        if queue && reservation.size() + additional <= QUEUE {
            self.0.grow(reservation, additional);
            return Ok(());
        }
        self.0.try_grow(reservation, additional)
    }

    fn reserved(&self) -> usize {
        self.0.reserved()
    }

    fn memory_limit(&self) -> MemoryLimit {
        self.0.memory_limit()
    }
}

impl<P: MemoryPool> fmt::Display for Queues<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
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

    #[test]
    fn queues_are_granted_some_batches_and_others_what_there_is() {
        let pool = pool(1 << 20);
        let reserve = |name: &str| {
            let consumer = MemoryConsumer::new(name).with_can_spill(true);
            consumer.register(&pool)
        };
        let queue = reserve("RepartitionExec[0]");
        queue.try_grow(4 << 20).unwrap();
        assert_eq!(pool.reserved(), 4 << 20);
        queue.try_grow(QUEUE).unwrap_err();
        reserve("GroupedHashAggregateStream[0]")
            .try_grow(4 << 20)
            .unwrap_err();
        queue.free();
        assert_eq!(pool.reserved(), 0);
    }
}
