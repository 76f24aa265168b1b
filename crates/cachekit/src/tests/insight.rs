//! That what the caches of a kit do reaches those who count it.

use std::{sync::Arc, time::Duration};

use cachekit_store::{Fault, FaultPlan, FaultRule, Faults, StopSignal, StoreExt};

use crate::{
    CacheKit, CacheKitBuilder, ErrorKind, HitOptions, HotKeys, MemoryStore, ProjectId, ProjectKey,
    Store, Ttl,
};

fn over(store: &Arc<MemoryStore>) -> CacheKitBuilder {
    CacheKit::builder().store(Arc::clone(store) as Arc<dyn Store>)
}

fn tree() -> ProjectKey {
    ProjectKey::file_tree(ProjectId::new("proj456").unwrap())
}

#[cfg(feature = "patterns")]
#[tokio::test]
async fn the_kits_of_a_fleet_count_together_what_their_caches_do() {
    let store = Arc::new(MemoryStore::new());
    let tracking = || over(&store).track_hits(HitOptions::new()).build().unwrap();
    let (one, other, silent) = (tracking(), tracking(), over(&store).build().unwrap());
    let loads = one.cache::<ProjectKey, u32>().build().unwrap();
    let loader = || async { Ok::<_, std::io::Error>(7) };
    loads.get_or_load(&tree(), loader).await.unwrap();
    let project = other.project(&ProjectId::new("proj456").unwrap());
    assert_eq!(project.get::<u32>("file_tree").await.unwrap(), Some(7));
    silent.global().get::<u32>("motd").await.unwrap();

    // What the other one has counted is not flushed yet.
    assert_eq!(one.cache_stats().await.unwrap().total_requests, 1);
    let stats = other.cache_stats().await.unwrap();
    assert_eq!((stats.total_hits, stats.total_misses), (1, 1));
    assert_eq!(stats.families["project"].loads, 1);
    assert_eq!(silent.cache_stats().await.unwrap(), stats);
}

/// A kit whose store does this to every flush.
fn flushing(fault: Fault) -> (CacheKit, impl Fn() -> u64) {
    let plan = FaultPlan::new();
    let rule = plan.add(FaultRule::new(fault).on("hits_add"));
    let store = Faults::new(Arc::new(MemoryStore::new()), &plan);
    let kit = CacheKit::builder().store(Arc::new(store));
    let kit = kit.track_hits(HitOptions::new()).build().unwrap();
    (kit, move || plan.struck(rule))
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_flushes_what_its_tasks_count_to_the_last() {
    let (kit, flushes) = flushing(Fault::Delay(Duration::ZERO));
    let counting = kit.hit_tracker().clone();
    let last = |stop: StopSignal| async move {
        stop.stopped().await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        counting.track_hit(&tree());
    };
    kit.tasks().spawn_until_stopped("last", last).unwrap();
    kit.track_cache_hit(&tree());
    let report = kit.shutdown(Duration::from_secs(5)).await;
    assert!(report.completed && report.hits_flushed);
    assert_eq!(flushes(), 2, "one by the worker, one at the very end");
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_says_what_was_not_flushed() {
    let (kit, _) = flushing(Fault::Refuse(ErrorKind::Unavailable));
    kit.track_cache_hit(&tree());
    let report = kit.shutdown(Duration::from_secs(5)).await;
    assert!(!report.completed && !report.hits_flushed && report.store_closed);
}

#[tokio::test(start_paused = true)]
async fn a_flush_that_hangs_does_not_keep_a_shutdown_beyond_its_deadline() {
    let (kit, _) = flushing(Fault::Hang);
    kit.track_cache_hit(&tree());
    let start = tokio::time::Instant::now();
    let report = kit.shutdown(Duration::from_secs(5)).await;
    assert_eq!(start.elapsed(), Duration::from_secs(5));
    assert_eq!(report.cut_off_tasks, ["flush hit counts"]);
    assert!(!report.hits_flushed);
}

#[tokio::test]
async fn hits_cannot_be_tracked_where_nothing_can_flush() {
    let built = std::thread::spawn(|| CacheKit::builder().track_hits(HitOptions::new()).build());
    let error = built.join().unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
}

#[cfg(feature = "patterns")]
#[tokio::test]
async fn hot_keys_are_those_that_the_caches_are_asked_for() {
    let hot = HotKeys::builder().sample(1).build();
    let kit = CacheKit::builder().watch_hot_keys(hot).build().unwrap();
    let project = kit.project(&ProjectId::new("proj456").unwrap());
    for name in ["file_tree", "recent_issues", "file_tree"] {
        project.get::<u32>(name).await.unwrap();
    }
    let hottest = kit.hot_keys::<ProjectKey>(1);
    assert_eq!(
        kit.schema().parse::<ProjectKey>(&hottest[0].key).unwrap(),
        tree()
    );
    assert!(CacheKit::memory().hot_keys::<ProjectKey>(1).is_empty());
}

#[cfg(feature = "patterns")]
#[tokio::test(start_paused = true)]
async fn what_is_asked_for_most_stays_warm_through_its_expiry_and_a_flush() {
    let hot = HotKeys::builder().sample(1).build();
    let kit = CacheKit::builder().watch_hot_keys(hot).build().unwrap();
    let trees = kit.cache::<ProjectKey, u32>().ttl(Ttl::seconds(60));
    let trees = trees.build().unwrap();
    for _ in 0..5 {
        trees.get(&tree()).await.unwrap();
    }
    let loader = |_: ProjectKey| async { Ok::<_, std::io::Error>(7) };
    let worker = kit.keep_warm(&trees, loader).unwrap().keys(1);
    kit.tasks()
        .spawn_until_stopped("keep warm", |stop| worker.run(stop))
        .unwrap();
    for minute in 0..5 {
        // Looked at without the cache, so that these looks do not keep the key hot.
        tokio::time::sleep(Duration::from_secs(60)).await;
        let key = kit.schema().key(&tree());
        assert!(kit.store().get(&key).await.unwrap().is_some(), "{minute}");
        kit.store().delete_one(&key).await.unwrap();
    }
    let nobody_watches = CacheKit::memory().keep_warm(&trees, loader).unwrap_err();
    assert_eq!(nobody_watches.kind(), ErrorKind::Configuration);
}
