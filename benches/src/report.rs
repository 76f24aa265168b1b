//! The table for people and the file for programs.

use std::{fs, io, path::Path};

use crate::harness::Row;

/// Where the latest run's rows go, below the workspace's root.
const FILE: &str = "target/bench/latest.json";

/// Prints one row as soon as it is there.
pub(crate) fn print(row: &Row) {
    // Rates are large, counts and multiples are not.
    let digits = if row.ours < 100.0 && row.peer < 100.0 {
        2
    } else {
        0
    };
    let verdict = match (row.is_met(), row.at_least) {
        (Some(true), Some(bound)) => format!("met {bound:.2}"),
        (Some(false), Some(bound)) => format!("MISSED {bound:.2}"),
        _ => String::new(),
    };
    println!(
        "{:<24} {:>12.digits$} {:>12.digits$} {:<14} {:>8.2}  {:.2}..{:.2}  {verdict:<12} against {}",
        row.name, row.ours, row.peer, row.unit, row.ratio, row.low, row.high, row.peer_name
    );
}

/// Prints the head of the table.
pub(crate) fn print_head() {
    println!(
        "{:<24} {:>12} {:>12} {:<14} {:>8}  spread      at least",
        "name", "ours", "peer", "unit", "ratio"
    );
}

/// Writes all rows as a JSON list.
pub(crate) fn write(rows: &[Row]) -> io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap_or(Path::new("."));
    let path = root.join(FILE);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(path, serde_json::to_vec_pretty(rows)?)
}
