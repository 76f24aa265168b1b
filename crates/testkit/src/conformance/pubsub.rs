//! Channels, where the store has them; the typed refusal where it does not.

use std::{future::poll_fn, pin::Pin, time::Duration};

use bytes::Bytes;
use cachekit_store::{ErrorKind, Gap, PubSubItem, SubscribeRequest, Subscription};
use futures_core::Stream;

use super::fixture::Fixture;

/// Longest wait for a message.
const PATIENCE: Duration = Duration::from_secs(5);

fn channel(fixture: &Fixture) -> Bytes {
    fixture.key("channel").to_bytes()
}

async fn next(subscription: &mut Subscription) -> PubSubItem {
    let item = poll_fn(|context| Pin::new(&mut *subscription).poll_next(context));
    tokio::time::timeout(PATIENCE, item)
        .await
        .expect("in time")
        .expect("the stream goes on")
}

pub(super) async fn a_subscription_starts_with_a_gap(fixture: &Fixture) {
    let request = SubscribeRequest::channel(channel(fixture));
    let mut subscription = fixture.store.subscribe(request).await.unwrap();
    assert_eq!(
        next(&mut subscription).await,
        PubSubItem::Gap(Gap::Subscribed)
    );
}

pub(super) async fn a_subscriber_gets_what_is_published(fixture: &Fixture) {
    let channel = channel(fixture);
    let request = SubscribeRequest::channel(channel.clone());
    let mut subscription = fixture.store.subscribe(request).await.unwrap();
    assert_eq!(
        next(&mut subscription).await,
        PubSubItem::Gap(Gap::Subscribed)
    );
    let payload = Bytes::from_static(b"hello");
    assert_eq!(
        fixture
            .store
            .publish(&channel, payload.clone())
            .await
            .unwrap(),
        1
    );
    assert_eq!(
        next(&mut subscription).await,
        PubSubItem::Message { channel, payload }
    );
}

pub(super) async fn publishing_to_nobody_reaches_nobody(fixture: &Fixture) {
    let reached = fixture
        .store
        .publish(&channel(fixture), Bytes::from_static(b"hello"))
        .await;
    assert_eq!(reached.unwrap(), 0);
}

pub(super) async fn without_the_capability_channels_are_unsupported(fixture: &Fixture) {
    let channel = channel(fixture);
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
