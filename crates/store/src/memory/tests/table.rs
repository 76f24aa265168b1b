//! The hash table behind a shard.

use cachekit_keys::Key;

use super::{
    super::{
        clock::{Clock, Deadline},
        entry::Entry,
        table::{Place, Table},
        value::Value,
    },
    numbered,
};

/// Spreads small numbers over one shard's hashes (its leading bits stay zero).
fn hash(number: usize) -> u64 {
    (number as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 6
}

fn filled(len: usize) -> Table {
    let mut table = Table::default();
    for number in 0..len {
        table.put(entry(number));
    }
    table
}

fn entry(number: usize) -> Entry {
    Entry::new(
        hash(number),
        numbered(number),
        Value::text("value".into()),
        Deadline::NEVER,
    )
}

fn keys_in_order(table: &Table) -> Vec<Key> {
    let mut keys = Vec::new();
    let mut next = Some(Place::START);
    while let Some(place) = next.filter(|place| place.shard() == 0) {
        keys.extend(table.bucket(place).iter().map(|entry| entry.key.clone()));
        next = table.place_after(place);
    }
    keys
}

#[test]
fn entries_are_found_through_growth_and_shrinkage() {
    let mut table = filled(10_000);
    assert!((0..10_000).all(|number| table.find(hash(number), &numbered(number)).is_some()));
    let now = Clock::start().now();
    for number in 100..10_000 {
        assert!(table.remove(hash(number), &numbered(number)).is_some());
        table.sweep(now, 1);
    }
    assert_eq!(table.len(), 100);
    assert!((0..100).all(|number| table.find(hash(number), &numbered(number)).is_some()));
    assert_eq!(keys_in_order(&table).len(), 100);
}

#[test]
fn keys_of_one_hash_are_told_apart() {
    let mut table = Table::default();
    for number in 0..50 {
        table.put(Entry::new(
            42,
            numbered(number),
            Value::foreign(),
            Deadline::NEVER,
        ));
    }
    assert_eq!(table.len(), 50);
    assert!(table.remove(42, &numbered(7)).is_some());
    assert!(table.find(42, &numbered(7)).is_none());
    assert!(table.find(42, &numbered(8)).is_some());
}

#[test]
fn putting_twice_replaces_and_keeps_the_books() {
    let mut table = filled(1);
    let cost = table.cost();
    table.put(entry(0));
    assert_eq!((table.len(), table.cost()), (1, cost));
    let now = Clock::start().now();
    table.change(hash(0), &numbered(0), |entry| {
        entry.deadline = now.after(std::time::Duration::MAX)
    });
    assert_eq!(table.evictable_cost(), cost);
    table.remove(hash(0), &numbered(0));
    assert_eq!(
        (table.len(), table.cost(), table.evictable_cost()),
        (0, 0, 0)
    );
}

#[test]
fn every_place_can_be_read_back_from_its_number() {
    let table = filled(1_000);
    let mut next = Some(Place::START);
    let mut places = 0;
    while let Some(place) = next.filter(|place| place.shard() == 0) {
        assert_eq!(Place::from_raw(place.raw()), Some(place));
        next = table.place_after(place);
        places += 1;
    }
    assert!(
        places >= 333,
        "{places} buckets hold at most three keys each"
    );
    assert_eq!(Place::from_raw(1), None);
}

#[test]
fn an_entry_is_small() {
    assert!(size_of::<Entry>() <= 88, "{}", size_of::<Entry>());
}
