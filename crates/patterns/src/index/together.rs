//! Writes of single values that come while others of the same owner are under way: they go in one run.

use std::sync::Arc;

use bytes::Bytes;
use cachekit_keys::{Key, Root, Roots};
use cachekit_store::{Reply, Result, Store};

use super::{
    reply::unexpected,
    scripts::SET_MANY,
    write::{Write, set_many_call, set_one},
};
use crate::{access::Base, gather::Gather};

/// What writes of one run have in common: they fail together where an index is spoilt.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Owners {
    pub(super) roots: Roots,
    pub(super) tags: Vec<Root>,
}

/// The writes under way; each answers whether it was written.
pub(crate) type Writes = Gather<Owners, Write, bool>;

/// Writes a value, whatever is there; on a store of one server, where a run reaches all keys.
pub(super) async fn set_together(
    base: &Base,
    owners: Owners,
    write: Write,
    near: Vec<Key>,
) -> Result<bool> {
    let lead = || {
        let (store, near) = (Arc::clone(&base.store), near.clone());
        move |writes: Vec<Write>| async move { set_all(&*store, &writes, &near).await }
    };
    let written = base.writes.call(owners, write.clone(), lead).await;
    match written {
        // It may have been refused for what another one wants to write.
        Err(failed) if failed.is_shared && !failed.error.may_have_applied() => {
            set_one(&*base.store, &write, &near, Bytes::new()).await
        }
        written => written.map_err(|failed| failed.error.with_key(&write.key)),
    }
}

async fn set_all(store: &dyn Store, writes: &[Write], near: &[Key]) -> Result<Vec<bool>> {
    if let [write] = writes {
        let written = set_one(store, write, near, Bytes::new()).await?;
        return Ok(vec![written]);
    }
    let call = set_many_call(writes.iter(), near, Bytes::new())?;
    match store.run_script(&SET_MANY, &[call]).await?.first() {
        Some(Reply::Integer(1)) => Ok(vec![true; writes.len()]),
        _ => Err(unexpected(&SET_MANY).with_may_have_applied(true)),
    }
}
