//! What is counted and not timed: how many loads a crowd costs, and how long it waits.
//!
//! The crowd is real: processes of their own, each with hundreds of callers, on one key that nobody has loaded yet.

mod fleet;
mod member;
mod xfetch;

use crate::{Outcome, bounds, harness::Row, raw, report};

pub(crate) use self::member::child;

/// The rows of this module, by name.
pub(crate) const ROWS: [&str; 3] = ["stampede/cold", "stampede/killed", "stampede/xfetch"];

/// Counts for the rows `wanted`.
pub(crate) async fn run(wanted: &[&str]) -> Outcome<Vec<Row>> {
    let mut rows = Vec::new();
    for name in wanted {
        let server = raw::server(&[]).await?;
        let url = server.url();
        let counted = match *name {
            "stampede/cold" => fleet::cold(name, &url).await?,
            "stampede/killed" => fleet::killed(name, &url).await?,
            _ => xfetch::run(name, &url).await?,
        };
        counted.iter().for_each(report::print);
        rows.extend(counted);
    }
    Ok(rows)
}

/// A count and what it may be at most, as a row.
fn limited(name: &str, what: &str, ours: f64, limit: f64, unit: &str) -> Row {
    // Nothing where nothing is allowed is as it should be, and anything else is not.
    let ratio = match (ours > 0.0, limit > 0.0) {
        (false, _) => 1.0,
        (true, false) => 0.0,
        (true, true) => limit / ours,
    };
    Row {
        name: format!("{name}/{what}"),
        ours,
        peer: limit,
        peer_name: "the limit".to_owned(),
        unit: unit.to_owned(),
        ratio,
        low: ratio,
        high: ratio,
        at_least: Some(bounds::LIMIT),
    }
}
