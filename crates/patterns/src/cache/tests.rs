//! The typed cache on the memory store, under paused time.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use cachekit_codec::{Codec, ValueFormat};
use cachekit_keys::{
    Jitter, Key, KeySchema, ModelKey, Namespace, ProjectId, ProjectKey, SessionId, SessionKey, Ttl,
};
use cachekit_store::{
    Condition, ErrorKind, Event, KeyExpiry, MemoryStore, Observer, Observers, Store, StoreExt,
};

use super::{Cache, CacheBuilder};
use crate::{Loaded, Refresh, WriteOptions};

fn builder(store: &Arc<MemoryStore>) -> CacheBuilder<ProjectKey, u32> {
    Cache::builder(Arc::clone(store) as Arc<dyn Store>, KeySchema::plain())
}

fn store() -> Arc<MemoryStore> {
    Arc::new(MemoryStore::new())
}

fn project() -> ProjectId {
    ProjectId::new("proj456").unwrap()
}

fn tree() -> ProjectKey {
    ProjectKey::file_tree(project())
}

fn issues() -> ProjectKey {
    ProjectKey::recent_issues(project())
}

fn secs(seconds: u64) -> KeyExpiry {
    KeyExpiry::In(Duration::from_secs(seconds))
}

#[test]
fn the_lifetime_is_by_default_that_of_the_familys_level() {
    let (store, schema) = (store() as Arc<dyn Store>, KeySchema::plain);
    let session = Cache::<SessionKey, u32>::builder(Arc::clone(&store), schema())
        .build()
        .unwrap();
    let project = Cache::<ProjectKey, u32>::builder(Arc::clone(&store), schema())
        .build()
        .unwrap();
    let model = Cache::<ModelKey, u32>::builder(store, schema())
        .build()
        .unwrap();
    assert_eq!(session.ttl(), Ttl::seconds(300));
    assert_eq!(project.ttl(), Ttl::seconds(3_600));
    assert_eq!(model.ttl(), Ttl::seconds(86_400));
}

#[tokio::test(start_paused = true)]
async fn an_entry_lives_exactly_as_long_as_the_cache_says() {
    let cache = builder(&store()).ttl(Ttl::seconds(10)).build().unwrap();
    cache.set(&tree(), &1).await.unwrap();
    assert_eq!(cache.expiry(&tree()).await.unwrap(), secs(10));

    tokio::time::advance(Duration::from_millis(9_999)).await;
    assert_eq!(cache.get(&tree()).await.unwrap(), Some(1));
    tokio::time::advance(Duration::from_millis(1)).await;
    assert_eq!(cache.get(&tree()).await.unwrap(), None);
    assert_eq!(cache.expiry(&tree()).await.unwrap(), KeyExpiry::Missing);
}

#[tokio::test(start_paused = true)]
async fn a_write_can_have_a_lifetime_of_its_own() {
    let cache = builder(&store()).build().unwrap();
    let options = WriteOptions::new().with_ttl(Ttl::seconds(5));
    cache.set_with(&tree(), &1, &options).await.unwrap();
    cache
        .set_many_with(&[(issues(), 2)], &options)
        .await
        .unwrap();
    assert_eq!(cache.expiry(&tree()).await.unwrap(), secs(5));
    assert_eq!(cache.expiry(&issues()).await.unwrap(), secs(5));

    cache.set(&tree(), &1).await.unwrap();
    assert_eq!(cache.expiry(&tree()).await.unwrap(), secs(3_600));
}

#[tokio::test(start_paused = true)]
async fn jitter_only_shortens_and_spreads_a_batch() {
    let cache = builder(&store())
        .ttl(Ttl::seconds(100))
        .jitter(Jitter::fraction(0.5).unwrap())
        .build()
        .unwrap();
    let key = |n: u32| {
        let path = cachekit_keys::KeyPath::new(format!("n:{n}")).unwrap();
        ProjectKey::new(project(), path)
    };
    let values: Vec<(ProjectKey, u32)> = (0..50).map(|n| (key(n), n)).collect();
    cache.set_many(&values).await.unwrap();

    let mut lives = Vec::new();
    for (key, _) in &values {
        match cache.expiry(key).await.unwrap() {
            KeyExpiry::In(life) => lives.push(life),
            other => panic!("{other:?}"),
        }
    }
    let (min, max) = (lives.iter().min().unwrap(), lives.iter().max().unwrap());
    assert!(
        *min >= Duration::from_secs(50) && *max <= Duration::from_secs(100),
        "{min:?} {max:?}"
    );
    assert!(min < max);
}

#[tokio::test]
async fn a_condition_decides_whether_a_value_is_written() {
    let cache = builder(&store()).build().unwrap();
    let absent = WriteOptions::new().with_condition(Condition::IfAbsent);
    let present = WriteOptions::new().with_condition(Condition::IfPresent);

    assert!(!cache.set_with(&tree(), &1, &present).await.unwrap());
    assert!(cache.set_with(&tree(), &2, &absent).await.unwrap());
    let written = cache
        .set_many_with(&[(tree(), 3), (issues(), 4)], &absent)
        .await
        .unwrap();
    assert_eq!(written, [false, true]);
    assert_eq!(
        cache.get_many(&[tree(), issues()]).await.unwrap(),
        [Some(2), Some(4)]
    );
}

#[tokio::test]
async fn a_write_replaces_a_damaged_entry() {
    let store = store();
    let key = KeySchema::plain().key(&tree());
    store
        .set_ttl(&key, "{ damaged".into(), Ttl::seconds(60))
        .await
        .unwrap();
    let cache = builder(&store).build().unwrap();

    assert_eq!(cache.get(&tree()).await.unwrap(), None);
    cache.set(&tree(), &1).await.unwrap();
    assert_eq!(cache.get(&tree()).await.unwrap(), Some(1));
    assert_eq!((cache.counts().corrupt, cache.counts().hits), (1, 1));
}

#[tokio::test]
async fn a_key_of_another_redis_type_is_an_error_alone_and_a_miss_in_a_batch() {
    let store = store();
    store.put_foreign(&KeySchema::plain().key(&tree()));
    let cache = builder(&store).build().unwrap();

    assert_eq!(
        cache.get(&tree()).await.unwrap_err().kind(),
        ErrorKind::WrongType
    );
    assert_eq!(cache.get_many(&[tree()]).await.unwrap(), [None]);
}

#[tokio::test]
async fn removing_answers_what_there_was() {
    let cache = builder(&store()).build().unwrap();
    cache.set_many(&[(tree(), 1), (issues(), 2)]).await.unwrap();
    assert!(cache.remove(&tree()).await.unwrap());
    assert!(!cache.remove(&tree()).await.unwrap());
    assert_eq!(cache.remove_many(&[tree(), issues()]).await.unwrap(), 1);
    assert_eq!(
        cache.get_many(&[tree(), issues()]).await.unwrap(),
        [None, None]
    );
}

#[tokio::test]
async fn keys_follow_the_schemas_format_and_namespace() {
    let store = store();
    let schema = KeySchema::sharded().with_namespace(Namespace::new("staging").unwrap());
    let cache = Cache::<SessionKey, u32>::builder(Arc::clone(&store) as Arc<dyn Store>, schema);
    let session = SessionId::new("abc123").unwrap();
    cache
        .build()
        .unwrap()
        .set(&SessionKey::current_file(session), &7)
        .await
        .unwrap();

    let key = Key::from_raw("staging:session:{abc123}:current_file").unwrap();
    assert_eq!(store.get(&key).await.unwrap().unwrap(), "7");
}

#[tokio::test]
async fn clones_share_their_counts() {
    let cache = builder(&store()).build().unwrap();
    cache.clone().get(&tree()).await.unwrap();
    assert_eq!(cache.counts().misses, 1);
}

#[test]
fn a_format_that_contradicts_itself_fails_the_build() {
    let format = ValueFormat::plain_json().with_codec(Codec::Bincode);
    let error = builder(&store()).format(format).build().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert_eq!(
        error.to_string(),
        "build: wrong configuration: the value format cannot be used: \
         plain JSON has no other codec and no compression"
    );
}

#[test]
fn a_codec_that_is_not_built_in_fails_the_build() {
    let built = builder(&store())
        .format(ValueFormat::json().with_codec(Codec::MessagePack))
        .build();
    match built {
        Ok(_) => assert!(Codec::MessagePack.is_built_in()),
        Err(error) => {
            assert!(!Codec::MessagePack.is_built_in());
            assert_eq!(error.kind(), ErrorKind::Unsupported);
        }
    }
}

#[test]
fn debug_shows_no_value() {
    let text = format!(
        "{:?} {:?}",
        builder(&store()),
        builder(&store()).build().unwrap()
    );
    assert!(
        text.contains("CacheBuilder") && text.contains("ttl"),
        "{text}"
    );
}

/// How many loads a read each second for so long causes, of entries that live for less than the cache says.
async fn loads_of_short_lived(seconds: u64) -> u32 {
    let cache = builder(&store())
        .ttl(Ttl::seconds(3_600))
        .refresh(Refresh::at(0.8).unwrap())
        .build()
        .unwrap();
    let loads = Arc::new(AtomicU32::new(0));
    for _ in 0..seconds {
        let loads = Arc::clone(&loads);
        let loader = || async move {
            loads.fetch_add(1, Ordering::SeqCst);
            Ok::<_, Infallible>(Loaded::value(7).with_ttl(Ttl::seconds(300)))
        };
        assert_eq!(cache.get_or_load(&tree(), loader).await.unwrap(), 7);
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    loads.load(Ordering::SeqCst)
}

#[tokio::test(start_paused = true)]
async fn an_entry_of_a_shorter_life_is_refreshed_by_its_own_age() {
    assert_eq!(loads_of_short_lived(240).await, 1);
    assert_eq!(loads_of_short_lived(250).await, 2, "at 240 seconds of 300");
}

#[tokio::test(start_paused = true)]
async fn a_cache_under_a_name_of_its_own_reports_under_it() {
    let (store, tracker) = (store(), Arc::new(Names::default()));
    let observers = Observers::none().with(Arc::clone(&tracker) as Arc<dyn Observer>);
    let named = builder(&store).named("trees").observers(observers);
    named.build().unwrap().get(&tree()).await.unwrap();
    assert_eq!(*tracker.0.lock(), ["trees"]);
}

/// The names under which reads were reported.
#[derive(Debug, Default)]
struct Names(parking_lot::Mutex<Vec<&'static str>>);

impl Observer for Names {
    fn observe(&self, event: &Event<'_>) {
        if let Event::CacheRead { family, .. } = *event {
            self.0.lock().push(family);
        }
    }
}
