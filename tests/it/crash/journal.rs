//! What a writer has said before and after each write, and what follows of it for the database.
//!
//! A line is written by one call of the system, which a killed process has made or not.

use std::{
    collections::HashMap,
    fs::{File, OpenOptions},
    io::{Read, Write},
    path::Path,
    sync::Mutex,
};

/// A value, or nothing where it was deleted.
pub(super) type Row = Option<String>;

/// A file of lines, which survives its writer.
pub(super) struct Journal(Mutex<File>);

impl Journal {
    pub(super) fn append(path: &Path) -> Self {
        let file = OpenOptions::new().create(true).append(true).open(path);
        let journal = Self(Mutex::new(file.unwrap()));
        // Whatever the one before has left unfinished.
        journal.line("");
        journal
    }

    pub(super) fn begun(&self, key: &str, row: Option<&str>) {
        self.line(&format!("B {key} {}", row.unwrap_or("-")));
    }

    pub(super) fn acknowledged(&self, key: &str, row: Option<&str>) {
        self.line(&format!("A {key} {}", row.unwrap_or("-")));
    }

    pub(super) fn delivered(&self, lines: &[(String, u64)]) {
        let lines = lines
            .iter()
            .map(|(key, sequence)| format!("D {key} {sequence}\n"));
        self.write(&lines.collect::<String>());
    }

    fn line(&self, line: &str) {
        self.write(&format!("{line}\n"));
    }

    fn write(&self, text: &str) {
        self.0.lock().unwrap().write_all(text.as_bytes()).unwrap();
    }
}

/// The lines of a journal, each as three words.
fn lines(path: &Path) -> Vec<[String; 3]> {
    let mut text = String::new();
    File::open(path).unwrap().read_to_string(&mut text).unwrap();
    let words = text.lines().map(|line| {
        let mut words = line.split(' ').map(str::to_owned);
        Some([words.next()?, words.next()?, words.next()?])
    });
    words.flatten().collect()
}

/// What the database may hold of one key.
#[derive(Clone, Debug, Default)]
pub(super) struct Expected {
    /// The last write that was acknowledged.
    acknowledged: Row,
    /// Writes after that, of which the last one that was accepted counts.
    begun: Vec<Row>,
    /// How many were acknowledged.
    pub(super) writes: u64,
}

impl Expected {
    pub(super) fn allows(&self, row: &Row) -> bool {
        self.acknowledged == *row || self.begun.contains(row)
    }
}

/// What the database may hold, by key.
pub(super) fn expected(path: &Path) -> HashMap<String, Expected> {
    let mut all: HashMap<String, Expected> = HashMap::new();
    for [what, key, value] in lines(path) {
        let row = (value != "-").then_some(value);
        let expected = all.entry(key).or_default();
        match what.as_str() {
            "B" => expected.begun.push(row),
            _ => {
                expected.acknowledged = row;
                expected.begun.clear();
                expected.writes += 1;
            }
        }
    }
    all
}

/// The deliveries of a key that came behind a newer one.
pub(super) fn disorder(path: &Path) -> Vec<String> {
    let mut highest: HashMap<String, u64> = HashMap::new();
    let mut found = Vec::new();
    for [_, key, sequence] in lines(path) {
        let sequence: u64 = sequence.parse().unwrap();
        let before = highest.entry(key.clone()).or_default();
        if sequence < *before {
            found.push(format!("{key}: {sequence} behind {before}"));
        }
        *before = sequence.max(*before);
    }
    found
}

#[test]
fn the_last_acknowledged_write_and_those_after_it_are_allowed() {
    let path = std::env::temp_dir().join(format!("cachekit-journal-{:016x}", fastrand::u64(..)));
    let journal = Journal::append(&path);
    for (row, is_acknowledged) in [("1", true), ("2", false), ("3", true), ("4", false)] {
        journal.begun("k", Some(row));
        if is_acknowledged {
            journal.acknowledged("k", Some(row));
        }
    }
    journal.begun("k", None);
    let expected = expected(&path)["k"].clone();
    std::fs::remove_file(&path).unwrap();
    let allowed = ["1", "2", "3", "4"].map(|row| expected.allows(&Some(row.to_owned())));
    assert_eq!(
        (allowed, expected.allows(&None)),
        ([false, false, true, true], true)
    );
}
