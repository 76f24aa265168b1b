//! The contract that every store keeps.

use std::{fmt, time::SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use cachekit_keys::Key;

use crate::{
    Capabilities, Entry, Error, ErrorKind, ExpireChange, Increment, KeyExpiry, Reply, Result,
    ScanPage, ScanRequest, Script, ScriptCall, ServerFacts, SetItem, SetOptions, SubscribeRequest,
    Subscription,
};

/// Keys to bytes, with expiry: the primitives that everything above is made of.
///
/// The trait is small and object-safe (`Arc<dyn Store>`); conveniences live in
/// [`StoreExt`](crate::StoreExt). Batches are first class: n keys cost one round trip, never n, and
/// answers come in the order of the request. An empty batch asks nothing of the server.
///
/// # Errors
/// Every method can fail with [`ErrorKind::Unavailable`], [`ErrorKind::Timeout`],
/// [`ErrorKind::NotReady`], [`ErrorKind::Unauthenticated`], [`ErrorKind::PermissionDenied`] and
/// [`ErrorKind::Closed`]; a write also with [`ErrorKind::TooLarge`], [`ErrorKind::OutOfMemory`],
/// [`ErrorKind::ReadOnly`] and [`ErrorKind::WritesRefused`]. Further ones are named by the method.
/// No method hangs past the store's deadline, and none repeats a write on its own.
///
/// # Cancel safety
/// A future may be dropped at any point: nothing leaks and no later call gets its answer. A dropped
/// write has been carried out or not, like one that timed out.
///
/// # Implementing
/// Methods added later have a default that answers [`ErrorKind::Unsupported`], and a flag in
/// [`Capabilities`]. A layer around a store forwards every method.
///
/// # Examples
/// ```
/// use std::sync::Arc;
/// use cachekit_keys::{Key, Ttl};
/// use cachekit_store::{MemoryStore, SetOptions, Store};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cachekit_store::Error> {
/// let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
/// let (here, absent) = (Key::from_raw("here")?, Key::from_raw("absent")?);
/// store.set(&here, "v".into(), SetOptions::ttl(Ttl::seconds(60))).await?;
/// assert_eq!(store.get_many(&[here, absent]).await?, [Some("v".into()), None]);
/// # Ok(()) }
/// ```
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait Store: fmt::Debug + Send + Sync + 'static {
    /// What this store can do.
    fn capabilities(&self) -> Capabilities;

    /// Reads one value.
    ///
    /// # Errors
    /// [`ErrorKind::WrongType`] where the key holds something else than a string.
    async fn get(&self, key: &Key) -> Result<Option<Bytes>>;

    /// Reads many values. A key that holds another type than a string counts as absent, as in `MGET`.
    async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Bytes>>>;

    /// Reads many values, each with what is left of its life, read at the same moment.
    ///
    /// # Errors
    /// [`ErrorKind::WrongType`] where a key holds something else than a string.
    async fn get_entries(&self, keys: &[Key]) -> Result<Vec<Option<Entry>>>;

    /// Writes one value; answers whether it was written, which a condition can prevent.
    async fn set(&self, key: &Key, value: Bytes, options: SetOptions) -> Result<bool>;

    /// Writes many values; answers for each whether it was written.
    ///
    /// Each write is atomic, the batch is not. All sizes are checked before anything is sent. Where the
    /// server refuses one of the writes the others still take place, and the error says that the
    /// change may have been applied.
    async fn set_many(&self, items: &[SetItem]) -> Result<Vec<bool>>;

    /// Deletes keys of any type; answers how many existed.
    async fn delete(&self, keys: &[Key]) -> Result<u64>;

    /// Reads what is left of the life of keys of any type.
    async fn expiries(&self, keys: &[Key]) -> Result<Vec<KeyExpiry>>;

    /// Changes the life of keys of any type; answers for each whether it was changed.
    async fn expire(&self, keys: &[Key], change: ExpireChange) -> Result<Vec<bool>>;

    /// Adds to counters; answers the new values. Each addition is atomic with its TTL.
    ///
    /// # Errors
    /// [`ErrorKind::WrongType`] where a key does not hold an integer, [`ErrorKind::InvalidInput`]
    /// where the sum would leave the range of `i64`; that counter is unchanged then.
    async fn increment(&self, increments: &[Increment]) -> Result<Vec<i64>>;

    /// Takes one step of a walk over the keyspace, with the guarantees of [`ScanPage`].
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] for a cursor that the store can tell is not its own.
    async fn scan(&self, request: &ScanRequest) -> Result<ScanPage>;

    /// The store's wall clock: the server's, where there is one. Microseconds on Redis.
    async fn time(&self) -> Result<SystemTime>;

    /// What the server says about itself.
    async fn server_facts(&self) -> Result<ServerFacts>;

    /// Runs one script many times in one round trip; answers in the order of the calls.
    ///
    /// Each run is atomic, the batch is not: the same holds for a run that fails as for [`Store::set_many`]. The runs of a
    /// batch take place in any order.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] without the capability `scripts`; [`ErrorKind::CrossSlot`] where
    /// the keys of a call do not share a slot of a cluster.
    async fn run_script(&self, script: &Script, calls: &[ScriptCall]) -> Result<Vec<Reply>> {
        let _ = calls;
        Err(Error::new(ErrorKind::Unsupported, "run_script").with_detail(script.name))
    }

    /// Runs a script once by its [body over numbers](Script::with_numbers), at once, where the store is in this process. Where
    /// a run is shorter than making texts, replies and a future for it, that is the cheaper way to the same.
    ///
    /// Answers the length of the reply at the front of `reply`, or `None` where nothing has run, and
    /// [`run_script`](Self::run_script) has to be called: by default, and so with every layer of
    /// this crate, which has to do something about a call.
    ///
    /// # Errors
    /// Those of [`run_script`](Self::run_script).
    fn run_numbers(
        &self,
        script: &Script,
        keys: &[Key],
        args: &[i64],
        reply: &mut [i64],
    ) -> Option<Result<usize>> {
        let _ = (script, keys, args, reply);
        None
    }

    /// Publishes a message; answers how many got it. Delivery is at most once, to those who listen at this moment.
    ///
    /// On a server the number counts connections, and one again for each of its patterns that match; all subscriptions of a
    /// store share a connection, so that only 0 and "more" mean something. On a cluster only the connections of one node count,
    /// and 0 means nothing either.
    ///
    /// # Errors
    /// [`ErrorKind::TooLarge`] for a payload beyond [`Capabilities::max_value_size`], [`ErrorKind::PermissionDenied`] where
    /// the user may not publish on the channel, [`ErrorKind::Unsupported`] without the capability `pubsub`.
    async fn publish(&self, channel: &Bytes, payload: Bytes) -> Result<u64> {
        let _ = (channel, payload);
        Err(Error::new(ErrorKind::Unsupported, "publish"))
    }

    /// Listens to channels until the subscription is dropped.
    ///
    /// What is published after this has returned reaches the subscription, or a [`Gap`](crate::Gap) stands in its place. So:
    /// subscribe, *then* look at the state that the messages are about. What was published shortly before may come too: where
    /// another subscription of the store listens to the same names already, nothing has to be asked of the server.
    ///
    /// # Errors
    /// [`ErrorKind::PermissionDenied`] where the user may not listen to one of the names, which leaves other subscriptions
    /// alone; [`ErrorKind::InvalidInput`] for a request that names nothing, or a pattern that is empty or longer than 4 096
    /// bytes; [`ErrorKind::Unsupported`] without the capability `pubsub`.
    ///
    /// # Cancel safety
    /// A dropped call leaves no subscription behind.
    async fn subscribe(&self, request: SubscribeRequest) -> Result<Subscription> {
        let _ = request;
        Err(Error::new(ErrorKind::Unsupported, "subscribe"))
    }

    /// Takes no more calls, waits for those in flight, and ends the store's subscriptions and connections. Later calls answer
    /// [`ErrorKind::Closed`]. Idempotent. Calls in flight end by their own deadline at the latest.
    ///
    /// # Cancel safety
    /// Dropped while it waits, it leaves the store closed to new calls; calling again waits for what is left.
    async fn close(&self) {}
}
