//! Lifetimes, jitter, dates and hashes.

use std::time::Duration;

use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

use crate::{CivilDate, CivilMonth, ContentHash, Jitter, Level, LevelTtls, Ttl, TtlError};

proptest! {
    #[test]
    fn jitter_shortens_by_at_most_its_fraction(
        millis in 1_i64..=6_307_200_000_000, fraction in 0.0..=1.0_f64, random in any::<u64>()
    ) {
        let ttl = Ttl::from_millis(millis).expect("in range");
        let jittered = ttl.jittered(Jitter::fraction(fraction).expect("in range"), random);
        prop_assert!(jittered <= ttl && jittered >= Ttl::MIN);
        let cut = (ttl.as_millis() - jittered.as_millis()) as f64;
        // The fraction is kept to nine decimal places.
        prop_assert!(cut <= ttl.as_millis() as f64 * (fraction + 1e-9) + 1.0);
    }

    #[test]
    fn durations_are_rounded_up_to_milliseconds(nanos in 1_u64..=1_u64 << 62) {
        let duration = Duration::from_nanos(nanos);
        let ttl = Ttl::new(duration).expect("in range");
        prop_assert!(ttl.as_duration() >= duration);
        prop_assert!(ttl.as_duration() - duration < Duration::from_millis(1));
    }

    #[test]
    fn dates_parse_back(year in 0_u16..=10_000, month in 0_u8..=13, day in 0_u8..=32) {
        if let Ok(date) = CivilDate::new(year, month, day) {
            prop_assert_eq!(date.to_string().parse(), Ok(date));
            prop_assert_eq!((date.year(), date.month(), date.day()), (year, month, day));
        }
    }

    #[test]
    fn line_ends_and_trailing_white_space_do_not_change_a_text(lines in proptest::collection::vec("[a-c ]{0,4}", 0..6)) {
        let unix = ContentHash::of_text(&lines.join("\n"));
        prop_assert_eq!(ContentHash::of_text(&lines.join("\r\n")), unix);
        prop_assert_eq!(ContentHash::of_text(&lines.join("\r")), unix);
        prop_assert_eq!(ContentHash::of_text(&lines.join(" \t\n")), unix);
        prop_assert_eq!(ContentHash::of_text(&format!("{}\n \n", lines.join("\n"))), unix);
    }

    #[test]
    fn hashes_parse_back(content in any::<String>()) {
        for hash in [ContentHash::of(&content), ContentHash::of_text(&content)] {
            prop_assert_eq!(hash.to_string().parse(), Ok(hash));
        }
    }
}

#[test]
fn lifetimes_have_bounds_and_typed_errors() {
    assert_eq!(Ttl::new(Duration::ZERO), Err(TtlError::Zero));
    assert_eq!(Ttl::new(Ttl::MAX.as_duration()), Ok(Ttl::MAX));
    assert_eq!(
        Ttl::new(Ttl::MAX.as_duration() + Duration::from_nanos(1)),
        Err(TtlError::TooLong)
    );
    assert_eq!(Ttl::new(Duration::MAX), Err(TtlError::TooLong));
    assert_eq!(Ttl::from_secs(i64::MIN), Err(TtlError::Negative));
    assert_eq!(Ttl::from_secs(i64::MAX), Err(TtlError::TooLong));
    assert_eq!(Ttl::from_millis(-1), Err(TtlError::Negative));
    assert_eq!(Ttl::seconds(u32::MAX).as_millis(), 4_294_967_295_000);
    // The sum with a wall clock of the year 2050, in microseconds, is exact in a double.
    assert!(2_524_608_000_000_000 + Ttl::MAX.as_millis() * 1000 < 1 << 53);
}

#[test]
#[should_panic(expected = "at least one second")]
fn zero_seconds_panic() {
    let _ = Ttl::seconds(0);
}

#[test]
fn jitter_reaches_both_ends_of_its_range() {
    let half = Jitter::fraction(0.5).expect("in range");
    let ttl = Ttl::from_millis(1000).expect("in range");
    assert_eq!(ttl.jittered(half, 0), ttl);
    assert_eq!(ttl.jittered(half, u64::MAX).as_millis(), 500);
    assert_eq!(
        ttl.jittered(Jitter::fraction(1.0).expect("in range"), u64::MAX),
        Ttl::MIN
    );
    for fraction in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
        assert_eq!(Jitter::fraction(fraction), Err(TtlError::JitterOutOfRange));
    }
}

#[test]
fn levels_have_the_specifications_lifetimes() {
    let seconds = Level::ALL.map(|level| level.default_ttl().as_duration().as_secs());
    assert_eq!(seconds, [300, 3600, 86_400]);
    let ttls = LevelTtls::default()
        .with_global(Ttl::seconds(1))
        .with_project(Ttl::seconds(2));
    assert_eq!(
        Level::ALL.map(|level| ttls.of(level).as_millis()),
        [300_000, 2000, 1000]
    );
}

#[test]
fn only_real_days_are_dates() {
    for text in ["2024-02-29", "2000-02-29", "0001-01-01", "9999-12-31"] {
        assert_eq!(
            text.parse::<CivilDate>()
                .map(|date| date.to_string())
                .as_deref(),
            Ok(text)
        );
    }
    for text in [
        "2023-02-29",
        "1900-02-29",
        "2024-04-31",
        "2024-00-01",
        "2024-13-01",
        "0000-01-01",
        "2024-1-1",
        "+024-01-01",
        "2024-01-01-",
        "2024-01",
        "",
        "２０２４-01-01",
    ] {
        assert!(text.parse::<CivilDate>().is_err(), "{text}");
    }
    for text in [
        "2024-13",
        "2024-00",
        "2024-1",
        "2024",
        "2024-12-02",
        "-2024-12",
    ] {
        assert!(text.parse::<CivilMonth>().is_err(), "{text}");
    }
}

#[test]
fn only_full_lower_case_hashes_parse() {
    let full = ContentHash::of("x").to_string();
    for text in [
        "a1b2c3d4",
        &full[1..],
        &full.to_uppercase(),
        &format!("{full}0"),
        &format!("TEXT-{full}"),
        "",
    ] {
        assert!(text.parse::<ContentHash>().is_err(), "{text}");
    }
    assert_ne!(format!("text-{full}").parse(), Ok(ContentHash::of("x")));
}

#[test]
fn parts_are_told_apart_by_their_lengths() {
    assert_ne!(
        ContentHash::of_parts(&[b"ab", b"c"]),
        ContentHash::of_parts(&[b"a", b"bc"])
    );
    assert_ne!(
        ContentHash::of_parts(&[b"a", b""]),
        ContentHash::of_parts(&[b"a"])
    );
    assert_ne!(ContentHash::of_parts(&[b"a"]), ContentHash::of("a"));
}
