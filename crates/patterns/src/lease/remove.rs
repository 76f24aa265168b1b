//! Removing values, so that no load under way brings them back.

use std::collections::BTreeMap;

use cachekit_keys::{CompanionKind, Key, Pattern};
use cachekit_store::{Error, Result, ScanRequest, ScriptCall, Store, StoreExt};

use super::{lease_of, scripts::REMOVE};
use crate::index::{BATCH, integer};

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
/// The keyspace is walked twice: once over the leases, so that what was being loaded when this was called cannot be stored
/// any more, and only then over the values, which thereby finds all that was stored before. The other way round a value
/// could be stored behind the walk.
///
/// # Errors
/// Those of the store. Once values have been deleted, a later failure says that the change may have been applied.
pub(crate) async fn remove_matching(store: &dyn Store, pattern: &Pattern) -> Result<u64> {
    let mut removed = 0;
    if store.capabilities().scripts {
        end_matching(store, pattern, &mut removed)
            .await
            .map_err(|error| partly(error, removed))?;
    }
    match store.delete_matching(pattern).await {
        Ok(others) => Ok(removed + others),
        Err(error) => Err(partly(error, removed)),
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
