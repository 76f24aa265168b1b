//! Writing values together with their members.

use std::{borrow::Cow, collections::HashSet};

use bytes::Bytes;
use cachekit_keys::{Key, Root, Roots, Tag, Ttl};
use cachekit_store::{
    Capabilities, Condition, Error, ErrorKind, Reply, Result, ScriptCall, SetItem, SetOptions,
    Store,
};
use futures_util::future::join_all;

use super::{
    plan::{Group, Indices, Notes, groups},
    reply::{integer, run, unexpected},
    scripts::{SET, SET_MANY},
    together::{Owners, set_together},
};
use crate::{WriteOptions, access::Base, lease::lease_of};

/// How many keys one run writes or enters at most: a server answers no one else during a run.
pub(crate) const BATCH: usize = 256;

/// One write of a single value in so many trims the indices, and then so many members: twice as many as are entered
/// meanwhile, so that what is over does not pile up.
const TRIM_EVERY: u32 = 16;
const TRIM: usize = 32;

/// The same for the runs of a batch, and for each of their members.
const TRIM_EVERY_RUN: u32 = 8;
const TRIM_A_MEMBER: usize = 16;

/// Where a value is written: its key, and the roots that the key belongs to.
pub(crate) type Place = (Key, Roots);

/// One value to be written.
#[derive(Clone)]
pub(crate) struct Write {
    pub(crate) key: Key,
    pub(crate) roots: Roots,
    pub(crate) value: Bytes,
    pub(crate) ttl: Ttl,
}

/// What one run of a batch writes.
struct Part<'p> {
    /// The indices that all have.
    near: &'p [Key],
    /// Which writes of the batch.
    places: &'p [usize],
}

/// Writes values with the options of one call.
pub(crate) struct Writer<'a> {
    base: &'a Base,
    store: &'a dyn Store,
    capabilities: Capabilities,
    condition: Condition,
    tags: Vec<Root>,
}

impl<'a> Writer<'a> {
    /// # Errors
    /// `InvalidInput` for too many tags, `Unsupported` for tags on a store that runs no scripts: they would be lost.
    pub(crate) fn new(base: &'a Base, options: &WriteOptions) -> Result<Self> {
        let capabilities = base.store.capabilities();
        let tags = tag_roots(base, &options.tags)?;
        Ok(Self {
            base,
            store: &*base.store,
            capabilities,
            condition: options.condition,
            tags,
        })
    }

    /// Writes one value; answers whether it was written.
    pub(crate) async fn one(&self, write: Write) -> Result<bool> {
        if !self.capabilities.scripts {
            return self.set_plain(write).await;
        }
        let Indices { near, away } = self.indices(&write.key, &write.roots);
        self.check_size(&write)?;
        let notes = Notes::of(&away, &write);
        self.announce(&notes).await?;
        let written = self.set_indexed(write, near).await?;
        if written {
            self.confirm(&notes).await?;
        }
        Ok(written)
    }

    /// Writes many values; answers for each whether it was written.
    pub(crate) async fn many(&self, writes: &[Write]) -> Result<Vec<bool>> {
        if writes.is_empty() {
            return Ok(Vec::new());
        }
        if !self.capabilities.scripts {
            return self.set_many_plain(writes).await;
        }
        writes.iter().try_for_each(|write| self.check_size(write))?;
        let groups = groups(writes, self.capabilities.clustered, |write| {
            self.indices(&write.key, &write.roots)
        });
        let notes = Notes::of_groups(&groups, writes);
        self.announce(&notes).await?;
        let mut written = vec![true; writes.len()];
        self.set_many_indexed(writes, &groups, &mut written).await?;
        if written.contains(&true) {
            self.confirm(&notes).await?;
        }
        Ok(written)
    }

    fn indices(&self, key: &Key, roots: &Roots) -> Indices {
        Indices::of(self.capabilities, key, roots, &self.tags)
    }

    /// A script's arguments pass the check of the store's own writes.
    fn check_size(&self, write: &Write) -> Result<()> {
        let most = self.capabilities.max_value_size;
        if write.value.len() <= most {
            return Ok(());
        }
        let detail = format!("{} bytes, at most {most} are allowed", write.value.len());
        Err(Error::new(ErrorKind::TooLarge, "set")
            .with_detail(detail)
            .with_key(&write.key))
    }

    /// Enters keys into the indices of other slots, before their values are written.
    async fn announce(&self, notes: &Notes) -> Result<()> {
        // Of what was asked for, nothing has been sent yet.
        let sent = notes.run(self.store).await;
        sent.map_err(|error| error.with_may_have_applied(false))
    }

    /// The same once the values are written, as a clearing may have come in between.
    async fn confirm(&self, notes: &Notes) -> Result<()> {
        let sent = notes.run(self.store).await;
        sent.map_err(|error| error.with_may_have_applied(true))
    }

    async fn set_plain(&self, write: Write) -> Result<bool> {
        let options = self.options(write.ttl);
        self.store.set(&write.key, write.value, options).await
    }

    /// Writes a value and its members, with others of the same indices where no condition has to be told of each.
    async fn set_indexed(&self, write: Write, near: Vec<Key>) -> Result<bool> {
        let is_plain = matches!(self.condition, Condition::Always);
        if near.is_empty() || self.capabilities.clustered || !is_plain {
            return set_one(self.store, &write, &near, self.condition_text()).await;
        }
        let owners = Owners {
            roots: write.roots.clone(),
            tags: self.tags.clone(),
        };
        set_together(self.base, owners, write, near).await
    }

    async fn set_many_plain(&self, writes: &[Write]) -> Result<Vec<bool>> {
        let item = |write: &Write| {
            let options = self.options(write.ttl);
            SetItem::new(write.key.clone(), write.value.clone(), options)
        };
        let items: Vec<SetItem> = writes.iter().map(item).collect();
        self.store.set_many(&items).await
    }

    async fn set_many_indexed(
        &self,
        writes: &[Write],
        groups: &[Group<'_>],
        written: &mut [bool],
    ) -> Result<()> {
        let places = groups.iter().map(|group| self.places(group, writes));
        let places: Vec<Cow<'_, [usize]>> = places.collect();
        let parts = groups.iter().zip(&places).flat_map(|(group, places)| {
            let chunks = places.chunks(self.part());
            chunks.map(|places| Part {
                near: &group.indices.near,
                places,
            })
        });
        let parts: Vec<Part<'_>> = parts.collect();
        let replies = match groups {
            [_] if !self.capabilities.clustered => self.run_each(writes, &parts).await?,
            _ => self.run_all(writes, &parts).await?,
        };
        for (part, reply) in parts.into_iter().zip(replies) {
            let answers = match reply {
                Reply::Integer(1) => continue,
                Reply::Array(answers) if answers.len() == part.places.len() => answers,
                _ => return Err(unexpected(&SET_MANY).with_may_have_applied(true)),
            };
            for (&place, answer) in part.places.iter().zip(answers) {
                written[place] = integer(&SET_MANY, &answer)? == 1;
            }
        }
        Ok(())
    }

    /// How many writes one run has at most. On one server smaller ones are as good, and it works on the first while the next is
    /// written down.
    const fn part(&self) -> usize {
        match self.capabilities.clustered {
            true => BATCH,
            false => BATCH / 2,
        }
    }

    async fn run_all(&self, writes: &[Write], parts: &[Part<'_>]) -> Result<Vec<Reply>> {
        let calls = parts.iter().map(|part| self.call(writes, part));
        let calls: Vec<ScriptCall> = calls.collect::<Result<_>>()?;
        self.store.run_script(&SET_MANY, &calls).await
    }

    /// Each run is written down when its turn has come to be sent.
    async fn run_each(&self, writes: &[Write], parts: &[Part<'_>]) -> Result<Vec<Reply>> {
        let runs = parts.iter().map(async |part| {
            let call = self.call(writes, part)?;
            let replies = self.store.run_script(&SET_MANY, &[call]).await?;
            let reply = replies.into_iter().next();
            reply.ok_or_else(|| unexpected(&SET_MANY).with_may_have_applied(true))
        });
        let replies = join_all(runs).await;
        let is_applied = |reply: &Result<Reply>| {
            reply
                .as_ref()
                .map_or_else(Error::may_have_applied, |_| true)
        };
        let applied = replies.iter().any(is_applied);
        let replies: Result<Vec<Reply>> = replies.into_iter().collect();
        replies.map_err(|error| error.with_may_have_applied(applied))
    }

    fn call(&self, writes: &[Write], part: &Part<'_>) -> Result<ScriptCall> {
        let members = part.places.iter().map(|&place| &writes[place]);
        set_many_call(members, part.near, self.condition_text())
    }

    /// Which writes of a group are sent. Runs of a script come in no certain order: where a group takes several, the last write
    /// to a key stands for those before it.
    fn places<'g>(&self, group: &'g Group<'_>, writes: &[Write]) -> Cow<'g, [usize]> {
        let is_plain = matches!(self.condition, Condition::Always);
        if group.places.len() <= self.part() || !is_plain {
            return Cow::Borrowed(&group.places);
        }
        let mut seen = HashSet::with_capacity(group.places.len());
        let from_the_end = group.places.iter().rev().copied();
        let mut last: Vec<usize> = from_the_end
            .filter(|&place| seen.insert(&writes[place].key))
            .collect();
        last.reverse();
        Cow::Owned(last)
    }

    fn options(&self, ttl: Ttl) -> SetOptions {
        SetOptions::ttl(ttl).with_condition(self.condition)
    }

    fn condition_text(&self) -> Bytes {
        Bytes::from_static(match self.condition {
            Condition::IfAbsent => b"NX",
            Condition::IfPresent => b"XX",
            _ => &[],
        })
    }
}

/// One write as a run of its script.
pub(super) async fn set_one(
    store: &dyn Store,
    write: &Write,
    near: &[Key],
    condition: Bytes,
) -> Result<bool> {
    let args = vec![
        write.value.clone(),
        number(write.ttl.as_millis()),
        number(trim() as u64),
        condition,
        write.key.to_bytes(),
    ];
    let mut keys = Vec::with_capacity(2 + near.len());
    keys.extend([write.key.clone(), lease_of(&write.key)?]);
    keys.extend_from_slice(near);
    let reply = run(store, &SET, keys, args).await;
    let written = reply.and_then(|reply| integer(&SET, &reply));
    let written = written.map_err(|error| error.with_key(&write.key))?;
    Ok(written == 1)
}

/// Writes with the same indices as one run of their script.
pub(super) fn set_many_call<'w>(
    writes: impl ExactSizeIterator<Item = &'w Write> + Clone,
    near: &[Key],
    condition: Bytes,
) -> Result<ScriptCall> {
    let count = writes.len();
    let mut keys = Vec::with_capacity(near.len() + 2 * count);
    keys.extend_from_slice(near);
    keys.extend(writes.clone().map(|write| write.key.clone()));
    for write in writes.clone() {
        keys.push(lease_of(&write.key)?);
    }
    let mut args = Vec::with_capacity(4 + 3 * count);
    args.extend([
        number(near.len() as u64),
        number(trim_of(count) as u64),
        condition,
    ]);
    args.extend(writes.clone().map(|write| write.value.clone()));
    args.extend(writes.clone().map(|write| write.key.to_bytes()));
    push_ttls(&mut args, writes);
    Ok(ScriptCall::new(keys, args))
}

/// Tags by their roots, each once.
///
/// # Errors
/// `InvalidInput` for too many tags, `Unsupported` for tags on a store that runs no scripts: they would be lost.
pub(crate) fn tag_roots(base: &Base, tags: &[Tag]) -> Result<Vec<Root>> {
    let mut roots: Vec<Root> = Vec::with_capacity(tags.len());
    for tag in tags {
        let root = base.schema.tag_root(tag);
        if !roots.contains(&root) {
            roots.push(root);
        }
    }
    check_count(roots.len())?;
    if !roots.is_empty() && !base.store.capabilities().scripts {
        return Err(Error::new(ErrorKind::Unsupported, "set")
            .with_detail("tags need a store that runs scripts"));
    }
    Ok(roots)
}

/// # Errors
/// `InvalidInput` for more tags than an entry may have.
pub(crate) fn check_count(tags: usize) -> Result<()> {
    let most = WriteOptions::MAX_TAGS;
    if tags <= most {
        return Ok(());
    }
    let detail = format!("{tags} tags, at most {most} are allowed");
    Err(Error::new(ErrorKind::InvalidInput, "set").with_detail(detail))
}

/// How many members this write of a single value is to trim from each index.
pub(crate) fn trim() -> usize {
    match fastrand::u32(..TRIM_EVERY) {
        0 => TRIM,
        _ => 0,
    }
}

/// How many members this run with so many writes is to trim from each index.
pub(crate) fn trim_of(writes: usize) -> usize {
    match fastrand::u32(..TRIM_EVERY_RUN) {
        0 => TRIM_A_MEMBER * writes,
        _ => 0,
    }
}

/// The TTLs of a batch as a script's arguments: one for all where they are equal, as they are without jitter.
pub(super) fn push_ttls<'w>(args: &mut Vec<Bytes>, writes: impl Iterator<Item = &'w Write>) {
    let mut ttls: Vec<Ttl> = writes.map(|write| write.ttl).collect();
    if ttls.iter().all(|ttl| *ttl == ttls[0]) {
        ttls.truncate(1);
    }
    args.extend(ttls.into_iter().map(|ttl| number(ttl.as_millis())));
}

/// A number as a script's argument.
pub(crate) fn number(number: u64) -> Bytes {
    Bytes::from(number.to_string())
}
