//! Warming, keeping warm, and one analysis of one content, between processes.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use cachekit_keys::{KeySchema, ProjectKey, Ttl};
use cachekit_patterns::{Cache, WarmOptions, each};
use cachekit_store::{RedisStore, Store, Tasks};
use cachekit_testkit::{
    RawClient,
    server::{Kind, Server},
};
use futures_util::future::join_all;
use tokio::time::{sleep, timeout};

use crate::support::{Bed, on_each_form, project_id, tag_of};

type Numbers = Cache<ProjectKey, u64>;

fn cache_of(bed: &Bed) -> Numbers {
    let cache = Cache::builder(Arc::clone(&bed.store), bed.schema.clone());
    cache.build().unwrap()
}

fn key(number: u64) -> ProjectKey {
    ProjectKey::file_tree(project_id(&format!("p{number}")))
}

fn keys(count: u64) -> Vec<ProjectKey> {
    (0..count).map(key).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_that_warm_the_same_keys_load_each_once() {
    on_each_form(|bed| async move {
        let other = bed.another().await;
        let (left, right, calls) = (cache_of(&bed), cache_of(&other), Arc::default());
        let loader = |calls: &Arc<AtomicU32>| {
            let calls = Arc::clone(calls);
            move |_| {
                let call = calls.fetch_add(1, Ordering::SeqCst);
                async move {
                    sleep(Duration::from_millis(2)).await;
                    Ok::<_, io::Error>(u64::from(call))
                }
            }
        };
        let options = WarmOptions::new().with_batch(50);
        let (one, two) = tokio::join!(
            left.warm_with(each(keys(300)), &options, loader(&calls), |_| {}),
            right.warm_with(each(keys(300)), &options, loader(&calls), |_| {})
        );
        for report in [&one, &two] {
            assert!(report.completed, "{bed:?}: {report:?}");
            assert_eq!((report.progress.done(), report.progress.failed), (300, 0));
        }
        assert_eq!(calls.load(Ordering::SeqCst), 300, "{bed:?}");
        let known = right.get_many(&keys(300)).await.unwrap();
        assert!(known.iter().all(Option::is_some));
        let (project, invalidation) = (project_id("p7"), bed.levels.invalidation());
        let cleared = invalidation.clear_project(&project);
        assert_eq!(
            cleared.await.unwrap(),
            1,
            "what was warmed is in its indices"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ready_values_are_written_in_batches_with_their_indices() {
    on_each_form(|bed| async move {
        let cache = cache_of(&bed);
        cache.set(&key(3), &100).await.unwrap();
        let options = WarmOptions::new()
            .with_batch(400)
            .with_tags([tag_of("nightly")]);
        let values = each(keys(3_000).into_iter().zip(0..));
        let report = cache.warm_values_with(values, &options, |_| {}).await;
        let progress = report.progress;
        assert!(report.completed, "{bed:?}: {report:?}");
        assert_eq!(
            (progress.stored, progress.skipped, progress.position),
            (2_999, 1, 3_000),
            "{bed:?}: {report:?}"
        );
        assert_eq!(cache.get(&key(3)).await.unwrap(), Some(100));
        assert_eq!(cache.get(&key(2_999)).await.unwrap(), Some(2_999));
        // Where the tag's index is in another slot, it may list what was left in place too.
        let listed = bed.invalidate("nightly").await;
        assert!((2_999..=3_000).contains(&listed), "{bed:?}: {listed}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hot_keys_are_back_after_a_flush_loaded_by_one_process() {
    let Some(server) = Server::start(Kind::Redis7).await.unwrap() else {
        return;
    };
    let calls = Arc::new(AtomicU32::new(0));
    let (mut caches, tasks) = (Vec::new(), Tasks::new());
    for _ in 0..3 {
        let store = RedisStore::connect(&server.url()).await.unwrap();
        let store = Arc::new(store) as Arc<dyn Store>;
        let cache = Cache::<ProjectKey, u64>::builder(store, KeySchema::plain())
            .ttl(Ttl::seconds(600))
            .build()
            .unwrap();
        let counted = Arc::clone(&calls);
        let worker = cache
            .keep_warm(
                |_: usize| keys(20),
                move |_| {
                    counted.fetch_add(1, Ordering::SeqCst);
                    async { Ok::<_, io::Error>(7) }
                },
            )
            .interval(Duration::from_millis(50))
            .loads_per_second(1_000)
            .concurrency(20);
        tasks
            .spawn_until_stopped("keep warm", |stop| worker.run(stop))
            .unwrap();
        caches.push(cache);
    }
    let is_warm = || async {
        let known = caches[0].get_many(&keys(20)).await.unwrap();
        known.iter().all(Option::is_some)
    };
    let address = format!("{}:{}", server.host(), server.port());
    let mut raw = RawClient::connect(&address).unwrap();
    for round in 1..=5 {
        let warm = async {
            while !is_warm().await {
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(Duration::from_secs(20), warm)
            .await
            .expect("it is warm");
        sleep(Duration::from_millis(300)).await;
        assert_eq!(calls.load(Ordering::SeqCst), 20 * round);
        raw.text(&["FLUSHALL"]).unwrap();
    }
    let report = tasks.shutdown(Duration::from_secs(5)).await;
    assert!(report.cut_off.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_content_is_analysed_once_in_the_fleet_and_anew_for_a_new_version() {
    on_each_form(|bed| async move {
        let others = join_all((0..3).map(|_| bed.another())).await;
        let calls = Arc::new(AtomicU32::new(0));
        let ask_all = || {
            join_all((0..60).map(|n| {
                let (project, calls) = (others[n % 3].project("p"), Arc::clone(&calls));
                async move {
                    let analyze = move || async move {
                        sleep(Duration::from_millis(100)).await;
                        Ok::<_, io::Error>(calls.fetch_add(1, Ordering::SeqCst))
                    };
                    let code = "def hello(): pass";
                    project
                        .get_or_analyze::<u32, _, _, _, _>(code, analyze)
                        .await
                        .unwrap()
                }
            }))
        };
        assert_eq!(ask_all().await, [0; 60], "{bed:?}");
        bed.project("p").set("file_tree", &["a.rs"]).await.unwrap();
        assert_eq!(bed.project("p").clear_analyses().await.unwrap(), 1);
        assert_eq!(ask_all().await, [1; 60], "{bed:?}");
        let tree: Option<Vec<String>> = bed.project("p").get("file_tree").await.unwrap();
        assert!(tree.is_some());
    })
    .await;
}
