//! What rows are held to: the ratio of ours to the peer, at least.
//!
//! A bound is a demand and not a measurement: what the kit may cost, or has to save, before a row is a fault to be looked into.
//! It leaves room for a machine that does other things beside.

/// A count that has a limit must not be above it.
pub(crate) const LIMIT: f64 = 1.0;

/// The beginnings of rows' names, and their bounds. The first that fits counts.
const BOUNDS: &[(&str, f64)] = &[
    // Typed reads against the raw client with the same bytes, and hits, which are reads.
    ("get/", 0.8),
    ("get_many/", 0.8),
    ("aside/hit/cached", 1.0),
    ("aside/hit/", 0.8),
    // A write keeps an index besides, which the peer's does not.
    ("set/", 0.3),
    ("set_many/", 0.3),
    // An index against a walk over the keyspace.
    ("clear_session/", 10.0),
    ("memory/overhead", LIMIT),
    ("stampede/", LIMIT),
];

/// The bound of the row of this name, if there is one.
pub(crate) fn of(name: &str) -> Option<f64> {
    let bound = BOUNDS.iter().find(|(start, _)| name.starts_with(start));
    bound.map(|(_, bound)| *bound)
}
