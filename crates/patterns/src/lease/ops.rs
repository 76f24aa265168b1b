//! Taking, keeping, filling and giving back leases: for many keys in as many round trips as for one.

use std::time::Duration;

use bytes::Bytes;
use cachekit_keys::{Key, Root, Roots, Ttl};
use cachekit_store::{Reply, Result, Script, ScriptCall, Store};

use super::{
    Late, lease_of,
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
    /// Someone else holds the lease, for so long unless they renew it.
    Held { left: Duration },
    /// The caller holds it.
    Granted,
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
    let (mut calls, mut entries) = (Vec::new(), Vec::new());
    for take in takes {
        let indices = Indices::of(capabilities, &take.key, &take.roots, &take.tags);
        let keys = [take.key.clone(), lease_of(&take.key)?];
        let mut args = vec![
            take.token.0.clone(),
            number(take.ttl.as_millis()),
            Bytes::from(take.seen.clone().unwrap_or_default()),
            number(take.life.as_millis()),
            take.key.to_bytes(),
        ];
        args.extend(word.map(|_| Bytes::from_static(b"1")));
        let keys = keys.into_iter().chain(word.cloned());
        calls.push(ScriptCall::new(keys.chain(indices.near).collect(), args));
        let write = Write {
            key: take.key.clone(),
            roots: Roots::default(),
            value: Bytes::new(),
            ttl: take.life,
        };
        entries.push((indices.away, write));
    }
    note(store, entries.iter()).await?;
    let replies = store.run_script(&TAKE, &calls).await?;
    let taken: Vec<(u64, Taken)> = replies.into_iter().map(taken).collect::<Result<_>>()?;
    let granted = entries.iter().zip(&taken);
    let granted = granted.filter(|(_, (_, taken))| matches!(taken, Taken::Granted));
    note(store, granted.map(|(entry, _)| entry)).await?;
    Ok(taken)
}

fn taken(reply: Reply) -> Result<(u64, Taken)> {
    let Reply::Array(parts) = reply else {
        return Err(unexpected(&TAKE));
    };
    let mut parts = parts.into_iter();
    let mut next = || parts.next().ok_or_else(|| unexpected(&TAKE));
    let (now, code) = (integer(&TAKE, &next()?)?, integer(&TAKE, &next()?)?);
    let taken = match code {
        0 => match (next()?, next()?) {
            (Reply::Bytes(value), Reply::Integer(left)) => Taken::Found {
                value,
                expires_in: u64::try_from(left).ok().map(Duration::from_millis),
            },
            _ => return Err(unexpected(&TAKE)),
        },
        1 => match next()? {
            Reply::Integer(left) => Taken::Held {
                left: Duration::from_millis(u64::try_from(left).unwrap_or_default()),
            },
            _ => return Err(unexpected(&TAKE)),
        },
        2 => Taken::Granted,
        _ => Taken::OtherType,
    };
    Ok((now, taken))
}

/// Stores values whose leases are still held; answers for each whether it was stored.
pub(super) async fn fill(
    store: &dyn Store,
    word: Option<&Key>,
    fills: &[Fill],
) -> Result<Vec<bool>> {
    let capabilities = store.capabilities();
    let (mut calls, mut entries) = (Vec::new(), Vec::new());
    for Fill {
        write, tags, token, ..
    } in fills
    {
        let indices = Indices::of(capabilities, &write.key, &write.roots, tags);
        let keys = [write.key.clone(), lease_of(&write.key)?];
        let mut args = vec![
            token.0.clone(),
            write.value.clone(),
            number(write.ttl.as_millis()),
            number(trim() as u64),
            write.key.to_bytes(),
        ];
        args.extend(word.map(|_| Bytes::from_static(b"1")));
        let keys = keys.into_iter().chain(word.cloned());
        calls.push(ScriptCall::new(keys.chain(indices.near).collect(), args));
        let write = Write {
            key: write.key.clone(),
            roots: Roots::default(),
            value: Bytes::new(),
            ttl: write.ttl,
        };
        entries.push((indices.away, write));
    }
    note(store, entries.iter()).await?;
    let replies = store.run_script(&FILL, &calls).await?;
    let filled: Vec<bool> = replies
        .iter()
        .map(|reply| Ok(integer(&FILL, reply)? == 1))
        .collect::<Result<_>>()?;
    let written = entries.iter().zip(&filled).filter(|(_, filled)| **filled);
    note(store, written.map(|(entry, _)| entry)).await?;
    Ok(filled)
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

/// Gives leases back; answers for each whether the token still held it.
pub(crate) async fn release(store: &dyn Store, leases: &[(Key, Token)]) -> Result<Vec<bool>> {
    let call =
        |(lease, token): &(Key, Token)| ScriptCall::new(vec![lease.clone()], vec![token.0.clone()]);
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
