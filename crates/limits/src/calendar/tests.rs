//! Boundaries of windows: months of all lengths, weeks, and the days on which clocks are changed.

use super::{Span, Unit, Weekday, Zone};

fn micros(text: &str) -> i64 {
    let timestamp: jiff::Timestamp = text.parse().expect("a moment");
    timestamp.as_microsecond()
}

/// The present window at a moment of UTC: its first day, and its length in hours.
fn present(unit: Unit, zone: &str, moment: &str) -> (String, i64) {
    let now = micros(moment);
    let spans = unit.around(&Zone::named(zone).unwrap(), now).unwrap();
    assert!(spans.windows(2).all(|pair| pair[0].end == pair[1].start));
    let Span { first, start, end } = spans[2];
    assert!(start <= now && now < end, "{start} <= {now} < {end}");
    (first.to_string(), (end - start) / 3_600_000_000)
}

#[test]
fn a_day_is_the_zones_own() {
    let moment = "2024-12-02T23:30:00Z";
    assert_eq!(
        present(Unit::Day, "UTC", moment),
        ("2024-12-02".to_owned(), 24)
    );
    let berlin = present(Unit::Day, "Europe/Berlin", moment);
    assert_eq!(berlin, ("2024-12-03".to_owned(), 24));
    let tokyo = present(Unit::Day, "Asia/Tokyo", moment);
    assert_eq!(tokyo, ("2024-12-03".to_owned(), 24));
}

#[test]
fn a_day_has_23_or_25_hours_where_clocks_are_changed() {
    let spring = present(Unit::Day, "Europe/Berlin", "2024-03-31T12:00:00Z");
    assert_eq!(spring, ("2024-03-31".to_owned(), 23));
    let autumn = present(Unit::Day, "Europe/Berlin", "2024-10-27T12:00:00Z");
    assert_eq!(autumn, ("2024-10-27".to_owned(), 25));
    // Here the clocks skip midnight itself.
    let skipped = present(Unit::Day, "Africa/Cairo", "2024-04-26T12:00:00Z");
    assert_eq!(skipped, ("2024-04-26".to_owned(), 23));
}

#[test]
fn a_week_starts_on_the_chosen_day() {
    // A Wednesday.
    let moment = "2024-12-04T12:00:00Z";
    let week = |starts| present(Unit::Week { starts }, "UTC", moment);
    assert_eq!(week(Weekday::Monday), ("2024-12-02".to_owned(), 168));
    assert_eq!(week(Weekday::Wednesday), ("2024-12-04".to_owned(), 168));
    assert_eq!(week(Weekday::Thursday), ("2024-11-28".to_owned(), 168));
    assert_eq!(week(Weekday::Sunday), ("2024-12-01".to_owned(), 168));
}

#[test]
fn a_month_is_as_long_as_it_is() {
    let month = |moment| present(Unit::Month, "UTC", moment);
    assert_eq!(
        month("2024-02-29T00:00:00Z"),
        ("2024-02-01".to_owned(), 29 * 24)
    );
    assert_eq!(
        month("2023-02-28T23:59:59Z"),
        ("2023-02-01".to_owned(), 28 * 24)
    );
    assert_eq!(
        month("2024-12-31T23:59:59Z"),
        ("2024-12-01".to_owned(), 31 * 24)
    );
}

#[test]
fn a_billing_day_that_a_month_lacks_is_its_last() {
    let billing = |moment| present(Unit::Billing { day: 31 }, "UTC", moment).0;
    assert_eq!(billing("2024-01-30T00:00:00Z"), "2023-12-31");
    assert_eq!(billing("2024-01-31T00:00:00Z"), "2024-01-31");
    assert_eq!(billing("2024-02-28T00:00:00Z"), "2024-01-31");
    assert_eq!(billing("2024-02-29T00:00:00Z"), "2024-02-29");
    assert_eq!(billing("2024-03-30T00:00:00Z"), "2024-02-29");
    assert_eq!(billing("2024-03-31T00:00:00Z"), "2024-03-31");
    assert_eq!(billing("2024-04-30T00:00:00Z"), "2024-04-30");
    let day = |moment| present(Unit::Billing { day: 15 }, "UTC", moment).0;
    assert_eq!(day("2024-03-14T23:59:59Z"), "2024-02-15");
    assert_eq!(day("2024-03-15T00:00:00Z"), "2024-03-15");
}

#[test]
fn a_time_outside_of_the_calendar_is_an_error() {
    assert!(Unit::Day.around(&Zone::utc(), i64::MAX).is_err());
    assert!(
        Unit::Month
            .around(&Zone::utc(), micros("-000001-01-01T00:00:00Z"))
            .is_err()
    );
}
