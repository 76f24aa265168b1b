//! The twin of `batch.lua`: calls of many subjects, each decided as if it came alone.

use bytes::Bytes;
use cachekit_keys::Key;
use cachekit_store::{Reply, Result, Transaction};

use super::{
    driver::{decide, numbers},
    plan::{Reader, malformed, now},
};

/// What stands in the place of an answer that there is not.
pub(crate) const FAILED: i64 = -2;

pub(super) fn run(tx: &mut dyn Transaction, keys: &[Key], args: &[Bytes]) -> Result<Reply> {
    let mut costs = Reader {
        keys: [].iter(),
        args: args.iter(),
    };
    let limits = usize::try_from(costs.arg()?).ok();
    let keys_each = usize::try_from(costs.arg()?).map_err(|_| malformed("a number"))?;
    let limits = limits.and_then(|last| args.get(2..last));
    let limits = limits.ok_or_else(|| malformed("a limit"))?;
    costs.args = args[2 + limits.len()..].iter();
    let mut reply = Vec::new();
    let mut keys = keys.chunks(keys_each.max(1));
    while costs.has_more() {
        let keys = keys.next().ok_or_else(|| malformed("a key"))?;
        let calls = costs.costs()?;
        let answered = reply.len();
        for cost in &calls {
            let mut reader = Reader {
                keys: keys.iter(),
                args: limits.iter(),
            };
            match decide(tx, &mut reader, b"take", (*cost, *cost)) {
                Ok(Some(row)) => reply.extend(row),
                Ok(None) => return Ok(numbers(&[-1, now(tx)])),
                Err(_) => {
                    reply.truncate(answered);
                    reply.extend(calls.iter().map(|_| FAILED));
                    break;
                }
            }
        }
    }
    Ok(numbers(&reply))
}
