//! Reservations that are many, old, of another clock or of another plan: in memory and by the script's text on a server.

use std::time::Duration;

use cachekit_limits::{Limit, Period, Quota, QuotaPlan, Settlement, Unit, Zone};
use cachekit_store::ErrorKind;
use futures_util::future::join_all;

use crate::{
    stage::on_both,
    support::{START, user},
};

const SECOND: u64 = 1_000_000;
const HOUR: u64 = 3_600 * SECOND;
const DAY: u64 = 24 * HOUR;
const MINUTE: Duration = Duration::from_secs(60);

async fn reserve(quota: &Quota, id: &str, amount: u64) -> bool {
    let decision = quota.reserve(&user(), id, amount, MINUTE).await;
    decision.unwrap().is_allowed()
}

#[test]
fn however_many_holds_are_over_they_are_free_at_once() {
    on_both(async |stage| {
        let quota = stage.quota(QuotaPlan::per(Unit::Month, 200).unwrap());
        for id in 0..100 {
            assert!(reserve(&quota, &id.to_string(), 1).await);
        }
        // Settled ones that are to be forgotten lie before those that are held.
        for id in 0..100 {
            let _ = quota.cancel(&user(), &id.to_string()).await.unwrap();
        }
        (stage.set)(START + DAY);
        for id in 100..200 {
            assert!(reserve(&quota, &id.to_string(), 2).await);
        }
        assert!(!reserve(&quota, "one more", 1).await);
        (stage.set)(START + DAY + 61 * SECOND);
        assert!(quota.charge(&user(), 200).await.unwrap().is_allowed());
        let usage = quota.usage(&user()).await.unwrap();
        assert_eq!((usage.used(), usage.windows()[0].held()), (200, 0));
    });
}

#[test]
fn a_hold_of_a_clock_that_went_back_ends_within_a_day() {
    on_both(async |stage| {
        let quota = stage.quota(QuotaPlan::gauge(10).unwrap());
        (stage.set)(START + 400 * DAY);
        assert!(reserve(&quota, "a", 10).await);
        (stage.set)(START);
        assert!(!quota.charge(&user(), 1).await.unwrap().is_allowed());
        (stage.set)(START + DAY - 1);
        assert!(!quota.charge(&user(), 1).await.unwrap().is_allowed());
        (stage.set)(START + DAY);
        assert!(quota.charge(&user(), 10).await.unwrap().is_allowed());
    });
}

#[test]
fn a_reservation_that_was_extended_for_days_is_charged_to_its_own_day() {
    on_both(async |stage| {
        let plan = QuotaPlan::per(Unit::Day, 10).unwrap();
        let quota = stage.quota(plan.and_per(Unit::Month, 100).unwrap());
        assert!(reserve(&quota, "a", 10).await);
        let day = Duration::from_secs(86_400);
        assert!(quota.extend(&user(), "a", day).await.unwrap());
        for times in 1..=6 {
            (stage.set)(START + times * (DAY - HOUR));
            assert!(quota.extend(&user(), "a", day).await.unwrap());
        }
        (stage.set)(START + 6 * DAY);
        assert_eq!(
            quota.commit_part(&user(), "a", 3).await.unwrap(),
            Settlement::Committed(3)
        );
        assert_eq!(
            quota.commit(&user(), "a", 8).await.unwrap(),
            Settlement::Committed(8)
        );
        let charged = stage.text("quota:user123:api_calls:2023-11-14").await;
        assert_eq!(charged.as_deref(), Some("8"));
        let usage = quota.usage(&user()).await.unwrap();
        let used: Vec<_> = usage.windows().iter().map(|window| window.used()).collect();
        assert_eq!(used, [0, 8]);
    });
}

#[test]
fn a_plan_that_gets_another_zone_or_window_loses_no_charge() {
    on_both(async |stage| {
        let days = QuotaPlan::per(Unit::Day, 10).unwrap();
        let berlin = Zone::named("Europe/Berlin").unwrap();
        let before = stage.quota(days.clone().in_zone(berlin));
        assert!(reserve(&before, "a", 4).await);
        assert!(reserve(&before, "b", 4).await);

        let after = stage.quota(days.and_per(Unit::Month, 100).unwrap());
        assert_eq!(
            after.commit(&user(), "a", 3).await.unwrap(),
            Settlement::Committed(3)
        );
        let usage = after.usage(&user()).await.unwrap();
        // The month was not reserved.
        let used: Vec<_> = usage.windows().iter().map(|window| window.used()).collect();
        assert_eq!(used, [3, 0]);

        let months = stage.quota(QuotaPlan::per(Unit::Month, 100).unwrap());
        assert_eq!(
            months.commit(&user(), "b", 4).await.unwrap(),
            Settlement::Committed(4)
        );
        assert_eq!(months.usage(&user()).await.unwrap().used(), 0);
        assert_eq!(before.usage(&user()).await.unwrap().windows()[0].held(), 0);
    });
}

#[test]
fn what_is_no_number_fails_before_anything_is_charged() {
    on_both(async |stage| {
        let plan = QuotaPlan::per(Unit::Day, 10).unwrap();
        let quota = stage.quota(plan.and_per(Unit::Month, 100).unwrap());
        let limits = vec![
            Limit::fixed_window(10, MINUTE).unwrap(),
            Limit::daily(10).unwrap(),
            Limit::monthly(10).unwrap(),
        ];
        let limiter = stage.limiter(limits);
        let month = "quota:user123:api_calls:monthly:2023-11";
        let requests = "ratelimit:user123:requests:monthly:2023-11";
        for text in ["many", "1.5", "007", "-", ""] {
            stage.write(month, text).await;
            stage.write(requests, text).await;
            let refused = quota.charge(&user(), 1).await.unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::WrongType, "{text:?}");
            let refused = limiter.check(&user(), 1).await.unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::WrongType, "{text:?}");
        }
        // What is below nothing counts as nothing, what is beyond all as more than any limit.
        stage.write(month, "-5").await;
        stage.write(requests, "-5").await;
        assert_eq!(quota.usage(&user()).await.unwrap().windows()[0].used(), 0);
        assert_eq!(
            limiter.check(&user(), 1).await.unwrap().limits()[0].used(),
            1
        );
        stage.write(requests, "9223372036854775807").await;
        let full = limiter.check(&user(), 1).await.unwrap();
        assert_eq!(
            (full.is_allowed(), full.binding().name()),
            (false, "monthly")
        );
        stage.write(month, "99999999999999999999").await;
        let beyond = quota.charge(&user(), 1).await.unwrap_err();
        assert_eq!(beyond.kind(), ErrorKind::InvalidInput);
        let of_day = stage.text("quota:user123:api_calls:2023-11-14").await;
        assert_eq!(of_day, None);
    });
}

#[test]
fn a_stored_limit_of_any_size_is_a_limit() {
    on_both(async |stage| {
        let limiter = stage.limiter(vec![Limit::daily(5).unwrap()]);
        let plan = QuotaPlan::per(Unit::Day, 5).unwrap().with_stored_limits();
        let quota = stage.quota(plan);
        let own = "ratelimit:user123:daily_limit";
        for text in ["9223372036854775807", "100000000000000000000000000"] {
            stage.write(own, text).await;
            assert!(limiter.check(&user(), 100).await.unwrap().is_allowed());
            assert!(quota.charge(&user(), 100).await.unwrap().is_allowed());
            let told = limiter.limit_of(&user(), Period::Day).await.unwrap();
            assert_eq!(told, Some(1 << 52));
        }
        for text in ["", "many", "-1", "1.5", " 7"] {
            stage.write(own, text).await;
            assert_eq!(limiter.status(&user()).await.unwrap().limit(), 5);
            assert_eq!(quota.usage(&user()).await.unwrap().remaining(), Some(0));
            let told = limiter.limit_of(&user(), Period::Day).await.unwrap();
            assert_eq!(told, None, "{text:?}");
        }
    });
}

#[test]
fn what_never_passes_one_window_waits_for_no_other() {
    on_both(async |stage| {
        let plan = QuotaPlan::per(Unit::Day, 10).unwrap();
        let plan = plan.and_per(Unit::Month, 50).unwrap().with_stored_limits();
        let quota = stage.quota(plan);
        quota.increment(&user(), 50).await.unwrap();
        let denied = quota.charge(&user(), 20).await.unwrap();
        let why = (denied.binding().unit(), denied.retry_after());
        assert_eq!(why, (Some(Unit::Day), None));
        let later = quota.charge(&user(), 10).await.unwrap();
        assert_eq!(later.binding().unit(), Some(Unit::Month));
        assert_eq!(later.retry_after(), later.binding().resets_in());
    });
}

#[test]
fn settled_reservations_make_room_for_more_and_held_ones_do_not() {
    on_both(async |stage| {
        let quota = stage.quota(QuotaPlan::per(Unit::Month, 1 << 20).unwrap());
        let (user, names) = (user(), (0..10_000).map(|id| id.to_string()));
        let names: Vec<String> = names.collect();
        for some in names.chunks(100) {
            let made = some.iter().map(|id| reserve(&quota, id, 1));
            assert!(join_all(made).await.into_iter().all(|made| made));
        }
        let more = quota.reserve(&user, "more", 1, MINUTE).await.unwrap_err();
        assert_eq!(more.kind(), ErrorKind::Overloaded);

        (stage.set)(START + SECOND);
        for id in &names[..200] {
            let settled = quota.cancel(&user, id).await.unwrap();
            assert_eq!(settled, Settlement::Cancelled);
        }
        assert!(reserve(&quota, "more", 1).await);
        // A hundred were forgotten; the others of those that were settled are known as before, and so is what is held.
        let mut forgotten = 0;
        for id in &names[..200] {
            let settled = quota.cancel(&user, id).await.unwrap();
            forgotten += usize::from(settled == Settlement::Unknown);
        }
        assert_eq!(forgotten, 100);
        let charged = quota.commit(&user, "9999", 1).await.unwrap();
        assert_eq!(charged, Settlement::Committed(1));

        // Thousands are over at once: more than one run of the script sets right.
        (stage.set)(START + 62 * SECOND);
        let most = quota.charge(&user, (1 << 20) - 1).await.unwrap();
        assert!(most.is_allowed(), "{most:?}");
        assert_eq!(quota.usage(&user).await.unwrap().used(), 1 << 20);
    });
}
