//! How a queue is set up.

use std::{fmt, sync::Arc, time::Duration};

use cachekit_keys::{KeyFamily, WriteQueue};
use cachekit_store::{Error, ErrorKind, Event, Observer, Result, ServerFacts};
use serde::{Serialize, de::DeserializeOwned};

use super::{Sink, WhenFull, WriteBehind, WriteBehindWorker, options::Options, shared::Shared};
use crate::Cache;

/// Builds a queue of writes behind a cache. Every process of a fleet that writes or drains builds one with the same name and window, and
/// every one that drains with the same claim and longest pause: what is held for longer than a worker's own claim and pauses is
/// taken for the doing of a clock that was ahead, and claimed by it at once. Where one of these changes in the midst of a rollout, items
/// may come to the sink twice, and none is lost.
///
/// # Examples
/// See [`WriteBehind`].
#[must_use = "a builder does nothing until it is built"]
pub struct WriteBehindBuilder<K, V> {
    cache: Cache<K, V>,
    sink: Arc<dyn Sink<K, V>>,
    name: Option<String>,
    options: Options,
}

impl<K, V> WriteBehindBuilder<K, V>
where
    K: KeyFamily + Send + Sync + 'static,
    V: Serialize + DeserializeOwned + Send + Sync + 'static,
{
    pub(super) fn new(cache: &Cache<K, V>, sink: impl Sink<K, V>) -> Self {
        Self {
            cache: cache.clone(),
            sink: Arc::new(sink),
            name: None,
            options: Options::default(),
        }
    }

    /// The name of the queue, which processes that share it have in common. Default: the
    /// [name](KeyFamily::name) of the keys' family. Two queues over keys of one family need two names, and no key in common.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// For how long a write waits for others to the same key, which then become one. Up to a day; 200 milliseconds by default.
    pub const fn window(mut self, window: Duration) -> Self {
        self.options.window = window;
        self
    }

    /// How many items the sink is given at once at most: 1 to 10 000, 500 by default.
    pub const fn batch(mut self, items: usize) -> Self {
        self.options.batch = items;
        self
    }

    /// How many bytes of encoded values the sink is given at once at most, a larger value alone: 16 MiB by default.
    pub const fn batch_bytes(mut self, bytes: usize) -> Self {
        self.options.batch_bytes = bytes;
        self
    }

    /// How many batches a worker has under way at the same time: 1 to 64, 1 by default. No two of them hold the same key.
    ///
    /// With 2, one batch is claimed, read and ended while the sink has the other.
    pub const fn concurrency(mut self, batches: usize) -> Self {
        self.options.concurrency = batches;
        self
    }

    /// For how long a worker has its claim of an item, after which another one takes it: 100 milliseconds to a day, 30 seconds by default.
    pub const fn claim(mut self, claim: Duration) -> Self {
        self.options.claim = claim;
        self
    }

    /// How long a call of the sink may take. Shorter than the claim; two thirds of it by default.
    pub const fn sink_timeout(mut self, timeout: Duration) -> Self {
        self.options.sink_timeout = Some(timeout);
        self
    }

    /// How many keys may have an unpersisted write or a dead letter: 100 000 by default.
    ///
    /// Exact on a single server. On a cluster each process knows the count of a moment ago, so that the fleet goes beyond it by
    /// what it accepts in a second.
    pub const fn backlog(mut self, keys: u64) -> Self {
        self.options.backlog = keys;
        self
    }

    /// How old the oldest unpersisted write may be before the backlog counts as full. Not bounded by default. On a cluster it
    /// is asked of the writes in the slot of the new one.
    ///
    /// A write that fails again and again counts until it is a dead letter, so that one key keeps all new ones from being accepted
    /// meanwhile: let the [attempts](Self::max_attempts) end before.
    pub const fn max_age(mut self, age: Duration) -> Self {
        self.options.max_age = Some(age);
        self
    }

    /// What a write does that finds the backlog full. It waits for up to 5 seconds by default.
    pub const fn when_full(mut self, when_full: WhenFull) -> Self {
        self.options.when_full = when_full;
        self
    }

    /// After how many attempts an item becomes a dead letter: 1 to 999, 16 by default.
    ///
    /// An attempt counts, too, whose claim ran out, because its worker died or the store's answer was lost. For such a one alone no item
    /// is given up: it is tried once more than so many times.
    pub const fn max_attempts(mut self, attempts: u32) -> Self {
        self.options.max_attempts = attempts;
        self
    }

    /// The pauses between attempts: drawn evenly from nothing up to `base`, then twice that, and so on up to `most`
    /// (exponential back-off with full jitter). 100 milliseconds and 60 seconds by default.
    pub const fn backoff(mut self, base: Duration, most: Duration) -> Self {
        self.options.backoff = base;
        self.options.max_backoff = most;
        self
    }

    /// For how long a worker that is told to end goes on to drain: 3 seconds by default.
    pub const fn drain_within(mut self, time: Duration) -> Self {
        self.options.drain_within = time;
        self
    }

    /// Draws the pauses from this seed, for tests.
    pub const fn seed(mut self, seed: u64) -> Self {
        self.options.seed = Some(seed);
        self
    }

    /// Asks the server whether it is fit to keep writes, and makes the handle and the worker.
    ///
    /// A server that does not persist to an append-only file, or does not say, is told to the cache's observers as
    /// [`Event::WritesAtRisk`].
    ///
    /// # Errors
    /// [`Configuration`](ErrorKind::Configuration) for an option out of its range, and for a server whose eviction policy is one of
    /// `allkeys-*`: it would drop writes. [`Unsupported`](ErrorKind::Unsupported) on a store that runs no scripts. Those of the
    /// store.
    ///
    /// # Cancel safety
    /// It changes nothing.
    pub async fn build(self) -> Result<(WriteBehind<K, V>, WriteBehindWorker<K, V>)> {
        self.options.check()?;
        let base = self.cache.access.base();
        if !base.store.capabilities().scripts {
            return Err(Error::new(ErrorKind::Unsupported, "write_behind")
                .with_detail("the store runs no scripts"));
        }
        let name = self.name.unwrap_or_else(|| K::name().to_owned());
        let queue = WriteQueue::new(&name)?;
        let facts = base.store.server_facts().await?;
        check_eviction(&facts)?;
        if let Some(reason) = risk(&facts, base.store.capabilities().shared) {
            let event = Event::writes_at_risk(queue.as_encoded(), reason);
            base.observers.observe(&event);
        }
        let shared = Arc::new(Shared::new(self.cache, self.sink, queue, self.options));
        Ok((
            WriteBehind::new(Arc::clone(&shared)),
            WriteBehindWorker::new(shared),
        ))
    }
}

/// # Errors
/// `Configuration` where the server may drop a key without a TTL.
fn check_eviction(facts: &ServerFacts) -> Result<()> {
    match facts.eviction_policy.strip_prefix("allkeys") {
        None => Ok(()),
        Some(_) => {
            let detail = format!(
                "the server's eviction policy `{}` would drop unpersisted writes; \
                 `noeviction` and `volatile-*` do not",
                facts.eviction_policy
            );
            Err(Error::new(ErrorKind::Configuration, "write_behind").with_detail(detail))
        }
    }
}

/// What may cost writes, as far as the server says.
fn risk(facts: &ServerFacts, is_shared: bool) -> Option<&'static str> {
    match facts {
        _ if !is_shared => None,
        facts if facts.eviction_policy.is_empty() => {
            Some("the server does not say what it evicts when memory is short")
        }
        facts if !facts.append_only => {
            Some("the server keeps no append-only file: writes are lost with it")
        }
        _ => None,
    }
}

impl<K, V> fmt::Debug for WriteBehindBuilder<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriteBehindBuilder")
            .field("name", &self.name)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}
