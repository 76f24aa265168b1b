//! The handles: lifetimes, format, namespace and counts as the builder was told.

use std::{sync::Arc, time::Duration};

use crate::{
    CacheKit, Codec, ErrorKind, Jitter, Key, KeyExpiry, LevelTtls, MemoryStore, Namespace, Pattern,
    ProjectId, ProjectKey, SessionId, Store, Ttl, ValueFormat,
};

fn session() -> SessionId {
    SessionId::new("abc123").unwrap()
}

fn project() -> ProjectId {
    ProjectId::new("proj456").unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_levels_lifetimes_reach_handles_and_typed_caches() {
    let ttls = LevelTtls::default()
        .with_session(Ttl::seconds(7))
        .with_project(Ttl::seconds(70));
    let kit = CacheKit::builder().level_ttls(ttls).build().unwrap();

    kit.session(&session()).set("line", &1).await.unwrap();
    assert_eq!(
        kit.session(&session()).expiry("line").await.unwrap(),
        KeyExpiry::In(Duration::from_secs(7))
    );
    assert_eq!(
        kit.cache::<ProjectKey, u32>().build().unwrap().ttl(),
        Ttl::seconds(70)
    );
    assert_eq!(kit.global().ttl(), Ttl::seconds(86_400));
}

#[tokio::test]
async fn the_value_format_reaches_handles_and_typed_caches() {
    let kit = CacheKit::builder()
        .value_format(ValueFormat::json().with_max_size(16))
        .build()
        .unwrap();
    let long = "a".repeat(15);

    let error = kit
        .session(&session())
        .set("text", &long)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    let cache = kit.cache::<ProjectKey, String>().build().unwrap();
    let error = cache
        .set(&ProjectKey::file_tree(project()), &long)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
}

#[test]
fn a_format_that_contradicts_itself_fails_the_build() {
    let format = ValueFormat::plain_json().with_codec(Codec::Bincode);
    let error = CacheKit::builder()
        .value_format(format)
        .build()
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
}

#[tokio::test]
async fn deleting_everything_stays_in_the_namespace() {
    let store = Arc::new(MemoryStore::new());
    let kit = |namespace| {
        CacheKit::builder()
            .store(Arc::clone(&store) as Arc<dyn Store>)
            .namespace(Namespace::new(namespace).unwrap())
            .build()
            .unwrap()
    };
    let (red, blue) = (kit("red"), kit("blue"));
    red.session(&session()).set("line", &1).await.unwrap();
    blue.session(&session()).set("line", &2).await.unwrap();

    assert_eq!(
        red.delete_matching(&Pattern::everything()).await.unwrap(),
        1
    );
    assert_eq!(
        red.session(&session()).get::<u32>("line").await.unwrap(),
        None
    );
    assert_eq!(
        blue.session(&session()).get::<u32>("line").await.unwrap(),
        Some(2)
    );
    assert_eq!(blue.delete_by_pattern("session:abc123:*").await.unwrap(), 1);
}

#[tokio::test]
async fn the_bytes_in_the_store_are_the_specifications_key_and_json_text() {
    let kit = CacheKit::memory();
    kit.session(&session())
        .set("current_file", "src/main.rs")
        .await
        .unwrap();
    let key = Key::from_raw("session:abc123:current_file").unwrap();
    assert_eq!(
        kit.store().get(&key).await.unwrap().unwrap(),
        r#""src/main.rs""#
    );
}

#[tokio::test]
async fn a_kit_counts_all_its_handles_caches_and_clones() {
    let kit = CacheKit::memory();
    let cache = kit.cache::<ProjectKey, u32>().build().unwrap();
    cache.get(&ProjectKey::file_tree(project())).await.unwrap();
    kit.global().set("flags:beta", &true).await.unwrap();
    kit.clone()
        .global()
        .get::<bool>("flags:beta")
        .await
        .unwrap();

    assert_eq!((kit.counts().hits, kit.counts().misses), (1, 1));
    assert_eq!((cache.counts().hits, cache.counts().misses), (0, 1));
}

#[tokio::test]
async fn the_jitter_shortens_lifetimes() {
    let kit = CacheKit::builder()
        .level_ttls(LevelTtls::default().with_session(Ttl::seconds(1_000_000)))
        .jitter(Jitter::fraction(0.5).unwrap())
        .build()
        .unwrap();
    let session = kit.session(&session());
    let mut shortest = Duration::MAX;
    for number in 0..20 {
        let name = format!("n{number}");
        session.set(&name, &1).await.unwrap();
        let KeyExpiry::In(left) = session.expiry(&name).await.unwrap() else {
            panic!("a lifetime");
        };
        shortest = shortest.min(left);
    }
    // That twenty draws are all from the upper tenth does not happen.
    assert!(shortest < Duration::from_secs(950_000), "{shortest:?}");
    assert!(shortest > Duration::from_secs(499_000), "{shortest:?}");
}

#[tokio::test]
async fn the_smaller_limit_of_format_and_store_holds_unless_one_is_chosen() {
    let refused = async |builder: crate::CacheKitBuilder| {
        let kit = builder.build().unwrap();
        // It compresses to a few bytes, so that a store's own limit would let it pass.
        let outcome = kit.global().set("text", &"a".repeat(5_000)).await;
        outcome.err().map(|error| error.kind())
    };
    let store = |bytes| Arc::new(MemoryStore::builder().max_value_size(bytes).build());
    let format = |bytes| ValueFormat::json().with_max_size(bytes);

    let small_store = CacheKit::builder().store(store(100));
    assert_eq!(refused(small_store).await, Some(ErrorKind::TooLarge));
    let small_format = CacheKit::builder().value_format(format(100));
    assert_eq!(refused(small_format).await, Some(ErrorKind::TooLarge));
    let chosen = CacheKit::builder().max_value_size(100);
    assert_eq!(refused(chosen).await, Some(ErrorKind::TooLarge));
    let chosen_over_the_format = CacheKit::builder()
        .value_format(format(100))
        .max_value_size(20_000);
    assert_eq!(refused(chosen_over_the_format).await, None);
}
