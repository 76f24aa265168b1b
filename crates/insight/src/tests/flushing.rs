//! Everything reaches the fleet's numbers, and nothing twice: through failures, lost answers, dropped calls and shutdowns.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use cachekit_keys::{HitKey, HitWindow, Key, KeySchema, Pattern};
use cachekit_store::{
    ErrorKind, Fault, FaultPlan, FaultRule, Faults, KeyExpiry, MemoryStore, Reply, ScanRequest,
    ScriptCall, Store, StoreExt, Tasks,
};
use tokio::time::{advance, timeout};

use super::support::{START, faulty, fleet, memory, on_flush, snippet, tracker, tree};
use crate::{HitOptions, HitTracker, scripts::ADD};

async fn keys(store: &Arc<MemoryStore>) -> Vec<String> {
    let request = ScanRequest::new(Pattern::everything());
    let page = store.scan(&request).await.unwrap();
    page.keys.iter().map(ToString::to_string).collect()
}

#[tokio::test(start_paused = true)]
async fn the_counts_of_several_processes_add_up() {
    let store = memory();
    let (one, other) = (tracker(&store), tracker(&store));
    for round in 1..=5 {
        for _ in 0..round {
            one.track_hit(&tree());
            other.track_miss(&tree());
            other.track_hit(&snippet());
        }
        one.flush().await.unwrap();
        other.flush().await.unwrap();
    }
    let stats = fleet(&store).await;
    assert_eq!((stats.total_hits, stats.total_misses), (30, 15));
    assert_eq!(stats.families["project"].hits, 15);
    assert_eq!(stats.families["session"].hits, 15);
    assert_eq!(keys(&store).await.len(), 3, "the counts, and one for each");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_where_nothing_was_counted() {
    let (store, plan) = (memory(), FaultPlan::new());
    let hits = faulty(&store, &plan);
    hits.flush().await.unwrap();
    assert_eq!(plan.calls(), 0);
    hits.track_hit(&tree());
    hits.flush().await.unwrap();
    assert_eq!(plan.calls(), 2, "the time is asked for once");
    hits.flush().await.unwrap();
    assert_eq!(plan.calls(), 2);
    hits.track_hit(&tree());
    hits.flush().await.unwrap();
    assert_eq!(plan.calls(), 3, "a flush is one call");
}

#[tokio::test(start_paused = true)]
async fn a_flush_that_was_refused_is_made_up_for() {
    let (store, plan) = (memory(), FaultPlan::new());
    let hits = faulty(&store, &plan);
    hits.track_hit(&tree());
    plan.add(on_flush(Fault::Refuse(ErrorKind::Unavailable)));
    assert!(hits.flush().await.is_err());
    assert_eq!(hits.failed_flushes(), 1);
    assert_eq!(fleet(&store).await.total_hits, 0);

    hits.track_hit(&tree());
    let before = plan.calls();
    hits.flush().await.unwrap();
    assert_eq!(fleet(&store).await.total_hits, 2);
    assert_eq!(plan.calls() - before, 1, "both in one call");
}

#[tokio::test(start_paused = true)]
async fn a_flush_whose_answer_was_lost_counts_once() {
    for fault in [Fault::LoseAnswer, Fault::LoseRequest] {
        let (store, plan) = (memory(), FaultPlan::new());
        let hits = faulty(&store, &plan);
        hits.track_hit(&tree());
        plan.add(on_flush(fault(ErrorKind::Timeout)));
        let error = hits.flush().await.unwrap_err();
        assert!(error.may_have_applied());

        hits.track_hit(&tree());
        hits.track_hit(&tree());
        hits.flush().await.unwrap();
        assert_eq!(fleet(&store).await.total_hits, 3);
        hits.flush().await.unwrap();
        assert_eq!(fleet(&store).await.total_hits, 3);
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_not_forgotten_by_a_refusal_after_it() {
    let (store, plan) = (memory(), FaultPlan::new());
    let hits = faulty(&store, &plan);
    hits.track_hit(&tree());
    plan.add(on_flush(Fault::LoseAnswer(ErrorKind::Timeout)));
    assert!(hits.flush().await.is_err());
    // This attempt did nothing, and says nothing of the first one.
    plan.add(on_flush(Fault::Refuse(ErrorKind::Unavailable)));
    assert!(hits.flush().await.is_err());
    hits.flush().await.unwrap();
    assert_eq!(fleet(&store).await.total_hits, 1);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_flush_counts_once_whether_it_was_carried_out_or_not() {
    for fault in [Fault::Hang, Fault::HangAfter] {
        let (store, plan) = (memory(), FaultPlan::new());
        let hits = faulty(&store, &plan);
        hits.track_hit(&tree());
        plan.add(on_flush(fault));
        let dropped = timeout(Duration::from_secs(1), hits.flush()).await;
        assert!(dropped.is_err());
        hits.track_hit(&tree());
        hits.flush().await.unwrap();
        assert_eq!(fleet(&store).await.total_hits, 2, "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_uncertain_flush_stays_in_its_hour() {
    let (store, plan) = (memory(), FaultPlan::new());
    let hits = faulty(&store, &plan);
    hits.track_hit(&tree());
    plan.add(on_flush(Fault::LoseAnswer(ErrorKind::Timeout)));
    assert!(hits.flush().await.is_err());
    advance(Duration::from_secs(3_600)).await;
    hits.track_hit(&tree());
    hits.flush().await.unwrap();

    let schema = KeySchema::plain();
    let at = |seconds| HitKey::Counts(HitWindow::at(seconds).unwrap());
    for moment in [START, START + 3_600] {
        let counts = schema.hit_key(at(moment));
        assert!(store.exists(&counts).await.unwrap(), "{counts}");
    }
    assert_eq!(fleet(&store).await.total_hits, 2);
}

#[tokio::test(start_paused = true)]
async fn a_copy_of_a_flush_that_arrives_late_does_nothing() {
    let store = memory();
    let schema = KeySchema::plain();
    let window = HitWindow::at(START).unwrap();
    let add = async |process, number: &'static str| {
        let keys = [HitKey::Counts(window), HitKey::Flush { window, process }];
        let keys = keys.map(|key| schema.hit_key(key)).to_vec();
        let args = [number, "60000", "project:hits", "1"].map(Bytes::from);
        let call = ScriptCall::new(keys, args.to_vec());
        let replies = store.run_script(&ADD, &[call]).await.unwrap();
        match &replies[0] {
            Reply::Array(parts) => parts[1] == Reply::Integer(1),
            other => panic!("{other:?}"),
        }
    };
    let (first, second) = ("0000000000000001", "0000000000000002");
    assert!(add(7, first).await && add(7, second).await);
    assert!(!add(7, first).await && !add(7, second).await);
    assert!(add(8, first).await, "another process counts for itself");
    assert_eq!(fleet(&store).await.total_hits, 3);
}

#[tokio::test(start_paused = true)]
async fn an_uncertain_flush_is_given_up_when_its_hour_is_no_longer_kept() {
    let (store, plan) = (memory(), FaultPlan::new());
    let hits = faulty(&store, &plan);
    hits.track_hit(&tree());
    plan.add(on_flush(Fault::LoseAnswer(ErrorKind::Timeout)));
    assert!(hits.flush().await.is_err());
    advance(HitOptions::new().keep() + Duration::from_secs(3_600)).await;
    hits.track_hit(&tree());
    hits.flush().await.unwrap();
    assert_eq!(fleet(&store).await.total_hits, 1);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_forgot_everything_counts_from_there_on() {
    let store = memory();
    let hits = tracker(&store);
    hits.track_hit(&tree());
    hits.flush().await.unwrap();
    let names = keys(&store).await.into_iter();
    let names: Vec<_> = names.map(|name| Key::from_raw(name).unwrap()).collect();
    store.delete(&names).await.unwrap();
    hits.track_hit(&tree());
    hits.track_hit(&tree());
    hits.flush().await.unwrap();
    assert_eq!(fleet(&store).await.total_hits, 2);
}

#[tokio::test(start_paused = true)]
async fn every_key_expires_when_its_hour_is_no_longer_kept() {
    let store = memory();
    let keep = Duration::from_secs(2 * 86_400);
    let options = HitOptions::new().with_keep(keep);
    let (hits, _) = HitTracker::new(
        Arc::clone(&store) as Arc<dyn Store>,
        KeySchema::plain(),
        options,
    );
    hits.track_hit(&tree());
    hits.flush().await.unwrap();
    let end = START.next_multiple_of(3_600) + keep.as_secs() - START;
    for name in keys(&store).await {
        let key = Key::from_raw(name).unwrap();
        let KeyExpiry::In(left) = store.expiry(&key).await.unwrap() else {
            panic!("{key} has no end");
        };
        assert_eq!(left.as_secs().abs_diff(end), 0, "{key}");
    }
    advance(Duration::from_secs(end)).await;
    assert!(keys(&store).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_worker_flushes_in_its_interval_and_once_more_when_it_is_told_to_end() {
    let store = memory();
    let (hits, flusher) = HitTracker::new(
        Arc::clone(&store) as Arc<dyn Store>,
        KeySchema::plain(),
        HitOptions::new().with_interval(Duration::from_secs(10)),
    );
    let tasks = Tasks::new();
    tasks
        .spawn_until_stopped("flush", |stop| flusher.run(stop))
        .unwrap();
    hits.track_hit(&tree());
    tokio::time::sleep(Duration::from_secs(7)).await;
    assert_eq!(fleet(&store).await.total_hits, 0);
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(fleet(&store).await.total_hits, 1);

    hits.track_hit(&tree());
    let report = tasks.shutdown(Duration::from_secs(5)).await;
    assert!(report.cut_off.is_empty());
    assert_eq!(fleet(&store).await.total_hits, 2);
}

#[tokio::test(start_paused = true)]
async fn the_worker_goes_on_after_failures() {
    let (store, plan) = (memory(), FaultPlan::new());
    let faults = Faults::new(Arc::clone(&store) as Arc<dyn Store>, &plan);
    let (hits, flusher) = HitTracker::new(Arc::new(faults), KeySchema::plain(), HitOptions::new());
    plan.add(FaultRule::new(Fault::LoseAnswer(ErrorKind::Unavailable)).times(3));
    let tasks = Tasks::new();
    tasks
        .spawn_until_stopped("flush", |stop| flusher.run(stop))
        .unwrap();
    for _ in 0..100 {
        hits.track_hit(&tree());
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let report = tasks.shutdown(Duration::from_secs(5)).await;
    assert!(report.cut_off.is_empty());
    assert_eq!(hits.failed_flushes(), 3);
    assert_eq!(fleet(&store).await.total_hits, 100);
}
