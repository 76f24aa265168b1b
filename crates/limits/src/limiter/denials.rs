//! Denials that are remembered in the process, so that a caller that keeps knocking costs no round trip.

use std::{
    collections::HashMap,
    hash::BuildHasher,
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use cachekit_keys::UserId;
use foldhash::quality::RandomState;
use parking_lot::RwLock;
use tokio::time::Instant;

use crate::{Decision, decision::Origin};

/// What is remembered, of a bounded number of subjects.
#[derive(Clone)]
pub(super) struct Denials {
    known: Arc<Known>,
    capacity: usize,
    longest: Duration,
}

/// Into how many parts subjects are divided whose changes are counted together.
const PARTS: usize = 64;

struct Known {
    /// Callers that keep knocking only read. Seeded at random, so that no one can choose subjects that collide.
    denials: RwLock<HashMap<UserId, Denial, RandomState>>,
    /// Changes heard of so far, by part. A denial that was decided before a change is not remembered after it.
    changes: [AtomicU64; PARTS],
    hasher: RandomState,
}

struct Denial {
    decision: Decision,
    since: Instant,
    until: Instant,
}

impl Known {
    fn part(&self, subject: &UserId) -> &AtomicU64 {
        let hash = self.hasher.hash_one(subject);
        &self.changes[usize::try_from(hash % PARTS as u64).unwrap_or(0)]
    }

    fn forget(&self, subject: &UserId) {
        // Counted under the lock, as it is compared.
        let mut denials = self.denials.write();
        self.part(subject).fetch_add(1, Ordering::Relaxed);
        denials.remove(subject);
    }

    /// Forgets a denial whose time is over, if that is still the one.
    fn forget_old(&self, subject: &UserId, now: Instant) {
        let mut denials = self.denials.write();
        if denials
            .get(subject)
            .is_some_and(|denial| denial.until <= now)
        {
            denials.remove(subject);
        }
    }

    fn forget_all(&self) {
        let mut denials = self.denials.write();
        for part in &self.changes {
            part.fetch_add(1, Ordering::Relaxed);
        }
        denials.clear();
    }
}

/// What a listener does with the denials, which it does not keep alive.
pub(super) struct Heard(Weak<Known>);

impl Heard {
    /// Whether anybody still has the denials.
    pub(super) fn is_wanted(&self) -> bool {
        self.0.strong_count() > 0
    }

    pub(super) fn forget(&self, subject: &UserId) {
        if let Some(known) = self.0.upgrade() {
            known.forget(subject);
        }
    }

    pub(super) fn forget_all(&self) {
        if let Some(known) = self.0.upgrade() {
            known.forget_all();
        }
    }
}

/// When the store was asked, and how many changes of the subject had been heard of by then.
#[derive(Clone, Copy)]
pub(super) struct Asking {
    changes: u64,
    at: Instant,
}

impl Denials {
    pub(super) fn new(capacity: usize, longest: Duration) -> Self {
        let known = Known {
            denials: RwLock::default(),
            changes: [const { AtomicU64::new(0) }; PARTS],
            hasher: RandomState::default(),
        };
        Self {
            known: Arc::new(known),
            capacity,
            longest,
        }
    }

    pub(super) fn heard(&self) -> Heard {
        Heard(Arc::downgrade(&self.known))
    }

    /// To be called before the store is asked, and to be told when a denial is [remembered](Self::remember).
    pub(super) fn asking(&self, subject: &UserId) -> Asking {
        Asking {
            changes: self.changes(subject),
            at: Instant::now(),
        }
    }

    fn changes(&self, subject: &UserId) -> u64 {
        self.known.part(subject).load(Ordering::Relaxed)
    }

    /// The denial of this very cost, if it cannot pass yet.
    pub(super) fn find(&self, subject: &UserId, cost: u64) -> Option<Decision> {
        let now = Instant::now();
        let known = self.known.denials.read();
        let denial = known.get(subject)?;
        if denial.until > now {
            // When another cost passes, only the store knows.
            let same = denial.decision.asked == cost;
            return same.then(|| denial.decision.later(now - denial.since));
        }
        drop(known);
        self.known.forget_old(subject, now);
        None
    }

    /// Remembers a denial, unless the subject has changed since the store was asked: the decision may be older. Its time is
    /// counted from then as well, as the answer may have been long on its way.
    pub(super) fn remember(&self, subject: &UserId, decision: &Decision, asking: Asking) {
        let Some(wait) = decision.retry_after().filter(|wait| !wait.is_zero()) else {
            return;
        };
        let since = asking.at;
        let mut known = self.known.denials.write();
        if self.changes(subject) != asking.changes {
            return;
        }
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
        self.known.forget(subject);
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

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use cachekit_keys::{KeySchema, UserId};
    use cachekit_store::MemoryStore;

    use super::Denials;
    use crate::{Limit, Limiter};

    #[tokio::test(start_paused = true)]
    async fn a_denial_that_may_be_older_than_a_change_is_not_remembered() {
        let limit = Limit::daily(1).unwrap();
        let limiter = Limiter::new(Arc::new(MemoryStore::new()), KeySchema::plain(), limit);
        let subject = UserId::new("user123").unwrap();
        assert!(limiter.check(&subject, 1).await.unwrap().is_allowed());
        let denial = limiter.check(&subject, 1).await.unwrap();

        let denials = Denials::new(10, Duration::from_secs(60));
        let asking = denials.asking(&subject);
        denials.heard().forget(&subject);
        denials.remember(&subject, &denial, asking);
        assert!(denials.find(&subject, 1).is_none());
        denials.remember(&subject, &denial, denials.asking(&subject));
        assert!(denials.find(&subject, 1).is_some());

        let asking = denials.asking(&subject);
        denials.heard().forget_all();
        assert!(denials.find(&subject, 1).is_none());
        denials.remember(&subject, &denial, asking);
        assert!(denials.find(&subject, 1).is_none());
        let heard = denials.heard();
        drop(denials);
        assert!(!heard.is_wanted());
    }

    #[tokio::test(start_paused = true)]
    async fn a_denial_whose_time_is_over_is_found_no_more_and_frees_its_place() {
        let limit = Limit::token_bucket(1, Duration::from_secs(10)).unwrap();
        let limiter = Limiter::new(Arc::new(MemoryStore::new()), KeySchema::plain(), limit);
        let subject = UserId::new("user123").unwrap();
        assert!(limiter.check(&subject, 1).await.unwrap().is_allowed());
        let denial = limiter.check(&subject, 1).await.unwrap();

        let denials = Denials::new(10, Duration::from_secs(60));
        denials.remember(&subject, &denial, denials.asking(&subject));
        tokio::time::advance(Duration::from_secs(4)).await;
        assert!(denials.find(&subject, 2).is_none()); // another cost
        let found = denials.find(&subject, 1).unwrap();
        assert_eq!(found.retry_after(), Some(Duration::from_secs(6)));
        tokio::time::advance(Duration::from_secs(6)).await;
        assert!(denials.find(&subject, 1).is_none());
        assert!(denials.known.denials.read().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_denial_is_as_old_as_the_question_was() {
        let limit = Limit::token_bucket(1, Duration::from_secs(10)).unwrap();
        let limiter = Limiter::new(Arc::new(MemoryStore::new()), KeySchema::plain(), limit);
        let subject = UserId::new("user123").unwrap();
        assert!(limiter.check(&subject, 1).await.unwrap().is_allowed());

        let denials = Denials::new(10, Duration::from_secs(60));
        let asking = denials.asking(&subject);
        let denial = limiter.check(&subject, 1).await.unwrap();
        // So long the answer is on its way.
        tokio::time::advance(Duration::from_secs(3)).await;
        denials.remember(&subject, &denial, asking);
        let found = denials.find(&subject, 1).unwrap();
        assert_eq!(found.retry_after(), Some(Duration::from_secs(7)));
        tokio::time::advance(Duration::from_secs(7)).await;
        assert!(denials.find(&subject, 1).is_none());
    }
}
