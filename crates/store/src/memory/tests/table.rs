//! The hash table behind a shard.

use std::time::Duration;

use cachekit_keys::Key;

use super::{
    super::{
        clock::{Clock, Deadline, Moment},
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
        put(&mut table, number, Deadline::NEVER);
    }
    table
}

fn put(table: &mut Table, number: usize, deadline: Deadline) {
    let value = Value::text("value".into());
    table.put(hash(number), &numbered(number), value, deadline);
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
        table.put(42, &numbered(number), Value::foreign(), Deadline::NEVER);
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
    put(&mut table, 0, Deadline::NEVER);
    assert_eq!((table.len(), table.cost()), (1, cost));
    let now = Clock::start().now();
    table.change(hash(0), &numbered(0), |entry| {
        entry.deadline = now.after(Duration::MAX)
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

/// A table of so many entries, of which number `n` expires `n` seconds from `now`.
fn expiring(len: usize, now: Moment) -> Table {
    let mut table = Table::default();
    for number in 0..len {
        put(&mut table, number, now.after(seconds(number)));
    }
    table
}

fn seconds(count: usize) -> Duration {
    Duration::from_secs(count as u64)
}

/// The moment `count` seconds after `now`.
fn later(now: Moment, count: usize) -> Moment {
    now.plus(seconds(count))
}

#[test]
fn sweeping_frees_all_that_has_expired_and_nothing_else() {
    let now = Clock::start().now();
    let mut table = expiring(1_000, now);
    for half in [500, 750] {
        // As many buckets as there may be, and the rest of the round before.
        (0..1_024).for_each(|_| table.sweep(later(now, half), 2));
        assert_eq!(table.len(), 999 - half);
    }
    assert!(table.find(hash(750), &numbered(750)).is_none());
    assert!(table.find(hash(751), &numbered(751)).is_some());
}

#[test]
fn a_deadline_that_is_brought_forward_is_swept_in_time() {
    let now = Clock::start().now();
    let mut table = filled(100);
    (0..200).for_each(|_| table.sweep(later(now, 10), 2));
    assert_eq!(table.len(), 100);
    table.change(hash(7), &numbered(7), |entry| {
        entry.deadline = now.after(seconds(3))
    });
    put(&mut table, 8, now.after(seconds(4)));
    (0..200).for_each(|_| table.sweep(later(now, 2), 2));
    assert_eq!(table.len(), 100);
    (0..200).for_each(|_| table.sweep(later(now, 3), 2));
    assert_eq!(table.len(), 99);
    (0..200).for_each(|_| table.sweep(later(now, 4), 2));
    assert_eq!(table.len(), 98);
}

#[test]
fn what_is_written_during_a_round_is_swept_after_it() {
    let now = Clock::start().now();
    // Into buckets that the round has passed, and into some that it has before it.
    for number in 200..240 {
        let mut table = filled(100);
        put(&mut table, 0, now.after(seconds(1)));
        table.sweep(later(now, 1), 16);
        put(&mut table, number, now.after(seconds(2)));
        (0..200).for_each(|_| table.sweep(later(now, 1), 2));
        assert_eq!(table.len(), 100);
        (0..200).for_each(|_| table.sweep(later(now, 2), 2));
        assert_eq!(table.len(), 99);
    }
}
