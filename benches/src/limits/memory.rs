//! Token buckets in this process, against a limiter that only knows this process.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use cachekit::CacheKit;
use governor::{Quota, RateLimiter};

use super::{MICROS, PLENTY, Subjects, plenty};
use crate::{
    Outcome,
    harness::{Row, compare, spawned},
};

const THREADS: usize = 2;
const CHECKS: usize = 200_000;

pub(super) async fn gcra(name: &str) -> Outcome<Row> {
    const PEER: &str = "governor, keyed";
    let subjects = Subjects::new(name, super::SUBJECTS)?;
    let limiter = CacheKit::memory().limiter(plenty(1)?);
    let burst = NonZeroU32::new(u32::try_from(PLENTY)?).ok_or("a number above 0")?;
    let quota = Quota::with_period(Duration::from_micros(MICROS)).ok_or("a time above 0")?;
    let peer = Arc::new(RateLimiter::keyed(quota.allow_burst(burst)));
    let ours = || super::checks(&limiter, &subjects, THREADS, CHECKS);
    let theirs = || {
        spawned(THREADS, CHECKS, |task| {
            let (peer, users) = (Arc::clone(&peer), Arc::clone(&subjects.ours));
            async move {
                for call in 0..CHECKS {
                    let user = &users[(call + task * 17) % users.len()];
                    assert!(peer.check_key(user).is_ok());
                }
            }
        })
    };
    Ok(compare(name, PEER, ours, theirs).await)
}
