//! Accepting writes, and what to do when the backlog is full.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use cachekit_keys::{Key, Root, Roots, Ttl, WriteKey};
use cachekit_store::{Error, ErrorKind, Result, StoreExt};
use tokio::time::Instant;

use super::{
    batch::{Answer, answers, is_short, runs},
    queue::{Queue, Shard},
    scripts::PUT,
};
use crate::index::{Indices, Notes, Write, unexpected};

/// For how long a process relies on the count of a cluster's queue.
const COUNTED_FOR: Duration = Duration::from_secs(1);

/// Which writes of a batch have the shard and the indices in common.
type Groups = HashMap<(Shard, Vec<Key>), Vec<usize>>;

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
        if let ([item], false, Room::Bounded) = (items, self.clustered, room)
            && is_short(item)
        {
            return Ok(vec![self.accept_one(item, bound).await?]);
        }
        let (groups, away) = self.groups(items);
        let notes = Notes::of_each(away.iter().map(|(away, write)| (&away[..], *write)));
        notes.run(&*self.store).await.map_err(before_all)?;
        self.note_ahead(&slots).await.map_err(before_all)?;

        let answers = self.run_groups(items, groups, room, bound).await?;
        let after = |error: Error| error.with_may_have_applied(true);
        self.note_behind(&slots).await.map_err(after)?;
        notes.run(&*self.store).await.map_err(after)?;
        // On a cluster workers look by themselves, as a message there goes to every node.
        if !self.clustered && answers.iter().any(|answer| answer.is_first) {
            self.wake(WriteKey::Arrivals).await;
        }
        let is_taken = |answer: &Answer| matches!(answer.accepted, Some(Accepted::Yes(_)));
        let taken = answers.iter().any(is_taken);
        let accepted = items.iter().zip(answers);
        let accepted: Result<Vec<Accepted>> =
            accepted.map(|(item, answer)| answer.of(item)).collect();
        accepted.map_err(|error| error.with_may_have_applied(taken))
    }

    /// Sorts writes by what those of one run have in common; and the indices in other slots.
    fn groups<'i>(&self, items: &'i [Accepting]) -> (Groups, Vec<(Vec<Key>, &'i Write)>) {
        let (mut groups, mut away) = (Groups::new(), Vec::new());
        for (place, item) in items.iter().enumerate() {
            let indices = self.indices(item);
            let group = (self.shard_of(&item.write.key), indices.near);
            groups.entry(group).or_default().push(place);
            if !indices.away.is_empty() {
                away.push((indices.away, &item.write));
            }
        }
        (groups, away)
    }

    /// Accepts one write on a single server, by one run with others that come while some are under way.
    async fn accept_one(&self, item: &Accepting, bound: i64) -> Result<Accepted> {
        let near = self.indices(item).near;
        let together = self.together(&item.write.key, near.clone(), Room::Bounded, bound);
        let lead = || {
            let (store, together) = (Arc::clone(&self.store), together.clone());
            let arrivals = self.schema.write_key(&self.name, WriteKey::Arrivals);
            move |items: Vec<Accepting>| async move {
                let answers = together.accept(&*store, &items).await?;
                // Here, as the caller whose write was the first may have gone away.
                if answers.iter().any(|answer| answer.is_first) {
                    let _ = store.wake(&arrivals).await;
                }
                Ok(answers)
            }
        };
        let answer = match self.puts.call(near, item.clone(), lead).await {
            // It may have been refused for what another one wants to write.
            Err(failed) if failed.is_shared && !failed.error.may_have_applied() => {
                let alone = lead()(vec![item.clone()]);
                alone.await?.pop()
            }
            answer => Some(answer.map_err(Error::from)?),
        };
        let answer = answer.ok_or_else(|| unexpected(&PUT).with_may_have_applied(true))?;
        answer.of(item)
    }

    /// Accepts each group by as few runs as may be; answers in the order of the items.
    async fn run_groups(
        &self,
        items: &[Accepting],
        groups: Groups,
        room: Room,
        bound: i64,
    ) -> Result<Vec<Answer>> {
        let (mut calls, mut sent) = (Vec::new(), Vec::new());
        for ((_, near), places) in groups {
            let together = self.together(&items[places[0]].write.key, near, room, bound);
            for places in runs(items, &places) {
                calls.push(together.call(places.iter().map(|&place| &items[place]))?);
                sent.push(places);
            }
        }
        let replies = self.store.run_script(&PUT, &calls).await?;
        let mut found: Vec<Option<Answer>> = items.iter().map(|_| None).collect();
        let after = |error: Error| error.with_may_have_applied(true);
        for (places, reply) in sent.into_iter().zip(replies) {
            let answers = answers(reply, places.len()).map_err(after)?;
            for (place, answer) in places.into_iter().zip(answers) {
                found[place] = Some(answer);
            }
        }
        let found: Option<Vec<Answer>> = found.into_iter().collect();
        found.ok_or_else(|| after(unexpected(&PUT)))
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
        let count = match (self.backlog().await, known) {
            (Ok(backlog), _) => backlog.pending + backlog.dead_letters,
            // A node is away: the writes to the others' slots go by what was known, or is known of these.
            (Err(_), Some((_, count))) => count,
            (Err(_), None) => self.known_count().await?,
        };
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
