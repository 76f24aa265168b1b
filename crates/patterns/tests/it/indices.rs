//! What is listed, what is cleared, and what that costs.

use std::sync::Arc;

use cachekit_keys::{
    FieldReader, FieldWriter, Key, KeyError, KeyFamily, KeyPath, KeySchema, Level, Part,
    ProjectKey, SessionKey, Shape, Ttl, UserId,
};
use cachekit_patterns::WriteOptions;
use cachekit_store::{Condition, ErrorKind, StoreExt};

use crate::{
    hooked::Hooked,
    support::{Bed, everywhere, project_id, session_id, tag_of},
};

fn tagged(tags: &[&str]) -> WriteOptions {
    WriteOptions::new().with_tags(tags.iter().map(|tag| tag_of(tag)))
}

#[tokio::test]
async fn clearing_finds_what_every_path_wrote_and_nothing_else() {
    everywhere(|bed| async move {
        let session = bed.session("a");
        session.set("one", &1).await.unwrap();
        let once = WriteOptions::new().with_condition(Condition::IfAbsent);
        assert!(session.set_with("two", &2, &once).await.unwrap());
        session
            .set_many(&[("three", 3), ("four", 4)])
            .await
            .unwrap();
        let written = session
            .set_many_with(&[("four", 4), ("five", 5)], &once)
            .await;
        assert_eq!(written.unwrap(), [false, true], "{bed:?}");
        let cache = bed.levels.cache::<SessionKey, u32>().build().unwrap();
        let key = |name| SessionKey::new(session_id("a"), KeyPath::new(name).unwrap());
        cache.set(&key("six"), &6).await.unwrap();
        cache
            .set_many(&[(key("seven"), 7), (key("eight"), 8)])
            .await
            .unwrap();

        bed.session("b").set("one", &1).await.unwrap();
        bed.project("a").set("one", &1).await.unwrap();
        bed.levels.global().set("flags:a", &1).await.unwrap();

        assert_eq!(session.clear().await.unwrap(), 8, "{bed:?}");
        assert_eq!(bed.names().await.len(), 3, "{bed:?}");
        assert_eq!(session.clear().await.unwrap(), 0, "{bed:?}");
        assert_eq!(bed.project("a").clear().await.unwrap(), 1, "{bed:?}");
        assert_eq!(bed.session("b").clear().await.unwrap(), 1, "{bed:?}");
    })
    .await;
}

#[tokio::test]
async fn analyses_are_cleared_alone_however_they_were_written() {
    everywhere(|bed| async move {
        let project = bed.project("p");
        project.set_analysis("fn a() {}", &1).await.unwrap();
        project.set_analysis_text("fn b() {}", &2).await.unwrap();
        project.set("analysis:by_name", &3).await.unwrap();
        let values = [("analysis:in_a_batch", 4), ("file_tree", 5)];
        project.set_many(&values).await.unwrap();
        let cache = bed.levels.cache::<ProjectKey, u32>().build().unwrap();
        let code = cachekit_keys::ContentHash::of("fn c() {}");
        let key = ProjectKey::analysis(project_id("p"), code);
        cache.set(&key, &6).await.unwrap();
        bed.project("q")
            .set_analysis("fn a() {}", &7)
            .await
            .unwrap();

        assert_eq!(project.clear_analyses().await.unwrap(), 5, "{bed:?}");
        assert_eq!(project.get::<u32>("file_tree").await.unwrap(), Some(5));
        assert_eq!(project.clear_analyses().await.unwrap(), 0, "{bed:?}");
        assert_eq!(project.clear().await.unwrap(), 1, "{bed:?}");
        assert_eq!(bed.project("q").clear().await.unwrap(), 1, "{bed:?}");
        assert_eq!(bed.project("q").clear_analyses().await.unwrap(), 0);
    })
    .await;
}

#[tokio::test]
async fn a_tag_finds_its_entries_whoever_owns_them() {
    everywhere(|bed| async move {
        let red = tagged(&["red"]);
        bed.session("a").set_with("x", &1, &red).await.unwrap();
        bed.project("p")
            .set_many_with(&[("x", 2), ("y", 3)], &red)
            .await
            .unwrap();
        bed.levels
            .global()
            .set_with("flags:x", &4, &red)
            .await
            .unwrap();
        let both = tagged(&["red", "blue", "red"]);
        bed.project("p").set_with("z", &5, &both).await.unwrap();
        bed.project("p").set("untagged", &6).await.unwrap();

        assert_eq!(bed.invalidate("blue").await, 1, "{bed:?}");
        assert_eq!(bed.invalidate("red").await, 4, "{bed:?}");
        assert_eq!(bed.invalidate("red").await, 0, "{bed:?}");
        assert_eq!(bed.invalidate("never used").await, 0, "{bed:?}");
        assert_eq!(bed.project("p").clear().await.unwrap(), 1, "{bed:?}");
        assert!(bed.names().await.is_empty(), "{bed:?}");
    })
    .await;
}

/// `cart:{region}:{user}:{item}`: the owner does not stand first.
struct CartKey {
    user: UserId,
    item: KeyPath,
}

impl KeyFamily for CartKey {
    const SHAPES: &'static [Shape] = &[Shape::new(
        "cart",
        &[Part::Literal("eu"), Part::Owner, Part::Path],
    )];
    const LEVEL: Level = Level::Session;

    fn shape(&self) -> usize {
        0
    }

    fn write(&self, fields: &mut FieldWriter<'_>) {
        fields.owner(&self.user).path(&self.item);
    }

    fn read(_: usize, fields: &mut FieldReader<'_>) -> Result<Self, KeyError> {
        Ok(Self {
            user: fields.owner()?,
            item: fields.path()?,
        })
    }
}

#[tokio::test]
async fn owners_in_families_of_ones_own_are_cleared_too() {
    everywhere(|bed| async move {
        let key = |user, item| CartKey {
            user: UserId::new(user).unwrap(),
            item: KeyPath::new(item).unwrap(),
        };
        let carts = bed.levels.cache::<CartKey, u32>().build().unwrap();
        let values = [
            (key("u1", "a"), 1),
            (key("u2", "a"), 2),
            (key("u1", "b"), 3),
        ];
        carts.set_many(&values).await.unwrap();
        let invalidation = bed.levels.invalidation();
        assert_eq!(
            invalidation.clear_owner(&key("u1", "any")).await.unwrap(),
            2
        );
        assert_eq!(carts.get(&key("u2", "a")).await.unwrap(), Some(2));

        let ownerless = cachekit_keys::GlobalKey::new("flags:beta").unwrap();
        let refused = invalidation.clear_owner(&ownerless).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::InvalidInput, "{bed:?}");
    })
    .await;
}

#[tokio::test]
async fn more_than_one_page_is_cleared_to_the_last() {
    everywhere(|bed| async move {
        let session = bed.session("a");
        let values: Vec<(String, u32)> = (0..2_500).map(|n| (format!("n{n}"), n)).collect();
        session.set_many(&values).await.unwrap();
        assert_eq!(session.clear().await.unwrap(), 2_500, "{bed:?}");
        assert!(bed.names().await.is_empty(), "{bed:?}");
        let root = bed.schema.session_root(&session_id("a"));
        assert!(bed.members(&root).await.is_empty(), "{bed:?}");
    })
    .await;
}

#[tokio::test]
async fn a_refused_write_lists_nothing_where_one_script_does_both() {
    for bed in [Bed::memory(), Bed::cluster(KeySchema::sharded())] {
        let session = bed.session("a");
        let present = WriteOptions::new().with_condition(Condition::IfPresent);
        assert!(!session.set_with("x", &1, &present).await.unwrap());
        let written = session.set_many_with(&[("x", 1), ("y", 2)], &present).await;
        assert_eq!(written.unwrap(), [false, false]);
        let root = bed.schema.session_root(&session_id("a"));
        assert!(bed.members(&root).await.is_empty(), "{bed:?}");
    }
}

#[tokio::test]
async fn a_condition_holds_within_a_batch_as_in_a_row_of_writes() {
    everywhere(|bed| async move {
        let session = bed.session("a");
        let once = WriteOptions::new().with_condition(Condition::IfAbsent);
        let values = [("x", 1), ("y", 2), ("x", 3)];
        let written = session.set_many_with(&values, &once).await.unwrap();
        assert_eq!(written, [true, true, false], "{bed:?}");
        session.set_many(&values).await.unwrap();
        assert_eq!(session.get::<u32>("x").await.unwrap(), Some(3), "{bed:?}");
        assert_eq!(session.clear().await.unwrap(), 2, "{bed:?}");
    })
    .await;
}

/// More keys than fit into one run of the script, of which any one may take another way to the server than its neighbours.
#[tokio::test(flavor = "multi_thread")]
async fn the_last_of_a_batchs_writes_to_one_key_wins_however_long_the_batch() {
    everywhere(|bed| async move {
        let session = bed.session("a");
        for round in 0..50_u32 {
            let name = |n: u32| {
                if n == 599 {
                    "n0".to_owned()
                } else {
                    format!("n{n}")
                }
            };
            let writes: Vec<(String, u32)> =
                (0..600).map(|n| (name(n), 1_000 * round + n)).collect();
            let written = session
                .set_many_with(&writes, &WriteOptions::new())
                .await
                .unwrap();
            assert_eq!(written.iter().filter(|written| **written).count(), 600);
            let found = session.get::<u32>("n0").await.unwrap();
            assert_eq!(found, Some(1_000 * round + 599), "{bed:?}, round {round}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_key_that_was_removed_alone_stays_listed_and_does_no_harm() {
    everywhere(|bed| async move {
        let session = bed.session("a");
        session.set_many(&[("x", 1), ("y", 2)]).await.unwrap();
        assert!(session.remove("x").await.unwrap());
        let root = bed.schema.session_root(&session_id("a"));
        assert_eq!(bed.members(&root).await.len(), 2, "{bed:?}");
        assert_eq!(session.clear().await.unwrap(), 1, "{bed:?}");
        assert!(bed.members(&root).await.is_empty(), "{bed:?}");
    })
    .await;
}

#[tokio::test]
async fn what_others_wrote_is_found_by_the_exhaustive_form_alone() {
    everywhere(|bed| async move {
        let session = bed.session("a");
        session.set("ours", &1).await.unwrap();
        for key in [
            session.key("theirs"),
            bed.project("p").key("analysis:theirs"),
        ] {
            bed.store
                .set_ttl(&key.unwrap(), "1".into(), Ttl::seconds(60))
                .await
                .unwrap();
        }
        assert_eq!(session.clear().await.unwrap(), 1, "{bed:?}");
        session.set("ours", &1).await.unwrap();
        assert_eq!(session.clear_exhaustive().await.unwrap(), 2, "{bed:?}");
        let project = bed.project("p");
        project.set_analysis("fn main() {}", &1).await.unwrap();
        project.set("file_tree", &1).await.unwrap();
        assert_eq!(project.clear_analyses_exhaustive().await.unwrap(), 2);
        assert_eq!(project.clear_exhaustive().await.unwrap(), 1, "{bed:?}");
    })
    .await;
}

#[tokio::test]
async fn what_an_index_must_not_list_is_dropped_and_never_deleted() {
    let bed = Bed::memory();
    let own = Key::from_raw("ck:lease:{x}").unwrap();
    bed.store
        .set_ttl(&own, "token".into(), Ttl::seconds(60))
        .await
        .unwrap();
    let index = bed.schema.session_root(&session_id("a")).index();
    let put = |key: &Key| {
        const ADD: cachekit_store::Script =
            cachekit_store::Script::new("add", "").with_body(|tx, keys, args| {
                let member = args[0].clone();
                tx.zadd(
                    &keys[0],
                    cachekit_store::ZAddCondition::Always,
                    &[(1.0, member)],
                )?;
                Ok(cachekit_store::Reply::Nil)
            });
        let call = cachekit_store::ScriptCall::new(vec![index.clone()], vec![key.to_bytes()]);
        let store = Arc::clone(&bed.store);
        async move { store.run_script(&ADD, &[call]).await.unwrap() }
    };
    put(&own).await;
    bed.session("a").set("x", &1).await.unwrap();
    assert_eq!(bed.session("a").clear().await.unwrap(), 1);
    assert!(bed.store.exists(&own).await.unwrap());
    assert!(
        bed.members(&bed.schema.session_root(&session_id("a")))
            .await
            .is_empty()
    );
}

#[tokio::test]
async fn clearing_twenty_keys_takes_two_round_trips_in_one_slot_and_three_across() {
    let values: Vec<(String, u32)> = (0..20).map(|n| (format!("n{n}"), n)).collect();
    for (bed, write, clear) in [
        (
            Bed::memory(),
            vec!["index_set_many"],
            vec!["index_page", "index_clear"],
        ),
        (
            Bed::cluster(KeySchema::sharded()),
            vec!["index_set_many"],
            vec!["index_page", "index_clear"],
        ),
        (
            Bed::cluster(KeySchema::plain()),
            vec!["index_note", "index_set_many", "index_note"],
            vec!["index_page", "lease_remove", "index_forget"],
        ),
    ] {
        let hooked = Arc::new(Hooked::watching(Arc::clone(&bed.store)));
        let bed = bed.through(Arc::clone(&hooked) as _);
        bed.session("a").set_many(&values).await.unwrap();
        assert_eq!(hooked.take_calls(), write, "{bed:?}");
        assert_eq!(bed.session("a").clear().await.unwrap(), 20);
        assert_eq!(hooked.take_calls(), clear, "{bed:?}");
    }
}

#[tokio::test]
async fn keys_without_owner_and_tags_are_written_in_one_call_too() {
    let bed = Bed::memory();
    let hooked = Arc::new(Hooked::watching(Arc::clone(&bed.store)));
    let global = bed.through(Arc::clone(&hooked) as _).levels.global();
    global.set("flags:a", &1).await.unwrap();
    global
        .set_many(&[("flags:b", 1), ("flags:c", 1)])
        .await
        .unwrap();
    // A batch of both kinds takes one call as well.
    global
        .set_many(&[("flags:d", 1), ("quota:u:api_calls:2024-12-02", 1)])
        .await
        .unwrap();
    assert_eq!(
        hooked.take_calls(),
        ["index_set", "index_set_many", "index_set_many"],
        "the scripts that also end the loads of what they write"
    );
}

#[tokio::test]
async fn too_many_tags_and_too_large_values_send_nothing() {
    let bed = Bed::memory();
    let hooked = Arc::new(Hooked::watching(Arc::clone(&bed.store)));
    let session = bed.through(Arc::clone(&hooked) as _).session("a");
    let many = (0..=WriteOptions::MAX_TAGS).map(|n| tag_of(&n.to_string()));
    let options = WriteOptions::new().with_tags(many);
    let refused = session.set_with("x", &1, &options).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InvalidInput);

    let small = cachekit_store::MemoryStore::builder()
        .max_value_size(100)
        .build();
    let bed = Bed::new("small", Arc::new(small), KeySchema::plain());
    let hooked = Arc::new(Hooked::watching(Arc::clone(&bed.store)));
    let small = bed.through(Arc::clone(&hooked) as _).session("a");
    let long = "x".repeat(200);
    let refused = small.set("x", &long).await.unwrap_err();
    assert_eq!(
        (refused.kind(), refused.may_have_applied()),
        (ErrorKind::TooLarge, false)
    );
    let refused = small
        .set_many(&[("x", "short"), ("y", &long)])
        .await
        .unwrap_err();
    assert_eq!(
        (refused.kind(), refused.may_have_applied()),
        (ErrorKind::TooLarge, false)
    );
    assert!(hooked.take_calls().is_empty());
}
