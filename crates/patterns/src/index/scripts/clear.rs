//! Reading an index page by page, and clearing what it lists.

use std::ops::Bound;

use bytes::Bytes;
use cachekit_keys::Key;
use cachekit_store::{Reply, Result, Script, ScriptEffect, Transaction};

use super::{halves, number, parsed, wrong_arguments};
use crate::lease::end_lease;

/// Reads members with their scores, highest first: each member, then its score.
///
/// `KEYS`: the index. `ARGV`: the highest score (`inf` for any), and how many members at most.
pub(in crate::index) const PAGE: Script = Script::new("index_page", include_str!("page.lua"))
    .with_body(page)
    .with_effect(ScriptEffect::ReadOnly);

/// Deletes values and takes their keys out of indices; answers how many values existed.
///
/// `KEYS`: the indices, then the values' keys, then their leases'. `ARGV`: the number of indices, then the members that name
/// the keys.
pub(in crate::index) const CLEAR: Script = Script::new(
    "index_clear",
    concat!(
        include_str!("../../lease/scripts/end.lua"),
        include_str!("../../lease/scripts/end_many.lua"),
        include_str!("clear.lua")
    ),
)
.with_body(clear);

/// Takes members out of an index whose scores are what they were; answers how many.
///
/// `KEYS`: the index. `ARGV`: the members, then their scores.
pub(in crate::index) const FORGET: Script = Script::new("index_forget", include_str!("forget.lua"))
    .with_body(forget)
    .with_effect(ScriptEffect::Idempotent);

fn page(tx: &mut dyn Transaction, keys: &[Key], args: &[Bytes]) -> Result<Reply> {
    let index = keys.first().ok_or_else(wrong_arguments)?;
    let (highest, limit) = (parsed(args, 0)?, number(args, 1)?);
    let scores = (Bound::Unbounded, Bound::Included(highest));
    let members = tx.zrevrange_by_score(index, scores, limit)?;
    let parts = members.into_iter().flat_map(|(member, score)| {
        // A server writes a score as text. Scores are whole.
        [Reply::Bytes(member), Reply::Bytes(score.to_string().into())]
    });
    Ok(Reply::Array(parts.collect()))
}

fn clear(tx: &mut dyn Transaction, keys: &[Key], args: &[Bytes]) -> Result<Reply> {
    let indices = number(args, 0)?;
    let (indices, keys) = keys.split_at_checked(indices).ok_or_else(wrong_arguments)?;
    let (keys, leases) = halves(keys)?;
    let mut existed = 0;
    for key in keys {
        existed += i64::from(tx.del(key)?);
    }
    for index in indices {
        tx.zrem(index, &args[1..])?;
    }
    for lease in leases {
        end_lease(tx, lease)?;
    }
    Ok(Reply::Integer(existed))
}

fn forget(tx: &mut dyn Transaction, keys: &[Key], args: &[Bytes]) -> Result<Reply> {
    let index = keys.first().ok_or_else(wrong_arguments)?;
    let count = args.len() / 2;
    let mut gone = Vec::new();
    for (place, member) in args[..count].iter().enumerate() {
        if tx.zscore(index, member)? == Some(parsed(args, count + place)?) {
            gone.push(member.clone());
        }
    }
    let removed = tx.zrem(index, &gone)?;
    Ok(Reply::Integer(i64::try_from(removed).unwrap_or(i64::MAX)))
}
