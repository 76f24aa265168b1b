//! What a script's Rust body works with: the commands of a server that the kit's scripts use, under their own names.

use std::ops::Bound;

use bytes::Bytes;
use cachekit_keys::Key;

use crate::{ExpireChange, KeyExpiry, Result, SetOptions};

/// The data of a store during one run of a script, which nothing else reads or writes meanwhile.
///
/// The methods carry the names and the semantics of the Redis commands that the Lua twin calls: a key of another type
/// is [`ErrorKind::WrongType`](crate::ErrorKind::WrongType), an expired key is absent, a collection that becomes empty is
/// gone, and a write to an existing collection keeps its TTL. An error returned with `?` ends the run as
/// `redis.call` does; what was written before it stays.
///
/// # Errors
/// All methods: [`ErrorKind::Unexpected`](crate::ErrorKind::Unexpected) for a key that the call did not declare.
/// Those that read or write one type: [`ErrorKind::WrongType`](crate::ErrorKind::WrongType).
///
/// # Examples
/// See [`Script`](crate::Script).
pub trait Transaction {
    /// The store's wall clock in microseconds since the Unix epoch; the same throughout one run. Lua: `now`.
    fn now(&self) -> u64;

    /// `EXISTS`
    fn exists(&mut self, key: &Key) -> Result<bool>;
    /// `DEL`: whether the key existed.
    fn del(&mut self, key: &Key) -> Result<bool>;
    /// `PTTL`
    fn pttl(&mut self, key: &Key) -> Result<KeyExpiry>;
    /// `PEXPIRE` (with `NX` or `GT`) or `PERSIST`: whether the life was changed.
    fn pexpire(&mut self, key: &Key, change: ExpireChange) -> Result<bool>;

    /// `GET`
    fn get(&mut self, key: &Key) -> Result<Option<Bytes>>;
    /// `GET` of bytes that are only looked at, where they lie: the cheaper way to what is short.
    fn look(&mut self, key: &Key) -> Result<Option<&[u8]>>;
    /// `SET` with its options: whether it was carried out. Overwrites any type.
    fn set(&mut self, key: &Key, value: Bytes, options: SetOptions) -> Result<bool>;
    /// `SET` of bytes that the store copies, which for what is short is cheaper than to make [`Bytes`] of it first.
    fn set_copy(&mut self, key: &Key, value: &[u8], options: SetOptions) -> Result<bool> {
        self.set(key, Bytes::copy_from_slice(value), options)
    }
    /// `INCRBY`: the new value; the TTL is kept, a new key has none.
    fn incrby(&mut self, key: &Key, by: i64) -> Result<i64>;

    /// `HGET`
    fn hget(&mut self, key: &Key, field: &[u8]) -> Result<Option<Bytes>>;
    /// `HGETALL`, in no particular order.
    fn hgetall(&mut self, key: &Key) -> Result<Vec<(Bytes, Bytes)>>;
    /// `HSET`: how many fields are new. Nothing for an empty slice, which a server refuses.
    fn hset(&mut self, key: &Key, fields: &[(Bytes, Bytes)]) -> Result<u64>;
    /// `HDEL`: how many fields existed.
    fn hdel(&mut self, key: &Key, fields: &[Bytes]) -> Result<u64>;
    /// `HINCRBY`: the new value.
    fn hincrby(&mut self, key: &Key, field: &[u8], by: i64) -> Result<i64>;
    /// `HLEN`
    fn hlen(&mut self, key: &Key) -> Result<u64>;

    /// `ZADD` with a condition: how many members are new. A score that is not a number is
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput).
    fn zadd(
        &mut self,
        key: &Key,
        condition: ZAddCondition,
        members: &[(f64, Bytes)],
    ) -> Result<u64>;
    /// `ZREM`: how many members existed.
    fn zrem(&mut self, key: &Key, members: &[Bytes]) -> Result<u64>;
    /// `ZSCORE`
    fn zscore(&mut self, key: &Key, member: &[u8]) -> Result<Option<f64>>;
    /// `ZCARD`
    fn zcard(&mut self, key: &Key) -> Result<u64>;
    /// `ZCOUNT`
    fn zcount(&mut self, key: &Key, scores: ScoreRange) -> Result<u64>;
    /// `ZRANGE key min max BYSCORE WITHSCORES LIMIT 0 limit`: lowest scores first, members of one score in byte order.
    fn zrange_by_score(
        &mut self,
        key: &Key,
        scores: ScoreRange,
        limit: usize,
    ) -> Result<Vec<(Bytes, f64)>>;
    /// `ZRANGE key max min BYSCORE REV WITHSCORES LIMIT 0 limit`: highest scores first, members of one score in falling byte
    /// order.
    fn zrevrange_by_score(
        &mut self,
        key: &Key,
        scores: ScoreRange,
        limit: usize,
    ) -> Result<Vec<(Bytes, f64)>> {
        let mut members = self.zrange_by_score(key, scores, usize::MAX)?;
        members.reverse();
        members.truncate(limit);
        Ok(members)
    }
    /// `ZREMRANGEBYSCORE`: how many members were removed.
    fn zremrange_by_score(&mut self, key: &Key, scores: ScoreRange) -> Result<u64>;

    /// `redis.sha1hex`: the SHA-1 digest in lower-case hex. To tell whether bytes are what they were, not to keep a secret.
    fn sha1hex(&self, bytes: &[u8]) -> String {
        super::sha1hex(bytes)
    }

    /// `PUBLISH` through `redis.pcall`: a wake-up that cannot be sent never fails the script. Delivered when the run
    /// has ended.
    fn publish(&mut self, channel: &[u8], payload: Bytes);
}

/// Scores from one bound to another, as in `(1` (excluded), `1` (included), `-inf` and `+inf` (unbounded).
pub type ScoreRange = (Bound<f64>, Bound<f64>);

/// When `ZADD` writes a member.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ZAddCondition {
    /// Always: adds, or changes the score.
    #[default]
    Always,
    /// `NX`: only adds.
    IfAbsent,
    /// `XX`: only changes.
    IfPresent,
    /// `GT`: adds, or raises the score.
    Raise,
    /// `LT`: adds, or lowers the score.
    Lower,
}
