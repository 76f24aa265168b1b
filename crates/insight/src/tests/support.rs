//! Trackers over one memory store, each as a process of its own.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use cachekit_keys::{KeySchema, ProjectId, ProjectKey, SessionId, SessionKey};
use cachekit_store::{FaultPlan, FaultRule, Faults, MemoryStore, Store};

use crate::{CacheStats, HitOptions, HitRange, HitTracker};

/// 2024-12-02T13:00:10Z
pub(super) const START: u64 = 1_733_144_410;

pub(super) fn memory() -> Arc<MemoryStore> {
    let store = MemoryStore::new();
    store.set_wall_clock(SystemTime::UNIX_EPOCH + Duration::from_secs(START));
    Arc::new(store)
}

pub(super) fn tracker(store: &Arc<MemoryStore>) -> HitTracker {
    let store = Arc::clone(store) as Arc<dyn Store>;
    HitTracker::new(store, KeySchema::plain(), HitOptions::new()).0
}

/// A tracker whose store does what the plan says.
pub(super) fn faulty(store: &Arc<MemoryStore>, plan: &FaultPlan) -> HitTracker {
    let store = Arc::new(Faults::new(Arc::clone(store) as Arc<dyn Store>, plan));
    HitTracker::new(store, KeySchema::plain(), HitOptions::new()).0
}

/// What is done to the next flush.
pub(super) fn on_flush(fault: cachekit_store::Fault) -> FaultRule {
    FaultRule::new(fault).on("hits_add").nth(1)
}

pub(super) fn tree() -> ProjectKey {
    ProjectKey::file_tree(ProjectId::new("proj456").unwrap())
}

pub(super) fn snippet() -> SessionKey {
    SessionKey::code_snippet(SessionId::new("abc123").unwrap())
}

/// The fleet's numbers, as a process sees them that counts nothing itself.
pub(super) async fn fleet(store: &Arc<MemoryStore>) -> CacheStats {
    fleet_of(store, HitRange::default()).await
}

pub(super) async fn fleet_of(store: &Arc<MemoryStore>, range: HitRange) -> CacheStats {
    tracker(store).stats_of(range).await.unwrap()
}
