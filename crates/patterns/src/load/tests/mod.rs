//! Loads under test, in memory and under paused time.

mod away;
mod failures;
mod gate;
mod many;
mod options;
mod orphans;
mod patience;
mod refresh;
mod reports;
mod shared;
mod stale;
mod support;
mod tags;
