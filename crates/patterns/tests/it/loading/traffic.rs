//! Callers who go on asking whatever happens to the server.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use cachekit_keys::{KeyPath, ProjectKey};
use cachekit_patterns::{Cached, Origin};
use tokio::task::JoinHandle;

use super::support::{Process, Trees, project};

const KEYS: usize = 20;
const CALLERS: usize = 16;
/// How long a call may take: a few times the store's own deadline, the life of a lease whose holder cannot be heard of, and the
/// loader's time, on a machine that has other things to do.
const DEADLINE: Duration = Duration::from_secs(6);
/// How long it may take until all is as before.
const RECOVERY: Duration = Duration::from_secs(20);

/// Callers under way.
pub(super) struct Traffic {
    seen: Arc<Seen>,
    callers: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Seen {
    is_over: AtomicBool,
    /// Callers want others than before when it rises.
    wishes: AtomicU32,
    calls: AtomicU32,
    fresh: AtomicU32,
    uncached: AtomicU32,
    slowest_micros: AtomicU64,
}

impl Traffic {
    /// Starts callers of these processes, who check what they are given.
    pub(super) fn start(processes: &[Process]) -> Self {
        let seen = Arc::new(Seen::default());
        let callers = (0..CALLERS).map(|caller| {
            let cache = processes[caller % processes.len()].cache.clone();
            tokio::spawn(call(cache, caller, Arc::clone(&seen)))
        });
        Self {
            callers: callers.collect(),
            seen,
        }
    }

    /// From now on callers want keys that nobody has loaded yet.
    pub(super) fn wants_others(&self) {
        self.seen.wishes.fetch_add(1, Ordering::Relaxed);
    }

    /// Waits until so many more calls have been answered.
    pub(super) async fn goes_on(&self, calls: u32) {
        let until = self.seen.calls.load(Ordering::Relaxed) + calls;
        self.reaches("no more calls are answered", |seen| {
            seen.calls.load(Ordering::Relaxed) >= until
        })
        .await;
    }

    /// Waits until callers are answered from the cache again.
    pub(super) async fn is_as_before(&self) {
        let until = self.seen.fresh.load(Ordering::Relaxed) + 200;
        self.reaches("callers are not served from the cache again", |seen| {
            seen.fresh.load(Ordering::Relaxed) >= until
        })
        .await;
    }

    /// Waits until the origin has answered so many callers without the cache.
    pub(super) async fn goes_to_the_origin(&self, calls: u32) {
        let until = self.seen.uncached.load(Ordering::Relaxed) + calls;
        self.reaches("nobody is answered by the origin", |seen| {
            seen.uncached.load(Ordering::Relaxed) >= until
        })
        .await;
    }

    async fn reaches(&self, what: &str, done: impl Fn(&Seen) -> bool) {
        let start = Instant::now();
        while !done(&self.seen) {
            assert!(start.elapsed() < RECOVERY, "{what}");
            assert!(
                !self.callers.iter().any(JoinHandle::is_finished),
                "a caller failed"
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Ends it; nobody may have been given an error, a wrong value, or have waited too long.
    pub(super) async fn ends(self) {
        self.seen.is_over.store(true, Ordering::Relaxed);
        for caller in self.callers {
            caller.await.unwrap();
        }
        let slowest = self.seen.slowest_micros.load(Ordering::Relaxed);
        let slowest = Duration::from_micros(slowest);
        assert!(slowest < DEADLINE, "a call took {slowest:?}");
    }
}

async fn call(cache: Trees, caller: usize, seen: Arc<Seen>) {
    let mut turn = caller;
    while !seen.is_over.load(Ordering::Relaxed) {
        turn += 1;
        let wish = seen.wishes.load(Ordering::Relaxed);
        let name = format!("file{}:{wish}", turn * 7 % KEYS);
        let key = ProjectKey::new(project(), KeyPath::new(&name).unwrap());
        if turn.is_multiple_of(50) {
            // What was there is loaded anew now and then. While the server is away this fails, as it says.
            let _ = cache.remove(&key).await;
        }
        let (loaded, called) = (name.clone(), Instant::now());
        let cached = cache.fetch(&key, || load(loaded)).await;
        let took = u64::try_from(called.elapsed().as_micros()).unwrap();
        let cached: Cached<String> = cached.unwrap_or_else(|error| panic!("{name}: {error:?}"));
        assert_eq!(cached.value, Some(name), "another key's value");
        seen.slowest_micros.fetch_max(took, Ordering::Relaxed);
        match cached.origin {
            Origin::Fresh => seen.fresh.fetch_add(1, Ordering::Relaxed),
            Origin::Uncached => seen.uncached.fetch_add(1, Ordering::Relaxed),
            _ => 0,
        };
        seen.calls.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

async fn load(name: String) -> io::Result<String> {
    tokio::time::sleep(Duration::from_millis(5)).await;
    Ok(name)
}
