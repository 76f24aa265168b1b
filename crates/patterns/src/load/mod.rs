//! Loading what is not there: how a miss is answered, and what to expect at three in the morning.
//!
//! [`Cache::get_or_load`](crate::Cache::get_or_load) reads a value, or has a *loader* of yours fetch it from where it comes
//! from, the *origin*. These are the rules by which it does so.
//!
//! # One load in the whole fleet
//! A hit is one plain read and nothing else. On a miss, the callers of one process share one *flight*. It takes the key's
//! *lease* in the store (`ck:lease:...`), and only whoever holds the lease runs a loader. The other processes wait: they are
//! woken when the value is stored, and look again by themselves when the lease should have ended. So n callers on m
//! machines cost the origin one request.
//!
//! The holder renews its lease for as long as its loader runs. When its process dies the lease expires (after 5 s unless set
//! otherwise) and one of those who wait takes over. A loader runs on a task of the kit: a caller that goes away ends nobody's
//! load. A loader that takes longer than the hard time-out (30 s) is ended, and one that panics fails for its callers and for
//! nobody else. It must not block its thread, or the lease cannot be renewed. From the beginning of a shutdown on leases are
//! kept for a second at a time, so that one of a load that is cut off does not delay the others.
//!
//! # How long a caller waits
//! As long as its load may take, the hard time-out, from the moment at which it is known that there is something to load; no
//! matter whether its own loader runs meanwhile, another caller's, or another process's. Then it is served what is stale, or is
//! told [`Timeout`](cachekit_store::ErrorKind::Timeout), and the load goes on. It never loads beside a load that takes too long
//! for it: an origin that is slow is not asked by everyone who waits. Each call of the store within that has its own, shorter
//! deadline.
//!
//! By default nothing bounds how many keys a process loads at once; see
//! [`max_concurrent_loads`](crate::CacheBuilder::max_concurrent_loads).
//!
//! # What was invalidated does not come back
//! Every write, removal and clearing by this crate ends the lease of the key, also where there is no value yet: taking a
//! lease enters the key into the index of its owner and into those of its declared tags first, and a deletion by pattern walks
//! over the leases before it walks over the values. A load that began before then cannot store what it found. Its value goes
//! to the caller that started it, whose call began before the invalidation too; everyone else looks again. A caller that comes
//! after an invalidation has returned never gets what it invalidated.
//!
//! A tag that only the loader names ([`Loaded::with_tags`]) cannot be entered before. An invalidation by it is noticed all the
//! same, when the value is to be stored: each leaves word of itself for an hour.
//!
//! A write by another program counts too: a value is stored only if the key still holds what it held when the lease was
//! granted (or that has expired by itself meanwhile). Two things cannot be seen: another program's deletion of a key that holds
//! nothing, and its deletion of a value that would have expired by itself before the new one is stored.
//!
//! # When the origin is down
//! With [`stale_for`](crate::CacheBuilder::stale_for), an entry stays readable for so long after it ceased to be fresh. Where
//! the loader fails, is slower than the soft time-out, or runs in another process, that value is served as
//! [`Origin::Stale`]. After a failure the next load waits for a second, doubling with each further one up to half a minute,
//! while stale values are served. Without a stale value callers get the loader's error: kind
//! [`LoadFailed`](cachekit_store::ErrorKind::LoadFailed), whose `source()` is the loader's own. So do those who come within the
//! next 100 ms ([`failure_hold`](crate::CacheBuilder::failure_hold)); the error says that it is the last load's. Each process
//! finds out for itself: nothing is stored of a failure.
//!
//! # When the store is down
//! Loads go to the origin, one at a time for each key and process, and at most 64 at once for each cache and process (of the
//! handles of the levels, for each type of values and level); see
//! [`loads_without_store`](crate::CacheBuilder::loads_without_store). The answers are [`Origin::Uncached`]. No error of the store
//! is returned while the origin answers, unless waiting would not mend it (a wrong password, a key of another type).
//!
//! While the store cannot even be read, nobody can hear of an invalidation: callers who share such a load may be given what was
//! loaded before one. Where it can be read and takes no writes (it has no memory, or cannot save), removals still work: there a
//! load is shared by those alone who came before it began, and who comes later waits for the next one with others.
//!
//! # Entries that cannot be read
//! A damaged entry is a miss, and the load overwrites it. One of a newer version of the program is left alone: each call
//! loads without storing until the deployment is through.
//!
//! # Many keys
//! [`get_or_load_many`](crate::Cache::get_or_load_many) reads all keys in one round trip, takes the leases of those that are
//! missing in another, and calls the loader once with just the keys whose leases it got. It waits for the rest as any other
//! caller does; what becomes free meanwhile without a value is loaded by further calls for as many keys as there are, at most four
//! at once. Values that are due for a refresh are loaded by one call too. Each key has an outcome of its own: an entry of the
//! loader's answer may be a failure.
//!
//! # What is written
//! A cache without stale serving and XFetch writes what it always writes, plain JSON text by default. With one of them each
//! entry has a header with its times; with [`plain`](crate::CacheBuilder::plain) they are derived from the key's remaining
//! life instead, which is read in the same round trip. Times are those of the server's clock.

mod cached;
mod context;
mod engine;
mod fetch;
mod flight;
mod flights;
mod loaded;
mod many;
mod nodes;
mod options;
mod policy;
mod refresh;
mod request;
mod setbacks;
mod settle;
#[cfg(test)]
mod tests;
mod together;
mod unleased;

pub use self::{
    cached::{Cached, Origin},
    context::LoadContext,
    loaded::Loaded,
    options::LoadOptions,
    refresh::Refresh,
};
pub(crate) use self::{
    engine::{Engine, is_away},
    fetch::many_loader,
    flight::Seen,
    many::{ManyLoader, Member},
    policy::Policy,
    request::{BoxError, Request, Slot},
};
