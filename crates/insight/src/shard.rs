//! Counters that threads do not contend for: each thread has a place of its own, as far as there are places.

use std::{
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
    thread,
};

/// More places than this gain nothing, and cost memory for each family.
const MOST: usize = 16;

static NEXT: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// The thread's number, which chooses its place.
    static THREAD: usize = NEXT.fetch_add(1, Ordering::Relaxed);
}

/// `N` counters that are changed together, on cache lines of their own. 128 bytes, because processors fetch lines in pairs.
#[derive(Debug)]
#[repr(align(128))]
struct Shard<const N: usize>([AtomicU64; N]);

/// `N` counters, each kept once for each place.
#[derive(Debug)]
pub(crate) struct Sharded<const N: usize> {
    shards: Box<[Shard<N>]>,
}

impl<const N: usize> Sharded<N> {
    pub(crate) fn new() -> Self {
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let count = threads.next_power_of_two().min(MOST);
        let zero = || Shard([const { AtomicU64::new(0) }; N]);
        Self {
            shards: (0..count).map(|_| zero()).collect(),
        }
    }

    /// The counters of the thread that asks. Another may have the same ones.
    pub(crate) fn mine(&self) -> &[AtomicU64; N] {
        // The count is a power of two.
        let place = THREAD.with(|thread| *thread) & (self.shards.len() - 1);
        &self.shards[place].0
    }

    /// The sums over all places.
    pub(crate) fn sums(&self) -> [u64; N] {
        let mut sums = [0_u64; N];
        for shard in &self.shards {
            for (sum, cell) in sums.iter_mut().zip(&shard.0) {
                *sum = sum.wrapping_add(cell.load(Ordering::Relaxed));
            }
        }
        sums
    }
}
