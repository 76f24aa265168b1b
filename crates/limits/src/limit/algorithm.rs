//! The algorithms with their numbers, as the scripts take them.

use std::time::Duration;

use cachekit_keys::RateLimitState;
use cachekit_store::{Result, Script};

use super::rate::Rate;
use crate::{error::invalid, period::Period, script};

/// 3 650 days, in microseconds: with it, the present time stays far below 2^53.
pub(super) const MAX_MICROS: i64 = 3_650 * 86_400_000_000;

/// An algorithm and its numbers; times are in microseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Algorithm {
    Bucket {
        capacity: i64,
        rate: Rate,
    },
    Window {
        limit: i64,
        width: i64,
        aligned: bool,
    },
    Sliding {
        limit: i64,
        width: i64,
    },
    Log {
        limit: i64,
        width: i64,
    },
    Calendar {
        limit: i64,
        period: Period,
    },
}

impl Algorithm {
    pub(crate) fn limit(&self) -> i64 {
        match self {
            Self::Bucket { capacity, .. } => *capacity,
            Self::Window { limit, .. }
            | Self::Sliding { limit, .. }
            | Self::Log { limit, .. }
            | Self::Calendar { limit, .. } => *limit,
        }
    }

    /// The word by which the scripts know it.
    pub(crate) const fn word(&self) -> &'static str {
        match self {
            Self::Bucket { .. } => "bucket",
            Self::Window { .. } => "window",
            Self::Sliding { .. } => "sliding",
            Self::Log { .. } => "log",
            Self::Calendar { .. } => "calendar",
        }
    }

    pub(crate) const fn script(&self) -> Script {
        match self {
            Self::Bucket { .. } => script::BUCKET,
            Self::Window { .. } => script::WINDOW,
            Self::Sliding { .. } => script::SLIDING,
            Self::Log { .. } => script::LOG,
            Self::Calendar { .. } => script::CALENDAR,
        }
    }

    /// The script for calls of many subjects.
    pub(crate) const fn batch_script(&self) -> Script {
        match self {
            Self::Bucket { .. } => script::BUCKETS,
            Self::Window { .. } => script::WINDOWS,
            Self::Sliding { .. } => script::SLIDINGS,
            Self::Log { .. } => script::LOGS,
            Self::Calendar { .. } => script::CALENDARS,
        }
    }

    /// Whose state it keeps under its own key; a calendar's counters have dated keys instead.
    pub(crate) const fn state(&self) -> Option<RateLimitState> {
        match self {
            Self::Bucket { .. } => Some(RateLimitState::Bucket),
            Self::Window { .. } => Some(RateLimitState::Window),
            Self::Sliding { .. } => Some(RateLimitState::Sliding),
            Self::Log { .. } => Some(RateLimitState::Log),
            Self::Calendar { .. } => None,
        }
    }

    /// The same with a part of the limit, at least one unit; a bucket is filled as much more slowly.
    pub(super) fn share(&self, processes: u32) -> Result<Self> {
        let mut share = self.clone();
        match &mut share {
            Self::Bucket { capacity, rate } => {
                *capacity = part_of(*capacity, processes);
                *rate = rate.slower(*capacity, processes)?;
            }
            Self::Window { limit, .. }
            | Self::Sliding { limit, .. }
            | Self::Log { limit, .. }
            | Self::Calendar { limit, .. } => *limit = part_of(*limit, processes),
        }
        Ok(share)
    }

    /// In what time the whole limit may be used; `None` where that differs from window to window.
    #[cfg(feature = "tower")]
    pub(super) fn window_micros(&self) -> Option<i64> {
        match self {
            Self::Bucket { capacity, rate } => Some(rate.micros_for(*capacity)),
            Self::Window { width, .. } | Self::Sliding { width, .. } | Self::Log { width, .. } => {
                Some(*width)
            }
            Self::Calendar { period, .. } => match period {
                Period::Day => Some(86_400_000_000),
                Period::Month => None,
            },
        }
    }

    /// The arguments that are the same in every call.
    pub(crate) fn args(&self) -> Vec<i64> {
        match self {
            Self::Bucket { capacity, rate } => {
                vec![*capacity, rate.micros, rate.part, rate.parts]
            }
            Self::Window {
                limit,
                width,
                aligned,
            } => vec![*limit, *width, i64::from(*aligned)],
            Self::Sliding { limit, width } | Self::Log { limit, width } => vec![*limit, *width],
            Self::Calendar { limit, .. } => vec![*limit],
        }
    }
}

fn part_of(limit: i64, processes: u32) -> i64 {
    (limit / i64::from(processes)).max(1)
}

/// Whole microseconds, rounded up.
pub(super) fn micros(duration: Duration) -> Result<i64> {
    let micros = duration.as_nanos().div_ceil(1000);
    i64::try_from(micros)
        .ok()
        .filter(|micros| (1..=MAX_MICROS).contains(micros))
        .ok_or_else(|| invalid("limit", "a duration lies between 1 us and 3650 days"))
}

pub(super) fn check_range(what: &str, number: u64, max: u64) -> Result<i64> {
    i64::try_from(number)
        .ok()
        .filter(|_| (1..=max).contains(&number))
        .ok_or_else(|| invalid("limit", format!("the {what} lies between 1 and {max}")))
}
