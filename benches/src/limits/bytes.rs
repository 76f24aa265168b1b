//! What a subject takes in the server's memory, by its own word.

use cachekit::{
    CacheKit, Limit, UserId,
    keys::{Key, RateLimitKey, RateLimitState, Segment},
};
use redis::aio::MultiplexedConnection;

use super::MINUTE;
use crate::{Outcome, harness::Row};

/// Of a key of 35 bytes with a TTL.
const KEY_BYTES: usize = 35;

pub(super) async fn rows(kit: &CacheKit, raw: &MultiplexedConnection) -> Outcome<Vec<Row>> {
    let limits = [
        (
            "limit/bytes/gcra",
            Limit::token_bucket(100, MINUTE)?,
            RateLimitState::Bucket,
            96,
        ),
        (
            "limit/bytes/window",
            Limit::fixed_window(100, MINUTE)?,
            RateLimitState::Window,
            96,
        ),
        (
            "limit/bytes/sliding",
            Limit::sliding_window(100, MINUTE)?,
            RateLimitState::Sliding,
            144,
        ),
    ];
    let mut rows = Vec::new();
    for (name, limit, state, most) in limits {
        let (user, key) = subject_of(kit, state)?;
        assert!(kit.limiter(limit).check(&user, 1).await?.is_allowed());
        let mut usage = redis::cmd("MEMORY");
        usage.arg("USAGE").arg(key.as_bytes());
        let bytes: u32 = usage.query_async(&mut raw.clone()).await?;
        let (ours, peer) = (f64::from(bytes), f64::from(most));
        rows.push(Row {
            name: name.to_owned(),
            ours,
            peer,
            peer_name: "the limit".to_owned(),
            unit: "bytes".to_owned(),
            ratio: peer / ours,
            at_least: Some(1.0),
            low: peer / ours,
            high: peer / ours,
        });
    }
    Ok(rows)
}

/// A user whose key is as long as is said.
fn subject_of(kit: &CacheKit, state: RateLimitState) -> Outcome<(UserId, Key)> {
    for length in 1..KEY_BYTES {
        let user = UserId::new("u".repeat(length))?;
        let key = kit.schema().key(&RateLimitKey::State {
            user: user.clone(),
            state,
            name: Segment::new("requests")?,
        });
        if key.as_bytes().len() == KEY_BYTES {
            return Ok((user, key));
        }
    }
    Err("no key is as long".into())
}
