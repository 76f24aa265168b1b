//! Hints of where a cluster's writes are, told at the same time as a worker looks.

use std::{sync::Arc, time::Duration};

use cachekit_keys::{Key, WriteQueue};
use cachekit_store::{Store, Tasks};

use super::support::{Bed, key, millis, pass, seconds, text};
use crate::behind::{options::Options, queue::Queue, slots::Later};

/// The half of a queue that says where to look, as another process has it.
fn queue(bed: &Bed, window: Duration) -> Queue {
    let options = Options {
        window,
        ..Options::default()
    };
    let name = WriteQueue::new("project").unwrap();
    let store = Arc::clone(&bed.store) as Arc<dyn Store>;
    Queue::new(store, bed.schema.clone(), name, options)
}

fn slot(bed: &Bed) -> u16 {
    let key: Key = bed.name(&key("a"));
    key.slot()
}

#[tokio::test(start_paused = true)]
async fn a_slot_that_is_noted_while_a_worker_looks_there_is_not_forgotten() {
    // Longer than a worker keeps others from a slot, and shorter, with a worker that was frozen in between.
    for (window, frozen) in [(seconds(10), millis(5)), (millis(200), seconds(3))] {
        let bed = Bed::clustered();
        let (writes, worker) = bed.builder().window(window).build().await.unwrap();
        let looking = queue(&bed, window);
        looking
            .note_slots([slot(&bed)], Duration::ZERO)
            .await
            .unwrap();
        pass(millis(1)).await;
        let taken = looking.take_slots(false).await.unwrap();
        assert_eq!(taken.slots, [slot(&bed)]);
        pass(frozen).await;
        // It has found nothing, and now there is something.
        writes.put(&key("a"), &text("one")).await.unwrap();
        let nothing = [(slot(&bed), Later::Empty)];
        looking.settle_slots(&taken, &nothing).await;

        assert_eq!(writes.backlog().await.unwrap().pending, 1);
        assert!(writes.flush(seconds(1)).await.is_err());
        let tasks = Tasks::new();
        let spawned = tasks.spawn_until_stopped("drain", |stop| async move {
            worker.run(stop).await;
        });
        spawned.unwrap();
        tokio::time::sleep(window + seconds(2)).await;
        assert_eq!(bed.row(&key("a")), Some(text("one")));
        let _ = tasks.shutdown(seconds(5)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn slots_without_writes_keep_nobody_from_those_behind_them() {
    let bed = Bed::clustered();
    let (writes, worker) = bed.builder().window(seconds(10)).build().await.unwrap();
    let looking = queue(&bed, seconds(10));
    let others = (0..400).filter(|other| *other != slot(&bed));
    looking.note_slots(others, Duration::ZERO).await.unwrap();
    writes.put(&key("a"), &text("one")).await.unwrap();
    assert_eq!(worker.drain(seconds(5)).await.unwrap().persisted, 1);
    assert_eq!(bed.row(&key("a")), Some(text("one")));
}
