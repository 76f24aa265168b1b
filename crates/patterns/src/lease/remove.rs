//! Removing values, so that no load under way brings them back.

use std::collections::BTreeMap;

use cachekit_keys::{CompanionKind, Key, KeySchema, Pattern, Ttl};
use cachekit_store::{Error, ErrorKind, Result, ScanRequest, ScriptCall, Store, StoreExt};

use super::{lease_of, scripts::REMOVE};
use crate::index::{BATCH, integer};

/// How long the word of a clearing stays: no load that takes longer is stored.
pub(super) const PATTERN_WORD: Ttl = Ttl::seconds(86_400);

/// The key of the word of a schema's clearings by pattern, where one script reaches it together with every key.
pub(crate) fn word_of(store: &dyn Store, schema: &KeySchema) -> Option<Key> {
    let capabilities = store.capabilities();
    (capabilities.scripts && !capabilities.clustered).then(|| schema.cleared())
}

/// Deletes values and ends the loads of them; answers how many values existed.
///
/// # Errors
/// Those of the store; some of the values may be gone then, as the error says.
pub(crate) async fn remove(store: &dyn Store, keys: &[Key]) -> Result<u64> {
    if keys.is_empty() {
        return Ok(0);
    }
    let capabilities = store.capabilities();
    if !capabilities.scripts {
        return store.delete(keys).await;
    }
    let mut slots: BTreeMap<u16, Vec<&Key>> = BTreeMap::new();
    for key in keys {
        let slot = if capabilities.clustered {
            key.slot()
        } else {
            0
        };
        slots.entry(slot).or_default().push(key);
    }
    let mut calls = Vec::new();
    for chunk in slots.values().flat_map(|keys| keys.chunks(BATCH)) {
        let leases = chunk.iter().map(|key| lease_of(key));
        let leases = leases.collect::<Result<Vec<Key>>>()?;
        let keys = chunk.iter().copied().cloned().chain(leases);
        calls.push(ScriptCall::new(keys.collect(), Vec::new()));
    }
    let replies = store.run_script(&REMOVE, &calls).await?;
    replies.iter().map(|reply| integer(&REMOVE, reply)).sum()
}

/// Deletes all values that match, and ends the loads of them; answers how many values existed.
///
/// What was being loaded when this was called must not be stored behind the walk. Where one script reaches any two keys, `word`
/// is the key that all loads of the schema look at: it is changed first, and they are stored no more. Elsewhere, for patterns
/// that mean more than the schema's keys, and where the server has no memory left for the word, the keyspace is walked twice:
/// once over the leases, which end, and only then over the values, which thereby finds all that was stored before.
///
/// # Errors
/// Those of the store. Once values have been deleted, a later failure says that the change may have been applied.
pub(crate) async fn remove_matching(
    store: &dyn Store,
    pattern: &Pattern,
    word: Option<&Key>,
) -> Result<u64> {
    let mut removed = 0;
    let is_announced = match word {
        Some(word) => announce(store, word).await?,
        None => false,
    };
    if !is_announced && store.capabilities().scripts {
        end_matching(store, pattern, &mut removed)
            .await
            .map_err(|error| partly(error, removed))?;
    }
    match store.delete_matching(pattern).await {
        Ok(others) => Ok(removed + others),
        Err(error) => Err(partly(error, removed)),
    }
}

/// Leaves word that keys are about to be cleared by pattern; `false` where the server has no memory for it.
async fn announce(store: &dyn Store, word: &Key) -> Result<bool> {
    // Never the same twice, so that a load tells this clearing from any before.
    let token = format!("{:032x}", fastrand::u128(..));
    match store.set_ttl(word, token.into(), PATTERN_WORD).await {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::OutOfMemory => Ok(false),
        Err(error) => Err(error),
    }
}

async fn end_matching(store: &dyn Store, pattern: &Pattern, removed: &mut u64) -> Result<()> {
    let mut request = ScanRequest::new(Pattern::raw("ck:lease:*")?);
    loop {
        let page = store.scan(&request).await?;
        let accompanied = page.keys.iter().filter_map(|key| match key.accompanied() {
            Some((CompanionKind::Lease, key)) => Some(key),
            _ => None,
        });
        let keys: Vec<Key> = accompanied
            .filter(|key| pattern.matches(key.as_bytes()))
            .collect();
        *removed += remove(store, &keys).await?;
        match page.next {
            Some(cursor) => request = request.continue_from(cursor),
            None => return Ok(()),
        }
    }
}

fn partly(error: Error, removed: u64) -> Error {
    match removed {
        0 => error,
        _ => error.with_may_have_applied(true),
    }
}
