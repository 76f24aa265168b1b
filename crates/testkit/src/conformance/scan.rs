//! Walks over the keyspace: completeness, patterns, bounded steps.

use std::collections::BTreeSet;

use cachekit_keys::{Key, Pattern};
use cachekit_store::{ScanRequest, SetItem, SetOptions, StoreExt};

use super::{
    fixture::{Fixture, LONG},
    space::TestSpace,
};

async fn put_all(fixture: &Fixture, keys: &[Key]) {
    let item = |key: &Key| SetItem::new(key.clone(), "v", SetOptions::ttl(LONG));
    let items: Vec<SetItem> = keys.iter().map(item).collect();
    fixture.store.set_many(&items).await.unwrap();
}

async fn find(fixture: &Fixture, pattern: Pattern) -> BTreeSet<Key> {
    let mut request = ScanRequest::new(pattern);
    let mut found = BTreeSet::new();
    loop {
        let page = fixture.store.scan(&request).await.unwrap();
        found.extend(page.keys);
        match page.next {
            Some(next) => request = request.continue_from(next),
            None => return found,
        }
    }
}

pub(super) async fn every_key_is_found(fixture: &Fixture) {
    let keys = fixture.space.keys("k", 500);
    put_all(fixture, &keys).await;
    assert_eq!(
        find(fixture, fixture.space.everything()).await,
        BTreeSet::from_iter(keys)
    );
}

pub(super) async fn other_namespaces_are_not_reported(fixture: &Fixture) {
    let other = TestSpace::random();
    let [mine, foreign] = [fixture.key("a"), other.key("a")];
    put_all(fixture, &[mine.clone(), foreign]).await;
    assert_eq!(
        find(fixture, fixture.space.everything()).await,
        BTreeSet::from([mine])
    );
    other.clean_up(&*fixture.store).await.unwrap();
}

pub(super) async fn literals_in_patterns_match_only_themselves(fixture: &Fixture) {
    for special in ["*", "?", "[ab]", "\\", "[^a]", "a]b"] {
        let key = fixture.key(format!("{special}:x"));
        put_all(
            fixture,
            &[
                key.clone(),
                fixture.key("a:x"),
                fixture.key("b:x"),
                fixture.key("ab:x"),
            ],
        )
        .await;
        let found = find(fixture, fixture.space.starting_with(&format!("{special}:"))).await;
        assert_eq!(found, BTreeSet::from([key]), "{special:?}");
    }
}

pub(super) async fn pages_are_bounded(fixture: &Fixture) {
    put_all(fixture, &fixture.space.keys("k", 2_000)).await;
    let request = ScanRequest::new(fixture.space.everything()).with_count(50);
    let page = fixture.store.scan(&request).await.unwrap();
    assert!(
        page.next.is_some(),
        "fifty of two thousand keys are not the end"
    );
    assert!(
        page.keys.len() < 500,
        "{} keys where about fifty were asked for",
        page.keys.len()
    );
}

pub(super) async fn a_huge_count_is_taken(fixture: &Fixture) {
    let keys = fixture.space.keys("k", 100);
    put_all(fixture, &keys).await;
    let mut request = ScanRequest::new(fixture.space.everything()).with_count(usize::MAX);
    let mut found = BTreeSet::new();
    loop {
        let page = fixture.store.scan(&request).await.unwrap();
        found.extend(page.keys);
        let Some(next) = page.next else { break };
        request = request.continue_from(next);
    }
    assert_eq!(found, BTreeSet::from_iter(keys));
}

pub(super) async fn keys_that_stay_are_found_while_others_come_and_go(fixture: &Fixture) {
    let staying = fixture.space.keys("stays", 300);
    let passing = fixture.space.keys("passes", 1_000);
    put_all(fixture, &staying).await;
    let mut request = ScanRequest::new(fixture.space.everything()).with_count(30);
    let mut found = BTreeSet::new();
    let mut batches = passing.chunks(100).cycle();
    for step in 0_usize.. {
        let page = fixture.store.scan(&request).await.unwrap();
        found.extend(page.keys);
        let Some(next) = page.next else { break };
        request = request.continue_from(next);
        // Ten batches come, which makes tables grow, then they go again.
        match (step / 10 % 2, batches.next()) {
            (0, Some(batch)) => put_all(fixture, batch).await,
            (_, Some(batch)) => drop(fixture.store.delete(batch).await.unwrap()),
            (_, None) => unreachable!("the batches go round"),
        }
    }
    assert!(staying.iter().all(|key| found.contains(key)));
}

pub(super) async fn deleting_what_matches_spares_the_rest(fixture: &Fixture) {
    let (gone, kept) = (
        fixture.space.keys("gone:", 50),
        fixture.space.keys("kept:", 50),
    );
    put_all(fixture, &gone).await;
    put_all(fixture, &kept).await;
    let pattern = fixture.space.starting_with("gone:");
    assert_eq!(fixture.store.delete_matching(&pattern).await.unwrap(), 50);
    assert_eq!(
        find(fixture, fixture.space.everything()).await,
        BTreeSet::from_iter(kept)
    );
}
