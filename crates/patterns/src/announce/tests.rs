//! What is announced, and what becomes of it when that fails, on the memory store.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use cachekit_codec::Envelope;
use cachekit_keys::{
    Channel, Key, KeySchema, Namespace, Pattern, ProjectId, ProjectKey, SessionId, Tag,
};
use cachekit_store::{
    ErrorKind, Event, Fault, FaultPlan, FaultRule, Gap, LayerExt, MemoryStore, Observer, Observers,
    PubSubItem, Store, SubscribeRequest, Tasks,
};

use tokio::time::{Instant, sleep};

use super::{Announce, Announcement, Announcements, Announcer, Cleared};
use crate::{LevelCaches, Sink, SinkError, WriteBehind, WriteItem, WriteOptions};

fn levels_of(store: Arc<dyn Store>, announcer: &Announcer) -> LevelCaches {
    let levels = LevelCaches::builder(store, KeySchema::plain());
    levels.announcer(announcer.clone()).build().unwrap()
}

fn announcer_of(store: &Arc<MemoryStore>, announce: Announce) -> Announcer {
    let store = Arc::clone(store) as Arc<dyn Store>;
    Announcer::new(store, KeySchema::plain()).with(announce)
}

fn project() -> ProjectId {
    ProjectId::new("proj456").unwrap()
}

fn session() -> SessionId {
    SessionId::new("a:b").unwrap()
}

/// All that has been announced, after the gap that a stream begins with.
async fn heard(announcer: &Announcer, announcements: &mut Announcements) -> Vec<Cleared> {
    announcer.settled().await;
    let mut heard = Vec::new();
    let short = Duration::from_millis(1);
    while let Ok(Some(item)) = tokio::time::timeout(short, announcements.next()).await {
        match item {
            Announcement::Invalidated(event) => {
                assert_eq!(event.origin, announcer.origin());
                heard.push(event.cleared);
            }
            Announcement::Gap(gap) => assert_eq!(gap, Gap::Subscribed),
            Announcement::Unreadable(error) => panic!("{error}"),
        }
    }
    heard
}

#[tokio::test(start_paused = true)]
async fn every_kind_of_invalidation_is_announced_after_it_took_place() {
    let store = Arc::new(MemoryStore::new());
    let announcer = announcer_of(&store, Announce::Everything);
    let levels = levels_of(store, &announcer);
    let invalidation = levels.invalidation();
    let mut announcements = invalidation.announcements().await.unwrap();
    let (tag, key) = (
        Tag::new("release 7").unwrap(),
        ProjectKey::file_tree(project()),
    );
    let tagged = WriteOptions::new().with_tags([tag.clone()]);
    levels
        .global()
        .set_with("flags:beta", &1, &tagged)
        .await
        .unwrap();

    levels.session(&session()).clear().await.unwrap();
    levels.project(&project()).clear().await.unwrap();
    invalidation.clear_analyses(&project()).await.unwrap();
    invalidation.clear_owner(&key).await.unwrap();
    invalidation.invalidate_tag(&tag).await.unwrap();
    invalidation
        .delete_by_pattern("project:proj456:*")
        .await
        .unwrap();
    invalidation
        .delete_matching(&Pattern::everything())
        .await
        .unwrap();
    let stored = Key::from_raw("project:proj456:file_tree").unwrap();
    let expected = [
        Cleared::Session(session()),
        Cleared::Project(project()),
        Cleared::Analyses(project()),
        Cleared::Owner(stored.clone()),
        Cleared::Tag(tag),
        Cleared::Pattern(KeySchema::plain().pattern("project:proj456:*").unwrap()),
        Cleared::Everything,
    ];
    // All of it waits before the first goes out, so that the last one says it all.
    assert_eq!(
        heard(&announcer, &mut announcements).await,
        [Cleared::Everything]
    );
    for cleared in expected {
        drop(announcer.clearing(|| cleared.clone()));
        assert_eq!(heard(&announcer, &mut announcements).await, [cleared]);
    }

    let cache = levels.cache::<ProjectKey, u32>().build().unwrap();
    cache.remove(&key).await.unwrap();
    levels
        .project(&project())
        .remove_many(&["a"])
        .await
        .unwrap();
    let other = Key::from_raw("project:proj456:a").unwrap();
    let keys = Cleared::Keys(vec![stored, other]);
    assert_eq!(heard(&announcer, &mut announcements).await, [keys]);
}

#[tokio::test(start_paused = true)]
async fn removals_are_announced_only_where_that_is_asked_for() {
    for (announce, expected) in [
        (Announce::Nothing, 0),
        (Announce::Clearings, 1),
        (Announce::Everything, 2),
    ] {
        let store = Arc::new(MemoryStore::new());
        let announcer = announcer_of(&store, announce);
        let levels = levels_of(store, &announcer);
        let mut announcements = levels.invalidation().announcements().await.unwrap();
        levels.global().remove("flags:beta").await.unwrap();
        levels.session(&session()).clear_exhaustive().await.unwrap();
        let heard = heard(&announcer, &mut announcements).await;
        assert_eq!(heard.len(), expected, "{announce:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn deletions_through_the_cache_are_announced_when_the_database_has_them() {
    let store = Arc::new(MemoryStore::new());
    let announcer = announcer_of(&store, Announce::Everything);
    let levels = levels_of(store, &announcer);
    let mut announcements = levels.invalidation().announcements().await.unwrap();
    let cache = levels.cache::<ProjectKey, u32>().build().unwrap();
    let key = ProjectKey::file_tree(project());
    let done = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&done);
    let slow = move || {
        let done = Arc::clone(&counted);
        async move {
            sleep(Duration::from_secs(1)).await;
            done.fetch_add(1, Ordering::Relaxed);
            Ok::<_, std::io::Error>(())
        }
    };
    // Its caller goes away in the middle.
    let deleting = cache.delete_through(&key, slow.clone());
    let _ = tokio::time::timeout(Duration::from_millis(500), deleting).await;
    assert_eq!(heard(&announcer, &mut announcements).await, []);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(done.load(Ordering::Relaxed), 1);
    let stored = Key::from_raw("project:proj456:file_tree").unwrap();
    let expected = Cleared::Keys(vec![stored]);
    let found = heard(&announcer, &mut announcements).await;
    assert_eq!(found.first(), Some(&expected));

    let project = levels.project(&project());
    let written = project.delete_through("file_tree", slow.clone());
    assert!(written.await.unwrap().is_settled());
    assert_eq!(heard(&announcer, &mut announcements).await, [expected]);
    let written = cache.write_through(&key, &1, slow).await;
    assert!(written.unwrap().is_settled());
    assert_eq!(heard(&announcer, &mut announcements).await, []);
}

#[tokio::test(start_paused = true)]
async fn an_announcement_is_an_event_that_other_languages_read() {
    let store = Arc::new(MemoryStore::new());
    let schema = KeySchema::plain().with_namespace(Namespace::new("staging").unwrap());
    let channel = schema.channel_name(&Channel::CACHE_INVALIDATION);
    assert_eq!(channel, "staging:system:cache_invalidation");
    let mut raw = store
        .subscribe(SubscribeRequest::channel(channel))
        .await
        .unwrap();
    let shared = Arc::clone(&store) as Arc<dyn Store>;
    let announcer = Announcer::new(shared, schema).with_origin("api-7").unwrap();
    drop(announcer.clearing(|| Cleared::Analyses(project())));
    announcer.settled().await;

    assert_eq!(raw.next().await, Some(PubSubItem::Gap(Gap::Subscribed)));
    let Some(PubSubItem::Message { payload, .. }) = raw.next().await else {
        panic!("a message");
    };
    let text = std::str::from_utf8(&payload).unwrap();
    assert!(
        text.ends_with(r#""data":{"cleared":"analyses","project":"proj456"}}"#),
        "{text}"
    );
    let event = Envelope::from_json(&payload).unwrap();
    assert_eq!((event.source(), event.id()), ("/cachekit/api-7", "api-7-0"));
    assert!(event.time().is_some());
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_is_told_as_such() {
    let store = Arc::new(MemoryStore::new());
    let announcer = announcer_of(&store, Announce::Clearings);
    let levels = levels_of(Arc::clone(&store) as Arc<dyn Store>, &announcer);
    let mut announcements = levels.invalidation().announcements().await.unwrap();
    announcements.next().await;
    let event = |kind, data| {
        let text = format!(
            r#"{{"specversion":"1.0","id":"1","source":"/py","type":"{kind}","data":{data}}}"#
        );
        text.into_bytes()
    };
    let ours = "cachekit.cache.invalidated";
    let cases = [
        (b"no event".to_vec(), Some(ErrorKind::Corrupt)),
        (event("other", "{}"), Some(ErrorKind::Corrupt)),
        (
            event(ours, r#"{"cleared":"keys"}"#),
            Some(ErrorKind::Corrupt),
        ),
        (
            event(ours, r#"{"cleared":"session","session":""}"#),
            Some(ErrorKind::InvalidInput),
        ),
        (
            event(ours, r#"{"cleared":"galaxy","galaxy":"m31"}"#),
            Some(ErrorKind::Newer),
        ),
        (event(ours, r#"{"cleared":"everything","more":1}"#), None),
    ];
    for (payload, expected) in cases {
        let channel = "system:cache_invalidation".into();
        store.publish(&channel, payload.into()).await.unwrap();
        match (announcements.next().await.unwrap(), expected) {
            (Announcement::Unreadable(error), Some(kind)) => {
                assert_eq!(error.kind(), kind, "{error}")
            }
            (Announcement::Invalidated(event), None) => {
                assert_eq!(
                    (event.cleared, event.origin.as_str()),
                    (Cleared::Everything, "/py")
                );
            }
            (item, _) => panic!("{item:?}"),
        }
    }
}

#[derive(Debug, Default)]
struct Failures(AtomicU32);

impl Observer for Failures {
    fn observe(&self, event: &Event<'_>) {
        if let Event::AnnouncementFailed { error, .. } = event {
            assert_ne!(error.kind(), ErrorKind::Unexpected);
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
}

/// Levels whose store fails by plan, and what is told of that.
fn failing(plan: &FaultPlan) -> (LevelCaches, Announcer, Arc<Failures>) {
    let store: Arc<dyn Store> = MemoryStore::new().with_faults(plan);
    let failures = Arc::new(Failures::default());
    let observers = Observers::none().with(Arc::clone(&failures) as Arc<dyn Observer>);
    let announcer =
        Announcer::new(Arc::clone(&store), KeySchema::plain()).with_observers(observers);
    (levels_of(store, &announcer), announcer, failures)
}

#[tokio::test(start_paused = true)]
async fn an_invalidation_succeeds_where_it_may_not_be_announced() {
    let plan = FaultPlan::new();
    plan.add(
        FaultRule::new(Fault::LoseRequest(ErrorKind::PermissionDenied))
            .on("publish")
            .times(1),
    );
    let (levels, announcer, failures) = failing(&plan);
    let session = levels.session(&session());
    session.set("line", &1).await.unwrap();
    assert_eq!(session.clear().await.unwrap(), 1);
    announcer.settled().await;
    assert_eq!(failures.0.load(Ordering::SeqCst), 1);

    // For a minute nobody is asked again, and nobody is told again.
    session.clear().await.unwrap();
    announcer.settled().await;
    assert_eq!(
        (announcer.counts().failed, announcer.counts().published),
        (2, 0)
    );
    assert_eq!(failures.0.load(Ordering::SeqCst), 1);
    let mut announcements = levels.invalidation().announcements().await.unwrap();
    sleep(Duration::from_secs(61)).await;
    assert_eq!(announcer.counts().published, 1);
    let heard = heard(&announcer, &mut announcements).await;
    assert_eq!(heard, [Cleared::Everything], "nobody is left with a hole");
}

#[tokio::test(start_paused = true)]
async fn an_announcement_waits_for_a_store_that_comes_back() {
    let plan = FaultPlan::new();
    plan.add(
        FaultRule::new(Fault::LoseRequest(ErrorKind::Unavailable))
            .on("publish")
            .times(3),
    );
    let (levels, announcer, failures) = failing(&plan);
    let mut announcements = levels.invalidation().announcements().await.unwrap();
    levels.project(&project()).clear().await.unwrap();
    let heard = heard(&announcer, &mut announcements).await;
    assert_eq!(heard, [Cleared::Project(project())]);
    assert_eq!(failures.0.load(Ordering::SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_stays_away_is_given_up_and_told() {
    let plan = FaultPlan::new();
    plan.add(FaultRule::new(Fault::LoseRequest(ErrorKind::Unavailable)).on("publish"));
    let (levels, announcer, failures) = failing(&plan);
    levels.project(&project()).clear().await.unwrap();
    announcer.settled().await;
    assert_eq!(
        (announcer.counts().failed, failures.0.load(Ordering::SeqCst)),
        (1, 1)
    );
    let mut announcements = levels.invalidation().announcements().await.unwrap();
    levels.session(&session()).clear().await.unwrap();
    assert_eq!(announcer.counts().failed, 2, "it goes with what is owed");

    plan.clear();
    sleep(Duration::from_secs(15)).await;
    let heard_then = heard(&announcer, &mut announcements).await;
    assert_eq!(heard_then, [Cleared::Everything]);
    levels.session(&session()).clear().await.unwrap();
    let heard_later = heard(&announcer, &mut announcements).await;
    assert_eq!(heard_later, [Cleared::Session(session())]);
}

#[tokio::test(start_paused = true)]
async fn what_is_owed_keeps_no_shutdown_waiting() {
    let (plan, tasks) = (FaultPlan::new(), Tasks::new());
    plan.add(FaultRule::new(Fault::LoseRequest(ErrorKind::PermissionDenied)).on("publish"));
    let store: Arc<dyn Store> = MemoryStore::new().with_faults(&plan);
    let announcer =
        Announcer::new(Arc::clone(&store), KeySchema::plain()).with_tasks(tasks.clone());
    levels_of(store, &announcer)
        .project(&project())
        .clear()
        .await
        .unwrap();
    announcer.settled().await;
    let (began, report) = (
        Instant::now(),
        tasks.shutdown(Duration::from_secs(30)).await,
    );
    assert!(report.cut_off.is_empty() && began.elapsed() < Duration::from_secs(1));
    assert_eq!(announcer.counts().failed, 1);
}

#[test]
fn a_name_that_is_no_part_of_a_source_is_refused_at_once() {
    let announcer = Announcer::new(Arc::new(MemoryStore::new()), KeySchema::plain());
    let refused = announcer.with_origin("api 7").unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InvalidInput);
}

#[tokio::test(start_paused = true)]
async fn a_clearing_that_did_nothing_is_not_announced_and_a_partial_one_is() {
    let plan = FaultPlan::new();
    let (levels, announcer, _) = failing(&plan);
    let session = levels.session(&session());
    session.set("line", &1).await.unwrap();
    plan.add(FaultRule::new(Fault::LoseRequest(ErrorKind::Unavailable)).times(1));
    session.clear().await.unwrap_err();
    announcer.settled().await;
    assert_eq!(announcer.counts().published, 0);

    plan.add(
        FaultRule::new(Fault::LoseAnswer(ErrorKind::Timeout))
            .on("index_clear")
            .times(1),
    );
    assert!(session.clear().await.unwrap_err().may_have_applied());
    announcer.settled().await;
    assert_eq!(announcer.counts().published, 1);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_clearing_is_announced() {
    let plan = FaultPlan::new();
    plan.add(FaultRule::new(Fault::Hang).on("index_clear"));
    let (levels, announcer, _) = failing(&plan);
    let session = levels.session(&session());
    session.set("line", &1).await.unwrap();
    let clearing = tokio::time::timeout(Duration::from_secs(1), session.clear());
    clearing.await.unwrap_err();
    announcer.settled().await;
    assert_eq!(announcer.counts().published, 1);
}

#[tokio::test(start_paused = true)]
async fn after_a_shutdown_nothing_is_announced_and_nobody_waits() {
    let (store, tasks) = (Arc::new(MemoryStore::new()), Tasks::new());
    let announcer = announcer_of(&store, Announce::Clearings).with_tasks(tasks.clone());
    let levels = levels_of(store, &announcer);
    levels.project(&project()).clear().await.unwrap();
    assert!(
        tasks
            .shutdown(Duration::from_secs(1))
            .await
            .cut_off
            .is_empty()
    );
    assert_eq!(
        announcer.counts().published,
        1,
        "the shutdown waits for what is on its way"
    );

    levels.project(&project()).clear().await.unwrap();
    announcer.settled().await;
    assert_eq!(
        (announcer.counts().published, announcer.counts().failed),
        (1, 1)
    );
}

/// A database without room.
struct Full;

#[async_trait]
impl Sink<ProjectKey, u32> for Full {
    async fn write(&self, batch: &[WriteItem<ProjectKey, u32>]) -> Vec<Result<(), SinkError>> {
        let refused = |_| Err(SinkError::permanent("no room"));
        batch.iter().map(refused).collect()
    }
}

/// Whoever keeps a copy is told when the cache gives up what the database did not take.
#[tokio::test(start_paused = true)]
async fn what_dies_behind_the_cache_is_announced_and_what_is_replayed() {
    let store = Arc::new(MemoryStore::new());
    let announcer = announcer_of(&store, Announce::Everything);
    let levels = levels_of(store, &announcer);
    let mut announcements = levels.invalidation().announcements().await.unwrap();
    let cache = levels.cache::<ProjectKey, u32>().build().unwrap();
    let (writes, worker) = WriteBehind::builder(&cache, Full).build().await.unwrap();
    let key = ProjectKey::file_tree(project());
    let told = [Cleared::Keys(vec![KeySchema::plain().key(&key)])];
    writes.put(&key, &1).await.unwrap();
    assert_eq!(heard(&announcer, &mut announcements).await, []);
    let drained = worker.drain(Duration::from_secs(5)).await.unwrap();
    assert_eq!(drained.dead_letters, 1);
    assert_eq!(heard(&announcer, &mut announcements).await, told);
    assert_eq!(writes.replay_all().await.unwrap(), 1);
    assert_eq!(heard(&announcer, &mut announcements).await, told);
}
