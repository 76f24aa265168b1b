//! Tags that only a loader names, when the load is over.
//!
//! The lease did not enter its key into their indices, so that an invalidation of such a tag has not found the load. It leaves
//! word, though: a key beside the tag's index, written before the members are read, whose remaining life says how long ago that
//! was. A fill enters its key into the indices first, and then reads these words. An invalidation whose word it does not
//! find reads the members later than that, and ends the lease.
//!
//! Only spans of time are compared, each measured by one clock, so that it does not matter whether the clocks of the servers
//! and of this process agree.

use std::{collections::HashMap, time::Duration};

use bytes::Bytes;
use cachekit_keys::{Key, Root, Ttl};
use cachekit_store::{Result, Store, StoreExt};
use tokio::time::Instant;

use super::{lease_of, ops, ops::Fill, remove::PATTERN_WORD};
use crate::index::Notes;

/// How long a word is left: no load that took longer can be stored with tags that were not known before.
const WORD: Ttl = Ttl::seconds(3_600);
/// More than what a server rounds off.
const SLACK: Duration = Duration::from_millis(2);

/// Tags that were not known when the lease was taken.
pub(crate) struct Late {
    pub(crate) tags: Vec<Root>,
    /// Before the lease was asked for.
    pub(crate) since: Instant,
}

/// Leaves word that what carries the tag is about to be cleared.
pub(crate) async fn announce_clearing(store: &dyn Store, tag: &Root) -> Result<()> {
    let word = Bytes::from_static(b"1");
    store.set_ttl(&tag.cleared(), word, WORD).await
}

/// Stores values whose leases are still held and whose late tags have not been invalidated since; answers for each whether it
/// was stored. One that took longer than the word of a clearing stays is not.
pub(crate) async fn fill(
    store: &dyn Store,
    word: Option<&Key>,
    fills: &[Fill],
) -> Result<Vec<bool>> {
    if fills.iter().any(|fill| !fill.late.tags.is_empty()) {
        give_up_cleared(store, fills).await?;
    }
    give_up(
        store,
        fills.iter().filter(|fill| outlives_words(fill.late.since)),
    )
    .await?;
    ops::fill(store, word, fills).await
}

/// Gives the leases back whose late tags were cleared after they had been asked for, so that they cannot be filled.
async fn give_up_cleared(store: &dyn Store, fills: &[Fill]) -> Result<()> {
    let indices = fills.iter().map(|fill| {
        let indices = fill.late.tags.iter().map(Root::index);
        (indices.collect::<Vec<Key>>(), &fill.write)
    });
    let indices: Vec<_> = indices.collect();
    let entries = indices
        .iter()
        .map(|(indices, write)| (&indices[..], *write));
    Notes::of_each(entries).run(store).await?;

    let words = fills.iter().flat_map(|fill| &fill.late.tags);
    let words: Vec<Key> = words.map(Root::cleared).collect();
    let left = store.get_entries(&words).await?.into_iter();
    let ages = left.map(|word| {
        // One that never expires is none of ours, and says nothing of when it was left.
        let left = word.map(|word| word.expires_in.unwrap_or_default());
        left.map(|left| WORD.as_duration().saturating_sub(left))
    });
    let ages: HashMap<Key, Option<Duration>> = words.iter().cloned().zip(ages).collect();
    // Taken after the words were read: rather too long than too short.
    let is_cleared = |fill: &Fill| {
        let age = fill.late.since.elapsed().saturating_add(SLACK);
        let words = fill.late.tags.iter().map(Root::cleared);
        let mut words = words.map(|word| ages.get(&word).copied().flatten());
        !fill.late.tags.is_empty()
            && (age >= WORD.as_duration() || words.any(|word| word.is_some_and(|word| word <= age)))
    };
    give_up(store, fills.iter().filter(|fill| is_cleared(fill))).await
}

/// Whether a clearing by pattern may have left word after a lease was taken, and the word have expired since.
pub(crate) fn outlives_words(since: Instant) -> bool {
    since.elapsed().saturating_add(SLACK) >= PATTERN_WORD.as_duration()
}

/// Gives the leases of fills back, so that these are refused.
async fn give_up<'f>(store: &dyn Store, fills: impl Iterator<Item = &'f Fill>) -> Result<()> {
    let leases = fills.map(|fill| Ok((lease_of(&fill.write.key)?, fill.token.clone())));
    let leases = leases.collect::<Result<Vec<_>>>()?;
    if !leases.is_empty() {
        ops::release(store, None, &leases).await?;
    }
    Ok(())
}
