//! What other libraries got wrong, case by case.

use std::{sync::Arc, time::Duration};

use cachekit_keys::{Key, KeySchema, Ttl};
use cachekit_limits::{Limit, Limiter, Period};
use cachekit_store::{Entry, ErrorKind, Expiration, MemoryStore, SetOptions, Store};

use crate::support::{START, at, limiter, paused, user};

const MINUTE: Duration = Duration::from_secs(60);

fn key(text: &str) -> Key {
    Key::from_raw(text.to_owned()).unwrap()
}

async fn entry(store: &MemoryStore, text: &str) -> Option<Entry> {
    let entries = store.get_entries(&[key(text)]).await.unwrap();
    entries.into_iter().next().flatten()
}

#[tokio::test(start_paused = true)]
async fn a_burst_of_ten_lets_exactly_ten_of_twelve_pass() {
    let (limiter, _) = limiter(vec![
        Limit::token_bucket(10, Duration::from_secs(1)).unwrap(),
    ]);
    let mut passed = 0;
    let mut retry = None;
    for _ in 0..12 {
        let decision = limiter.check(&user(), 1).await.unwrap();
        passed += decision.taken();
        retry = decision.retry_after();
    }
    assert_eq!((passed, retry), (10, Some(Duration::from_millis(100))));
}

#[tokio::test(start_paused = true)]
async fn a_cost_that_can_never_pass_is_an_error_of_the_caller_and_writes_nothing() {
    for limit in [
        Limit::token_bucket(10, MINUTE),
        Limit::fixed_window(10, MINUTE),
        Limit::aligned_window(10, MINUTE),
        Limit::sliding_window(10, MINUTE),
        Limit::sliding_log(10, MINUTE),
        Limit::daily(10),
        Limit::monthly(10),
    ] {
        let limit = limit.unwrap().with_penalty(MINUTE).unwrap();
        let (limiter, store) = limiter(vec![limit]);
        for impossible in [11, u64::MAX] {
            let error = limiter.check(&user(), impossible).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            let text = error.to_string();
            assert!(text.contains("can never pass the limit"), "{text}");
        }
        assert_eq!(store.server_facts().await.unwrap().keys, 0);
        assert!(limiter.check(&user(), 10).await.unwrap().is_allowed());
    }
}

#[tokio::test(start_paused = true)]
async fn a_denied_call_writes_nothing_and_prolongs_nothing() {
    for (limit, text) in [
        (
            Limit::token_bucket(1, MINUTE),
            "ratelimit:user123:bucket:requests",
        ),
        (
            Limit::fixed_window(1, MINUTE),
            "ratelimit:user123:window:requests",
        ),
        (
            Limit::sliding_window(1, MINUTE),
            "ratelimit:user123:sliding:requests",
        ),
    ] {
        let (limiter, store) = limiter(vec![limit.unwrap()]);
        assert!(limiter.check(&user(), 1).await.unwrap().is_allowed());
        let before = entry(&store, text).await.unwrap();
        let second = Duration::from_secs(1);
        tokio::time::advance(second).await;
        for _ in 0..3 {
            assert!(!limiter.check(&user(), 1).await.unwrap().is_allowed());
            assert!(
                !limiter
                    .check_at_most(&user(), 9)
                    .await
                    .unwrap()
                    .is_allowed()
            );
        }
        let after = entry(&store, text).await.unwrap();
        assert_eq!(after.value, before.value);
        assert_eq!(
            after.expires_in.unwrap() + second,
            before.expires_in.unwrap()
        );
    }
}

#[tokio::test(start_paused = true)]
async fn looking_writes_nothing() {
    let limits = vec![
        Limit::token_bucket(1, MINUTE).unwrap().named("a").unwrap(),
        Limit::sliding_log(1, MINUTE).unwrap().named("b").unwrap(),
        Limit::daily(1).unwrap(),
    ];
    let (limiter, store) = limiter(limits);
    assert!(limiter.peek(&user(), 1).await.unwrap().is_allowed());
    assert!(limiter.check(&user(), 0).await.unwrap().is_allowed());
    assert_eq!(limiter.status(&user()).await.unwrap().used(), 0);
    assert_eq!(store.server_facts().await.unwrap().keys, 0);
}

#[tokio::test(start_paused = true)]
async fn a_key_without_a_ttl_gets_one_with_the_next_write() {
    for (limit, text, value) in [
        (
            Limit::token_bucket(9, MINUTE),
            "ratelimit:user123:bucket:requests",
            (START + 1).to_string(),
        ),
        (
            Limit::fixed_window(9, MINUTE),
            "ratelimit:user123:window:requests",
            format!("3:{}", START + 9),
        ),
        (
            Limit::daily(9),
            "ratelimit:user123:requests:2023-11-14",
            "3".to_owned(),
        ),
    ] {
        let (limiter, store) = limiter(vec![limit.unwrap()]);
        let forever = SetOptions::new(Expiration::Never);
        store.set(&key(text), value.into(), forever).await.unwrap();
        assert!(limiter.check(&user(), 1).await.unwrap().is_allowed());
        assert!(
            entry(&store, text).await.unwrap().expires_in.is_some(),
            "{text}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_refund_to_zero_does_not_restart_the_window() {
    let (limiter, _) = limiter(vec![Limit::fixed_window(5, MINUTE).unwrap()]);
    let first = limiter.check(&user(), 1).await.unwrap();
    tokio::time::advance(MINUTE / 2).await;
    assert_eq!(limiter.refund(&user(), &first).await.unwrap().used(), 0);
    let second = limiter.check(&user(), 1).await.unwrap();
    assert_eq!(second.reset_after(), MINUTE / 2);
}

#[tokio::test(start_paused = true)]
async fn a_refund_never_leaves_more_than_the_limit_and_makes_no_key() {
    for limit in [
        Limit::token_bucket(10, MINUTE),
        Limit::fixed_window(10, MINUTE),
        Limit::sliding_window(10, MINUTE),
        Limit::sliding_log(10, MINUTE),
        Limit::daily(10),
    ] {
        let (limiter, store) = limiter(vec![limit.unwrap()]);
        let decision = limiter.check(&user(), 5).await.unwrap();
        limiter.reset(&user()).await.unwrap();
        assert_eq!(
            limiter
                .refund(&user(), &decision)
                .await
                .unwrap()
                .remaining(),
            10
        );
        assert_eq!(store.server_facts().await.unwrap().keys, 0);
        assert!(limiter.check(&user(), 10).await.unwrap().is_allowed());
        assert!(!limiter.check(&user(), 1).await.unwrap().is_allowed());
    }
}

#[tokio::test(start_paused = true)]
async fn a_refund_after_the_window_has_ended_changes_nothing() {
    let (limiter, _) = limiter(vec![Limit::fixed_window(10, MINUTE).unwrap()]);
    let old = limiter.check(&user(), 5).await.unwrap();
    tokio::time::advance(MINUTE).await;
    assert!(limiter.check(&user(), 5).await.unwrap().is_allowed());
    assert_eq!(limiter.refund(&user(), &old).await.unwrap().used(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_refund_of_anothers_decision_is_refused() {
    let (here, _) = limiter(vec![Limit::fixed_window(10, MINUTE).unwrap()]);
    let (there, _) = limiter(vec![Limit::daily(10).unwrap()]);
    let decision = there.check(&user(), 5).await.unwrap();
    let error = here.refund(&user(), &decision).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

#[tokio::test(start_paused = true)]
async fn a_cost_counts_before_it_is_compared() {
    // Others record a cost of 8 against a limit of 5 on an empty key, and end at minus 3.
    let (limiter, _) = limiter(vec![Limit::sliding_window(5, MINUTE).unwrap()]);
    assert!(limiter.check(&user(), 8).await.is_err());
    assert!(limiter.check(&user(), 4).await.unwrap().is_allowed());
    assert!(!limiter.check(&user(), 2).await.unwrap().is_allowed());
    assert_eq!(limiter.status(&user()).await.unwrap().remaining(), 1);
}

#[tokio::test(start_paused = true)]
async fn windows_below_a_second_are_windows() {
    let (limiter, _) = limiter(vec![
        Limit::fixed_window(1, Duration::from_micros(300)).unwrap(),
    ]);
    assert!(limiter.check(&user(), 1).await.unwrap().is_allowed());
    let denied = limiter.check(&user(), 1).await.unwrap();
    assert_eq!(denied.retry_after(), Some(Duration::from_micros(300)));
    tokio::time::advance(Duration::from_micros(300)).await;
    assert!(limiter.check(&user(), 1).await.unwrap().is_allowed());
}

#[tokio::test(start_paused = true)]
async fn rates_that_do_not_divide_are_exact() {
    // Three a second for an hour are 10 800, although a third of a second is no number of microseconds.
    let limit = Limit::token_bucket_refilling(3, 3, Duration::from_secs(1)).unwrap();
    let (limiter, _) = limiter(vec![limit]);
    let mut passed = limiter.check(&user(), 3).await.unwrap().taken();
    for _ in 0..3_600 {
        tokio::time::advance(Duration::from_secs(1)).await;
        passed += limiter.check_at_most(&user(), 100).await.unwrap().taken();
    }
    assert_eq!(passed, 3 + 3 * 3_600);
    // Three million a second: a token takes a third of a microsecond.
    let limit = Limit::token_bucket(3_000_000, Duration::from_secs(1)).unwrap();
    let (limiter, _) = crate::support::limiter(vec![limit]);
    assert!(
        limiter
            .check(&user(), 3_000_000)
            .await
            .unwrap()
            .is_allowed()
    );
    tokio::time::advance(Duration::from_micros(7)).await;
    assert_eq!(
        limiter.check_at_most(&user(), 100).await.unwrap().taken(),
        21
    );
}

#[test]
fn numbers_that_a_script_could_not_calculate_exactly_are_refused() {
    let day = Duration::from_secs(86_400);
    for refused in [
        Limit::token_bucket(0, MINUTE),
        Limit::token_bucket(1 << 41, MINUTE),
        Limit::token_bucket(1, Duration::ZERO),
        Limit::token_bucket(1, 3_651 * day),
        Limit::token_bucket_refilling(10, 0, MINUTE),
        Limit::token_bucket_refilling(1 << 40, 1, MINUTE),
        Limit::token_bucket_refilling(1 << 40, (1 << 40) - 1, MINUTE),
        Limit::fixed_window(u64::MAX, MINUTE),
        Limit::fixed_window(1, Duration::MAX),
        Limit::sliding_window((1 << 26) + 1, MINUTE),
        Limit::sliding_log(10_001, MINUTE),
        Limit::daily(0),
        Limit::daily(5).unwrap().named("other"),
        Limit::daily(5).unwrap().with_penalty(Duration::ZERO),
        Limit::fixed_window(1, MINUTE).unwrap().named(""),
    ] {
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::InvalidInput);
    }
    assert!(Limit::token_bucket(1_000_000_000, day).is_ok());
    assert!(Limit::sliding_window(1 << 26, 3_650 * day).is_ok());
}

#[test]
fn the_largest_sliding_window_is_exact() {
    paused(async {
        let (most, width) = (1_u64 << 26, 3_650 * 86_400_000_000_u64);
        let limit = Limit::sliding_window(most, Duration::from_micros(width)).unwrap();
        let (limiter, store) = limiter(vec![limit]);
        let index = START / width;
        let year = SetOptions::ttl(Ttl::seconds(31_536_000));
        let text = format!("{index}:1:{}:{width}", most - 1);
        let key = key("ratelimit:user123:sliding:requests");
        store.set(&key, text.into(), year).await.unwrap();
        let denied = limiter.peek(&user(), most / 2).await.unwrap();
        let (left, room) = (width - START % width, u128::from(most / 2 - 1));
        let passes_at = u64::try_from(room * u128::from(width) / u128::from(most - 1)).unwrap();
        let expected = left.saturating_sub(passes_at);
        assert_eq!(denied.retry_after(), Some(Duration::from_micros(expected)));
    });
}

#[tokio::test(start_paused = true)]
async fn text_that_is_no_state_counts_as_none() {
    for (limit, text) in [
        (
            Limit::token_bucket(5, MINUTE),
            "ratelimit:user123:bucket:requests",
        ),
        (
            Limit::fixed_window(5, MINUTE),
            "ratelimit:user123:window:requests",
        ),
        (
            Limit::sliding_window(5, MINUTE),
            "ratelimit:user123:sliding:requests",
        ),
    ] {
        let (limiter, store) = limiter(vec![limit.unwrap()]);
        for value in [
            "",
            "x",
            "-5",
            "1.5e9",
            ":",
            "1:",
            "1:2:3:4",
            "99999999999999999999",
        ] {
            let forever = SetOptions::new(Expiration::Never);
            store.set(&key(text), value.into(), forever).await.unwrap();
            let decision = limiter.check(&user(), 5).await.unwrap();
            assert!(decision.is_allowed(), "{text}: {value:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_penalty_refuses_all_for_its_length_and_is_not_prolonged() {
    let limit = Limit::fixed_window(2, MINUTE)
        .unwrap()
        .with_penalty(10 * MINUTE)
        .unwrap();
    let (limiter, _) = limiter(vec![limit]);
    assert!(limiter.check(&user(), 1).await.unwrap().is_allowed());
    assert!(!limiter.check(&user(), 2).await.unwrap().is_allowed());
    tokio::time::advance(9 * MINUTE).await;
    // Nothing is in use any more, and still all is refused.
    let denied = limiter.check(&user(), 1).await.unwrap();
    assert_eq!(denied.retry_after(), Some(MINUTE));
    assert_eq!(denied.binding().blocked_for(), Some(MINUTE));
    tokio::time::advance(MINUTE).await;
    assert!(limiter.check(&user(), 2).await.unwrap().is_allowed());
}

#[tokio::test(start_paused = true)]
async fn days_of_the_specification_are_counted_under_its_keys() {
    let limits = vec![Limit::daily(100).unwrap(), Limit::monthly(1_000).unwrap()];
    let (limiter, store) = limiter(limits);
    let status = limiter.check(&user(), 45).await.unwrap();
    assert_eq!(
        status.reset_after(),
        Duration::from_micros(86_400_000_000 - START % 86_400_000_000)
    );
    let day = entry(&store, "ratelimit:user123:requests:2023-11-14")
        .await
        .unwrap();
    let month = entry(&store, "ratelimit:user123:requests:monthly:2023-11")
        .await
        .unwrap();
    assert_eq!((&day.value[..], &month.value[..]), (&b"45"[..], &b"45"[..]));
    // Another program counts along.
    let key = key("ratelimit:user123:requests:2023-11-14");
    store
        .set(&key, "99".into(), SetOptions::ttl(Ttl::seconds(60)))
        .await
        .unwrap();
    let denied = limiter.check(&user(), 2).await.unwrap();
    assert_eq!((denied.binding().name(), denied.remaining()), ("daily", 1));
    assert_eq!(denied.limits()[1].used(), 45);
}

#[tokio::test(start_paused = true)]
async fn a_day_ends_by_the_servers_clock_however_wrong_the_callers_is() {
    let (limiter, store) = limiter(vec![Limit::daily(1).unwrap()]);
    // Years away from this machine's clock, in either direction, and over a boundary.
    for (now, date) in [
        (START, "2023-11-14"),
        (START + 86_400_000_000, "2023-11-15"),
        (1_000_000_000_000_000, "2001-09-09"),
        (4_000_000_000_000_000, "2096-10-02"),
    ] {
        store.set_wall_clock(at(now));
        assert!(limiter.check(&user(), 1).await.unwrap().is_allowed());
        assert!(!limiter.check(&user(), 1).await.unwrap().is_allowed());
        let counter = format!("ratelimit:user123:requests:{date}");
        assert_eq!(&entry(&store, &counter).await.unwrap().value[..], b"1");
    }
}

#[tokio::test(start_paused = true)]
async fn a_limit_stored_for_a_subject_is_honoured() {
    let (limiter, store) = limiter(vec![
        Limit::daily(10).unwrap(),
        Limit::monthly(100).unwrap(),
    ]);
    assert!(limiter.check(&user(), 8).await.unwrap().is_allowed());
    // As another program stores it.
    let own = key("ratelimit:user123:daily_limit");
    let forever = SetOptions::new(Expiration::Never);
    store.set(&own, "20".into(), forever).await.unwrap();
    assert!(limiter.check(&user(), 12).await.unwrap().is_allowed());
    limiter.set_limit(&user(), Period::Day, 5).await.unwrap();
    let status = limiter.status(&user()).await.unwrap();
    assert_eq!((status.limit(), status.remaining()), (5, 0));
    // Above its own limit: a denial for ever, and no error, as the call is right for others.
    let denied = limiter.check(&user(), 6).await.unwrap();
    assert_eq!((denied.is_allowed(), denied.retry_after()), (false, None));
    limiter.set_limit(&user(), Period::Day, 0).await.unwrap();
    assert_eq!(limiter.check(&user(), 1).await.unwrap().retry_after(), None);
    limiter.clear_limit(&user(), Period::Day).await.unwrap();
    assert_eq!(limiter.limit_of(&user(), Period::Day).await.unwrap(), None);
    assert!(
        limiter
            .set_limit(&user(), Period::Day, u64::MAX)
            .await
            .is_err()
    );
}

#[tokio::test(start_paused = true)]
async fn a_limit_can_be_changed_with_what_is_used_kept() {
    let store = MemoryStore::new();
    store.set_wall_clock(at(START));
    let with = |limit: Limit| Limiter::new(Arc::new(store.clone()), KeySchema::plain(), limit);
    for limit in [
        Limit::token_bucket_refilling as fn(u64, u64, Duration) -> _,
        |limit, _, window| Limit::fixed_window(limit, window),
        |limit, _, window| Limit::sliding_window(limit, window),
        |limit, _, window| Limit::sliding_log(limit, window),
    ] {
        let before = with(limit(10, 10, MINUTE).unwrap());
        assert!(before.check(&user(), 8).await.unwrap().is_allowed());
        let lower = with(limit(5, 10, MINUTE).unwrap());
        assert!(!lower.check(&user(), 1).await.unwrap().is_allowed());
        let higher = with(limit(20, 10, MINUTE).unwrap());
        assert!(higher.check(&user(), 10).await.unwrap().is_allowed());
    }
}

#[tokio::test(start_paused = true)]
async fn all_keys_of_a_subject_share_a_slot() {
    let store = MemoryStore::builder().clustered(true).build();
    let limits = vec![
        Limit::token_bucket(5, MINUTE)
            .unwrap()
            .named("a")
            .unwrap()
            .with_penalty(MINUTE)
            .unwrap(),
        Limit::sliding_log(5, MINUTE).unwrap().named("b").unwrap(),
        Limit::daily(5).unwrap(),
        Limit::monthly(5).unwrap(),
    ];
    let limiter =
        |schema| Limiter::all_of(Arc::new(store.clone()), schema, limits.clone()).unwrap();
    let sharded = limiter(KeySchema::sharded());
    assert!(sharded.check(&user(), 5).await.unwrap().is_allowed());
    let plain = limiter(KeySchema::plain());
    let error = plain.check(&user(), 5).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::CrossSlot);
}

#[tokio::test(start_paused = true)]
async fn limiters_of_no_limit_or_of_two_of_one_name_are_refused() {
    let of = |limits| Limiter::all_of(Arc::new(MemoryStore::new()), KeySchema::plain(), limits);
    let one = Limit::fixed_window(1, MINUTE).unwrap();
    for limits in [Vec::new(), vec![one.clone(), one.clone()], vec![one; 17]] {
        assert_eq!(of(limits).unwrap_err().kind(), ErrorKind::InvalidInput);
    }
}
