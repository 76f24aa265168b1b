//! What a recorder of the `metrics` crate is told.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU64, Ordering},
};

use ::metrics::{
    Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit,
    with_local_recorder,
};

use crate::{CacheKit, SessionId};

/// Keeps each counter under its name and labels.
#[derive(Default)]
struct Recording(Mutex<Vec<(String, Arc<AtomicU64>)>>);

impl Recording {
    fn value(&self, kit: &str, outcome: &str) -> Option<u64> {
        let counters = self.0.lock().unwrap();
        let name = format!("cachekit_requests_total kit={kit} outcome={outcome}");
        let counter = counters.iter().find(|(known, _)| *known == name)?;
        Some(counter.1.load(Ordering::Relaxed))
    }
}

impl Recorder for Recording {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        let labels = key
            .labels()
            .map(|label| format!(" {}={}", label.key(), label.value()));
        let name = key.name().to_owned() + &labels.collect::<String>();
        let counter = Arc::new(AtomicU64::new(0));
        self.0.lock().unwrap().push((name, Arc::clone(&counter)));
        Counter::from_arc(counter)
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

#[tokio::test]
async fn hits_and_misses_reach_the_recorder() {
    let kit = CacheKit::memory();
    let session = kit.session(&SessionId::new("abc").unwrap());
    session.set("a", &1).await.unwrap();
    assert_eq!(
        session.get_many::<u8>(&["a", "b", "c"]).await.unwrap(),
        [Some(1), None, None]
    );
    let recording = Recording::default();
    with_local_recorder(&recording, || kit.record_metrics("main"));
    assert_eq!(
        (
            recording.value("main", "hit"),
            recording.value("main", "miss")
        ),
        (Some(1), Some(2))
    );
    assert_eq!(
        (
            recording.value("main", "corrupt"),
            recording.value("main", "newer")
        ),
        (Some(0), Some(0))
    );
}

#[tokio::test]
async fn kits_of_one_process_are_told_apart() {
    let (one, other) = (CacheKit::memory(), CacheKit::memory());
    one.global().get::<u8>("absent").await.unwrap();
    let recording = Recording::default();
    with_local_recorder(&recording, || {
        one.record_metrics("one");
        other.record_metrics("other");
    });
    assert_eq!(
        (
            recording.value("one", "miss"),
            recording.value("other", "miss")
        ),
        (Some(1), Some(0))
    );
}
