//! What patterns reach, and what is refused, on the memory store.

use std::sync::Arc;

use cachekit_keys::{Key, KeySchema, Namespace, Pattern, ProjectId, SessionId, Ttl};
use cachekit_store::{ErrorKind, MemoryStore, ScanRequest, Store, StoreExt};

use crate::{LevelCaches, SessionCache};

fn levels_of(store: &Arc<MemoryStore>, schema: KeySchema) -> LevelCaches {
    LevelCaches::builder(Arc::clone(store) as Arc<dyn Store>, schema)
        .build()
        .unwrap()
}

fn session_of(levels: &LevelCaches, id: &str) -> SessionCache {
    levels.session(&SessionId::new(id).unwrap())
}

async fn names_in(store: &MemoryStore) -> Vec<String> {
    let page = store
        .scan(&ScanRequest::new(Pattern::everything()))
        .await
        .unwrap();
    let mut names: Vec<String> = page.keys.iter().map(ToString::to_string).collect();
    names.retain(|name| !name.starts_with("ck:index:"));
    names.sort();
    names
}

#[tokio::test]
async fn a_pattern_deletes_what_it_says_in_either_format() {
    for schema in [KeySchema::plain(), KeySchema::sharded()] {
        let levels = levels_of(&Arc::default(), schema);
        let project = levels.project(&ProjectId::new("proj456").unwrap());
        project
            .set_many(&[("file_tree", 1), ("recent_issues", 2)])
            .await
            .unwrap();
        levels
            .project(&ProjectId::new("proj4567").unwrap())
            .set("file_tree", &3)
            .await
            .unwrap();

        let invalidation = levels.invalidation();
        assert_eq!(
            invalidation
                .delete_by_pattern("project:proj456:file*")
                .await
                .unwrap(),
            1
        );
        assert_eq!(
            invalidation
                .delete_by_pattern("project:proj456:*")
                .await
                .unwrap(),
            1
        );
        assert_eq!(
            invalidation.delete_by_pattern("project:*").await.unwrap(),
            1
        );
    }
}

#[tokio::test]
async fn patterns_that_say_too_much_or_nothing_are_refused() {
    let levels = levels_of(&Arc::default(), KeySchema::plain());
    session_of(&levels, "a").set("x", &1).await.unwrap();
    for text in [
        "*",
        "",
        "**",
        "?*",
        "flags:*",
        "s*",
        "ck:*",
        "session",
        "project:proj456",
    ] {
        let error = levels
            .invalidation()
            .delete_by_pattern(text)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{text:?}");
    }
    assert_eq!(
        session_of(&levels, "a").get::<u32>("x").await.unwrap(),
        Some(1)
    );
}

#[tokio::test]
async fn everything_means_the_namespace_and_spares_the_kits_own_keys() {
    let store = Arc::default();
    let space = |name| KeySchema::plain().with_namespace(Namespace::new(name).unwrap());
    let (red, blue) = (
        levels_of(&store, space("red")),
        levels_of(&store, space("blue")),
    );
    session_of(&red, "a").set("x", &1).await.unwrap();
    session_of(&blue, "a").set("x", &2).await.unwrap();
    let own = Key::from_raw("ck:dirty:{red:session:a:x}").unwrap();
    store
        .set_ttl(&own, "token".into(), Ttl::seconds(60))
        .await
        .unwrap();

    assert_eq!(
        session_of(&red, "a").get::<u32>("x").await.unwrap(),
        Some(1)
    );
    assert_eq!(
        red.invalidation()
            .delete_by_pattern("session:a:*")
            .await
            .unwrap(),
        1
    );
    assert_eq!(
        session_of(&blue, "a").get::<u32>("x").await.unwrap(),
        Some(2)
    );

    session_of(&red, "a").set("x", &1).await.unwrap();
    assert_eq!(
        red.invalidation()
            .delete_matching(&Pattern::everything())
            .await
            .unwrap(),
        1
    );
    assert_eq!(
        names_in(&store).await,
        [
            "blue:session:a:x",
            "ck:cleared:{red:*}", // the word of the clearing above
            "ck:dirty:{red:session:a:x}"
        ]
    );

    let all = levels_of(&store, KeySchema::plain()).invalidation();
    assert_eq!(
        all.delete_matching(&Pattern::everything()).await.unwrap(),
        1
    );
    assert_eq!(
        names_in(&store).await,
        ["ck:cleared:{red:*}", "ck:dirty:{red:session:a:x}"]
    );
}
