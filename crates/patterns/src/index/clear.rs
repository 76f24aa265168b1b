//! Clearing what an index lists, page by page.

use bytes::Bytes;
use cachekit_keys::{Key, Root};
use cachekit_store::{Error, Reply, Result, Store};

use super::{
    reply::{bytes, integer, run, unexpected},
    scripts::{CLEAR, FORGET, PAGE},
    write::number,
};
use crate::lease::{lease_of, remove};

/// How many members are read, and deleted in one run, at most: a server answers no one else during a run.
const MEMBERS: usize = 1_000;

/// Deletes the values of all keys that the root's index lists, and takes these out of it; answers how many values existed.
///
/// Where `also` shares the slot, its index loses the same members, so that they need not be met again there. A write that
/// takes place meanwhile survives together with its member, or is cleared.
///
/// A walk goes down from the member that lives longest, while what is written meanwhile goes up with the clock: so writers
/// cannot keep it from ending, however fast they are. A load that was under way when this was called may have stored what it
/// found behind the walk, where that took more than one page: it did so before the walk ended, which ended all other such
/// loads, so that a second walk finds it.
///
/// # Errors
/// Those of the store. Once values have been deleted, a later failure says that the change may have been applied.
///
/// # Cancel safety
/// A dropped call has cleared some of the keys. Members whose values are gone may be left, which is harmless.
pub(crate) async fn clear(store: &dyn Store, root: &Root, also: Option<&Root>) -> Result<u64> {
    let mut walk = Walk::new(store, root, also);
    if walk.go_down().await? > 1 {
        walk.go_down().await?;
    }
    Ok(walk.existed)
}

/// One clearing.
struct Walk<'a> {
    store: &'a dyn Store,
    clustered: bool,
    /// The index that is walked, and another one in its slot.
    indices: Vec<Key>,
    existed: u64,
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

    /// Clears page by page; answers how many there were.
    async fn go_down(&mut self) -> Result<usize> {
        let (mut pages, mut highest) = (1, Bytes::from_static(b"inf"));
        loop {
            let page = self.read(&highest).await;
            let members = page.map_err(|error| self.partly(error))?;
            let last = match members.last() {
                Some(last) if members.len() == MEMBERS => last.score.clone(),
                _ => {
                    self.clear(members).await?;
                    return Ok(pages);
                }
            };
            self.clear(members).await?;
            // More members than fitted may have this score.
            (pages, highest) = (pages + 1, last);
        }
    }

    async fn read(&self, highest: &Bytes) -> Result<Vec<Member>> {
        let args = vec![highest.clone(), number(MEMBERS as u64)];
        let reply = run(self.store, &PAGE, vec![self.index().clone()], args).await?;
        let Reply::Array(parts) = reply else {
            return Err(unexpected(&PAGE));
        };
        let mut members = Vec::with_capacity(parts.len() / 2);
        let mut parts = parts.into_iter().map(|part| bytes(&PAGE, part));
        while let (Some(name), Some(score)) = (parts.next(), parts.next()) {
            members.push(Member {
                bytes: name?,
                score: score?,
            });
        }
        Ok(members)
    }

    /// Deletes the values of a page and takes the members out.
    async fn clear(&mut self, members: Vec<Member>) -> Result<()> {
        let (mut near, mut names) = (
            self.indices.clone(),
            vec![number(self.indices.len() as u64)],
        );
        let (mut away, mut leaving) = (Vec::new(), Vec::new());
        for member in members {
            match self.key(&member) {
                Some(key) if self.is_near(&key) => {
                    near.push(key);
                    names.push(member.bytes);
                }
                other => {
                    away.extend(other);
                    leaving.push(member);
                }
            }
        }
        if near.len() > self.indices.len() {
            let leases = near[self.indices.len()..].iter().map(lease_of);
            let leases = leases.collect::<Result<Vec<Key>>>()?;
            near.extend(leases);
            let reply = run(self.store, &CLEAR, near, names).await;
            let existed = reply.and_then(|reply| integer(&CLEAR, &reply));
            self.existed += existed.map_err(|error| self.partly(error))?;
        }
        if !away.is_empty() {
            let deleted = remove(self.store, &away).await;
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
        key.filter(|key| lease_of(key).is_ok())
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
