//! What an observer is told of reads and loads.

use std::{collections::HashMap, io, sync::Arc};

use cachekit_keys::{KeySchema, ProjectKey, SessionId, Ttl};
use cachekit_store::{CallOutcome, ErrorKind, Event, MemoryStore, Observer, Observers};
use parking_lot::Mutex;
use tokio::time::advance;

use super::support::{Origins, builder, project, secs, settle, tree};
use crate::{LevelCaches, Loaded};

/// Keeps what it was told as text.
#[derive(Debug, Default)]
struct Told(Mutex<Vec<String>>);

impl Observer for Told {
    fn observe(&self, event: &Event<'_>) {
        let line = match event {
            Event::CacheRead {
                family,
                keys,
                reads,
                ..
            } => {
                let names: Vec<String> = keys.iter().map(ToString::to_string).collect();
                let (hits, misses, negative) = (reads.hits, reads.misses, reads.negative);
                format!(
                    "{family}: {hits} hits, {misses} misses, {negative} negative, {}",
                    names.join(" ")
                )
            }
            Event::CacheServedStale { family, .. } => format!("{family}: stale"),
            Event::CacheLoad {
                family,
                keys,
                outcome,
                elapsed,
                ..
            } => format!("{family}: loaded {keys} in {elapsed:?}, {outcome:?}"),
            other => panic!("{other:?}"),
        };
        self.0.lock().push(line);
    }
}

impl Told {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock())
    }
}

fn told() -> (Arc<Told>, Observers) {
    let told = Arc::new(Told::default());
    let observers = Observers::none().with(Arc::clone(&told) as Arc<dyn Observer>);
    (told, observers)
}

const TREE: &str = "project:proj456:file_tree";

#[tokio::test(start_paused = true)]
async fn each_read_and_load_is_reported_once_under_the_familys_name() {
    let (told, observers) = told();
    let cache = builder(&Arc::default()).observers(observers);
    let cache = cache.stale_for(Ttl::seconds(50)).build().unwrap();
    let origin = Origins::default();

    let slow = origin.after(secs(2));
    cache.get_or_load(&tree(), slow).await.unwrap();
    assert_eq!(
        told.take(),
        [
            format!("project: 0 hits, 1 misses, 0 negative, {TREE}"),
            "project: loaded 1 in 2s, Completed".to_owned(),
        ]
    );
    cache.get_or_load(&tree(), origin.now()).await.unwrap();
    cache.get(&tree()).await.unwrap();
    let hit = format!("project: 1 hits, 0 misses, 0 negative, {TREE}");
    assert_eq!(told.take(), [hit.clone(), hit]);

    advance(secs(101)).await;
    cache.get_or_load(&tree(), origin.failing()).await.unwrap();
    settle().await;
    let failed = CallOutcome::Failed(ErrorKind::LoadFailed);
    assert_eq!(
        told.take(),
        [
            format!("project: 0 hits, 1 misses, 0 negative, {TREE}"),
            format!("project: loaded 1 in 0ns, {failed:?}"),
            "project: stale".to_owned(),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_one_report_of_its_reads_and_one_of_its_load() {
    let (told, observers) = told();
    let cache = builder(&Arc::default())
        .observers(observers)
        .build()
        .unwrap();
    cache.set(&tree(), &"here".to_owned()).await.unwrap();
    let keys = [
        tree(),
        ProjectKey::recent_issues(project()),
        ProjectKey::baseline_metrics(project()),
    ];
    let loader = |keys: Vec<ProjectKey>| async move {
        let found = keys.into_iter().next();
        let found = found.map(|key| (key, Loaded::value("loaded".to_owned())));
        Ok::<_, io::Error>(found.into_iter().collect::<HashMap<_, _>>())
    };
    cache.get_or_load_many(&keys, loader).await.unwrap();
    let names = format!("{TREE} project:proj456:recent_issues project:proj456:baseline_metrics");
    assert_eq!(
        told.take(),
        [
            format!("project: 1 hits, 2 misses, 0 negative, {names}"),
            "project: loaded 2 in 0ns, Completed".to_owned(),
        ]
    );
    cache.get_many(&keys).await.unwrap();
    let found = format!("project: 3 hits, 0 misses, 1 negative, {names}");
    assert_eq!(told.take(), [found]);
}

#[tokio::test]
async fn levels_report_under_their_names_and_caches_made_of_them_too() {
    let (told, observers) = told();
    let levels = LevelCaches::builder(Arc::new(MemoryStore::new()), KeySchema::plain())
        .observers(observers)
        .build()
        .unwrap();
    let session = levels.session(&SessionId::new("abc123").unwrap());
    session.get::<u8>("line").await.unwrap();
    session.get_many::<u8>(&["a", "b"]).await.unwrap();
    session.get_many::<u8>(&[] as &[&str]).await.unwrap();
    levels.global().get::<u8>("motd").await.unwrap();
    let trees = levels.cache::<ProjectKey, u8>().build().unwrap();
    trees.get(&tree()).await.unwrap();
    assert_eq!(
        told.take(),
        [
            "session: 0 hits, 1 misses, 0 negative, session:abc123:line".to_owned(),
            "session: 0 hits, 2 misses, 0 negative, session:abc123:a session:abc123:b".to_owned(),
            "global: 0 hits, 1 misses, 0 negative, motd".to_owned(),
            format!("project: 0 hits, 1 misses, 0 negative, {TREE}"),
        ]
    );
}
