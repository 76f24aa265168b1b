//! What a write through the cache does there: for many keys in as many round trips as for one.

use std::time::Duration;

use bytes::Bytes;
use cachekit_keys::{Key, Root, Roots, Ttl};
use cachekit_store::{Error, ErrorKind, Result, Script, ScriptCall, Store};
use futures_util::future::join_all;
use serde::Serialize;
use tokio::time::sleep;

use super::scripts::{BEGIN, CONFIRM, SETTLE, UNDO};
use crate::{
    WriteOptions,
    access::{Access, Base},
    index::{Indices, Notes, Place, Write, integer, number, trim, unexpected},
    lease::{self, Token, lease_of},
};

/// The pauses between attempts at emptying a cache that does not answer.
const PAUSES: [Duration; 4] = [
    Duration::ZERO,
    Duration::from_millis(50),
    Duration::from_millis(200),
    Duration::from_millis(800),
];

/// One key that is written or deleted.
#[derive(Clone)]
pub(crate) struct Change {
    pub(crate) key: Key,
    pub(crate) roots: Roots,
    pub(crate) tags: Vec<Root>,
    /// The encoded value and its lifetime; nothing for a deletion.
    pub(crate) value: Option<(Bytes, Ttl)>,
}

impl Change {
    /// With no value for a deletion.
    ///
    /// # Errors
    /// Those of encoding.
    pub(crate) fn of<V>(
        access: &Access,
        place: Place,
        tags: Vec<Root>,
        value: Option<&V>,
        options: &WriteOptions,
    ) -> Result<Self>
    where
        V: Serialize + ?Sized,
    {
        let (key, roots) = place;
        let encode = |value| {
            let place = (key.clone(), Roots::default());
            access.encode(place, value, options)
        };
        let encoded = value.map(encode).transpose()?;
        Ok(Self {
            value: encoded.map(|write| (write.value, write.ttl)),
            key,
            roots,
            tags,
        })
    }
}

/// A change under way, by the lease that its writer holds.
pub(super) struct Mark {
    pub(super) change: Change,
    token: Token,
    lease: Key,
}

/// How long what a writer leaves behind lasts if it dies.
#[derive(Clone, Copy)]
pub(super) struct Lives {
    /// The lease, which is renewed.
    pub(super) lease: Ttl,
    /// All that is written before the database has answered.
    pub(super) whole: Ttl,
}

impl Mark {
    pub(super) fn new(change: Change) -> Result<Self> {
        Ok(Self {
            lease: lease_of(&change.key)?,
            token: Token::random(),
            change,
        })
    }

    fn key(&self) -> &Key {
        &self.change.key
    }

    /// The value and its lifetime; nothing that is asked for where the change is a deletion.
    fn value(&self) -> (Bytes, Ttl) {
        let none = || (Bytes::new(), Ttl::MAX);
        self.change.value.clone().unwrap_or_else(none)
    }
}

/// Takes the keys' leases and removes their values; with `is_visible` the new values are written instead, for a short time.
pub(super) async fn begin(
    base: &Base,
    marks: &[Mark],
    lives: Lives,
    is_visible: bool,
) -> Result<()> {
    if !base.store.capabilities().scripts {
        return remove(base, marks).await;
    }
    let args = |mark: &Mark| {
        let (lease, whole) = (lives.lease.as_millis(), lives.whole.as_millis());
        let mut args = vec![
            mark.token.to_bytes(),
            number(lease),
            number(whole),
            mark.key().to_bytes(),
            flag(base.word().is_some()),
        ];
        if let Some((value, ttl)) = mark.change.value.as_ref().filter(|_| is_visible) {
            args.extend([value.clone(), number(ttl.as_millis().min(whole))]);
        }
        args
    };
    let life = |_: &Mark| lives.whole;
    run_noted(base, &BEGIN, marks, args, life).await.map(drop)
}

/// Writes the values of keys whose leases are still held; answers for each whether it was. What was deleted stays so.
pub(super) async fn settle(base: &Base, marks: &[Mark]) -> Result<Vec<bool>> {
    let has_value = |mark: &Mark| mark.change.value.is_some();
    if !base.store.capabilities().scripts || !marks.iter().all(has_value) {
        remove(base, marks).await?;
        return Ok(vec![false; marks.len()]);
    }
    let args = |mark: &Mark| {
        let (value, ttl) = mark.value();
        vec![
            mark.token.to_bytes(),
            value,
            number(ttl.as_millis()),
            number(trim() as u64),
            mark.key().to_bytes(),
            flag(base.word().is_some()),
        ]
    };
    let life = |mark: &Mark| mark.value().1;
    run_noted(base, &SETTLE, marks, args, life).await
}

/// Gives values that are still the writer's their lifetimes; answers for each whether it was.
pub(super) async fn confirm(base: &Base, marks: &[Mark]) -> Result<Vec<bool>> {
    let args = |mark: &Mark| {
        let (value, ttl) = mark.value();
        vec![
            value,
            number(ttl.as_millis()),
            number(trim() as u64),
            mark.key().to_bytes(),
            flag(base.word().is_some()),
        ]
    };
    let life = |mark: &Mark| mark.value().1;
    run_noted(base, &CONFIRM, marks, args, life).await
}

/// Empties the cache, with several attempts.
///
/// # Errors
/// The last one's.
pub(super) async fn remove_patiently(base: &Base, marks: &[Mark]) -> Result<()> {
    patiently(|| remove(base, marks)).await
}

/// Takes back what [`begin`] did: removes the values that are still the writer's, and gives the leases back.
///
/// # Errors
/// The last one's of several attempts.
pub(super) async fn undo(base: &Base, marks: &[Mark], is_visible: bool) -> Result<()> {
    if !base.store.capabilities().scripts {
        return Ok(());
    }
    let leases = || {
        marks
            .iter()
            .map(|mark| (mark.lease.clone(), mark.token.clone()))
    };
    let leases: Vec<(Key, Token)> = leases().collect();
    if !is_visible {
        // They end by themselves, too.
        return lease::release(&*base.store, None, &leases).await.map(drop);
    }
    let call = |mark: &Mark| {
        let (value, _) = mark.value();
        let keys = vec![mark.key().clone(), mark.lease.clone()];
        ScriptCall::new(keys, vec![mark.token.to_bytes(), value])
    };
    let calls: Vec<ScriptCall> = marks.iter().map(call).collect();
    patiently(|| async { base.store.run_script(&UNDO, &calls).await.map(drop) }).await
}

/// Keeps the leases for as long as it is polled.
pub(super) async fn keep(store: &dyn Store, marks: &[Mark], ttl: Ttl) -> std::convert::Infallible {
    loop {
        sleep(ttl.as_duration() / 3).await;
        // One that is lost is noticed in the end.
        let renewals = marks
            .iter()
            .map(|mark| lease::renew(store, &mark.lease, &mark.token, ttl));
        join_all(renewals).await;
    }
}

async fn remove(base: &Base, marks: &[Mark]) -> Result<()> {
    let keys: Vec<Key> = marks.iter().map(|mark| mark.key().clone()).collect();
    lease::remove(&*base.store, &keys).await.map(drop)
}

async fn patiently<F: Future<Output = Result<()>>>(attempt: impl Fn() -> F) -> Result<()> {
    let mut last = Error::new(ErrorKind::Unexpected, "write_through");
    for pause in PAUSES {
        sleep(pause).await;
        match attempt().await {
            Ok(()) => return Ok(()),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Runs a script for each key, which enters it into the indices that it reaches; those elsewhere are told before and after, as
/// with any write.
async fn run_noted(
    base: &Base,
    script: &Script,
    marks: &[Mark],
    args: impl Fn(&Mark) -> Vec<Bytes>,
    life: impl Fn(&Mark) -> Ttl,
) -> Result<Vec<bool>> {
    let (capabilities, word) = (base.store.capabilities(), base.word());
    let (mut calls, mut entries) = (Vec::new(), Vec::new());
    for mark in marks {
        let Change {
            key, roots, tags, ..
        } = &mark.change;
        let indices = Indices::of(capabilities, key, roots, tags);
        let keys = [key.clone(), mark.lease.clone()].into_iter();
        let keys = keys.chain(word.clone()).chain(indices.near);
        calls.push(ScriptCall::new(keys.collect(), args(mark)));
        let entry = Write {
            key: key.clone(),
            roots: Roots::default(),
            value: Bytes::new(),
            ttl: life(mark),
        };
        entries.push((indices.away, entry));
    }
    note(base, entries.iter()).await?;
    let replies = base.store.run_script(script, &calls).await?;
    let done = replies.iter().map(|reply| Ok(integer(script, reply)? == 1));
    let done: Vec<bool> = done.collect::<Result<_>>()?;
    if done.len() != marks.len() {
        return Err(unexpected(script));
    }
    let written = entries.iter().zip(&done).filter(|(_, done)| **done);
    note(base, written.map(|(entry, _)| entry)).await?;
    Ok(done)
}

async fn note<'e>(base: &Base, entries: impl Iterator<Item = &'e (Vec<Key>, Write)>) -> Result<()> {
    let notes = Notes::of_each(entries.map(|(away, write)| (&away[..], write)));
    notes.run(&*base.store).await
}

fn flag(is_set: bool) -> Bytes {
    Bytes::from_static(if is_set { b"1" } else { b"" })
}
