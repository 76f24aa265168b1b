//! The keys and fields of hit counts are parsed back, share a slot, and are nobody else's.

use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

use super::schema;
use crate::{CivilDate, HitCount, HitKey, HitWindow, Key, KeySchema};

/// The last second of the year 9999.
const LAST: u64 = 253_402_300_799;

proptest! {
    #[test]
    fn a_window_is_parsed_back_and_holds_its_moment(moment in 0..=LAST) {
        let window = HitWindow::at(moment).expect("before the year 10000");
        prop_assert!((window.start()..window.start() + HitWindow::SECONDS).contains(&moment));
        prop_assert_eq!(window.to_string().parse::<HitWindow>(), Ok(window));
        prop_assert_eq!(HitWindow::at(window.start()), Ok(window));
    }

    #[test]
    fn windows_are_in_the_order_of_time(one in 0..=LAST, other in 0..=LAST) {
        let (first, second) = (HitWindow::at(one).unwrap(), HitWindow::at(other).unwrap());
        prop_assert_eq!(first.cmp(&second), first.start().cmp(&second.start()));
        prop_assert_eq!(first.to_string().cmp(&second.to_string()), first.cmp(&second));
    }

    #[test]
    fn hit_keys_are_parsed_back_and_share_the_slot_of_their_window(
        schema in schema(), moment in 0..=LAST, process in any::<u128>()
    ) {
        let window = HitWindow::at(moment).unwrap();
        let counts = schema.hit_key(HitKey::Counts(window));
        let flush = schema.hit_key(HitKey::Flush { window, process });
        prop_assert_eq!(schema.parse_hit_key(&counts), Ok(HitKey::Counts(window)));
        prop_assert_eq!(schema.parse_hit_key(&flush), Ok(HitKey::Flush { window, process }));
        prop_assert_eq!(counts.slot(), flush.slot());
        prop_assert!(counts.is_reserved() && flush.is_reserved());
        prop_assert_eq!(counts.accompanied(), None);
        prop_assert!(!schema.all_keys().matches(counts.as_bytes()) || schema.namespace().is_none());
    }

    #[test]
    fn what_parses_is_rendered_the_same(text in "ck:hits:\\{[0-9T:-]{0,14}\\}(:[0-9a-fA-F]{0,33})?") {
        let schema = KeySchema::plain();
        let key = Key::from_raw(text).unwrap();
        if let Ok(parsed) = schema.parse_hit_key(&key) {
            prop_assert_eq!(schema.hit_key(parsed), key);
        }
    }

    #[test]
    fn an_epoch_day_is_a_date_and_back(day in 0..=LAST / 86_400) {
        let date = CivilDate::from_epoch_day(day).expect("before the year 10000");
        prop_assert_eq!(date.epoch_day(), day);
        prop_assert_eq!(CivilDate::new(date.year(), date.month(), date.day()), Ok(date));
    }
}

#[test]
fn every_field_is_parsed_back() {
    for family in ["session", "report.v2", "a-b_c"] {
        for count in HitCount::ALL {
            let field = count.field(family);
            assert_eq!(
                HitCount::parse_field(field.as_bytes()),
                Some((family, count))
            );
        }
    }
}

#[test]
fn days_follow_each_other_without_a_gap() {
    let mut last = CivilDate::from_epoch_day(0).unwrap();
    for day in 1..=200_000 {
        let date = CivilDate::from_epoch_day(day).unwrap();
        let is_next = match date.day() {
            1 => date.civil_month() > last.civil_month(),
            day => day == last.day() + 1 && date.civil_month() == last.civil_month(),
        };
        assert!(is_next, "{last} is followed by {date}");
        last = date;
    }
}

#[test]
fn the_calendar_ends_with_the_year_9999() {
    assert!(HitWindow::at(LAST + 1).is_err());
    assert!(HitWindow::at(0).unwrap().before(1).is_err());
    assert!("1969-12-31T23".parse::<HitWindow>().is_err());
    assert!("2024-12-02T24".parse::<HitWindow>().is_err());
    assert!("2024-12-02T+1".parse::<HitWindow>().is_err());
}
