//! The two sides of a comparison, and one list's view of a side.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use cachekit_store::{MemoryStore, RedisStoreBuilder, Result, Store};

use super::frozen::{BoxFuture, Frozen};

type SetClock = Arc<dyn Fn(u64) + Send + Sync>;
type Open = Arc<dyn Fn() -> (Arc<dyn Store>, Option<SetClock>) + Send + Sync>;

/// How long [`Seat::pass`] waits for a TTL of 1 ms to end. More than twice as long, because a server rounds to whole
/// milliseconds.
const PASSING: Duration = Duration::from_millis(4);

/// Deadline of a server's calls. A machine that is busy with other tests is no difference.
const PATIENCE: Duration = Duration::from_secs(60);

/// A side of a comparison, which opens a store for each list.
///
/// # Examples
/// ```
/// use cachekit_store::MemoryStore;
/// use cachekit_testkit::equivalence::Side;
///
/// let plain = Side::memory(MemoryStore::new);
/// let clustered = Side::memory(|| MemoryStore::builder().clustered(true).build());
/// # drop((plain, clustered));
/// ```
#[derive(Clone)]
pub struct Side {
    open: Open,
    frozen: bool,
}

impl Side {
    /// Memory stores, a fresh one for each list. Their clock stands still but for what operations let pass.
    pub fn memory(open: impl Fn() -> MemoryStore + Send + Sync + 'static) -> Self {
        Self::layered(open, |store| Arc::new(store))
    }

    /// Memory stores in a layer, which has to pass on what it does not change, and must not wait.
    ///
    /// # Examples
    /// ```
    /// use std::sync::Arc;
    /// use cachekit_store::MemoryStore;
    /// use cachekit_testkit::equivalence::Side;
    ///
    /// let side = Side::layered(MemoryStore::new, |store| Arc::new(store)); // ... in its layer
    /// # drop(side);
    /// ```
    pub fn layered(
        open: impl Fn() -> MemoryStore + Send + Sync + 'static,
        layer: impl Fn(MemoryStore) -> Arc<dyn Store> + Send + Sync + 'static,
    ) -> Self {
        let open = move || {
            let memory = open();
            let clock = memory.clone();
            let set_clock: SetClock = Arc::new(move |micros| {
                clock.set_wall_clock(SystemTime::UNIX_EPOCH + Duration::from_micros(micros));
            });
            (layer(memory), Some(set_clock))
        };
        Self {
            open: Arc::new(open),
            frozen: true,
        }
    }

    /// A server, on a connection for each list. Its scripts read the time that the list says.
    ///
    /// # Errors
    /// Those of [`RedisStoreBuilder::build`].
    pub fn redis(builder: &RedisStoreBuilder) -> Result<Self> {
        let builder = builder
            .clone()
            .connect_timeout(PATIENCE)
            .request_timeout(PATIENCE);
        builder.clone().build()?;
        let open = move || -> (Arc<dyn Store>, Option<SetClock>) {
            let (shown, set) = (Arc::new(AtomicU64::new(0)), Ordering::Relaxed);
            let clock = Arc::clone(&shown);
            let store = builder.clone().script_clock(move || clock.load(set));
            let store = store
                .build()
                .expect("the same options were accepted before");
            let set_clock: SetClock = Arc::new(move |micros| shown.store(micros, set));
            (Arc::new(store), Some(set_clock))
        };
        Ok(Self {
            open: Arc::new(open),
            frozen: false,
        })
    }

    pub(super) fn seat(&self) -> Seat {
        let frozen = self.frozen.then(Frozen::new);
        let (store, set_clock) = match &frozen {
            Some(frozen) => frozen.enter(|| (self.open)()),
            None => (self.open)(),
        };
        Seat {
            store,
            set_clock,
            frozen,
        }
    }
}

impl fmt::Debug for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Side")
            .field("frozen", &self.frozen)
            .finish_non_exhaustive()
    }
}

/// One list's view of a side.
pub(super) struct Seat {
    store: Arc<dyn Store>,
    set_clock: Option<SetClock>,
    frozen: Option<Frozen>,
}

impl Seat {
    pub(super) fn has_clock(&self) -> bool {
        self.set_clock.is_some()
    }

    pub(super) fn runs_scripts(&self) -> bool {
        self.store.capabilities().scripts
    }

    /// Makes scripts read this as `now`.
    pub(super) fn set_clock(&self, micros: u64) {
        let Some(set_clock) = &self.set_clock else {
            return;
        };
        match &self.frozen {
            Some(frozen) => frozen.enter(|| set_clock(micros)),
            None => set_clock(micros),
        }
    }

    /// Carries out a call in the side's own time.
    pub(super) async fn call<'a, T>(
        &'a self,
        call: impl FnOnce(&'a dyn Store) -> BoxFuture<'a, T>,
    ) -> T {
        let future = call(&*self.store);
        match &self.frozen {
            Some(frozen) => frozen.run(future).await,
            None => future.await,
        }
    }

    /// Returns when a TTL of 1 ms that was set before has certainly ended.
    pub(super) async fn pass(&self) {
        match &self.frozen {
            Some(frozen) => frozen.advance(PASSING).await,
            None => tokio::time::sleep(PASSING).await,
        }
    }

    /// Ends the side's connection, if it has one.
    pub(super) async fn close(self) {
        self.call(|store| store.close()).await;
    }
}
