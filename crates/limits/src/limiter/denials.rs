//! Denials that are remembered in the process, so that a caller that keeps knocking costs no round trip.

use std::{collections::HashMap, sync::Arc, time::Duration};

use cachekit_keys::UserId;
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::{Decision, decision::Origin};

/// What is remembered, of a bounded number of subjects.
#[derive(Clone)]
pub(super) struct Denials {
    known: Arc<Mutex<HashMap<UserId, Denial>>>,
    capacity: usize,
    longest: Duration,
}

struct Denial {
    decision: Decision,
    since: Instant,
    until: Instant,
}

impl Denials {
    pub(super) fn new(capacity: usize, longest: Duration) -> Self {
        Self {
            known: Arc::default(),
            capacity,
            longest,
        }
    }

    /// The denial of this very cost, if it cannot pass yet.
    pub(super) fn find(&self, subject: &UserId, cost: u64) -> Option<Decision> {
        let now = Instant::now();
        let mut known = self.known.lock();
        let denial = known.get(subject)?;
        if denial.until <= now {
            known.remove(subject);
            return None;
        }
        // When another cost passes, only the store knows.
        (denial.decision.asked == cost).then(|| denial.decision.later(now - denial.since))
    }

    pub(super) fn remember(&self, subject: &UserId, decision: &Decision) {
        let Some(wait) = decision.retry_after().filter(|wait| !wait.is_zero()) else {
            return;
        };
        let since = Instant::now();
        let mut known = self.known.lock();
        if known.len() >= self.capacity && !known.contains_key(subject) {
            known.retain(|_, denial| denial.until > since);
            if known.len() >= self.capacity {
                return;
            }
        }
        let denial = Denial {
            decision: decision.clone(),
            since,
            until: since + wait.min(self.longest),
        };
        known.insert(subject.clone(), denial);
    }

    pub(super) fn forget(&self, subject: &UserId) {
        self.known.lock().remove(subject);
    }
}

impl Decision {
    /// The same denial as it stands `passed` later.
    fn later(&self, passed: Duration) -> Self {
        let mut decision = self.clone();
        decision.origin = Origin::DenialCache;
        for status in &mut decision.statuses {
            status.retry_after = status.retry_after.map(|wait| wait.saturating_sub(passed));
            status.reset_after = status.reset_after.saturating_sub(passed);
            status.blocked = status.blocked.saturating_sub(passed);
        }
        decision
    }
}
