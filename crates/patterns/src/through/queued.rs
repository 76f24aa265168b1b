//! The specification's write-behind: the cache at once, and the database by a queue of the caller's own.

use cachekit_keys::Ttl;
use cachekit_store::{Error, ErrorKind, Result, Tasks};
use tokio::sync::oneshot;

use super::{
    Written,
    flow::{How, Persister, check_sizes, failed, guarded},
    marks::{self, Change, Mark},
};
use crate::{
    WriteOptions,
    access::Access,
    index::{Write, Writer},
};

/// Writes one value to the cache and then asks for it to be queued, on a task of its own.
pub(crate) async fn write(
    access: Access,
    tasks: &Tasks,
    change: Change,
    entry: WriteOptions,
    how: How,
    queue: Persister,
) -> Result<Written> {
    if !access.base().store.capabilities().scripts {
        return Err(Error::new(ErrorKind::Unsupported, "write_queued")
            .with_detail("the store runs no scripts"));
    }
    check_sizes(&access, std::slice::from_ref(&change))?;
    let (sender, receiver) = oneshot::channel();
    let task = Box::pin(async move {
        let _ = sender.send(run(access, change, entry, how, queue).await);
    });
    tasks.spawn("write to the cache and a queue", task)?;
    receiver.await.unwrap_or_else(|_| {
        Err(Error::new(ErrorKind::Closed, "write_queued").with_may_have_applied(true))
    })
}

async fn run(
    access: Access,
    change: Change,
    entry: WriteOptions,
    how: How,
    queue: Persister,
) -> Result<Written> {
    let base = access.base();
    let Some((value, ttl)) = change.value.clone() else {
        return Err(Error::new(ErrorKind::InvalidInput, "write_queued"));
    };
    // Short until the queue has it: what dies in between leaves no value for long that nobody will ever persist.
    let brief = Ttl::new(how.timeout.saturating_add(how.lease_ttl.as_duration()));
    let write = Write {
        key: change.key.clone(),
        roots: change.roots.clone(),
        value,
        ttl: ttl.min(brief.unwrap_or(Ttl::MAX)),
    };
    let marks = [Mark::new(change)?];
    if let Err(error) = Writer::new(base, &entry)?.one(write).await {
        // What was sent may have arrived, and nobody will ever persist it.
        let may_be_seen =
            error.may_have_applied() && marks::undo(base, &marks, true).await.is_err();
        return Err(error.with_may_have_applied(may_be_seen));
    }
    match guarded(queue, how.timeout).await {
        Ok(_) => Ok(match marks::confirm(base, &marks).await {
            Ok(confirmed) if confirmed == [true] => Written::Stored,
            // It is another's, or goes soon.
            _ => Written::Uncached,
        }),
        Err(error) => {
            let undone = marks::undo(base, &marks, true).await;
            Err(failed(error, &marks[0], undone.is_err()))
        }
    }
}
