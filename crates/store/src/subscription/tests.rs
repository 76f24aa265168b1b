//! What listeners are given, and how they are woken, without a server.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use bytes::Bytes;
use futures_core::Stream;
use parking_lot::Mutex;

use super::{
    Gap, PubSubItem, SubscribeRequest,
    listeners::{Listeners, Listening, Name},
};
use crate::{ErrorKind, Event, Observer, Observers};

fn registry() -> Arc<Listeners> {
    Listeners::new(Observers::none(), None)
}

fn listen(listeners: &Arc<Listeners>, request: SubscribeRequest) -> Listening {
    let listening = listeners.register(request).unwrap();
    listening.listener().begin();
    listening
}

fn buffered(buffer: usize) -> SubscribeRequest {
    SubscribeRequest::channel("c").with_buffer(buffer)
}

fn publish(listeners: &Listeners, channel: &str, payload: &'static str) -> u64 {
    listeners.publish(channel.as_bytes(), &Bytes::from_static(payload.as_bytes()))
}

fn poll(listening: &mut Listening, waker: &Waker) -> Poll<Option<PubSubItem>> {
    let listening = std::pin::Pin::new(listening);
    listening.poll_next(&mut Context::from_waker(waker))
}

/// All that is there, in short: payloads, and gaps in brackets.
fn taken(listening: &mut Listening) -> Vec<String> {
    let mut items = Vec::new();
    while let Poll::Ready(Some(item)) = poll(listening, Waker::noop()) {
        items.push(match item {
            PubSubItem::Message { payload, .. } => String::from_utf8(payload.to_vec()).unwrap(),
            PubSubItem::Gap(Gap::Overflow { dropped }) => format!("[{dropped}]"),
            PubSubItem::Gap(gap) => format!("[{gap:?}]"),
        });
    }
    items
}

#[test]
fn the_oldest_goes_and_its_place_says_how_many() {
    let listeners = registry();
    let mut slow = listen(&listeners, buffered(3));
    for payload in ["1", "2", "3", "4", "5"] {
        assert_eq!(publish(&listeners, "c", payload), 1);
    }
    assert_eq!(taken(&mut slow), ["[Subscribed]", "[2]", "3", "4", "5"]);
    for payload in ["6", "7", "8"] {
        publish(&listeners, "c", payload);
    }
    assert_eq!(taken(&mut slow), ["6", "7", "8"], "nothing is missing");
}

#[test]
fn bytes_are_bounded_as_messages_are_and_the_latest_is_kept_whatever_its_size() {
    let listeners = registry();
    // A channel of one byte, and payloads of two: three bytes a message.
    let mut slow = listen(&listeners, buffered(100).with_buffer_bytes(9));
    for payload in ["11", "22", "33", "44", "55"] {
        publish(&listeners, "c", payload);
    }
    assert_eq!(taken(&mut slow), ["[Subscribed]", "[2]", "33", "44", "55"]);
    for payload in ["66", "longer than all", "77"] {
        publish(&listeners, "c", payload);
    }
    assert_eq!(taken(&mut slow), ["[2]", "77"]);
    publish(&listeners, "c", "88");
    publish(&listeners, "c", "longer than all");
    assert_eq!(taken(&mut slow), ["[1]", "longer than all"]);
    for payload in ["11", "22", "33"] {
        publish(&listeners, "c", payload);
    }
    assert_eq!(
        taken(&mut slow),
        ["11", "22", "33"],
        "what was taken is free"
    );
}

#[test]
fn a_gap_that_was_told_begins_anew() {
    let listeners = registry();
    let mut slow = listen(&listeners, buffered(1));
    taken(&mut slow);
    publish(&listeners, "c", "1");
    publish(&listeners, "c", "2");
    let gap = poll(&mut slow, Waker::noop());
    let two_dropped = Gap::Overflow { dropped: 1 };
    assert_eq!(gap, Poll::Ready(Some(PubSubItem::Gap(two_dropped))));
    publish(&listeners, "c", "3");
    assert_eq!(taken(&mut slow), ["[1]", "3"]);
}

#[test]
fn a_buffer_of_one_holds_the_latest() {
    let listeners = registry();
    let mut latest = listen(&listeners, buffered(1));
    for payload in ["1", "2", "3"] {
        publish(&listeners, "c", payload);
    }
    assert_eq!(taken(&mut latest), ["[Subscribed]", "[2]", "3"]);
}

#[test]
fn a_buffer_out_of_its_range_counts_as_the_nearest() {
    let listeners = registry();
    let mut request = SubscribeRequest::channel("c");
    request.buffer = 0;
    let mut one = listen(&listeners, request);
    publish(&listeners, "c", "1");
    publish(&listeners, "c", "2");
    assert_eq!(taken(&mut one), ["[Subscribed]", "[1]", "2"]);
}

#[test]
fn a_listener_hears_nothing_before_it_begins() {
    let listeners = registry();
    let mut pending = listeners.register(buffered(3)).unwrap();
    assert_eq!(publish(&listeners, "c", "1"), 0);
    pending.listener().begin();
    assert_eq!(publish(&listeners, "c", "2"), 1);
    assert_eq!(taken(&mut pending), ["[Subscribed]", "2"]);
}

#[test]
fn each_listener_is_reached_once_by_its_own_names() {
    let listeners = registry();
    let patterns = SubscribeRequest::pattern("a:*").with_pattern("a:b*");
    let mut both = listen(&listeners, patterns.clone().with_channel("a:b"));
    let mut globs = listen(&listeners, patterns);
    let mut other = listen(&listeners, SubscribeRequest::pattern("a:c*"));
    assert_eq!(publish(&listeners, "a:b", "1"), 2);
    assert_eq!(publish(&listeners, "a:c", "2"), 3);
    assert_eq!(publish(&listeners, "b", "3"), 0);
    assert_eq!(taken(&mut both), ["[Subscribed]", "1", "2"]);
    assert_eq!(taken(&mut globs), ["[Subscribed]", "1", "2"]);
    assert_eq!(taken(&mut other), ["[Subscribed]", "2"]);
}

#[test]
fn a_name_is_unwanted_when_its_last_listener_has_gone() {
    let names = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&names);
    let unwanted = Box::new(move |gone: Vec<Name>| told.lock().extend(gone));
    let listeners = Listeners::new(Observers::none(), Some(unwanted));
    let first = listen(&listeners, buffered(1).with_pattern("p*"));
    let second = listen(&listeners, buffered(1));
    drop(first);
    assert_eq!(*names.lock(), [Name::Pattern("p*".into())]);
    drop(second);
    assert_eq!(names.lock().last(), Some(&Name::Channel("c".into())));
    assert_eq!(names.lock().len(), 2);
}

#[derive(Default)]
struct CountWakes(AtomicUsize);

impl Wake for CountWakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn a_waiting_listener_is_woken_by_a_message_and_by_the_end() {
    let listeners = registry();
    let mut waiting = listen(&listeners, buffered(3));
    taken(&mut waiting);
    let wakes = Arc::new(CountWakes::default());
    let waker = Waker::from(Arc::clone(&wakes));
    assert_eq!(poll(&mut waiting, &waker), Poll::Pending);
    publish(&listeners, "c", "1");
    publish(&listeners, "c", "2");
    assert_eq!(wakes.0.load(Ordering::SeqCst), 1, "once is enough");
    assert_eq!(taken(&mut waiting), ["1", "2"]);
    assert_eq!(poll(&mut waiting, &waker), Poll::Pending);
    listeners.close();
    assert_eq!(wakes.0.load(Ordering::SeqCst), 2);
    assert_eq!(poll(&mut waiting, &waker), Poll::Ready(None));
}

#[test]
fn a_closed_registry_hands_out_what_it_holds_and_takes_nobody() {
    let listeners = registry();
    let mut listening = listen(&listeners, buffered(3));
    publish(&listeners, "c", "1");
    listeners.close();
    assert_eq!(publish(&listeners, "c", "2"), 0);
    assert_eq!(taken(&mut listening), ["[Subscribed]", "1"]);
    assert_eq!(poll(&mut listening, Waker::noop()), Poll::Ready(None));
    let refused = listeners.register(buffered(3)).err().unwrap();
    assert_eq!(refused.kind(), ErrorKind::Closed);
}

/// Publishes when it is woken, as a task that is polled in its waker would.
struct Answering(Arc<Listeners>);

impl Wake for Answering {
    fn wake(self: Arc<Self>) {
        publish(&self.0, "answers", "heard");
    }
}

#[test]
fn a_waker_may_publish() {
    let listeners = registry();
    let mut asked = listen(&listeners, buffered(3));
    let mut answers = listen(&listeners, SubscribeRequest::channel("answers"));
    taken(&mut asked);
    let waker = Waker::from(Arc::new(Answering(Arc::clone(&listeners))));
    assert_eq!(poll(&mut asked, &waker), Poll::Pending);
    publish(&listeners, "c", "1");
    assert_eq!(taken(&mut answers), ["[Subscribed]", "heard"]);
}

#[derive(Debug, Default)]
struct Gaps(Mutex<Vec<Gap>>);

impl Observer for Gaps {
    fn observe(&self, event: &Event<'_>) {
        if let Event::Gap { gap } = event {
            self.0.lock().push(*gap);
        }
    }
}

#[test]
fn observers_hear_of_each_gap_once_also_of_those_nobody_read() {
    let gaps = Arc::new(Gaps::default());
    let listeners = Listeners::new(Observers::none().with(Arc::clone(&gaps) as _), None);
    let mut reading = listen(&listeners, buffered(1));
    let silent = listen(&listeners, buffered(1));
    taken(&mut reading);
    for payload in ["1", "2", "3"] {
        publish(&listeners, "c", payload);
    }
    taken(&mut reading);
    drop((reading, silent));
    let told = Gap::Overflow { dropped: 2 };
    assert_eq!(*gaps.0.lock(), [Gap::Subscribed, told, told]);
}

#[cfg(feature = "redis")]
mod of_a_server {
    use super::{
        super::remote::Route, Bytes, Listeners, Name, SubscribeRequest, buffered, listen, registry,
        taken,
    };

    fn deliver(listeners: &Listeners, source: u64, channel: &'static str, payload: &'static str) {
        let (channel, payload) = (Bytes::from(channel), Bytes::from(payload));
        listeners.deliver(source, &Route::Channel, &channel, &payload);
    }

    #[test]
    fn only_the_messages_of_the_present_connection_count() {
        let listeners = registry();
        let mut listening = listen(&listeners, buffered(10));
        deliver(&listeners, 1, "c", "too early");
        listeners.resume(1);
        deliver(&listeners, 1, "c", "1");
        listeners.suspend();
        deliver(&listeners, 1, "c", "of the dead");
        listeners.resume(2);
        deliver(&listeners, 1, "c", "of the dead");
        deliver(&listeners, 2, "c", "2");
        let expected = ["[Subscribed]", "[Reconnected]", "1", "[Reconnected]", "2"];
        assert_eq!(taken(&mut listening), expected);
    }

    #[test]
    fn gaps_whose_messages_are_gone_merge_so_that_reconnecting_costs_no_memory() {
        let listeners = registry();
        let mut slow = listen(&listeners, buffered(2));
        for source in 0..1_000 {
            listeners.resume(source);
            deliver(&listeners, source, "c", "x");
        }
        let expected = [
            "[Subscribed]",
            "[Reconnected]",
            "[998]",
            "x",
            "[Reconnected]",
            "x",
        ];
        assert_eq!(taken(&mut slow), expected);
        listeners.resume(1_001);
        listeners.resume(1_002);
        assert_eq!(taken(&mut slow), ["[Reconnected]"]);
    }

    #[test]
    fn a_message_that_a_server_sends_in_every_way_comes_once() {
        let listeners = registry();
        let request = SubscribeRequest::pattern("a*").with_pattern("*b");
        let mut globs = listen(&listeners, request.clone());
        let mut all = listen(&listeners, request.with_channel("ab"));
        listeners.resume(1);
        taken(&mut globs);
        taken(&mut all);
        let routes = [
            Route::Channel,
            Route::Pattern("*b".into()),
            Route::Pattern("a*".into()),
            Route::Pattern("nobody's".into()),
        ];
        for route in &routes {
            listeners.deliver(1, route, &"ab".into(), &"1".into());
        }
        listeners.deliver(1, &routes[1], &"xb".into(), &"2".into());
        assert_eq!(taken(&mut globs), ["1", "2"]);
        assert_eq!(taken(&mut all), ["1", "2"]);
    }

    #[test]
    fn a_refused_name_ends_those_who_had_it_and_gives_up_their_other_names() {
        let listeners = registry();
        let mut ended = listen(&listeners, buffered(3).with_channel("d"));
        let mut other = listen(&listeners, SubscribeRequest::channel("e"));
        let _pending = listeners.register(buffered(3)).unwrap();
        listeners.resume(1);
        let outcome = listeners.end(&Name::Channel("c".into()));
        assert_eq!(outcome.listeners, 1);
        assert_eq!(outcome.unwanted, [Name::Channel("d".into())]);
        deliver(&listeners, 1, "d", "1");
        deliver(&listeners, 1, "e", "2");
        assert_eq!(taken(&mut ended), ["[Subscribed]", "[Reconnected]"]);
        assert_eq!(taken(&mut other), ["[Subscribed]", "[Reconnected]", "2"]);
        assert!(listeners.wants(&Name::Channel("c".into())));
    }
}
