//! Writes of one owner that are made at the same time, on the memory store under paused time.

use std::time::Duration;

use cachekit_keys::{KeyPath, KeySchema, ProjectId, ProjectKey};
use cachekit_store::{ErrorKind, Fault, FaultPlan, FaultRule, LayerExt, MemoryStore, Result};
use futures_util::future::join_all;

use crate::Cache;

const WRITERS: u32 = 20;
/// What goes at once, before anyone has to wait.
const ALONE: usize = 2;

/// Each run takes a while, so that others come meanwhile.
fn cache() -> (Cache<ProjectKey, u32>, FaultPlan) {
    let plan = FaultPlan::new();
    plan.add(FaultRule::new(Fault::Delay(Duration::from_millis(5))).on("run_script"));
    let store = MemoryStore::new().with_faults(&plan);
    let cache = Cache::builder(store, KeySchema::plain()).build();
    (cache.unwrap(), plan)
}

fn key(number: u32) -> ProjectKey {
    let project = ProjectId::new("proj456").unwrap();
    ProjectKey::new(project, KeyPath::new(format!("file{number}")).unwrap())
}

async fn write_all(cache: &Cache<ProjectKey, u32>) -> Vec<Result<()>> {
    let writes = (0..WRITERS).map(async |number| cache.set(&key(number), &number).await);
    join_all(writes).await
}

#[tokio::test(start_paused = true)]
async fn they_share_a_run_and_each_is_written_and_listed() {
    let (cache, plan) = cache();
    assert!(write_all(&cache).await.iter().all(Result::is_ok));
    assert_eq!(
        plan.calls(),
        1 + ALONE as u64,
        "two alone, and the rest in one"
    );
    for number in 0..WRITERS {
        assert_eq!(cache.get(&key(number)).await.unwrap(), Some(number));
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_as_a_whole_is_tried_one_by_one() {
    let (cache, plan) = cache();
    let refused = FaultRule::new(Fault::Refuse(ErrorKind::PermissionDenied)).on("index_set_many");
    let refused = plan.add(refused);
    assert!(write_all(&cache).await.iter().all(Result::is_ok));
    assert_eq!(plan.struck(refused), 1);
}

#[tokio::test(start_paused = true)]
async fn what_may_have_been_written_is_not_written_again() {
    let (cache, plan) = cache();
    let lost = FaultRule::new(Fault::LoseAnswer(ErrorKind::Timeout)).on("index_set_many");
    plan.add(lost);
    let outcomes = write_all(&cache).await;
    assert!(outcomes[..ALONE].iter().all(Result::is_ok));
    for outcome in &outcomes[ALONE..] {
        let error = outcome.as_ref().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout);
        assert!(error.may_have_applied());
    }
    assert_eq!(plan.calls(), 1 + ALONE as u64);
}
