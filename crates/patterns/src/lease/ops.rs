//! Taking, keeping, filling and giving back leases: for many keys in as many round trips as for one.

use std::{iter, time::Duration};

use bytes::Bytes;
use cachekit_keys::{Key, Root, Roots, Ttl};
use cachekit_store::{Reply, Result, Script, ScriptCall, Store};

use super::{
    Late,
    runs::{Run, Shared, each_of, runs},
    scripts::{FILL, RELEASE, RENEW, TAKE},
};
use crate::index::{Indices, Notes, Write, integer, number, run, trim, unexpected};

/// Names the holder of a lease: 128 random bits, which are to be unique and not to be secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Token(Bytes);

impl Token {
    pub(crate) fn random() -> Self {
        Self(format!("{:032x}", fastrand::u128(..)).into())
    }

    pub(crate) fn to_bytes(&self) -> Bytes {
        self.0.clone()
    }
}

/// A lease to be taken.
#[derive(Clone, Debug)]
pub(crate) struct Take {
    pub(crate) key: Key,
    pub(crate) roots: Roots,
    pub(crate) tags: Vec<Root>,
    pub(crate) token: Token,
    /// The digest of the bytes that are not good enough; none for no bytes.
    pub(crate) seen: Option<String>,
    /// How long these were to live, where that is known.
    pub(crate) seen_left: Option<Duration>,
    /// How long the lease lives unless it is renewed.
    pub(crate) ttl: Ttl,
    /// How long it may be renewed at most.
    pub(crate) life: Ttl,
}

/// What came of it.
#[derive(Debug)]
pub(crate) enum Taken {
    /// The key holds bytes that the caller has not seen.
    Found {
        value: Bytes,
        expires_in: Option<Duration>,
    },
    /// The key has an unpersisted write, which is newer than what a loader would find.
    Unpersisted(Bytes),
    /// Someone else holds the lease, for so long unless they renew it.
    Held { left: Duration },
    /// The caller holds it. Whether the key holds the bytes that the caller has seen, or nothing.
    Granted { has_seen: bool },
    /// The key is of another type.
    OtherType,
}

/// A value to be stored under a lease.
pub(crate) struct Fill {
    pub(crate) write: Write,
    /// All of them, the late ones too.
    pub(crate) tags: Vec<Root>,
    pub(crate) late: Late,
    pub(crate) token: Token,
}

impl Fill {
    pub(crate) fn new(write: Write, tags: &[Root], late: Late, token: Token) -> Self {
        let tags = tags.iter().chain(&late.tags).cloned().collect();
        Self {
            write,
            tags,
            late,
            token,
        }
    }
}

/// Takes leases; answers for each, and the server's time in microseconds with it.
///
/// `word` is the key that a clearing by pattern changes, where one script reaches it together with every key.
pub(crate) async fn take(
    store: &dyn Store,
    word: Option<&Key>,
    takes: &[Take],
) -> Result<Vec<(u64, Taken)>> {
    let capabilities = store.capabilities();
    let indices = |take: &Take| Indices::of(capabilities, &take.key, &take.roots, &take.tags);
    let (near, entries): (Vec<_>, Vec<_>) = takes
        .iter()
        .map(|take| {
            let Indices { near, away } = indices(take);
            (near, (away, entry(&take.key, take.life)))
        })
        .unzip();
    let runs = runs(
        capabilities,
        takes.iter().zip(near).map(|(take, near)| Shared {
            key: &take.key,
            near,
            lives: (take.ttl, take.life),
        }),
    );
    let calls = runs.iter().map(|run| take_call(word, run, takes));
    let calls = calls.collect::<Result<Vec<ScriptCall>>>()?;
    note(store, entries.iter()).await?;
    let replies = store.run_script(&TAKE, &calls).await?;
    let taken = each_of(&TAKE, takes.len(), &runs, replies.into_iter().map(taken))?;
    let granted = entries.iter().zip(&taken);
    let granted = granted.filter(|(_, (_, taken))| matches!(taken, Taken::Granted { .. }));
    note(store, granted.map(|(entry, _)| entry)).await?;
    Ok(taken)
}

fn take_call(word: Option<&Key>, run: &Run<'_>, takes: &[Take]) -> Result<ScriptCall> {
    let members = || run.places.iter().map(|&place| &takes[place]);
    let (ttl, life) = run.shared.lives;
    let mut args = run.first_args(word);
    args.extend([number(ttl.as_millis()), number(life.as_millis())]);
    args.extend(members().map(|take| take.token.0.clone()));
    args.extend(members().map(|take| Bytes::from(take.seen.clone().unwrap_or_default())));
    args.extend(members().map(|take| match take.seen_left {
        Some(left) => number(u64::try_from(left.as_millis()).unwrap_or(u64::MAX)),
        None => Bytes::new(),
    }));
    args.extend(members().map(|take| take.key.to_bytes()));
    Ok(ScriptCall::new(
        run.keys_with_writes(word, members().map(|take| &take.key))?,
        args,
    ))
}

/// What came of the takes of one run.
fn taken(reply: Reply) -> Result<Vec<(u64, Taken)>> {
    let Reply::Array(parts) = reply else {
        return Err(unexpected(&TAKE));
    };
    let mut parts = parts.into_iter();
    let now = parts.next().ok_or_else(|| unexpected(&TAKE))?;
    let now: u64 = integer(&TAKE, &now)?;
    parts.map(|part| Ok((now, taken_one(part)?))).collect()
}

fn taken_one(reply: Reply) -> Result<Taken> {
    let parts = match reply {
        Reply::Integer(0) => return Ok(Taken::OtherType),
        Reply::Integer(1) => return Ok(Taken::Granted { has_seen: true }),
        Reply::Integer(2) => return Ok(Taken::Granted { has_seen: false }),
        Reply::Array(parts) => parts,
        _ => return Err(unexpected(&TAKE)),
    };
    let mut parts = parts.into_iter();
    match (parts.next(), parts.next()) {
        (Some(Reply::Integer(left)), None) => Ok(Taken::Held {
            left: Duration::from_millis(u64::try_from(left).unwrap_or_default()),
        }),
        (Some(Reply::Bytes(write)), None) => Ok(Taken::Unpersisted(write)),
        (Some(Reply::Bytes(value)), Some(Reply::Integer(left))) => Ok(Taken::Found {
            value,
            expires_in: u64::try_from(left).ok().map(Duration::from_millis),
        }),
        _ => Err(unexpected(&TAKE)),
    }
}

/// Stores values whose leases are still held; answers for each whether it was stored.
pub(super) async fn fill(
    store: &dyn Store,
    word: Option<&Key>,
    fills: &[Fill],
) -> Result<Vec<bool>> {
    let capabilities = store.capabilities();
    let (near, entries): (Vec<_>, Vec<_>) = fills
        .iter()
        .map(|Fill { write, tags, .. }| {
            let Indices { near, away } = Indices::of(capabilities, &write.key, &write.roots, tags);
            (near, (away, entry(&write.key, write.ttl)))
        })
        .unzip();
    let runs = runs(
        capabilities,
        fills.iter().zip(near).map(|(fill, near)| Shared {
            key: &fill.write.key,
            near,
            lives: (),
        }),
    );
    let calls = runs.iter().map(|run| fill_call(word, run, fills));
    let calls = calls.collect::<Result<Vec<ScriptCall>>>()?;
    note(store, entries.iter()).await?;
    let replies = store.run_script(&FILL, &calls).await?;
    let filled = each_of(&FILL, fills.len(), &runs, replies.into_iter().map(filled))?;
    let written = entries.iter().zip(&filled).filter(|(_, filled)| **filled);
    note(store, written.map(|(entry, _)| entry)).await?;
    Ok(filled)
}

fn fill_call(word: Option<&Key>, run: &Run<'_, ()>, fills: &[Fill]) -> Result<ScriptCall> {
    let members = || run.places.iter().map(|&place| &fills[place]);
    let mut args = run.first_args(word);
    args.push(number(trim() as u64));
    args.extend(members().map(|fill| fill.token.0.clone()));
    args.extend(members().map(|fill| fill.write.value.clone()));
    args.extend(members().map(|fill| number(fill.write.ttl.as_millis())));
    args.extend(members().map(|fill| fill.write.key.to_bytes()));
    Ok(ScriptCall::new(
        run.keys(word, members().map(|fill| &fill.write.key))?,
        args,
    ))
}

fn filled(reply: Reply) -> Result<Vec<bool>> {
    let Reply::Array(parts) = reply else {
        return Err(unexpected(&FILL));
    };
    let filled = parts.iter().map(|part| Ok(integer(&FILL, part)? == 1));
    filled.collect()
}

/// What the indices of other slots are told of a key.
fn entry(key: &Key, ttl: Ttl) -> Write {
    Write {
        key: key.clone(),
        roots: Roots::default(),
        value: Bytes::new(),
        ttl,
    }
}

/// Enters keys into the indices of other slots.
async fn note<'e>(
    store: &dyn Store,
    entries: impl Iterator<Item = &'e (Vec<Key>, Write)>,
) -> Result<()> {
    let notes = Notes::of_each(entries.map(|(away, write)| (&away[..], write)));
    notes.run(store).await
}

/// Gives a lease a new life; answers whether the token still holds it.
pub(crate) async fn renew(store: &dyn Store, lease: &Key, token: &Token, ttl: Ttl) -> Result<bool> {
    let args = vec![token.0.clone(), number(ttl.as_millis())];
    flag(store, &RENEW, lease, args).await
}

/// Gives leases back; answers for each whether the token still held it, and nothing was cleared by pattern meanwhile.
pub(crate) async fn release(
    store: &dyn Store,
    word: Option<&Key>,
    leases: &[(Key, Token)],
) -> Result<Vec<bool>> {
    let call = |(lease, token): &(Key, Token)| {
        let keys = iter::once(lease).chain(word).cloned();
        ScriptCall::new(keys.collect(), vec![token.0.clone()])
    };
    let calls: Vec<ScriptCall> = leases.iter().map(call).collect();
    let replies = store.run_script(&RELEASE, &calls).await?;
    replies
        .iter()
        .map(|reply| Ok(integer(&RELEASE, reply)? == 1))
        .collect()
}

async fn flag(store: &dyn Store, script: &Script, lease: &Key, args: Vec<Bytes>) -> Result<bool> {
    let reply = run(store, script, vec![lease.clone()], args).await?;
    Ok(integer(script, &reply)? == 1)
}
