//! The tracker under test: in memory, under paused time, with stores that fail in the ways that matter.

mod counting;
mod equivalence;
mod flushing;
mod reading;
mod support;
