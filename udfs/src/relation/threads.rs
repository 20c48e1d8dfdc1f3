//! Threads of a kernel.

use std::thread;

use super::work::Halt;

/// Runs each part on a thread of its own.
pub(crate) fn on_threads<P: Send, T: Send>(
    parts: impl Iterator<Item = P>,
    each: impl Fn(P) -> Result<T, Halt> + Sync,
) -> Result<Vec<T>, Halt> {
    thread::scope(|scope| {
        let each = &each;
        let threads: Vec<_> = parts.map(|part| scope.spawn(move || each(part))).collect();
        let results = threads.into_iter().map(|thread| match thread.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        results.collect()
    })
}
