//! The way of a write: mark the keys, write the database, bring the cache up to date.

use std::{error::Error as StdError, panic::AssertUnwindSafe, pin::pin, time::Duration};

use cachekit_keys::{Key, Ttl};
use cachekit_store::{Error, ErrorKind, Result, Tasks};
use futures_util::{
    FutureExt,
    future::{BoxFuture, Either, join_all, select},
};
use tokio::sync::oneshot;

use super::{
    WriteOrder, Written,
    marks::{self, Change, Lives, Mark},
    outcome::Persisted,
};
use crate::{
    Announcer, Cleared,
    access::{Access, Base},
    announce::Telling,
};

pub(crate) type BoxError = Box<dyn StdError + Send + Sync>;

/// What writes the database: for each change in their order, or nothing where all were taken.
pub(crate) type Persister =
    Box<dyn FnOnce() -> BoxFuture<'static, Result<Persisted<BoxError>, BoxError>> + Send>;

/// A persister of one change.
pub(crate) fn boxed<F, Fut, E>(persist: F) -> Persister
where
    F: FnOnce() -> Fut + Send + 'static,
    Fut: Future<Output = Result<(), E>> + Send + 'static,
    E: Into<BoxError>,
{
    Box::new(move || Box::pin(async move { persist().await.map(Into::into).map_err(Into::into) }))
}

/// The outcome of the only change.
pub(crate) fn only(outcomes: Vec<Result<Written>>) -> Result<Written> {
    let none = || Error::new(ErrorKind::Unexpected, "write_through");
    outcomes.into_iter().next().ok_or_else(none)?
}

/// How a write goes about it.
#[derive(Clone, Copy)]
pub(crate) struct How {
    pub(crate) order: WriteOrder,
    pub(crate) timeout: Duration,
    pub(crate) lease_ttl: Ttl,
    pub(crate) without_cache: bool,
}

/// Writes changes through the cache, on a task of its own; answers for each. Deletions are announced as removals, when they are done.
///
/// # Errors
/// Where the database was not asked.
pub(crate) async fn write(
    access: Access,
    announcer: Option<Announcer>,
    tasks: &Tasks,
    changes: Vec<Change>,
    how: How,
    persister: Persister,
) -> Result<Vec<Result<Written>>> {
    check_keys(&changes)?;
    check_sizes(&access, &changes)?;
    let marks = changes.into_iter().map(Mark::new);
    let flow = Flow {
        marks: marks.collect::<Result<_>>()?,
        access,
        how,
    };
    if flow.marks.is_empty() {
        return Ok(Vec::new());
    }
    let (sender, receiver) = oneshot::channel();
    let task = Box::pin(async move {
        let telling = announcer.as_ref().and_then(|told| flow.telling(told));
        let written = Telling::end(telling, flow.run(persister).await);
        // The caller may have gone away, which ends no write.
        let _ = sender.send(written);
    });
    tasks.spawn("write through the cache", task)?;
    receiver.await.unwrap_or_else(|_| {
        Err(Error::new(ErrorKind::Closed, "write_through").with_may_have_applied(true))
    })
}

struct Flow {
    access: Access,
    marks: Vec<Mark>,
    how: How,
}

impl Flow {
    /// What is to be announced of it.
    fn telling<'a>(&self, announcer: &'a Announcer) -> Option<Telling<'a>> {
        let changes = self.marks.iter().map(|mark| &mark.change);
        let deleted = changes.filter(|change| change.value.is_none());
        let deleted: Vec<Key> = deleted.map(|change| change.key.clone()).collect();
        match deleted.is_empty() {
            true => None,
            false => announcer.removal(|| Cleared::Keys(deleted)),
        }
    }

    async fn run(self, persister: Persister) -> Result<Vec<Result<Written>>> {
        let base = self.access.base();
        let begun = marks::begin(base, &self.marks, self.lives(), self.is_visible()).await;
        let is_marked = match begun {
            Ok(()) => true,
            Err(_) if self.how.without_cache => false,
            Err(error) => {
                // What was sent may have arrived.
                let undone = marks::undo(base, &self.marks, self.is_visible()).await;
                let may_be_seen = self.is_visible() && undone.is_err();
                let may_be_seen = may_be_seen && error.may_have_applied();
                return Err(error.with_may_have_applied(may_be_seen));
            }
        };
        let persisted = {
            let asking = pin!(guarded(persister, self.how.timeout));
            let keeping = pin!(marks::keep(&*base.store, &self.marks, self.how.lease_ttl));
            match select(asking, keeping).await {
                Either::Left((persisted, _)) => persisted,
                Either::Right((never, _)) => match never {},
            }
        };
        self.finish(persisted, is_marked).await
    }

    /// Brings the cache up to date with what the database has taken.
    async fn finish(
        self,
        persisted: Result<Persisted<BoxError>>,
        is_marked: bool,
    ) -> Result<Vec<Result<Written>>> {
        let base = self.access.base();
        let is_visible = self.is_visible();
        let failures = failures(persisted, self.marks.len());
        let (mut taken, mut refused) = (Vec::new(), Vec::new());
        for (mark, failure) in self.marks.into_iter().zip(&failures) {
            match failure {
                None => taken.push(mark),
                Some(_) => refused.push(mark),
            }
        }
        let undone = match refused.is_empty() {
            true => Ok(()),
            false => marks::undo(base, &refused, is_visible).await,
        };
        let stays = is_visible && undone.is_err();
        let mut settled = settle(base, &taken, is_marked).await.into_iter();
        let mut refused = refused.into_iter();
        let outcomes = failures.into_iter().map(|failure| match failure {
            None => Ok(settled.next().unwrap_or(Written::Uncached)),
            Some(error) => Err(match refused.next() {
                Some(mark) => failed(error, &mark, stays),
                None => error,
            }),
        });
        Ok(outcomes.collect())
    }

    /// Whether the cache shows the new values before the database has them.
    fn is_visible(&self) -> bool {
        self.how.order == WriteOrder::CacheFirst
    }

    fn lives(&self) -> Lives {
        let whole = self
            .how
            .timeout
            .saturating_add(self.how.lease_ttl.as_duration());
        Lives {
            lease: self.how.lease_ttl,
            whole: Ttl::new(whole).unwrap_or(Ttl::MAX),
        }
    }
}

async fn settle(base: &Base, taken: &[Mark], is_marked: bool) -> Vec<Written> {
    if taken.is_empty() {
        return Vec::new();
    }
    if is_marked && let Ok(stored) = marks::settle(base, taken).await {
        let written = |stored| match stored {
            true => Written::Stored,
            false => Written::Uncached,
        };
        return stored.into_iter().map(written).collect();
    }
    // One by one: on a cluster the node of one key may be away, and that of another be there.
    let removing = taken.iter().map(|mark| async move {
        match marks::remove_patiently(base, std::slice::from_ref(mark)).await {
            Ok(()) => Written::Uncached,
            Err(error) => Written::Behind(error.with_may_have_applied(true)),
        }
    });
    join_all(removing).await
}

/// Runs a persister for at most so long, and survives its panic.
pub(super) async fn guarded(persister: Persister, limit: Duration) -> Result<Persisted<BoxError>> {
    let failed = || {
        // Who was asked for the change is not ours to look into.
        Error::new(ErrorKind::WriteFailed, "write_through").with_may_have_applied(true)
    };
    let writing = AssertUnwindSafe(async move { persister().await }).catch_unwind();
    match tokio::time::timeout(limit, writing).await {
        Ok(Ok(Ok(persisted))) => Ok(persisted),
        Ok(Ok(Err(error))) => Err(failed().with_boxed_source(error)),
        Ok(Err(_)) => Err(failed().with_detail("the persister panicked")),
        Err(_) => Err(failed().with_detail(format!("it took longer than {limit:?}"))),
    }
}

/// What failed among so many writes.
fn failures(persisted: Result<Persisted<BoxError>>, count: usize) -> Vec<Option<Error>> {
    let failed = || Error::new(ErrorKind::WriteFailed, "write_through").with_may_have_applied(true);
    match persisted {
        Ok(Persisted(None)) => vec![None; count],
        Ok(Persisted(Some(each))) => {
            let mut each = each.into_iter();
            let mut next = || match each.next() {
                Some(Ok(())) => None,
                Some(Err(error)) => Some(failed().with_boxed_source(error)),
                None => Some(failed().with_detail("the persister answered for fewer writes")),
            };
            (0..count).map(|_| next()).collect()
        }
        Err(error) => vec![Some(error); count],
    }
}

pub(super) fn failed(error: Error, mark: &Mark, stays: bool) -> Error {
    let error = error.with_key(&mark.change.key);
    match stays {
        false => error,
        true => {
            error.with_detail("and its cached value could not be taken back, which soon expires")
        }
    }
}

/// # Errors
/// `InvalidInput` for a key that comes twice: the database may take its writes in another order than the cache.
fn check_keys(changes: &[Change]) -> Result<()> {
    let mut keys = std::collections::HashSet::with_capacity(changes.len());
    match changes.iter().find(|change| !keys.insert(&change.key)) {
        None => Ok(()),
        Some(twice) => Err(Error::new(ErrorKind::InvalidInput, "write_through")
            .with_detail("a batch has a key twice")
            .with_key(&twice.key)),
    }
}

/// # Errors
/// `TooLarge` for a value that the store refuses, before the database is asked.
pub(super) fn check_sizes(access: &Access, changes: &[Change]) -> Result<()> {
    let most = access.base().store.capabilities().max_value_size;
    for change in changes {
        let size = change.value.as_ref().map_or(0, |(value, _)| value.len());
        if size > most {
            let detail = format!("{size} bytes, at most {most} are allowed");
            return Err(Error::new(ErrorKind::TooLarge, "write_through")
                .with_detail(detail)
                .with_key(&change.key));
        }
    }
    Ok(())
}
