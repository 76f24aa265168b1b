//! Which hours are read, and what is made of what is there.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use cachekit_keys::{HitKey, HitWindow, Key, KeySchema, Namespace};
use cachekit_store::{
    CacheReads, CallOutcome, ErrorKind, Event, Fault, FaultPlan, FaultRule, MemoryStore,
    Namespaced, Observer, Reply, Result, Script, ScriptCall, Store, Transaction,
};
use tokio::time::advance;

use super::support::{START, faulty, fleet_of, memory, tracker, tree};
use crate::{HitOptions, HitRange, HitTracker};

const HOUR: Duration = Duration::from_secs(3_600);

#[tokio::test(start_paused = true)]
async fn a_range_is_of_whole_hours_up_to_this_one() {
    let store = memory();
    let hits = tracker(&store);
    // One in each of 200 hours, the last of which began at 2024-12-02T13.
    store.set_wall_clock(SystemTime::UNIX_EPOCH + Duration::from_secs(START) - 199 * HOUR);
    for hour in 0..200 {
        hits.track_hit(&tree());
        hits.flush().await.unwrap();
        if hour < 199 {
            advance(HOUR).await;
        }
    }
    let hits_of = async |range| fleet_of(&store, range).await.total_hits;
    assert_eq!(hits_of(HitRange::last_hours(0)).await, 1);
    assert_eq!(hits_of(HitRange::last_hours(3)).await, 4);
    assert_eq!(hits_of(HitRange::default()).await, 25);
    assert_eq!(hits_of(HitRange::today()).await, 14);
    assert_eq!(hits_of(HitRange::all()).await, 7 * 24 + 1);
    assert_eq!(hits_of(HitRange::last_hours(u64::MAX)).await, 7 * 24 + 1);

    let today = fleet_of(&store, HitRange::today()).await;
    let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    let midnight = START / 86_400 * 86_400;
    assert_eq!(
        (today.from, today.until),
        (at(midnight), at(midnight + 14 * 3_600))
    );
}

#[tokio::test(start_paused = true)]
async fn namespaces_are_counted_apart() {
    let store = memory();
    let of = |namespace: &str| {
        let schema = KeySchema::plain().with_namespace(Namespace::new(namespace).unwrap());
        let store = Arc::clone(&store) as Arc<dyn Store>;
        HitTracker::new(store, schema, HitOptions::new()).0
    };
    let (staging, canary) = (of("staging"), of("canary"));
    staging.track_hit(&tree());
    staging.flush().await.unwrap();
    assert_eq!(staging.stats().await.unwrap().total_hits, 1);
    assert_eq!(canary.stats().await.unwrap().total_hits, 0);
}

#[tokio::test(start_paused = true)]
async fn a_flush_is_one_slots_on_a_cluster_and_goes_through_a_layer_that_renames() {
    let clustered = MemoryStore::builder().clustered(true).build();
    let tenant = Namespace::new("tenant").unwrap();
    let renamed = Namespaced::new(memory(), &tenant);
    let stores: [Arc<dyn Store>; 2] = [Arc::new(clustered), Arc::new(renamed)];
    for store in stores {
        for schema in [KeySchema::plain(), KeySchema::sharded()] {
            let namespace = Namespace::new(format!("{:?}", schema.format())).unwrap();
            let schema = schema.with_namespace(namespace);
            let (hits, _) = HitTracker::new(Arc::clone(&store), schema, HitOptions::new());
            hits.track_hit(&tree());
            hits.flush().await.unwrap();
            let all = hits.stats_of(HitRange::all()).await.unwrap();
            assert_eq!(all.total_hits, 1);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn time_saved_is_told_by_family_and_in_all() {
    let store = memory();
    let hits = tracker(&store);
    for (family, reads, millis) in [("project", 10, 200), ("model", 4, 3_000)] {
        hits.observe(&Event::cache_read(family, &[], CacheReads::hits(reads)));
        let elapsed = Duration::from_millis(millis);
        hits.observe(&Event::cache_load(
            family,
            1,
            CallOutcome::Completed,
            elapsed,
        ));
    }
    hits.observe(&Event::cache_read("session", &[], CacheReads::hits(9)));
    let stats = hits.stats().await.unwrap();
    let saved = |family: &str| stats.families[family].time_saved();
    assert_eq!(saved("project"), Duration::from_secs(2));
    assert_eq!(saved("model"), Duration::from_secs(12));
    assert_eq!(saved("session"), Duration::ZERO, "nobody knows");
    assert_eq!(stats.time_saved, Duration::from_secs(14));
    assert_eq!(stats.total().loads, 2);
}

/// Writes fields of a hash as no kit does.
const SCRIBBLE: Script = Script::new("scribble", "").with_body(scribble);

fn scribble(tx: &mut dyn Transaction, keys: &[Key], args: &[Bytes]) -> Result<Reply> {
    for pair in args.chunks(2) {
        tx.hset(&keys[0], &[(pair[0].clone(), pair[1].clone())])?;
    }
    Ok(Reply::Nil)
}

#[tokio::test(start_paused = true)]
async fn what_no_kit_has_written_is_not_counted() {
    let store = memory();
    let window = HitWindow::at(START).unwrap();
    let counts = KeySchema::plain().hit_key(HitKey::Counts(window));
    let fields = [
        "project:hits",
        "5",
        "project:of_a_later_version",
        "7",
        "nonsense",
        "1",
        "session:hits",
        "many",
        "model:misses",
        "-3",
        "\u{fffd}:misses",
        "2",
    ];
    let args = fields.map(Bytes::from).to_vec();
    let call = ScriptCall::new(vec![counts], args);
    store.run_script(&SCRIBBLE, &[call]).await.unwrap();
    let stats = fleet_of(&store, HitRange::default()).await;
    assert_eq!((stats.total_hits, stats.total_misses), (5, 2));
}

#[tokio::test(start_paused = true)]
async fn the_fleets_numbers_are_read_where_nothing_can_be_written() {
    let (store, plan) = (memory(), FaultPlan::new());
    let other = tracker(&store);
    other.track_hit(&tree());
    other.flush().await.unwrap();

    let hits = faulty(&store, &plan);
    plan.add(FaultRule::new(Fault::Refuse(ErrorKind::OutOfMemory)).on("hits_add"));
    hits.track_miss(&tree());
    let stats = hits.stats().await.unwrap();
    assert_eq!((stats.total_hits, stats.total_misses), (1, 0));
    assert_eq!(hits.failed_flushes(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_process_that_only_reads_writes_nothing() {
    let store = Arc::new(MemoryStore::new());
    let plan = FaultPlan::new();
    plan.add(FaultRule::new(Fault::Refuse(ErrorKind::ReadOnly)).on("hits_add"));
    let reader = faulty(&store, &plan);
    assert_eq!(reader.stats().await.unwrap().total_requests, 0);
    assert_eq!((plan.injected(), reader.failed_flushes()), (0, 0));
    assert_eq!(plan.calls(), 2, "the time, and one batch");
}
