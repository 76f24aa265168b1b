//! What is counted in a process, and that nothing is lost between threads.

use std::{sync::Arc, thread, time::Duration};

use cachekit_store::{CacheReads, CallOutcome, ErrorKind, Event, Observer};

use super::support::{memory, snippet, tracker, tree};
use crate::FamilyStats;

#[test]
fn events_are_counted_by_family() {
    let hits = tracker(&memory());
    let mut reads = CacheReads::hits(3);
    (reads.misses, reads.negative, reads.corrupt, reads.newer) = (4, 1, 2, 1);
    hits.observe(&Event::cache_read("project", &[], reads));
    hits.observe(&Event::cache_served_stale("project"));
    let loaded = |keys, outcome, millis| {
        let elapsed = Duration::from_millis(millis);
        hits.observe(&Event::cache_load("project", keys, outcome, elapsed));
    };
    loaded(1, CallOutcome::Completed, 20);
    loaded(9, CallOutcome::Completed, 80);
    loaded(1, CallOutcome::Failed(ErrorKind::LoadFailed), 5_000);
    hits.track_miss(&snippet());

    let local = hits.local();
    assert_eq!(
        local["project"],
        FamilyStats {
            hits: 3,
            misses: 4,
            stale_hits: 1,
            negative: 1,
            corrupt: 2,
            newer: 1,
            loads: 3,
            load_errors: 1,
            loaded_keys: 10,
            load_time: Duration::from_millis(100),
        }
    );
    let project = local["project"];
    assert_eq!(project.mean_load_time(), Some(Duration::from_millis(10)));
    assert_eq!(project.time_saved(), Duration::from_millis(30));
    assert_eq!(project.requests(), 7);
    assert_eq!(
        (local["session"].misses, local["session"].hit_rate()),
        (1, Some(0.0))
    );
    assert_eq!(local.len(), 2);
}

#[test]
fn what_caches_do_not_report_is_not_counted() {
    let hits = tracker(&memory());
    // The only kinds of events that can be made from outside of the store are those of caches: an empty read counts nothing.
    hits.observe(&Event::cache_read("project", &[], CacheReads::default()));
    assert_eq!(hits.local()["project"], FamilyStats::default());
}

#[test]
fn threads_count_exactly_and_families_beyond_the_bound_are_counted_together() {
    let hits = tracker(&memory());
    let names: Vec<&'static str> = (0..80)
        .map(|number| &*format!("family{number}").leak())
        .collect();
    let names = Arc::new(names);
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let (hits, names) = (hits.clone(), Arc::clone(&names));
            thread::spawn(move || {
                for round in 0..8_000 {
                    let name = names[round % names.len()];
                    hits.observe(&Event::cache_read(name, &[], CacheReads::hits(1)));
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    let local = hits.local();
    assert_eq!(local.len(), 65);
    assert_eq!(local["(other)"].hits, 16 * 800);
    assert!(
        local
            .iter()
            .all(|(name, family)| *name == "(other)" || family.hits == 800)
    );
}

#[tokio::test]
async fn counting_by_hand_reaches_the_fleet() {
    let store = memory();
    let hits = tracker(&store);
    for _ in 0..10 {
        hits.track_hit(&tree());
    }
    hits.track_miss(&tree());
    let stats = hits.stats().await.unwrap();
    assert_eq!(
        (stats.total_hits, stats.total_misses, stats.total_requests),
        (10, 1, 11)
    );
    assert_eq!(stats.hit_rate, Some(10.0 / 11.0));
}
