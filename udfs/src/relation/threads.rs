//! Threads of a kernel.

use std::sync::mpsc::sync_channel;
use std::thread;

use super::work::Halt;

/// Runs each part on a thread of its own, the first one on this.
pub(crate) fn on_threads<P: Send, T: Send>(
    mut parts: impl Iterator<Item = P>,
    each: impl Fn(P) -> Result<T, Halt> + Sync,
) -> Result<Vec<T>, Halt> {
    let Some(first) = parts.next() else {
        return Ok(Vec::new());
    };
    thread::scope(|scope| {
        let each = &each;
        let threads: Vec<_> = parts.map(|part| scope.spawn(move || each(part))).collect();
        let first = each(first);
        let others = threads.into_iter().map(|thread| match thread.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        std::iter::once(first).chain(others).collect()
    })
}

/// Computes the blocks 0, 1, 2 … on threads and takes what they give in this order, while later ones are computed. Each
/// thread makes a worker of its own; not more than two blocks a thread wait to be taken. An error ends the work.
pub(crate) fn in_order<T: Send, W: FnMut(usize) -> Result<T, Halt>, E>(
    blocks: usize,
    threads: usize,
    worker: impl Fn() -> Result<W, Halt> + Sync,
    mut take: impl FnMut(Result<T, Halt>) -> Result<(), E>,
) -> Result<(), E> {
    let threads = threads.min(blocks);
    thread::scope(|scope| {
        let worker = &worker;
        let receivers = (0..threads).map(|first| {
            let (sender, receiver) = sync_channel(1);
            scope.spawn(move || {
                let mut worker = match worker() {
                    Ok(worker) => worker,
                    Err(halt) => {
                        // When nobody receives any more, nobody wants to know.
                        let _ = sender.send(Err(halt));
                        return;
                    }
                };
                for block in (first..blocks).step_by(threads) {
                    let result = worker(block);
                    let last = result.is_err();
                    if sender.send(result).is_err() || last {
                        return;
                    }
                }
            });
            receiver
        });
        let receivers: Vec<_> = receivers.collect();
        for block in 0..blocks {
            // A thread that sends nothing has panicked, and so will the scope.
            let Ok(result) = receivers[block % threads].recv() else {
                break;
            };
            take(result)?;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_taken_in_order_until_the_first_error() {
        for threads in [1, 3, 50] {
            let run = |bad: usize| {
                let mut taken = Vec::new();
                let result = in_order(
                    20,
                    threads,
                    || {
                        Ok(move |block| {
                            if block < bad {
                                Ok(block)
                            } else {
                                Err(Halt::Cancelled)
                            }
                        })
                    },
                    |block| block.map(|block| taken.push(block)),
                );
                (result, taken)
            };
            assert_eq!(run(99), (Ok(()), (0..20).collect()));
            assert_eq!(run(7), (Err(Halt::Cancelled), (0..7).collect()));
        }
    }
}
