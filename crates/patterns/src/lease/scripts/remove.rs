//! Removing values together with the leases of loads under way.

use bytes::Bytes;
use cachekit_keys::Key;
use cachekit_store::{Reply, Result, Script, Transaction};

use super::end_lease;
use crate::index::halves;

/// Deletes values, ends their leases, and wakes those who wait for these; answers how many values existed.
///
/// `KEYS`: the values' keys, then their leases'.
pub(in crate::lease) const REMOVE: Script = Script::new(
    "lease_remove",
    concat!(
        include_str!("end.lua"),
        include_str!("end_many.lua"),
        include_str!("remove.lua")
    ),
)
.with_body(remove);

fn remove(tx: &mut dyn Transaction, keys: &[Key], _args: &[Bytes]) -> Result<Reply> {
    let (keys, leases) = halves(keys)?;
    let mut existed = 0;
    for key in keys {
        existed += i64::from(tx.del(key)?);
    }
    for lease in leases {
        end_lease(tx, lease)?;
    }
    Ok(Reply::Integer(existed))
}
