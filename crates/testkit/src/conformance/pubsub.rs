//! Channels, where the store has them; the typed refusal where it does not.

use std::time::Duration;

use bytes::Bytes;
use cachekit_store::{
    ErrorKind, Gap, PubSubItem, Reply, Script, ScriptCall, StoreExt, SubscribeRequest,
    Subscription, Woken,
};

use super::fixture::Fixture;

/// Longest wait for a message.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long it takes at most until a server has forgotten a subscription that was dropped.
const FORGETTING: Duration = Duration::from_secs(5);

fn channel(fixture: &Fixture, name: &str) -> Bytes {
    fixture.key(name).to_bytes()
}

/// A glob that matches the channels of this case whose names begin with `stem`.
fn glob(fixture: &Fixture, stem: &str) -> Bytes {
    // The names of a case hold nothing that a glob takes for anything but itself.
    [&fixture.key(stem).to_bytes()[..], b"*"].concat().into()
}

fn message(channel: &Bytes, payload: impl Into<Bytes>) -> PubSubItem {
    PubSubItem::Message {
        channel: channel.clone(),
        payload: payload.into(),
    }
}

async fn next(subscription: &mut Subscription) -> PubSubItem {
    tokio::time::timeout(PATIENCE, subscription.next())
        .await
        .expect("in time")
        .expect("the stream goes on")
}

/// A subscription that has yielded its first item.
async fn subscribe(fixture: &Fixture, request: SubscribeRequest) -> Subscription {
    let mut subscription = fixture.store.subscribe(request).await.unwrap();
    assert_eq!(
        next(&mut subscription).await,
        PubSubItem::Gap(Gap::Subscribed)
    );
    subscription
}

async fn publish(fixture: &Fixture, channel: &Bytes, payload: impl Into<Bytes>) -> u64 {
    let published = fixture.store.publish(channel, payload.into()).await;
    published.unwrap()
}

/// Publishes what one listener gets.
async fn publish_to_one(fixture: &Fixture, channel: &Bytes, payload: impl Into<Bytes>) {
    let reached = publish(fixture, channel, payload).await;
    assert!(reached == 1 || counts_one_node_only(fixture), "{reached}");
}

/// Publishes what somebody gets.
async fn publish_to_some(fixture: &Fixture, channel: &Bytes, payload: impl Into<Bytes>) {
    let reached = publish(fixture, channel, payload).await;
    assert!(reached > 0 || counts_one_node_only(fixture));
}

/// The nodes of a cluster pass messages on to each other, and each counts its own listeners.
fn counts_one_node_only(fixture: &Fixture) -> bool {
    let capabilities = fixture.store.capabilities();
    capabilities.shared && capabilities.clustered
}

/// What is published only to see whether anyone listens.
const PROBE: &str = "anybody?";

/// Waits until nobody listens to a channel: at once in one process, after a moment on a server.
async fn assert_forgotten(fixture: &Fixture, channel: &Bytes) {
    let forgotten = async {
        while publish(fixture, channel, PROBE).await > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(FORGETTING, forgotten)
        .await
        .expect("the store forgets who does not listen any more");
}

/// The next item behind probes: the nodes of a cluster pass messages on in their own time, so that one may come to a later
/// subscription.
async fn next_but_probes(subscription: &mut Subscription, channel: &Bytes) -> PubSubItem {
    let mut item = next(subscription).await;
    while item == message(channel, PROBE) {
        item = next(subscription).await;
    }
    item
}

pub(super) async fn a_subscription_starts_with_a_gap(fixture: &Fixture) {
    let channel = channel(fixture, "channel");
    let mut subscription = fixture
        .store
        .subscribe(SubscribeRequest::channel(channel.clone()))
        .await
        .unwrap();
    publish(fixture, &channel, "hello").await;
    assert_eq!(
        next(&mut subscription).await,
        PubSubItem::Gap(Gap::Subscribed)
    );
    assert_eq!(next(&mut subscription).await, message(&channel, "hello"));
}

pub(super) async fn a_subscriber_gets_what_is_published(fixture: &Fixture) {
    let channel = channel(fixture, "channel");
    let mut subscription = subscribe(fixture, SubscribeRequest::channel(channel.clone())).await;
    publish_to_one(fixture, &channel, "hello").await;
    assert_eq!(next(&mut subscription).await, message(&channel, "hello"));
}

pub(super) async fn publishing_to_nobody_reaches_nobody(fixture: &Fixture) {
    let channel = channel(fixture, "channel");
    assert_eq!(publish(fixture, &channel, "hello").await, 0);
    let other = self::channel(fixture, "other");
    let _other = subscribe(fixture, SubscribeRequest::channel(other)).await;
    assert_eq!(publish(fixture, &channel, "hello").await, 0);
}

pub(super) async fn messages_of_a_channel_come_in_order(fixture: &Fixture) {
    let channel = channel(fixture, "channel");
    let mut subscription = subscribe(fixture, SubscribeRequest::channel(channel.clone())).await;
    for number in 0..300 {
        publish(fixture, &channel, number.to_string()).await;
    }
    for number in 0..300 {
        assert_eq!(
            next(&mut subscription).await,
            message(&channel, number.to_string())
        );
    }
}

pub(super) async fn all_subscribers_of_a_channel_get_each_message(fixture: &Fixture) {
    let channel = channel(fixture, "channel");
    let mut subscriptions = Vec::new();
    for _ in 0..20 {
        subscriptions.push(subscribe(fixture, SubscribeRequest::channel(channel.clone())).await);
    }
    for text in ["one", "two"] {
        publish_to_some(fixture, &channel, text).await;
    }
    for mut subscription in subscriptions {
        assert_eq!(next(&mut subscription).await, message(&channel, "one"));
        assert_eq!(next(&mut subscription).await, message(&channel, "two"));
    }
}

pub(super) async fn a_pattern_gets_the_channels_that_match(fixture: &Fixture) {
    let (one, two) = (channel(fixture, "a:1"), channel(fixture, "a:2"));
    let other = channel(fixture, "b:1");
    let mut subscription = subscribe(fixture, SubscribeRequest::pattern(glob(fixture, "a:"))).await;
    publish_to_one(fixture, &one, "1").await;
    assert_eq!(publish(fixture, &other, "no").await, 0);
    publish_to_one(fixture, &two, "2").await;
    assert_eq!(next(&mut subscription).await, message(&one, "1"));
    assert_eq!(next(&mut subscription).await, message(&two, "2"));
}

pub(super) async fn a_pattern_may_match_everything(fixture: &Fixture) {
    let channel = channel(fixture, "channel");
    let mut subscription = subscribe(fixture, SubscribeRequest::pattern("?*")).await;
    publish(fixture, &channel, "mine").await;
    // Other cases may share the server.
    while next(&mut subscription).await != message(&channel, "mine") {}
}

pub(super) async fn several_channels_share_a_subscription(fixture: &Fixture) {
    let (one, two) = (channel(fixture, "1"), channel(fixture, "2"));
    let request = SubscribeRequest::channel(one.clone()).with_channel(two.clone());
    let mut subscription = subscribe(fixture, request).await;
    publish(fixture, &two, "first").await;
    publish(fixture, &one, "second").await;
    assert_eq!(next(&mut subscription).await, message(&two, "first"));
    assert_eq!(next(&mut subscription).await, message(&one, "second"));
}

/// Listens to `a:b` below `stem` by globs of the given names, and by its own name or not. Other subscriptions to the same
/// names are there as well, so that a server sends the message in every way.
async fn assert_comes_once(fixture: &Fixture, stem: &str, globs: &[&str], by_name: bool) {
    let channel = channel(fixture, &format!("{stem}:a:b"));
    let pattern = |name: &str| glob(fixture, &format!("{stem}:{name}"));
    let mut request = SubscribeRequest::pattern(pattern(globs[0]));
    for name in &globs[1..] {
        request = request.with_pattern(pattern(name));
    }
    if by_name {
        request = request
            .with_channel(channel.clone())
            .with_channel(channel.clone());
    }
    let mut subscription = subscribe(fixture, request).await;
    let _others = [
        subscribe(fixture, SubscribeRequest::channel(channel.clone())).await,
        subscribe(fixture, SubscribeRequest::pattern(pattern("a"))).await,
    ];
    for text in ["first", "second", "third"] {
        publish(fixture, &channel, text).await;
    }
    for text in ["first", "second", "third"] {
        let expected = message(&channel, text);
        assert_eq!(next(&mut subscription).await, expected, "{globs:?}");
    }
}

pub(super) async fn a_message_comes_once_however_many_names_match(fixture: &Fixture) {
    // Each has a stem of its own: the last message below another may still be on its way.
    assert_comes_once(fixture, "1", &["a", "a:", "a:b", "a:"], false).await;
    assert_comes_once(fixture, "2", &["a", "a:", "a:b", "a:"], true).await;
    assert_comes_once(fixture, "3", &["a:b", "a"], false).await;
    assert_comes_once(fixture, "4", &["a:"], false).await;
}

pub(super) async fn a_dropped_subscription_is_forgotten(fixture: &Fixture) {
    let channel = channel(fixture, "channel");
    let request = SubscribeRequest::channel(channel.clone()).with_pattern(glob(fixture, "chan"));
    let subscription = subscribe(fixture, request).await;
    publish_to_some(fixture, &channel, "hello").await;
    drop(subscription);
    assert_forgotten(fixture, &channel).await;
}

pub(super) async fn a_name_is_kept_while_anyone_listens_to_it(fixture: &Fixture) {
    let channel = channel(fixture, "channel");
    let request = SubscribeRequest::channel(channel.clone());
    let first = subscribe(fixture, request.clone()).await;
    let mut second = subscribe(fixture, request.clone()).await;
    drop(first);
    let third = subscribe(fixture, request.clone()).await;
    drop(third);
    publish_to_one(fixture, &channel, "hello").await;
    assert_eq!(next(&mut second).await, message(&channel, "hello"));
    drop(second);
    assert_forgotten(fixture, &channel).await;
    let mut fourth = subscribe(fixture, request).await;
    publish_to_one(fixture, &channel, "again").await;
    let first = next_but_probes(&mut fourth, &channel).await;
    assert_eq!(first, message(&channel, "again"));
}

pub(super) async fn a_slow_listener_loses_the_oldest_and_is_told_how_many(fixture: &Fixture) {
    let channel = channel(fixture, "channel");
    let slow = SubscribeRequest::channel(channel.clone()).with_buffer(10);
    let mut slow = subscribe(fixture, slow).await;
    let mut quick = subscribe(fixture, SubscribeRequest::channel(channel.clone())).await;
    for number in 0..100 {
        publish(fixture, &channel, number.to_string()).await;
    }
    for number in 0..100 {
        // Also makes sure that all have arrived.
        assert_eq!(
            next(&mut quick).await,
            message(&channel, number.to_string())
        );
    }
    let gap = PubSubItem::Gap(Gap::Overflow { dropped: 90 });
    assert_eq!(next(&mut slow).await, gap);
    for number in 90..100 {
        assert_eq!(next(&mut slow).await, message(&channel, number.to_string()));
    }
    publish(fixture, &channel, "100").await;
    assert_eq!(next(&mut slow).await, message(&channel, "100"));
}

pub(super) async fn channels_and_payloads_are_any_bytes(fixture: &Fixture) {
    let name: Vec<u8> = (0..=255).collect();
    let channel = fixture.key(&name).to_bytes();
    let mut subscription = subscribe(fixture, SubscribeRequest::channel(channel.clone())).await;
    let large = fixture.store.capabilities().max_value_size.min(100_000);
    let payloads = [
        Bytes::new(),
        Bytes::from(name),
        Bytes::from(vec![0xff; large]),
    ];
    for payload in &payloads {
        publish_to_one(fixture, &channel, payload.clone()).await;
    }
    for payload in payloads {
        assert_eq!(next(&mut subscription).await, message(&channel, payload));
    }
}

pub(super) async fn hundreds_can_listen(fixture: &Fixture) {
    let channels: Vec<Bytes> = (0..300)
        .map(|number| channel(fixture, &format!("{number}")))
        .collect();
    let mut subscriptions = Vec::new();
    for channel in &channels {
        let request = SubscribeRequest::channel(channel.clone());
        subscriptions.push(subscribe(fixture, request).await);
    }
    for channel in &channels {
        publish(fixture, channel, channel.clone()).await;
    }
    for (channel, subscription) in channels.iter().zip(&mut subscriptions) {
        assert_eq!(next(subscription).await, message(channel, channel.clone()));
    }
}

/// Each dropped call is polled once, so that its request may be on its way.
pub(super) async fn dropped_subscribe_calls_leave_nothing_behind(fixture: &Fixture) {
    let channel = channel(fixture, "channel");
    for _ in 0..50 {
        let call = fixture
            .store
            .subscribe(SubscribeRequest::channel(channel.clone()));
        drop(tokio::time::timeout(Duration::ZERO, call).await);
    }
    assert_forgotten(fixture, &channel).await;
    let mut subscription = subscribe(fixture, SubscribeRequest::channel(channel.clone())).await;
    publish_to_one(fixture, &channel, "hello").await;
    let first = next_but_probes(&mut subscription, &channel).await;
    assert_eq!(first, message(&channel, "hello"));
}

pub(super) async fn a_request_that_makes_no_sense_is_refused(fixture: &Fixture) {
    let mut nothing = SubscribeRequest::channel("x");
    nothing.channels.clear();
    let empty = SubscribeRequest::pattern("");
    let long = SubscribeRequest::pattern(vec![b'x'; 5_000]);
    for request in [nothing, empty, long] {
        let error = fixture.store.subscribe(request).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    }
}

pub(super) async fn a_payload_over_the_limit_is_refused(fixture: &Fixture) {
    let channel = channel(fixture, "channel");
    let Some(size) = fixture.store.capabilities().max_value_size.checked_add(1) else {
        return;
    };
    let error = fixture
        .store
        .publish(&channel, vec![0; size].into())
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind(), error.may_have_applied()),
        (ErrorKind::TooLarge, false)
    );
}

pub(super) async fn closing_ends_subscriptions_after_what_was_received(fixture: &Fixture) {
    let store = fixture.subject.open().await;
    let channel = channel(fixture, "channel");
    let request = SubscribeRequest::channel(channel.clone());
    let mut subscription = store.subscribe(request.clone()).await.unwrap();
    store.publish(&channel, "last".into()).await.unwrap();
    // A server's message may be on its way.
    assert_eq!(
        next(&mut subscription).await,
        PubSubItem::Gap(Gap::Subscribed)
    );
    assert_eq!(next(&mut subscription).await, message(&channel, "last"));
    let waiting = tokio::spawn(async move { (subscription.next().await, subscription) });
    store.close().await;
    let (end, mut subscription) = tokio::time::timeout(PATIENCE, waiting)
        .await
        .expect("in time")
        .unwrap();
    assert_eq!(end, None);
    assert_eq!(subscription.next().await, None, "it stays ended");
    let error = store.subscribe(request).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed);
    let error = store.publish(&channel, Bytes::new()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed);
}

pub(super) async fn subscriptions_end_with_the_last_handle(fixture: &Fixture) {
    let store = fixture.subject.open().await;
    let request = SubscribeRequest::channel(channel(fixture, "channel"));
    let mut subscription = store.subscribe(request).await.unwrap();
    drop(store);
    assert_eq!(
        next(&mut subscription).await,
        PubSubItem::Gap(Gap::Subscribed)
    );
    let end = tokio::time::timeout(PATIENCE, subscription.next()).await;
    assert_eq!(end.expect("in time"), None);
}

pub(super) async fn a_waiter_is_woken_once_for_many_wake_ups(fixture: &Fixture) {
    let (key, other) = (fixture.key("lock"), fixture.key("other"));
    let mut wakeup = fixture.store.wakeup(&key).await.unwrap();
    for _ in 0..3 {
        fixture.store.wake(&key).await.unwrap();
    }
    fixture.store.wake(&other).await.unwrap();
    assert_eq!(wakeup.wait(PATIENCE).await, Woken::Message);
    // On a server the three may arrive apart.
    while wakeup.wait(Duration::from_millis(100)).await == Woken::Message {}
    assert_eq!(
        wakeup.wait(Duration::from_millis(10)).await,
        Woken::TimedOut
    );
}

const WAKE: Script = Script::new(
    "conformance-wake",
    "redis.pcall('PUBLISH', ARGV[1], '') return 1",
)
.with_body(|tx, _, args| {
    tx.publish(&args[0], Bytes::new());
    Ok(Reply::Integer(1))
});

/// Only the wake channels of declared keys are channels to a layer that renames: any other argument is a value.
pub(super) async fn a_script_wakes_those_who_wait_for_its_key(fixture: &Fixture) {
    let key = fixture.key("lock");
    let mut wakeup = fixture.store.wakeup(&key).await.unwrap();
    let call = ScriptCall::new(vec![key.clone()], vec![key.wake_channel()]);
    let replies = fixture.store.run_script(&WAKE, &[call]).await.unwrap();
    assert_eq!(replies, [Reply::Integer(1)]);
    assert_eq!(wakeup.wait(PATIENCE).await, Woken::Message);
}

pub(super) async fn without_the_capability_channels_are_unsupported(fixture: &Fixture) {
    let channel = channel(fixture, "channel");
    let published = fixture
        .store
        .publish(&channel, Bytes::new())
        .await
        .unwrap_err();
    assert_eq!(published.kind(), ErrorKind::Unsupported);
    let subscribed = fixture
        .store
        .subscribe(SubscribeRequest::channel(channel))
        .await
        .unwrap_err();
    assert_eq!(subscribed.kind(), ErrorKind::Unsupported);
}
