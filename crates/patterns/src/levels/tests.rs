//! The levels on the memory store, under paused time.

use std::{sync::Arc, time::Duration};

use cachekit_keys::{
    ContentHash, Jitter, KeySchema, LevelTtls, ModelName, ModelVersion, Pattern, ProjectId,
    SessionId, Ttl,
};
use cachekit_store::{ErrorKind, KeyExpiry, MemoryStore, ScanRequest, Store};

use super::{LevelCaches, SessionCache};
use crate::WriteOptions;

fn store() -> Arc<MemoryStore> {
    Arc::new(MemoryStore::new())
}

fn levels_of(store: &Arc<MemoryStore>, schema: KeySchema) -> LevelCaches {
    LevelCaches::builder(Arc::clone(store) as Arc<dyn Store>, schema)
        .build()
        .unwrap()
}

fn levels() -> LevelCaches {
    levels_of(&store(), KeySchema::plain())
}

fn session_of(levels: &LevelCaches, id: &str) -> SessionCache {
    levels.session(&SessionId::new(id).unwrap())
}

fn project_id() -> ProjectId {
    ProjectId::new("proj456").unwrap()
}

async fn names_in(store: &MemoryStore) -> Vec<String> {
    let page = store
        .scan(&ScanRequest::new(Pattern::everything()))
        .await
        .unwrap();
    // The kit's own keys, indices among them, are not what was asked for.
    let keys = page.keys.iter().filter(|key| !key.is_reserved());
    let mut names: Vec<String> = keys.map(ToString::to_string).collect();
    names.sort();
    names
}

#[tokio::test(start_paused = true)]
async fn each_level_has_its_lifetime() {
    let levels = levels();
    let (session, project, global) = (
        session_of(&levels, "a"),
        levels.project(&project_id()),
        levels.global(),
    );
    session.set("name", &1).await.unwrap();
    project.set("name", &1).await.unwrap();
    global.set("name", &1).await.unwrap();

    let secs = |seconds| KeyExpiry::In(Duration::from_secs(seconds));
    assert_eq!(session.expiry("name").await.unwrap(), secs(300));
    assert_eq!(project.expiry("name").await.unwrap(), secs(3_600));
    assert_eq!(global.expiry("name").await.unwrap(), secs(86_400));

    tokio::time::advance(Duration::from_millis(299_999)).await;
    assert_eq!(session.get::<u32>("name").await.unwrap(), Some(1));
    tokio::time::advance(Duration::from_millis(1)).await;
    assert_eq!(session.get::<u32>("name").await.unwrap(), None);
    assert_eq!(project.get::<u32>("name").await.unwrap(), Some(1));
}

#[tokio::test(start_paused = true)]
async fn lifetimes_can_be_set_by_level_and_by_write() {
    let levels = LevelCaches::builder(store(), KeySchema::plain())
        .ttls(LevelTtls::default().with_session(Ttl::seconds(9)))
        .jitter(Jitter::NONE)
        .build()
        .unwrap();
    let session = session_of(&levels, "a");
    let brief = WriteOptions::new().with_ttl(Ttl::seconds(2));
    session.set("one", &1).await.unwrap();
    session.set_with("two", &2, &brief).await.unwrap();
    session
        .set_many_with(&[("three", 3)], &brief)
        .await
        .unwrap();

    assert_eq!(
        session.expiry("one").await.unwrap(),
        KeyExpiry::In(Duration::from_secs(9))
    );
    assert_eq!(
        session.expiry("two").await.unwrap(),
        KeyExpiry::In(Duration::from_secs(2))
    );
    assert_eq!(
        session.expiry("three").await.unwrap(),
        KeyExpiry::In(Duration::from_secs(2))
    );
}

#[tokio::test]
async fn batches_keep_the_order_of_their_names() {
    let session = session_of(&levels(), "a");
    session
        .set_many(&[("x", 1), ("y", 2), ("z", 3)])
        .await
        .unwrap();
    let values: Vec<Option<u32>> = session.get_many(&["z", "none", "x"]).await.unwrap();
    assert_eq!(values, [Some(3), None, Some(1)]);
    assert_eq!(session.remove_many(&["x", "none", "y"]).await.unwrap(), 2);
    assert_eq!(
        session.get_many::<u32>(&["x", "y", "z"]).await.unwrap(),
        [None, None, Some(3)]
    );
}

#[tokio::test]
async fn a_wrong_name_in_a_batch_writes_nothing() {
    let store = store();
    let session = session_of(&levels_of(&store, KeySchema::plain()), "a");
    let long = "x".repeat(2_000);
    for wrong in ["", "a::b", &long] {
        let error = session
            .set_many(&[("good", 1), (wrong, 2)])
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{wrong:?}");
        assert_eq!(
            session.get::<u32>(wrong).await.unwrap_err().kind(),
            ErrorKind::InvalidInput
        );
    }
    assert!(names_in(&store).await.is_empty());
}

#[tokio::test]
async fn clearing_touches_only_its_owner() {
    for schema in [KeySchema::plain(), KeySchema::sharded()] {
        let store = store();
        let levels = levels_of(&store, schema);
        let ids = [
            "*", "abc", "a?c", "[abc]", "a", "a:b", "ab", "{abc}", "abc\\",
        ];
        for id in ids {
            session_of(&levels, id)
                .set_many(&[("x", 1), ("deep:er", 2)])
                .await
                .unwrap();
        }
        levels
            .project(&ProjectId::new("*").unwrap())
            .set("x", &1)
            .await
            .unwrap();

        for (done, id) in ids.iter().enumerate() {
            assert_eq!(session_of(&levels, id).clear().await.unwrap(), 2, "{id}");
            assert_eq!(
                session_of(&levels, id).get::<u32>("x").await.unwrap(),
                None,
                "{id}"
            );
            assert_eq!(
                names_in(&store).await.len(),
                2 * (ids.len() - done - 1) + 1,
                "{id}"
            );
        }
    }
}

#[tokio::test]
async fn clearing_a_project_or_its_analyses_touches_nothing_else() {
    let store = store();
    let levels = levels_of(&store, KeySchema::plain());
    let project = levels.project(&project_id());
    project.set("file_tree", &["a.rs"]).await.unwrap();
    project.set("analysis_report", &1).await.unwrap();
    project.set_analysis("one", &1).await.unwrap();
    project.set_analysis_text("two", &2).await.unwrap();
    session_of(&levels, "proj456")
        .set("file_tree", &1)
        .await
        .unwrap();

    assert_eq!(project.clear_analyses().await.unwrap(), 2);
    assert_eq!(project.clear().await.unwrap(), 2);
    assert_eq!(names_in(&store).await, ["session:proj456:file_tree"]);
}

#[tokio::test]
async fn analyses_are_found_by_content_alone() {
    let project = levels().project(&project_id());
    let hash = project
        .set_analysis("fn main() {}\n", "exact")
        .await
        .unwrap();
    assert_eq!(hash, ContentHash::of("fn main() {}\n"));
    assert_eq!(
        project
            .key(&format!("analysis:{hash}"))
            .unwrap()
            .to_string(),
        format!("project:proj456:analysis:{hash}")
    );

    let exact = |code| project.get_analysis::<String>(code);
    assert_eq!(
        exact("fn main() {}\n").await.unwrap().as_deref(),
        Some("exact")
    );
    assert_eq!(exact("fn main() {}\r\n").await.unwrap(), None);
    assert_eq!(
        project
            .get_analysis_text::<String>("fn main() {}\n")
            .await
            .unwrap(),
        None
    );

    project
        .set_analysis_text("fn main() {}\n", "text")
        .await
        .unwrap();
    let text = project
        .get_analysis_text::<String>("fn main() {}  \r\n")
        .await
        .unwrap();
    assert_eq!(text.as_deref(), Some("text"));
    assert_eq!(
        exact("fn main() {}\n").await.unwrap().as_deref(),
        Some("exact")
    );
}

#[tokio::test]
async fn global_names_are_whole_keys_of_their_families() {
    let store = store();
    let global = levels_of(&store, KeySchema::sharded()).global();
    let (name, version) = (
        ModelName::new("gpt-4").unwrap(),
        ModelVersion::new("v2.1.0").unwrap(),
    );
    let hash = global
        .set_model_response(&name, &version, "Why?", "Because.")
        .await
        .unwrap();
    global
        .set("quota:user123:api_calls:2024-12-02", &1)
        .await
        .unwrap();
    global.set("flags:beta", &true).await.unwrap();

    let model = format!("model:gpt-4:v2.1.0:{hash}:response");
    assert_eq!(
        names_in(&store).await,
        [
            "flags:beta",
            model.as_str(),
            "quota:{user123}:api_calls:2024-12-02"
        ]
    );
    assert_eq!(
        global.get::<String>(&model).await.unwrap().as_deref(),
        Some("Because.")
    );
    let other = global
        .get_model_response::<String>(&name, &version, "Why not?")
        .await
        .unwrap();
    assert_eq!(other, None);
    for wrong in [
        "session:a:x",
        "project:a:x",
        "ck:lease:x",
        "model:gpt-4",
        "",
    ] {
        let error = global.set(wrong, &1).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{wrong:?}");
    }
}

#[tokio::test]
async fn many_keys_are_cleared_in_bounded_batches() {
    let levels = levels();
    let session = session_of(&levels, "a");
    let values: Vec<(String, u32)> = (0..5_000).map(|n| (format!("n:{n}"), n)).collect();
    session.set_many(&values).await.unwrap();
    session_of(&levels, "b").set("n:1", &1).await.unwrap();
    assert_eq!(session.clear().await.unwrap(), 5_000);
    assert_eq!(session_of(&levels, "b").clear().await.unwrap(), 1);
}

#[tokio::test]
async fn handles_count_together_and_typed_caches_also_alone() {
    let levels = levels();
    let cache = levels
        .cache::<cachekit_keys::ProjectKey, u32>()
        .build()
        .unwrap();
    session_of(&levels, "a").get::<u32>("x").await.unwrap();
    levels.global().get_many::<u32>(&["x", "y"]).await.unwrap();
    cache
        .get(&cachekit_keys::ProjectKey::file_tree(project_id()))
        .await
        .unwrap();
    assert_eq!((levels.counts().misses, cache.counts().misses), (4, 1));
}
