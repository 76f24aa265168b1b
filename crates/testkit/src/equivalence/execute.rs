//! One operation on one store.

use std::collections::BTreeSet;

use cachekit_keys::Ttl;
use cachekit_store::{
    Expiration, ExpireChange, Increment, Result, ScanRequest, ScriptCall, SetItem, SetOptions,
    Store,
};

use super::{
    Addition, Answer, Call, Comparison, Ending, Operation, Outcome, Write, frozen::BoxFuture,
    pool::Pool,
};

/// What [`Operation::Outlive`] gives keys to live.
const MOMENT: Ttl = Ttl::MIN;

/// Carries out `operation`; the waiting of [`Operation::Outlive`] and the setting of clocks are the caller's.
pub(super) fn execute<'a>(
    comparison: &'a Comparison,
    pool: &'a Pool,
    operation: &'a Operation,
    store: &'a dyn Store,
) -> BoxFuture<'a, Outcome> {
    Box::pin(async move {
        let answer = match operation {
            Operation::Script { script, calls } => {
                run_script(comparison, pool, script, calls, store).await
            }
            Operation::Scan { pattern, count } => {
                scan(pool, pattern.as_bytes(), *count, store).await
            }
            Operation::Outlive { keys, ending } => outlive(pool, keys, *ending, store).await,
            Operation::Clock { .. } => Ok(Answer::Nil),
            reading @ (Operation::Get { .. }
            | Operation::GetMany { .. }
            | Operation::GetEntries { .. }
            | Operation::Expiries { .. }) => read(pool, reading, store).await,
            writing => write(pool, writing, store).await,
        };
        Ok(answer?)
    })
}

async fn read(pool: &Pool, operation: &Operation, store: &dyn Store) -> Result<Answer> {
    Ok(match operation {
        Operation::Get { key } => store.get(&pool.key(*key)).await?.map(blob).into(),
        Operation::GetMany { keys } => {
            let values = store.get_many(&pool.keys(keys)).await?;
            Answer::list(values.into_iter().map(|value| value.map(blob)))
        }
        Operation::GetEntries { keys } => {
            let entries = store.get_entries(&pool.keys(keys)).await?.into_iter();
            let entry = |entry: cachekit_store::Entry| {
                Answer::List(vec![blob(entry.value), entry.expires_in.into()])
            };
            Answer::list(entries.map(|found| found.map(entry)))
        }
        Operation::Expiries { keys } => Answer::list(store.expiries(&pool.keys(keys)).await?),
        other => unreachable!("{other:?} is no reading"),
    })
}

async fn write(pool: &Pool, operation: &Operation, store: &dyn Store) -> Result<Answer> {
    Ok(match operation {
        Operation::Set(Write {
            key,
            value,
            options,
        }) => store
            .set(&pool.key(*key), value.to_bytes(), *options)
            .await?
            .into(),
        Operation::SetMany { writes } => {
            let items: Vec<SetItem> = writes.iter().map(|write| item(pool, write)).collect();
            Answer::list(store.set_many(&items).await?)
        }
        Operation::Delete { keys } => count(store.delete(&pool.keys(keys)).await?),
        Operation::Expire { keys, change } => {
            Answer::list(store.expire(&pool.keys(keys), *change).await?)
        }
        Operation::Increment { additions } => {
            let increments: Vec<Increment> = additions
                .iter()
                .map(|addition| increment(pool, addition))
                .collect();
            Answer::list(store.increment(&increments).await?)
        }
        other => unreachable!("{other:?} is no writing"),
    })
}

async fn run_script(
    comparison: &Comparison,
    pool: &Pool,
    name: &str,
    calls: &[Call],
    store: &dyn Store,
) -> Result<Answer> {
    let (family, script) = comparison.script(name);
    let script_call = |call: &Call| {
        let args = call.args.iter().map(super::Blob::to_bytes).collect();
        ScriptCall::new(pool.keys(&call.keys), args)
    };
    let batch: Vec<ScriptCall> = calls.iter().map(script_call).collect();
    let replies = store.run_script(&script, &batch).await?;
    let answers = calls.iter().zip(replies);
    Ok(Answer::list(answers.map(|(call, reply)| {
        family.canonical(&script, call, reply)
    })))
}

/// The keys found, each once, as places in the pool.
async fn scan(pool: &Pool, pattern: &[u8], count: usize, store: &dyn Store) -> Result<Answer> {
    let mut request = ScanRequest::new(pool.pattern(pattern)).with_count(count);
    let mut found = BTreeSet::new();
    loop {
        let page = store.scan(&request).await?;
        found.extend(page.keys);
        match page.next {
            Some(cursor) => request = request.continue_from(cursor),
            None => break,
        }
    }
    let mut places: Vec<Option<usize>> = found.iter().map(|key| pool.place(key)).collect();
    places.sort_unstable();
    let answer = |place: Option<usize>| place.map(count_of);
    Ok(Answer::list(places.into_iter().map(answer)))
}

async fn outlive(
    pool: &Pool,
    places: &[usize],
    ending: Ending,
    store: &dyn Store,
) -> Result<Answer> {
    let keys = pool.keys(places);
    Ok(match ending {
        Ending::Expire => Answer::list(store.expire(&keys, ExpireChange::After(MOMENT)).await?),
        Ending::Set => {
            let options = SetOptions::new(Expiration::After(MOMENT));
            let item = |key| SetItem::new(key, "ends", options);
            let items: Vec<SetItem> = keys.into_iter().map(item).collect();
            Answer::list(store.set_many(&items).await?)
        }
        Ending::Increment => {
            let increment = |key| Increment::new(key, 1, MOMENT);
            let increments: Vec<Increment> = keys.into_iter().map(increment).collect();
            Answer::list(store.increment(&increments).await?)
        }
    })
}

fn item(pool: &Pool, write: &Write) -> SetItem {
    SetItem::new(pool.key(write.key), write.value.to_bytes(), write.options)
}

fn increment(pool: &Pool, addition: &Addition) -> Increment {
    let key = pool.key(addition.key);
    match addition.ttl {
        Some(ttl) => Increment::new(key, addition.by, ttl),
        None => Increment::persistent(key, addition.by),
    }
}

fn blob(bytes: bytes::Bytes) -> Answer {
    Answer::Bytes(bytes.into())
}

fn count(number: u64) -> Answer {
    Answer::Integer(i64::try_from(number).unwrap_or(i64::MAX))
}

fn count_of(place: usize) -> Answer {
    count(place as u64)
}
