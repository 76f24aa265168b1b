//! Loads under test, in memory and under paused time.

mod failures;
mod gate;
mod many;
mod refresh;
mod reports;
mod shared;
mod stale;
mod support;
mod tags;
