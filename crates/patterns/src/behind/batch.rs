//! Writes that one run of the script accepts together.

use bytes::Bytes;
use cachekit_keys::Key;
use cachekit_store::{Error, ErrorKind, Reply, Result, ScriptCall, Store};

use super::{
    accept::{Accepted, Accepting, Receipt, Room},
    queue::{Queue, ShardKeys, millis, parts, unsigned, write_of},
    scripts::PUT,
};
use crate::{
    index::{BATCH, number, trim_of, unexpected},
    lease::lease_of,
};

/// How many writes one run accepts at most: a server answers no one else during a run.
const MOST: usize = BATCH / 2;
/// How many bytes of values a run takes, if there is more than one, and how many each of those has that go together with
/// others' at most.
const BYTES: usize = 1 << 20;
const SHORT: usize = 16 << 10;

/// What writes of one run have in common: their indices, and on a cluster their slot.
#[derive(Clone)]
pub(super) struct Together {
    shard: ShardKeys,
    near: Vec<Key>,
    /// The arguments that hold for all.
    args: [Bytes; 5],
}

/// What the script says of one write.
#[derive(Clone, Copy)]
pub(super) struct Answer {
    /// `None` for the write of a key that has one of another queue.
    pub(super) accepted: Option<Accepted>,
    /// Whether nothing was due before.
    pub(super) is_first: bool,
}

impl Answer {
    /// # Errors
    /// `Configuration` for a write of another queue.
    pub(super) fn of(self, item: &Accepting) -> Result<Accepted> {
        self.accepted.ok_or_else(|| {
            Error::new(ErrorKind::Configuration, "write_behind")
                .with_detail("the key has an unpersisted write of another queue")
                .with_key(&item.write.key)
                .with_may_have_applied(false)
        })
    }
}

/// Cuts writes into runs, each of so many and so many bytes.
pub(super) fn runs(items: &[Accepting], places: &[usize]) -> Vec<Vec<usize>> {
    let mut runs: Vec<Vec<usize>> = Vec::new();
    let mut bytes = 0;
    for &place in places {
        let size = items[place].write.value.len();
        match runs.last_mut() {
            Some(run) if run.len() < MOST && bytes + size <= BYTES => {
                run.push(place);
                bytes += size;
            }
            _ => {
                runs.push(vec![place]);
                bytes = size;
            }
        }
    }
    runs
}

/// Whether a single write is short enough to go together with others'.
pub(super) fn is_short(item: &Accepting) -> bool {
    item.write.value.len() <= SHORT
}

impl Queue {
    /// For writes whose keys are like this one.
    pub(super) fn together(&self, key: &Key, near: Vec<Key>, room: Room, bound: i64) -> Together {
        let (max_age, claim) = match room {
            Room::Bounded => (self.options.max_age.map_or(0, millis), 0),
            Room::Claimed(claim) => (0, millis(claim)),
        };
        Together {
            shard: self.shard_keys(self.shard_of(key)),
            near,
            args: [
                number(self.window_ms()),
                Bytes::from(bound.to_string()),
                number(max_age),
                self.tag.clone(),
                number(claim),
            ],
        }
    }
}

impl Together {
    /// Accepts writes by one run.
    ///
    /// # Errors
    /// Those of the store.
    pub(super) async fn accept(
        &self,
        store: &dyn Store,
        items: &[Accepting],
    ) -> Result<Vec<Answer>> {
        let call = self.call(items.iter())?;
        let reply = store.run_script(&PUT, &[call]).await?.into_iter().next();
        answers(reply.ok_or_else(|| unexpected(&PUT))?, items.len())
            .map_err(|error| error.with_may_have_applied(true))
    }

    pub(super) fn call<'i>(
        &self,
        items: impl ExactSizeIterator<Item = &'i Accepting>,
    ) -> Result<ScriptCall> {
        let shard = &self.shard;
        let own = [
            &shard.due,
            &shard.held,
            &shard.waiting,
            &shard.persisted,
            &shard.dead,
        ];
        let count = items.len();
        let mut keys: Vec<Key> = Vec::with_capacity(own.len() + 3 * count + self.near.len());
        keys.extend(own.into_iter().cloned());
        let mut args: Vec<Bytes> = Vec::with_capacity(2 + self.args.len() + 4 * count);
        args.extend([number(count as u64), number(trim_of(count) as u64)]);
        args.extend_from_slice(&self.args);
        for item in items {
            let write = &item.write;
            keys.extend([
                write.key.clone(),
                lease_of(&write.key)?,
                write_of(&write.key)?,
            ]);
            args.extend([
                Bytes::from_static(if item.is_put { b"P" } else { b"D" }),
                write.value.clone(),
                number(write.ttl.as_millis()),
                write.key.to_bytes(),
            ]);
        }
        keys.extend_from_slice(&self.near);
        Ok(ScriptCall::new(keys, args))
    }
}

/// What a run says of its writes.
pub(super) fn answers(reply: Reply, count: usize) -> Result<Vec<Answer>> {
    let parts = parts(&PUT, reply)?;
    let at =
        |place: usize| -> Result<u64> { Ok(unsigned(&PUT, parts.get(place))?.unwrap_or_default()) };
    let now = at(0)?;
    let one = |item: usize| {
        let (what, number, place) = (at(3 * item + 1)?, at(3 * item + 2)?, at(3 * item + 3)?);
        let accepted = match what {
            0 => Some(Accepted::Full(number)),
            1 => Some(Accepted::Yes(Receipt {
                sequence: number,
                now,
                is_claimed: place == 2,
            })),
            2 => Some(Accepted::TooOld(number)),
            3 => None,
            _ => return Err(unexpected(&PUT)),
        };
        Ok(Answer {
            accepted,
            is_first: what == 1 && place == 1,
        })
    };
    (0..count).map(one).collect()
}
