//! A server's clock that is set back or forward: no limit is exceeded by more than it says, and none stays shut.

use std::time::Duration;

use cachekit_keys::{Key, Ttl};
use cachekit_limits::Limit;
use cachekit_store::{MemoryStore, SetOptions, Store};
use proptest::{
    collection::vec,
    prelude::{ProptestConfig, proptest},
};

use crate::support::{ALGORITHMS, Algorithm, START, Spec, at, limiter, paused, user};

const SECOND: u64 = 1_000_000;

fn spec(algorithm: Algorithm) -> Spec {
    Spec {
        algorithm,
        limit: 10,
        refill: 10,
        width: 60 * SECOND,
    }
}

/// As on a server, whose TTLs follow the clock that went back: no state goes away by itself.
async fn keep_everything(store: &MemoryStore) {
    let everything = cachekit_keys::Pattern::raw("ratelimit:*").unwrap();
    let request = cachekit_store::ScanRequest::new(everything);
    let keys = store.scan(&request).await.unwrap().keys;
    let year = cachekit_store::ExpireChange::After(Ttl::seconds(31_536_000));
    store.expire(&keys, year).await.unwrap();
}

#[test]
fn a_limit_that_was_used_up_opens_again_although_the_clock_went_back_by_a_day() {
    for algorithm in ALGORITHMS {
        paused(async {
            let spec = spec(algorithm);
            let (limiter, store) = limiter(vec![spec.limit()]);
            assert!(limiter.check(&user(), 10).await.unwrap().is_allowed());
            store.set_wall_clock(at(START - 86_400 * SECOND));
            keep_everything(&store).await;

            let denied = limiter.check(&user(), 10).await.unwrap();
            assert!(!denied.is_allowed(), "{algorithm:?} forgot what was taken");
            let retry = denied.retry_after().unwrap();
            assert!(
                retry <= Duration::from_secs(120),
                "{algorithm:?}: {retry:?}"
            );
            keep_everything(&store).await;
            tokio::time::advance(retry).await;
            let again = limiter.check(&user(), 10).await.unwrap();
            assert!(again.is_allowed(), "{algorithm:?} stays shut: {again:?}");
        });
    }
}

#[test]
fn a_jump_forward_opens_a_limit_and_no_more_than_that() {
    for algorithm in ALGORITHMS {
        paused(async {
            let (limiter, store) = limiter(vec![spec(algorithm).limit()]);
            assert!(limiter.check(&user(), 10).await.unwrap().is_allowed());
            store.set_wall_clock(at(START + 86_400 * SECOND));
            assert!(
                limiter.check(&user(), 10).await.unwrap().is_allowed(),
                "{algorithm:?}"
            );
            assert!(
                !limiter.check(&user(), 1).await.unwrap().is_allowed(),
                "{algorithm:?}"
            );
        });
    }
}

#[test]
fn a_penalty_does_not_outlast_its_length_although_the_clock_went_back() {
    paused(async {
        let minute = Duration::from_secs(60);
        let limit = Limit::fixed_window(1, Duration::from_secs(1)).unwrap();
        let (limiter, store) = limiter(vec![limit.with_penalty(minute).unwrap()]);
        assert!(limiter.check(&user(), 1).await.unwrap().is_allowed());
        let denied = limiter.check(&user(), 1).await.unwrap();
        assert_eq!(denied.retry_after(), Some(minute));
        store.set_wall_clock(at(START - 86_400 * SECOND));
        keep_everything(&store).await;
        let denied = limiter.check(&user(), 1).await.unwrap();
        assert_eq!(denied.retry_after(), Some(minute));
        keep_everything(&store).await;
        tokio::time::advance(minute).await;
        assert!(limiter.check(&user(), 1).await.unwrap().is_allowed());
    });
}

#[test]
fn a_state_of_the_far_future_is_repaired_by_a_denied_call_and_left_alone_by_a_peek() {
    paused(async {
        let limit = Limit::token_bucket(10, Duration::from_secs(60)).unwrap();
        let (limiter, store) = limiter(vec![limit]);
        let key = Key::from_raw("ratelimit:user123:bucket:requests").unwrap();
        let future = (START + 86_400 * SECOND).to_string();
        let hour = SetOptions::ttl(Ttl::seconds(3_600));
        store.set(&key, future.clone().into(), hour).await.unwrap();

        assert!(!limiter.peek(&user(), 1).await.unwrap().is_allowed());
        assert_eq!(store.get(&key).await.unwrap().unwrap(), future);
        let denied = limiter.check(&user(), 1).await.unwrap();
        assert_eq!(denied.retry_after(), Some(Duration::from_secs(6)));
        let repaired = (START + 60 * SECOND).to_string();
        assert_eq!(store.get(&key).await.unwrap().unwrap(), repaired);
    });
}

/// What passes while the clock is set back again and again, and the real time that this took in microseconds.
fn admitted(algorithm: Algorithm, moves: Vec<(u64, u64)>) -> (u64, u64) {
    paused(async {
        let (limiter, store) = limiter(vec![spec(algorithm).limit()]);
        let (mut now, mut taken, mut passed) = (START, 0, 0);
        for (forward, back) in moves {
            now += forward;
            passed += forward;
            tokio::time::advance(Duration::from_micros(forward)).await;
            now -= back;
            store.set_wall_clock(at(now));
            taken += limiter.check_at_most(&user(), 10).await.unwrap().taken();
        }
        (taken, passed)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_clock_that_goes_back_never_lets_more_pass(
        moves in vec((0..90 * SECOND, proptest::prop_oneof![4 => 0..1_u64, 1 => 0..200 * SECOND]), 1..30)
    ) {
        let jumps = moves.iter().filter(|(_, back)| *back > 0).count() as u64;
        for algorithm in ALGORITHMS {
            let (taken, passed) = admitted(algorithm, moves.clone());
            // A full bucket at first, and what flows in; windows may hold the limit on both sides of each boundary.
            let most = match algorithm {
                Algorithm::Bucket => 10 + passed * 10 / (60 * SECOND),
                // The first window after a jump is cut short where the clock's own windows begin.
                Algorithm::Aligned => 10 * (passed / (60 * SECOND) + 2 + jumps),
                _ => 10 * (passed / (60 * SECOND) + 2),
            };
            assert!(taken <= most, "{algorithm:?}: {taken} in {passed} us");
        }
    }
}
