//! What rows are held to: the ratio of ours to the peer, at least.
//!
//! A bound is a demand and not a measurement: what the kit may cost, or has to save, before a row is a fault to be looked into.
//! It leaves room for a machine that does other things beside.

/// A count that has a limit must not be above it.
pub(crate) const LIMIT: f64 = 1.0;

/// The beginnings of rows' names, and their bounds. The first that fits counts.
const BOUNDS: &[(&str, f64)] = &[
    // Typed reads and writes against the raw client with the same bytes. A write keeps an index besides.
    ("get/json-256/64", 0.9),
    ("get/json-256/1", 0.95),
    ("get_many/", 0.85),
    ("set/", 0.5),
    ("set_many/", 0.6),
    // Reading through the cache. A miss takes a lease besides.
    ("aside/hit/cached", 1.0),
    ("aside/hit/", 0.85),
    ("aside/miss/", 0.4),
    ("many/", 2.0),
    ("warm/", 0.5),
    ("stampede/", LIMIT),
    // An index, or a walk, against a walk over the keyspace by a raw client.
    ("clear_session/", 500.0),
    ("delete_by_pattern/", 1.0),
    ("memory/get", 1.0),
    ("memory/overhead", LIMIT),
    // A write that waits for the database costs more than its copy in the cache.
    ("write_behind/set/", 0.3),
    ("write_behind/coalesce", 50.0),
    ("write_behind/drain", 0.4),
    ("write_behind/memory", LIMIT),
    // Decisions against the smallest script that makes one, call by call.
    ("limit/gcra/", 0.95),
    ("limit/coalesced/", 1.8),
    ("limit/hot/", 6.0),
    ("limit/lease/", 50.0),
    ("limit/denied/", 100.0),
    ("limit/multi3/", 1.1),
    ("limit/memory", 0.25),
];

/// The bound of the row of this name, if there is one.
pub(crate) fn of(name: &str) -> Option<f64> {
    let bound = BOUNDS.iter().find(|(start, _)| name.starts_with(start));
    bound.map(|(_, bound)| *bound)
}
