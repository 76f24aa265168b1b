//! Announcements of invalidations between processes.

use std::{sync::Arc, time::Duration};

use cachekit_keys::KeySchema;
use cachekit_patterns::{Announce, Announcement, Announcements, Announcer, Cleared, LevelCaches};
use cachekit_store::{ErrorKind, Gap, RedisStore, Store};
use cachekit_testkit::{
    RawClient,
    server::{Kind, Server, acl::AclUser},
};
use tokio::time::timeout;

use crate::support::{Bed, on_each_form, project_id, session_id, tag_of};

/// Levels that announce.
fn announcing(store: &Arc<dyn Store>, schema: &KeySchema) -> (LevelCaches, Announcer) {
    let announcer = Announcer::new(Arc::clone(store), schema.clone()).with(Announce::Everything);
    let levels = LevelCaches::builder(Arc::clone(store), schema.clone());
    let levels = levels.announcer(announcer.clone()).build().unwrap();
    (levels, announcer)
}

async fn next(announcements: &mut Announcements) -> Announcement {
    let item = timeout(Duration::from_secs(10), announcements.next()).await;
    item.expect("nothing was heard")
        .expect("the stream has ended")
}

async fn next_cleared(announcements: &mut Announcements) -> Cleared {
    match next(announcements).await {
        Announcement::Invalidated(event) => event.cleared,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_process_hears_what_was_cleared_after_it_is_gone() {
    on_each_form(|bed| async move {
        let other = bed.another().await;
        let (levels, announcer) = announcing(&bed.store, &bed.schema);
        let mut heard = other.levels.invalidation().announcements().await.unwrap();
        assert!(matches!(
            next(&mut heard).await,
            Announcement::Gap(Gap::Subscribed)
        ));
        let (session, project) = (
            levels.session(&session_id("abc:1")),
            levels.project(&project_id("p")),
        );
        let far = other.session("abc:1");
        for round in 0..20 {
            session.set("line", &round).await.unwrap();
            assert_eq!(far.get::<u32>("line").await.unwrap(), Some(round));
            session.clear().await.unwrap();
            let cleared = next_cleared(&mut heard).await;
            assert_eq!(cleared, Cleared::Session(session_id("abc:1")), "{bed:?}");
            assert_eq!(far.get::<u32>("line").await.unwrap(), None, "{bed:?}");
        }

        project.set_analysis("code", &1).await.unwrap();
        project.clear_analyses_exhaustive().await.unwrap();
        let cleared = next_cleared(&mut heard).await;
        assert_eq!(cleared, Cleared::Analyses(project_id("p")));
        levels
            .invalidation()
            .invalidate_tag(&tag_of("release 7"))
            .await
            .unwrap();
        assert_eq!(
            next_cleared(&mut heard).await,
            Cleared::Tag(tag_of("release 7"))
        );
        project.remove("file_tree").await.unwrap();
        let key = project.key("file_tree").unwrap();
        assert_eq!(
            next_cleared(&mut heard).await,
            Cleared::Keys(vec![key.clone()])
        );
        levels
            .invalidation()
            .delete_by_pattern("project:p:*")
            .await
            .unwrap();
        let Cleared::Pattern(pattern) = next_cleared(&mut heard).await else {
            panic!("a pattern");
        };
        assert!(pattern.matches(key.as_bytes()));
        announcer.settled().await;
        assert_eq!(announcer.counts().failed, 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_without_the_channel_clears_all_the_same() {
    let Some(bed) = Bed::redis().await else {
        return;
    };
    let url = bed.url().unwrap();
    let namespace = bed.schema.namespace().unwrap().as_encoded();
    let keys = format!("{namespace}:*");
    let user = AclUser::create(url, &[&keys, "ck:*"], &["ck:*"]).unwrap();
    let store = RedisStore::builder(url).user(user.name(), user.password());
    let store = Arc::new(store.connect().await.unwrap()) as Arc<dyn Store>;
    let (levels, announcer) = announcing(&store, &bed.schema);

    let session = levels.session(&session_id("a"));
    session.set("line", &1).await.unwrap();
    assert_eq!(session.clear().await.unwrap(), 1);
    announcer.settled().await;
    let counts = announcer.counts();
    assert_eq!((counts.published, counts.failed), (0, 1));
    let refused = levels.invalidation().announcements().await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::PermissionDenied);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_whose_connection_was_cut_is_told_of_the_gap_and_hears_again() {
    let Some(server) = Server::start(Kind::Redis7).await.unwrap() else {
        return;
    };
    let url = server.url();
    let schema = KeySchema::plain();
    let connect = || async { Arc::new(RedisStore::connect(&url).await.unwrap()) as Arc<dyn Store> };
    let (levels, announcer) = announcing(&connect().await, &schema);
    let (listener, _) = announcing(&connect().await, &schema);
    let mut heard = listener.invalidation().announcements().await.unwrap();
    assert!(matches!(
        next(&mut heard).await,
        Announcement::Gap(Gap::Subscribed)
    ));

    let address = format!("{}:{}", server.host(), server.port());
    let mut raw = RawClient::connect(&address).unwrap();
    raw.text(&["CLIENT", "KILL", "TYPE", "pubsub"]).unwrap();
    assert!(matches!(
        next(&mut heard).await,
        Announcement::Gap(Gap::Reconnected)
    ));
    levels.project(&project_id("p")).clear().await.unwrap();
    announcer.settled().await;
    assert_eq!(
        next_cleared(&mut heard).await,
        Cleared::Project(project_id("p"))
    );
}
