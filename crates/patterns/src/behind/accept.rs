//! Accepting writes, and what to do when the backlog is full.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use cachekit_keys::{Key, Root, Roots, Ttl, WriteKey};
use cachekit_store::{Error, ErrorKind, Result};
use tokio::time::Instant;

use super::{
    batch::{Answer, MOST, answers},
    queue::{Queue, Shard},
    scripts::PUT,
};
use crate::index::{Indices, Notes, Write, unexpected};

/// For how long a process relies on the count of a cluster's queue.
const COUNTED_FOR: Duration = Duration::from_secs(1);

/// A write to be accepted: an encoded value, or a deletion.
#[derive(Clone)]
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
        if let ([item], false, Room::Bounded) = (items, self.clustered, room) {
            return Ok(vec![self.accept_one(item, bound).await?]);
        }
        let mut groups: HashMap<(Shard, Vec<Key>), Vec<usize>> = HashMap::new();
        let mut away = Vec::new();
        for (place, item) in items.iter().enumerate() {
            let indices = self.indices(item);
            let group = (self.shard_of(&item.write.key), indices.near);
            groups.entry(group).or_default().push(place);
            if !indices.away.is_empty() {
                away.push((indices.away, &item.write));
            }
        }
        let notes = Notes::of_each(away.iter().map(|(away, write)| (&away[..], *write)));
        notes.run(&*self.store).await.map_err(before_all)?;
        self.note_ahead(&slots).await.map_err(before_all)?;

        let answers = self.run_groups(items, groups, room, bound).await?;
        let was_empty = answers.iter().any(|answer| answer.is_first);
        let accepted = items
            .iter()
            .zip(answers)
            .map(|(item, answer)| answer.of(item));
        let accepted: Vec<Result<Accepted>> = accepted.collect();
        let taken = accepted
            .iter()
            .any(|one| matches!(one, Ok(Accepted::Yes(_))));
        let accepted: Result<Vec<Accepted>> = accepted.into_iter().collect();
        let accepted = accepted.map_err(|error| error.with_may_have_applied(taken))?;
        let after = |error: Error| error.with_may_have_applied(true);
        self.note_behind(&slots).await.map_err(after)?;
        notes.run(&*self.store).await.map_err(after)?;
        // On a cluster workers look by themselves, as a message there goes to every node.
        if was_empty && !self.clustered {
            self.wake(WriteKey::Arrivals).await;
        }
        Ok(accepted)
    }

    /// Accepts one write on a single server, by one run with others that come while some are under way.
    async fn accept_one(&self, item: &Accepting, bound: i64) -> Result<Accepted> {
        let near = self.indices(item).near;
        let together = self.together(&item.write.key, near.clone(), Room::Bounded, bound);
        let lead = || {
            let (store, together) = (Arc::clone(&self.store), together.clone());
            move |items: Vec<Accepting>| async move { together.accept(&*store, &items).await }
        };
        let answer = match self.puts.call(near, item.clone(), lead).await {
            // It may have been refused for what another one wants to write.
            Err(failed) if failed.is_shared && !failed.error.may_have_applied() => {
                let alone = together.accept(&*self.store, std::slice::from_ref(item));
                alone.await?.pop()
            }
            answer => Some(answer.map_err(Error::from)?),
        };
        let answer = answer.ok_or_else(|| unexpected(&PUT).with_may_have_applied(true))?;
        if answer.is_first {
            self.wake(WriteKey::Arrivals).await;
        }
        answer.of(item)
    }

    /// Accepts each group by as few runs as may be; answers in the order of the items.
    async fn run_groups(
        &self,
        items: &[Accepting],
        groups: HashMap<(Shard, Vec<Key>), Vec<usize>>,
        room: Room,
        bound: i64,
    ) -> Result<Vec<Answer>> {
        let (mut calls, mut runs) = (Vec::new(), Vec::new());
        for ((_, near), places) in groups {
            let together = self.together(&items[places[0]].write.key, near, room, bound);
            for places in places.chunks(MOST) {
                calls.push(together.call(places.iter().map(|&place| &items[place]))?);
                runs.push(places.to_vec());
            }
        }
        let replies = self.store.run_script(&PUT, &calls).await?;
        let mut found: Vec<Option<Answer>> = items.iter().map(|_| None).collect();
        for (places, reply) in runs.into_iter().zip(replies) {
            let answers = answers(reply, places.len())?;
            for (place, answer) in places.into_iter().zip(answers) {
                found[place] = Some(answer);
            }
        }
        let found: Option<Vec<Answer>> = found.into_iter().collect();
        found.ok_or_else(|| unexpected(&PUT).with_may_have_applied(true))
    }

    /// The indices that list the key, none for a deletion.
    fn indices(&self, item: &Accepting) -> Indices {
        if !item.is_put {
            return Indices::default();
        }
        let capabilities = self.store.capabilities();
        Indices::of(capabilities, &item.write.key, &item.write.roots, &item.tags)
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
