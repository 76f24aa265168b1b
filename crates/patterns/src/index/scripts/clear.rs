//! Reading an index page by page, and clearing what it lists.

use std::ops::Bound;

use bytes::Bytes;
use cachekit_keys::Key;
use cachekit_store::{Reply, Result, Script, ScriptEffect, Transaction};

use super::{number, parsed, wrong_arguments};

/// Reads members with their scores, lowest first: each member, then its score. Behind a full page stands the highest score
/// of the whole index.
///
/// `KEYS`: the index. `ARGV`: the lowest and the highest score (`-inf` and `inf` for any), and how many members at most.
pub(in crate::index) const PAGE: Script = Script::new("index_page", include_str!("page.lua"))
    .with_body(page)
    .with_effect(ScriptEffect::ReadOnly);

/// Deletes values and takes their keys out of indices; answers how many values existed.
///
/// `KEYS`: the indices, then the values' keys. `ARGV`: the number of indices.
pub(in crate::index) const CLEAR: Script =
    Script::new("index_clear", include_str!("clear.lua")).with_body(clear);

/// Takes members out of an index whose scores are what they were; answers how many.
///
/// `KEYS`: the index. `ARGV`: the members, then their scores.
pub(in crate::index) const FORGET: Script = Script::new("index_forget", include_str!("forget.lua"))
    .with_body(forget)
    .with_effect(ScriptEffect::Idempotent);

fn page(tx: &mut dyn Transaction, keys: &[Key], args: &[Bytes]) -> Result<Reply> {
    let index = keys.first().ok_or_else(wrong_arguments)?;
    let (from, to, limit) = (parsed(args, 0)?, parsed(args, 1)?, number(args, 2)?);
    let scores = (Bound::Included(from), Bound::Included(to));
    let members = tx.zrange_by_score(index, scores, limit)?;
    let is_full = members.len() == limit;
    let mut page = Vec::with_capacity(2 * members.len() + 1);
    for (member, score) in members {
        page.push(Reply::Bytes(member));
        page.push(text(score));
    }
    if is_full {
        let any = (Bound::Included(from), Bound::Unbounded);
        let rest = tx.zrange_by_score(index, any, usize::MAX)?;
        page.extend(rest.last().map(|(_, score)| text(*score)));
    }
    Ok(Reply::Array(page))
}

fn clear(tx: &mut dyn Transaction, keys: &[Key], args: &[Bytes]) -> Result<Reply> {
    let indices = number(args, 0)?;
    let (indices, keys) = keys.split_at_checked(indices).ok_or_else(wrong_arguments)?;
    let mut existed = 0;
    for key in keys {
        existed += i64::from(tx.del(key)?);
    }
    let members: Vec<Bytes> = keys.iter().map(Key::to_bytes).collect();
    for index in indices {
        tx.zrem(index, &members)?;
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

/// A score as a server writes it. Scores are whole.
fn text(score: f64) -> Reply {
    Reply::Bytes(Bytes::from(score.to_string()))
}
