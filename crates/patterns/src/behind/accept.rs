//! Accepting writes, and what to do when the backlog is full.

use std::{collections::BTreeSet, time::Duration};

use bytes::Bytes;
use cachekit_keys::{Key, Root, Roots, Ttl, WriteKey};
use cachekit_store::{Error, ErrorKind, Reply, Result, ScriptCall};
use tokio::time::Instant;

use super::{
    queue::{Queue, millis, parts, unsigned, write_of},
    scripts::PUT,
};
use crate::{
    index::{Indices, Notes, Write, number, trim, unexpected},
    lease::lease_of,
};

/// For how long a process relies on the count of a cluster's queue.
const COUNTED_FOR: Duration = Duration::from_secs(1);

/// A write to be accepted: an encoded value, or a deletion.
pub(super) struct Accepting {
    pub(super) write: Write,
    pub(super) tags: Vec<Root>,
    pub(super) is_put: bool,
}

impl Accepting {
    pub(super) fn deletion(key: Key) -> Self {
        let write = Write {
            key,
            roots: Roots::default(),
            value: Bytes::new(),
            ttl: Ttl::MAX,
        };
        Self {
            write,
            tags: Vec::new(),
            is_put: false,
        }
    }
}

/// How much room there has to be.
#[derive(Clone, Copy)]
pub(super) enum Room {
    /// As much as the options say.
    Bounded,
    /// None: the write of a key without one is claimed at once, for so long.
    Claimed(Duration),
}

/// What became of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Accepted {
    Yes(Receipt),
    /// So many keys have one.
    Full(u64),
    /// So many milliseconds old is the oldest.
    TooOld(u64),
}

/// What is known of an accepted write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Receipt {
    pub(super) sequence: u64,
    /// The shard's clock, in milliseconds.
    pub(super) now: u64,
    /// Whether the caller has claimed it.
    pub(super) is_claimed: bool,
}

impl Queue {
    /// Tries to have writes accepted, in one round trip on a single server; answers for each.
    ///
    /// # Errors
    /// `TooLarge` before anything is sent, `Configuration` for a key with a write of another queue, and those of the store: the writes may
    /// have been accepted then, as the error says.
    pub(super) async fn try_accept(
        &self,
        items: &[Accepting],
        room: Room,
    ) -> Result<Vec<Accepted>> {
        items.iter().try_for_each(|item| self.check_size(item))?;
        let slots: BTreeSet<u16> = match self.clustered {
            true => items.iter().map(|item| item.write.key.slot()).collect(),
            false => BTreeSet::new(),
        };
        let before_all = |error: Error| error.with_may_have_applied(false);
        let bound = self.bound(room).await.map_err(before_all)?;
        let (mut calls, mut away) = (Vec::with_capacity(items.len()), Vec::new());
        for item in items {
            let indices = match item.is_put {
                true => self.indices(item),
                false => Indices::default(),
            };
            calls.push(self.put_call(item, indices.near, room, bound)?);
            if !indices.away.is_empty() {
                away.push((indices.away, &item.write));
            }
        }
        let notes = Notes::of_each(away.iter().map(|(away, write)| (&away[..], *write)));
        notes.run(&*self.store).await.map_err(before_all)?;
        self.note_ahead(&slots).await.map_err(before_all)?;

        let replies = self.store.run_script(&PUT, &calls).await?;
        let mut accepted = Vec::with_capacity(items.len());
        let mut was_empty = false;
        for (item, reply) in items.iter().zip(replies) {
            let (one, first) = answer(reply)?;
            let one = one.ok_or_else(|| {
                let taken = accepted.iter().any(|one| matches!(one, Accepted::Yes(_)));
                Error::new(ErrorKind::Configuration, "write_behind")
                    .with_detail("the key has an unpersisted write of another queue")
                    .with_key(&item.write.key)
                    .with_may_have_applied(taken)
            })?;
            accepted.push(one);
            was_empty |= first;
        }
        let after = |error: Error| error.with_may_have_applied(true);
        self.note_behind(&slots).await.map_err(after)?;
        notes.run(&*self.store).await.map_err(after)?;
        // On a cluster workers look by themselves, as a message there goes to every node.
        if was_empty && !self.clustered {
            self.wake(WriteKey::Arrivals).await;
        }
        Ok(accepted)
    }

    fn indices(&self, item: &Accepting) -> Indices {
        let capabilities = self.store.capabilities();
        Indices::of(capabilities, &item.write.key, &item.write.roots, &item.tags)
    }

    fn put_call(
        &self,
        item: &Accepting,
        near: Vec<Key>,
        room: Room,
        bound: i64,
    ) -> Result<ScriptCall> {
        let write = &item.write;
        let shard = self.shard_keys(self.shard_of(&write.key));
        let mut keys = vec![
            write.key.clone(),
            lease_of(&write.key)?,
            write_of(&write.key)?,
            shard.due,
            shard.held,
            shard.waiting,
            shard.persisted,
            shard.dead,
        ];
        keys.extend(near);
        let (max_age, claim) = match room {
            Room::Bounded => (self.options.max_age.map_or(0, millis), 0),
            Room::Claimed(claim) => (0, millis(claim)),
        };
        let args = vec![
            Bytes::from_static(if item.is_put { b"P" } else { b"D" }),
            write.value.clone(),
            number(write.ttl.as_millis()),
            number(trim() as u64),
            write.key.to_bytes(),
            number(self.window_ms()),
            Bytes::from(bound.to_string()),
            number(max_age),
            self.tag.clone(),
            number(claim),
        ];
        Ok(ScriptCall::new(keys, args))
    }

    /// The greatest count as the script takes it.
    async fn bound(&self, room: Room) -> Result<i64> {
        let most = self.options.backlog;
        match room {
            Room::Claimed(_) => Ok(0),
            Room::Bounded if !self.clustered => Ok(i64::try_from(most).unwrap_or(i64::MAX)),
            // No script counts all slots: what this process knows decides.
            Room::Bounded if self.count().await? >= most => Ok(-1),
            Room::Bounded => Ok(0),
        }
    }

    /// How many keys a cluster's queue had not long ago.
    async fn count(&self) -> Result<u64> {
        let known = *self.counted.lock();
        if let Some((at, count)) = known
            && at.elapsed() < COUNTED_FOR
        {
            return Ok(count);
        }
        let now = Instant::now();
        if let Some((_, count)) = known {
            // Others go by what is known while it is asked for anew.
            *self.counted.lock() = Some((now, count));
        }
        let count = self.backlog().await?;
        let count = count.pending + count.dead_letters;
        *self.counted.lock() = Some((now, count));
        Ok(count)
    }

    /// A script's arguments pass the check of the store's own writes. What is accepted has to fit as a dead letter, too.
    fn check_size(&self, item: &Accepting) -> Result<()> {
        let (size, most) = (
            item.write.value.len() + super::companion::BESIDES,
            self.store.capabilities().max_value_size,
        );
        if size <= most {
            return Ok(());
        }
        let detail =
            format!("{size} bytes with what is kept beside it, at most {most} are allowed");
        Err(Error::new(ErrorKind::TooLarge, "write_behind")
            .with_detail(detail)
            .with_key(&item.write.key))
    }
}

/// What the script says, and whether nothing was due before; `None` for a write of another queue.
fn answer(reply: Reply) -> Result<(Option<Accepted>, bool)> {
    let parts = parts(&PUT, reply)?;
    let at =
        |place: usize| -> Result<u64> { Ok(unsigned(&PUT, parts.get(place))?.unwrap_or_default()) };
    Ok(match at(0)? {
        0 => (Some(Accepted::Full(at(1)?)), false),
        1 => {
            let receipt = Receipt {
                sequence: at(1)?,
                now: at(3)?,
                is_claimed: at(2)? == 2,
            };
            (Some(Accepted::Yes(receipt)), at(2)? == 1)
        }
        2 => (Some(Accepted::TooOld(at(1)?)), false),
        3 => (None, false),
        _ => return Err(unexpected(&PUT)),
    })
}
