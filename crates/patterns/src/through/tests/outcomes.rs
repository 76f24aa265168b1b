//! What the cache holds and what the caller is told when one half of a write fails.

use std::{error::Error as _, future::pending, io, sync::Arc, time::Duration};

use bytes::Bytes;
use cachekit_codec::ValueFormat;
use cachekit_keys::{Pattern, Ttl};
use cachekit_store::{
    Condition, ErrorKind, Fault, FaultPlan, FaultRule, Faults, KeyExpiry, MemoryStore, Store,
    StoreExt, Tasks,
};
use tokio::time::advance;

use super::support::{Row, Trees, builder, cache, issues, refused, saved, stored, tree};
use crate::{ThroughOptions, WriteOptions, WriteOrder, Written, lease::lease_of};

const ORDERS: [WriteOrder; 2] = [WriteOrder::DatabaseFirst, WriteOrder::CacheFirst];

fn text(value: &str) -> String {
    value.to_owned()
}

async fn write<F, Fut>(
    cache: &Trees,
    value: &str,
    options: ThroughOptions,
    persist: F,
) -> cachekit_store::Result<Written>
where
    F: FnOnce() -> Fut + Send + 'static,
    Fut: Future<Output = io::Result<()>> + Send + 'static,
{
    let value = text(value);
    cache
        .write_through_with(&tree(), &value, &options, persist)
        .await
}

fn first(order: WriteOrder) -> ThroughOptions {
    ThroughOptions::new().with_order(order)
}

async fn holds(cache: &Trees) -> Option<String> {
    cache.get(&tree()).await.unwrap()
}

async fn no_lease(store: &MemoryStore) {
    let lease = lease_of(&stored()).unwrap();
    assert_eq!(store.get(&lease).await.unwrap(), None, "the lease is over");
}

/// A cache over a store that fails as the plan says.
fn faulty(store: &Arc<MemoryStore>, plan: &FaultPlan) -> Trees {
    let store = Arc::clone(store) as Arc<dyn Store>;
    builder(Arc::new(Faults::new(store, plan))).build().unwrap()
}

/// Lets the first so many scripts pass, and loses the requests of the rest.
fn dies_after(plan: &FaultPlan, scripts: u64) {
    let rule = FaultRule::new(Fault::LoseRequest(ErrorKind::Unavailable));
    plan.add(rule.on("run_script").after(scripts));
}

#[tokio::test(start_paused = true)]
async fn what_the_database_has_taken_is_cached_for_the_caches_lifetime() {
    for order in ORDERS {
        let (store, cache) = cache();
        cache.set(&tree(), &text("old")).await.unwrap();
        let written = write(&cache, "new", first(order), saved);
        assert!(
            matches!(written.await.unwrap(), Written::Stored),
            "{order:?}"
        );
        assert_eq!(holds(&cache).await.as_deref(), Some("new"));
        let left = cache.expiry(&tree()).await.unwrap();
        assert_eq!(left, KeyExpiry::In(Duration::from_secs(100)), "{order:?}");
        no_lease(&store).await;
    }
}

#[tokio::test(start_paused = true)]
async fn no_reader_is_given_a_value_before_the_database_has_it() {
    let (_, cache) = cache();
    cache.set(&tree(), &text("old")).await.unwrap();
    for (order, seen) in ORDERS.into_iter().zip([None, Some("newer")]) {
        let reader = cache.clone();
        let persist = move || async move {
            assert_eq!(holds(&reader).await.as_deref(), seen);
            saved().await
        };
        let written = write(&cache, "newer", first(order), persist);
        assert!(
            matches!(written.await.unwrap(), Written::Stored),
            "{order:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_database_refuses_is_not_cached_and_its_error_stays_what_it_was() {
    for order in ORDERS {
        let (store, cache) = cache();
        cache.set(&tree(), &text("old")).await.unwrap();
        let written = write(&cache, "new", first(order), refused);
        let error = written.await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WriteFailed);
        assert!(!error.is_retryable() && error.may_have_applied());
        let source = error.source().unwrap().downcast_ref::<io::Error>();
        assert_eq!(source.unwrap().kind(), io::ErrorKind::StorageFull);
        assert_eq!(holds(&cache).await, None, "{order:?}");
        no_lease(&store).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_persister_that_panics_or_hangs_is_one_that_failed() {
    for order in ORDERS {
        let (store, cache) = cache();
        let panics = || async { panic!("no") as io::Result<()> };
        let options = first(order).with_timeout(Duration::from_secs(3));
        let written = write(&cache, "new", options.clone(), panics);
        let error = written.await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WriteFailed);
        assert!(error.to_string().contains("panicked"), "{error}");
        let written = write(&cache, "new", options.clone(), pending::<io::Result<()>>);
        let error = written.await.unwrap_err();
        assert!(error.to_string().contains("longer than 3s"), "{error}");
        assert_eq!(holds(&cache).await, None, "{order:?}");
        no_lease(&store).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_failed_write_leaves_alone_what_another_has_written_meanwhile() {
    for order in ORDERS {
        let (_, cache) = cache();
        let other = cache.clone();
        let persist = move || async move {
            other.set(&tree(), &text("theirs")).await.unwrap();
            refused().await
        };
        let written = write(&cache, "ours", first(order), persist);
        written.await.unwrap_err();
        assert_eq!(holds(&cache).await.as_deref(), Some("theirs"), "{order:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_cache_that_is_away_before_the_write_keeps_the_database_from_being_asked() {
    for order in ORDERS {
        let (store, plan) = (Arc::default(), FaultPlan::new());
        let cache = faulty(&store, &plan);
        cache.set(&tree(), &text("old")).await.unwrap();
        plan.add(FaultRule::new(Fault::Refuse(ErrorKind::Unavailable)));
        let asked = || async { panic!("the database is not asked") as io::Result<()> };
        let written = write(&cache, "new", first(order), asked);
        let error = written.await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(error.is_retryable() && !error.may_have_applied());
        plan.clear();
        assert_eq!(holds(&cache).await.as_deref(), Some("old"), "{order:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn on_request_the_database_is_written_without_the_cache_and_the_caller_is_told() {
    let (store, plan, row) = (Arc::default(), FaultPlan::new(), Row::default());
    let cache = faulty(&store, &plan);
    cache.set(&tree(), &text("old")).await.unwrap();
    plan.add(FaultRule::new(Fault::Refuse(ErrorKind::Unavailable)));
    let options = ThroughOptions::new().also_without_cache();
    let save = |row: Row| {
        move || async move {
            row.put("new");
            Ok::<_, io::Error>(())
        }
    };
    let written = write(&cache, "new", options.clone(), save(row.clone()));
    let Written::Behind(error) = written.await.unwrap() else {
        panic!("the cache holds an older value");
    };
    assert_eq!(
        (error.kind(), error.may_have_applied()),
        (ErrorKind::Unavailable, true)
    );
    assert_eq!(row.get().as_deref(), Some("new"));

    // One that comes back meanwhile is emptied.
    let (healing, row) = (plan.clone(), Row::default());
    let persist = move || async move {
        healing.clear();
        row.put("newer");
        Ok::<_, io::Error>(())
    };
    let written = write(&cache, "newer", options.clone(), persist);
    assert!(matches!(written.await.unwrap(), Written::Uncached));
    assert_eq!(holds(&cache).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_cache_that_dies_during_the_write_holds_no_older_value_when_it_comes_back() {
    for order in ORDERS {
        let (store, plan) = (Arc::default(), FaultPlan::new());
        let cache = faulty(&store, &plan);
        cache.set(&tree(), &text("old")).await.unwrap();
        let dying = plan.clone();
        let persist = move || async move {
            dies_after(&dying, 0);
            saved().await
        };
        let written = write(&cache, "new", first(order), persist);
        let written = written.await.unwrap();
        let Written::Behind(error) = &written else {
            panic!("{written:?}");
        };
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert_eq!(
            written.settled().unwrap_err().kind(),
            ErrorKind::Unavailable
        );
        plan.clear();
        assert_ne!(holds(&cache).await.as_deref(), Some("old"), "{order:?}");
        let row = Row::default();
        row.put("new");
        assert_eq!(row.read(&cache).await.as_deref(), Some("new"), "{order:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_lost_costs_the_cached_value_and_not_the_truth() {
    let (store, plan) = (Arc::default(), FaultPlan::new());
    let cache = faulty(&store, &plan);
    let losing = plan.clone();
    let persist = move || async move {
        let rule = FaultRule::new(Fault::LoseAnswer(ErrorKind::Timeout));
        losing.add(rule.on("run_script").times(1));
        saved().await
    };
    let written = cache.write_through(&tree(), &text("new"), persist).await;
    assert!(matches!(written.unwrap(), Written::Uncached));
    assert_eq!(holds(&cache).await, None);
    no_lease(&store).await;
}

#[tokio::test(start_paused = true)]
async fn a_value_that_could_not_be_taken_back_goes_by_itself() {
    let (store, plan) = (Arc::default(), FaultPlan::new());
    let cache = faulty(&store, &plan);
    let dying = plan.clone();
    let persist = move || async move {
        dies_after(&dying, 0);
        refused().await
    };
    let options = first(WriteOrder::CacheFirst).with_timeout(Duration::from_secs(3));
    let written = write(&cache, "new", options.clone(), persist);
    let error = written.await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WriteFailed);
    assert!(
        error.to_string().contains("could not be taken back"),
        "{error}"
    );
    plan.clear();
    // The time-out and the lease.
    advance(Duration::from_secs(8)).await;
    assert_eq!(holds(&cache).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_away_ends_no_write() {
    for order in ORDERS {
        let (_, cache) = cache();
        let slow = || async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            saved().await
        };
        let (options, new) = (first(order), text("new"));
        let key = tree();
        let call = cache.write_through_with(&key, &new, &options, slow);
        assert!(
            tokio::time::timeout(Duration::from_millis(10), call)
                .await
                .is_err()
        );
        advance(Duration::from_secs(1)).await;
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        assert_eq!(holds(&cache).await.as_deref(), Some("new"), "{order:?}");
        let left = cache.expiry(&tree()).await.unwrap();
        assert_eq!(left, KeyExpiry::In(Duration::from_secs(100)), "{order:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_writer_that_is_cut_off_leaves_nothing_for_long() {
    for order in ORDERS {
        let (store, row) = (Arc::new(MemoryStore::new()), Row::default());
        let tasks = Tasks::new();
        let shared = || Arc::clone(&store) as Arc<dyn Store>;
        let dying = builder(shared()).tasks(tasks.clone()).build().unwrap();
        let reader = builder(shared()).build().unwrap();
        reader.set(&tree(), &text("old")).await.unwrap();
        let saving = row.clone();
        let persist = move || async move {
            saving.put("new");
            pending::<io::Result<()>>().await
        };
        let options = first(order).with_timeout(Duration::from_secs(10));
        let call = tokio::spawn(async move {
            let new = text("new");
            dying
                .write_through_with(&tree(), &new, &options, persist)
                .await
        });
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        let report = tasks.shutdown(Duration::ZERO).await;
        assert_eq!(report.cut_off, ["write through the cache"]);
        let error = call.await.unwrap().unwrap_err();
        assert_eq!(
            (error.kind(), error.may_have_applied()),
            (ErrorKind::Closed, true)
        );
        // The lease is not renewed any more.
        assert_eq!(row.read(&reader).await.as_deref(), Some("new"), "{order:?}");
        advance(Duration::from_secs(16)).await;
        row.put("newest");
        let expected = match order {
            WriteOrder::DatabaseFirst => "new", // as it was loaded
            WriteOrder::CacheFirst => "newest", // what the writer left is gone
        };
        assert_eq!(
            row.read(&reader).await.as_deref(),
            Some(expected),
            "{order:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn loads_wait_for_a_write_that_takes_longer_than_a_lease() {
    let (_, cache) = cache();
    let row = Row::default();
    row.put("old");
    let saving = row.clone();
    let slow = move || async move {
        tokio::time::sleep(Duration::from_secs(20)).await;
        saving.put("new");
        Ok::<_, io::Error>(())
    };
    let new = text("new");
    let key = tree();
    let write = cache.write_through(&key, &new, slow);
    let read = async {
        tokio::task::yield_now().await;
        row.read(&cache).await
    };
    let (written, value) = tokio::join!(write, read);
    assert!(matches!(written.unwrap(), Written::Stored));
    assert_eq!(value.as_deref(), Some("new"));
}

#[tokio::test(start_paused = true)]
async fn a_deletion_removes_in_both_places_and_after_a_load_too() {
    let (store, cache) = cache();
    let row = Row::default();
    row.put("old");
    assert_eq!(row.read(&cache).await.as_deref(), Some("old"));
    let deleting = row.clone();
    let delete = move || async move {
        deleting.delete();
        Ok::<_, io::Error>(())
    };
    let written = cache.delete_through(&tree(), delete).await;
    assert!(matches!(written.unwrap(), Written::Uncached));
    assert_eq!(holds(&cache).await, None);
    assert_eq!(row.read(&cache).await, None);
    no_lease(&store).await;
    let error = cache.delete_through(&tree(), refused).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WriteFailed);
}

#[tokio::test(start_paused = true)]
async fn of_a_batch_what_was_persisted_is_cached() {
    for order in ORDERS {
        let (_, cache) = cache();
        let options = first(order);
        let values = vec![(tree(), text("a")), (issues(), text("b"))];
        let half = |values: Vec<(_, String)>| async move {
            let results = values.into_iter().map(|(_, value)| match value.as_str() {
                "a" => Ok(()),
                _ => Err(io::Error::other("locked")),
            });
            Ok::<_, io::Error>(results.collect::<Vec<_>>())
        };
        let outcomes = cache.write_many_through(values.clone(), &options, half);
        let outcomes = outcomes.await.unwrap();
        assert!(matches!(outcomes[0], Ok(Written::Stored)), "{outcomes:?}");
        let error = outcomes[1].as_ref().unwrap_err();
        assert_eq!(error.key(), Some("project:proj456:recent_issues"));
        assert!(error.source().unwrap().is::<io::Error>());
        let left = cache.get_many(&[tree(), issues()]).await.unwrap();
        assert_eq!(left, [Some(text("a")), None], "{order:?}");

        // Fewer answers, none at all, and one for all.
        let one = |_| async { Ok::<_, io::Error>(vec![Ok(())]) };
        let outcomes = cache.write_many_through(values.clone(), &options, one);
        let outcomes = outcomes.await.unwrap();
        assert!(outcomes[0].is_ok() && outcomes[1].is_err(), "{outcomes:?}");
        let none = |_| async { Err::<(), _>(io::Error::other("down")) };
        let outcomes = cache.write_many_through(values.clone(), &options, none);
        assert!(outcomes.await.unwrap().iter().all(Result::is_err));
        assert_eq!(
            cache.get_many(&[tree(), issues()]).await.unwrap(),
            [None, None]
        );
        let all = |_| async { Ok::<_, io::Error>(()) };
        let outcomes = cache.write_many_through(values, &options, all);
        assert!(outcomes.await.unwrap().iter().all(Result::is_ok));
    }
}

#[tokio::test]
async fn a_call_that_is_wrong_asks_nobody() {
    let (_, cache) = cache();
    let asked = |_| async { panic!("the database is not asked") as io::Result<()> };
    let twice = vec![(tree(), text("a")), (tree(), text("b"))];
    let error = cache
        .write_many_through(twice, &ThroughOptions::new(), asked)
        .await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::InvalidInput);
    let options = ThroughOptions::new();
    let outcomes = cache.write_many_through(Vec::new(), &options, asked);
    assert!(outcomes.await.unwrap().is_empty());
    let asked = || async { panic!("the database is not asked") as io::Result<()> };
    let once = WriteOptions::new().with_condition(Condition::IfAbsent);
    let wrong = [
        ThroughOptions::new().with_entry(once),
        ThroughOptions::new().with_timeout(Duration::ZERO),
        ThroughOptions::new().with_timeout(Duration::from_secs(3_601)),
    ];
    for options in wrong {
        let error = write(&cache, "a", options.clone(), asked).await;
        assert_eq!(error.unwrap_err().kind(), ErrorKind::InvalidInput);
    }
    let store = Arc::new(MemoryStore::new()) as Arc<dyn Store>;
    let format = ValueFormat::json().with_max_size(10);
    let small = builder(store).format(format).build().unwrap();
    let error = small
        .write_through(&tree(), &text("more than ten"), asked)
        .await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::TooLarge);
}

#[tokio::test(start_paused = true)]
async fn what_another_program_writes_in_between_is_not_believed() {
    let (store, cache) = cache();
    let foreign = Arc::clone(&store);
    let persist = move || async move {
        let text = Bytes::from_static(b"\"theirs\"");
        foreign
            .set_ttl(&stored(), text, Ttl::seconds(60))
            .await
            .unwrap();
        saved().await
    };
    let written = cache.write_through(&tree(), &text("ours"), persist).await;
    assert!(matches!(written.unwrap(), Written::Uncached));
    assert_eq!(holds(&cache).await, None);
    // Nothing is left behind.
    let all = cachekit_store::ScanRequest::new(Pattern::everything());
    let left = store.scan(&all).await.unwrap().keys;
    assert!(
        left.iter().all(|key| key.as_bytes().starts_with(b"ck:")),
        "{left:?}"
    );
}
