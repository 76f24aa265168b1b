//! Checks of options that layers share.

use std::{fmt, ops::RangeInclusive, time::Duration};

use crate::{Error, ErrorKind, Result};

/// From the shortest time that is not a mistake to the longest.
pub(super) const DURATIONS: RangeInclusive<Duration> =
    Duration::from_millis(1)..=Duration::from_secs(3_600);

/// Refuses an option outside of its range.
pub(super) fn check<T: PartialOrd + fmt::Debug>(
    layer: &'static str,
    option: &str,
    value: T,
    range: &RangeInclusive<T>,
) -> Result<()> {
    if range.contains(&value) {
        return Ok(());
    }
    Err(
        Error::new(ErrorKind::Configuration, layer).with_detail(format!(
            "{option} is {value:?}, and must lie between {:?} and {:?}",
            range.start(),
            range.end()
        )),
    )
}
