//! What patterns reach, and what is refused, on the memory store.

use std::{convert::Infallible, sync::Arc, time::Duration};

use cachekit_keys::{
    Key, KeyPath, KeySchema, Namespace, Pattern, ProjectId, ProjectKey, SessionId, Tag, Ttl,
};
use cachekit_store::{
    ErrorKind, Fault, FaultPlan, FaultRule, Faults, MemoryStore, ScanRequest, Store, StoreExt,
};
use tokio::time::sleep;

use crate::{LevelCaches, SessionCache, WriteOptions};

fn levels_of(store: &Arc<MemoryStore>, schema: KeySchema) -> LevelCaches {
    LevelCaches::builder(Arc::clone(store) as Arc<dyn Store>, schema)
        .build()
        .unwrap()
}

fn levels_over(store: Arc<dyn Store>) -> LevelCaches {
    LevelCaches::builder(store, KeySchema::plain())
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

/// A store whose pages of an index come late from the second on.
fn slow_pages(store: &Arc<MemoryStore>) -> Arc<dyn Store> {
    let plan = FaultPlan::new();
    let late = Fault::Delay(Duration::from_secs(1));
    plan.add(FaultRule::new(late).on("index_page").after(1));
    Arc::new(Faults::new(Arc::clone(store) as Arc<dyn Store>, &plan))
}

#[tokio::test(start_paused = true)]
async fn a_load_that_is_stored_behind_a_clearing_of_many_pages_is_cleared_too() {
    for (clustered, by_tag) in [(false, false), (false, true), (true, false), (true, true)] {
        let store = Arc::new(MemoryStore::builder().clustered(clustered).build());
        let levels = levels_of(&store, KeySchema::plain());
        let (tag, project) = (Tag::new("t").unwrap(), ProjectId::new("p").unwrap());
        let cache = levels
            .cache::<ProjectKey, String>()
            .ttl(Ttl::seconds(3_600));
        let tags = tag.clone();
        let cache = cache.tags(move |_| Ok(vec![tags.clone()])).build().unwrap();
        let key =
            |n: usize| ProjectKey::new(project.clone(), KeyPath::new(format!("n{n}")).unwrap());
        let others: Vec<_> = (0..1_500).map(|n| (key(n), "other".to_owned())).collect();
        cache.set_many(&others).await.unwrap();

        let (loading, missing) = (cache.clone(), key(9_999));
        let load = tokio::spawn(async move {
            let loader = || async {
                sleep(Duration::from_millis(500)).await;
                Ok::<_, Infallible>("stale".to_owned())
            };
            loading.get_or_load(&missing, loader).await
        });
        sleep(Duration::from_millis(100)).await;
        let invalidation = levels_over(slow_pages(&store)).invalidation();
        let cleared = match by_tag {
            true => invalidation.invalidate_tag(&tag).await,
            false => invalidation.clear_project(&project).await,
        };
        assert_eq!(
            load.await.unwrap().unwrap(),
            "stale",
            "its caller came before"
        );
        assert_eq!(
            cleared.unwrap(),
            1_501,
            "clustered {clustered}, by tag {by_tag}"
        );
        assert_eq!(cache.get(&key(9_999)).await.unwrap(), None);
    }
}

#[tokio::test]
async fn what_is_out_of_memory_can_still_be_cleared_by_pattern_and_tag() {
    let store = Arc::new(MemoryStore::new());
    let tagged = WriteOptions::new().with_tags([Tag::new("t").unwrap()]);
    let full = |after| {
        let plan = FaultPlan::new();
        let refused = Fault::Refuse(ErrorKind::OutOfMemory);
        plan.add(FaultRule::new(refused).on("set").times(after));
        levels_over(Arc::new(Faults::new(
            Arc::clone(&store) as Arc<dyn Store>,
            &plan,
        )))
    };
    let levels = levels_of(&store, KeySchema::plain());
    let project = levels.project(&ProjectId::new("p").unwrap());

    project.set("tree", &1).await.unwrap();
    let cleared = full(1)
        .invalidation()
        .delete_by_pattern("project:p:*")
        .await;
    assert_eq!(cleared.unwrap(), 1);

    project.set_with("tree", &1, &tagged).await.unwrap();
    let cleared = full(1)
        .invalidation()
        .invalidate_tag(&Tag::new("t").unwrap())
        .await;
    assert_eq!(
        cleared.unwrap(),
        1,
        "there is room for the word once the values are gone"
    );

    project.set_with("tree", &1, &tagged).await.unwrap();
    let cleared = full(2)
        .invalidation()
        .invalidate_tag(&Tag::new("t").unwrap())
        .await;
    let error = cleared.unwrap_err();
    assert_eq!(
        (error.kind(), error.may_have_applied()),
        (ErrorKind::OutOfMemory, true)
    );
    assert_eq!(project.get::<u8>("tree").await.unwrap(), None);
}
