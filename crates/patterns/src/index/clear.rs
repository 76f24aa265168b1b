//! Clearing what an index lists, page by page.

use bytes::Bytes;
use cachekit_keys::{Key, Root};
use cachekit_store::{Error, Reply, Result, Store};

use super::{
    reply::{bytes, integer, run, unexpected},
    scripts::{CLEAR, FORGET, PAGE},
};

/// How many members are read, and deleted in one run, at most: a server answers no one else during a run.
const MEMBERS: usize = 1_000;

/// Deletes the values of all keys that the root's index lists, and takes these out of it; answers how many values existed.
///
/// Where `also` shares the slot, its index loses the same members, so that they need not be met again there. A write that
/// takes place meanwhile survives together with its member, or is cleared. The walk ends at the highest score that the index
/// had when it began, so that writers cannot keep it from ending.
///
/// # Errors
/// Those of the store. Once values have been deleted, a later failure says that the change may have been applied.
///
/// # Cancel safety
/// A dropped call has cleared some of the keys. Members whose values are gone may be left, which is harmless.
pub(crate) async fn clear(store: &dyn Store, root: &Root, also: Option<&Root>) -> Result<u64> {
    let mut walk = Walk::new(store, root, also);
    let (mut from, mut to) = (Bytes::from_static(b"-inf"), None);
    loop {
        let page = walk.read(&from, to.as_ref()).await;
        let Page { members, highest } = page.map_err(|error| walk.partly(error))?;
        let last = members.last().map(|member| member.score.clone());
        walk.clear(members).await?;
        let (Some(highest), Some(last)) = (highest, last) else {
            return Ok(walk.existed);
        };
        // The next page begins with the last one's highest score, as more members than fitted may have it.
        from = last;
        to.get_or_insert(highest);
    }
}

/// One clearing.
struct Walk<'a> {
    store: &'a dyn Store,
    clustered: bool,
    /// The index that is walked, and another one in its slot.
    indices: Vec<Key>,
    existed: u64,
}

/// Some members, and the index's highest score where there may be more.
struct Page {
    members: Vec<Member>,
    highest: Option<Bytes>,
}

struct Member {
    bytes: Bytes,
    score: Bytes,
}

impl<'a> Walk<'a> {
    fn new(store: &'a dyn Store, root: &Root, also: Option<&Root>) -> Self {
        let clustered = store.capabilities().clustered;
        let index = root.index();
        let also = also
            .map(Root::index)
            .filter(|also| !clustered || also.slot() == index.slot());
        Self {
            store,
            clustered,
            indices: [index].into_iter().chain(also).collect(),
            existed: 0,
        }
    }

    fn index(&self) -> &Key {
        &self.indices[0]
    }

    async fn read(&self, from: &Bytes, to: Option<&Bytes>) -> Result<Page> {
        let to = to.cloned().unwrap_or(Bytes::from_static(b"inf"));
        let args = vec![from.clone(), to, Bytes::from(MEMBERS.to_string())];
        let reply = run(self.store, &PAGE, vec![self.index().clone()], args).await?;
        let Reply::Array(parts) = reply else {
            return Err(unexpected(&PAGE));
        };
        let mut parts = parts.into_iter().map(|part| bytes(&PAGE, part));
        let (mut members, mut highest) = (Vec::new(), None);
        while let Some(first) = parts.next().transpose()? {
            match parts.next().transpose()? {
                Some(score) => members.push(Member {
                    bytes: first,
                    score,
                }),
                None => highest = Some(first),
            }
        }
        Ok(Page { members, highest })
    }

    /// Deletes the values of a page and takes the members out.
    async fn clear(&mut self, members: Vec<Member>) -> Result<()> {
        let (mut near, mut away, mut leaving) = (self.indices.clone(), Vec::new(), Vec::new());
        for member in members {
            match self.key(&member) {
                Some(key) if self.is_near(&key) => near.push(key),
                other => {
                    away.extend(other);
                    leaving.push(member);
                }
            }
        }
        if near.len() > self.indices.len() {
            let args = vec![Bytes::from(self.indices.len().to_string())];
            let reply = run(self.store, &CLEAR, near, args).await;
            let existed = reply.and_then(|reply| integer(&CLEAR, &reply));
            self.existed += existed.map_err(|error| self.partly(error))?;
        }
        if !away.is_empty() {
            let deleted = self.store.delete(&away).await;
            self.existed += deleted.map_err(|error| self.partly(error))?;
        }
        self.forget(leaving)
            .await
            .map_err(|error| self.partly(error))
    }

    /// Takes members out that nobody has written since they were read.
    async fn forget(&self, members: Vec<Member>) -> Result<()> {
        if members.is_empty() {
            return Ok(());
        }
        let (mut args, scores): (Vec<Bytes>, Vec<Bytes>) = members
            .into_iter()
            .map(|member| (member.bytes, member.score))
            .unzip();
        args.extend(scores);
        run(self.store, &FORGET, vec![self.index().clone()], args)
            .await
            .map(drop)
    }

    /// The key that a member names; none for what this crate never enters.
    fn key(&self, member: &Member) -> Option<Key> {
        let key = Key::from_raw(member.bytes.clone()).ok();
        key.filter(|key| !key.is_reserved())
    }

    /// Whether one script can reach the key and the index.
    fn is_near(&self, key: &Key) -> bool {
        !self.clustered || key.slot() == self.index().slot()
    }

    /// The error of a clearing that has deleted values before.
    fn partly(&self, error: Error) -> Error {
        match self.existed {
            0 => error,
            _ => error.with_may_have_applied(true),
        }
    }
}
